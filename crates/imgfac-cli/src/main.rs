//! The `imgfac` program.

/// Much of a run is small texts that come and go, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    imgfac_cli::main()
}
