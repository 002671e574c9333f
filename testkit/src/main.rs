//! `testkit ensemble|demo`: what `scripts/ensemble` and `scripts/demo` run.

use std::process::ExitCode;

use testkit::failure::Failure;
use testkit::{demo, ensemble};

fn main() -> ExitCode {
    let mut arguments = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.into_string() {
            Ok(argument) => arguments.push(argument),
            Err(argument) => {
                return Failure::Usage(format!("{} is not UTF-8", argument.display())).report("testkit");
            }
        }
    }
    let Some((command, arguments)) = arguments.split_first() else {
        return Failure::Usage("no command: expected ensemble or demo".to_owned()).report("testkit");
    };
    let (program, done) = match command.as_str() {
        "ensemble" => (ensemble::PROGRAM, ensemble::run(arguments)),
        "demo" => (demo::PROGRAM, demo::run(arguments)),
        other => ("testkit", Err(Failure::Usage(format!("unknown command `{other}`: expected ensemble or demo")))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(program),
    }
}
