//! `cargo xtask gen`: writes the generated files of the repository that differ, and prints their paths.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal of a maintainer")]

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask gen

  gen  write the dashboards, rules, templates and documents that are generated; print the files that changed
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["gen"] => match write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("xtask: {error}");
                ExitCode::FAILURE
            }
        },
        ["-h" | "--help"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn write() -> std::io::Result<()> {
    for (path, text) in xtask::generated() {
        let file = xtask::root().join(&path);
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            std::fs::write(file, text)?;
            println!("{path}");
        }
    }
    Ok(())
}
