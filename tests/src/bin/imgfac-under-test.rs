//! The program under test: Cargo shows a test only the binaries of its own package.

fn main() -> std::process::ExitCode {
    imgfac_cli::main()
}
