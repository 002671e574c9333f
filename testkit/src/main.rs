//! `testkit ensemble`: what `scripts/ensemble` runs.

use std::process::ExitCode;

use testkit::failure::Failure;
use testkit::ensemble;

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
        return Failure::Usage("no command: expected ensemble".to_owned()).report("testkit");
    };
    let (program, done) = match command.as_str() {
        "ensemble" => (ensemble::PROGRAM, ensemble::run(arguments)),
        other => ("testkit", Err(Failure::Usage(format!("unknown command `{other}`: expected ensemble")))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(program),
    }
}
