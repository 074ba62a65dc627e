//! Finds goods.

fn main() {
    println!("nothing found");
}
