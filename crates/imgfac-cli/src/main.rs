//! The `imgfac` program.

fn main() -> std::process::ExitCode {
    imgfac_cli::main()
}
