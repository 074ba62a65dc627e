//! Black-box tests of the program.

mod sync;
