//! The command line of `scripts/ensemble`.

use std::path::PathBuf;
use std::time::Duration;

use super::{MAX_MEMBERS, PROGRAM, roles::Role};
use crate::failure::{Failure, refuse};

const COMMANDS: &str = "start stop kill term pause resume restart status members mode env word wait";
const RECOMMENDED_WHITELIST: &str = "mntr,srvr,conf,cons,wchs,isro";

/// The command, its arguments, and the options of all commands.
pub(super) struct Arguments {
    pub(super) command: Option<Command>,
    pub(super) positional: Vec<String>,
    pub(super) dir: Option<PathBuf>,
    pub(super) wait: Duration,
    pub(super) start: StartOptions,
    /// `restart --wait`.
    pub(super) restart_wait: bool,
    /// `members --tls`.
    pub(super) tls_ports: bool,
    /// `members --flag`.
    pub(super) flag: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Start,
    Stop,
    Kill,
    Term,
    Pause,
    Resume,
    Restart,
    Status,
    Members,
    Mode,
    Env,
    Word,
    Wait,
    /// Internal: the process of `--with-pid`.
    Watch,
}

/// Options of `start`; `cfg` also of `restart`.
pub(super) struct StartOptions {
    pub(super) members: usize,
    pub(super) observers: usize,
    /// `ssl.clientAuth`, with `--tls`.
    pub(super) tls: Option<String>,
    pub(super) admin: bool,
    pub(super) whitelist: String,
    pub(super) cfg: Vec<String>,
    pub(super) wait: bool,
    pub(super) jvm: Vec<String>,
    pub(super) heap: String,
    pub(super) with_pid: Option<u32>,
}

impl Command {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "start" => Self::Start,
            "stop" => Self::Stop,
            "kill" => Self::Kill,
            "term" => Self::Term,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "restart" => Self::Restart,
            "status" => Self::Status,
            "members" => Self::Members,
            "mode" => Self::Mode,
            "env" => Self::Env,
            "word" => Self::Word,
            "wait" => Self::Wait,
            "_watch" => Self::Watch,
            _ => return None,
        })
    }

    /// The positional arguments in usage messages.
    fn wants(self) -> &'static str {
        match self {
            Self::Kill | Self::Term | Self::Pause | Self::Resume | Self::Restart => "ID",
            Self::Mode => "ROLE",
            Self::Word => "ID WORD",
            _ => "",
        }
    }
}

/// An option with its value, from `--opt=VALUE` or the next argument.
struct Flag<'a, 'r> {
    name: &'a str,
    value: Option<&'a str>,
    rest: &'r mut std::slice::Iter<'a, String>,
}

impl<'a> Flag<'a, '_> {
    fn value(&mut self, example: &str) -> Result<&'a str, Failure> {
        match self.value.or_else(|| self.rest.next().map(String::as_str)) {
            Some(value) => Ok(value),
            None => refuse(format!("{0} wants a value, e.g. {0} {example}", self.name)),
        }
    }

    fn number(&mut self, min: usize, max: usize, example: &str) -> Result<usize, Failure> {
        let value = self.value(example)?;
        let digits = (1..=9).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse() {
            Ok(number) if digits && (min..=max).contains(&number) => Ok(number),
            _ => refuse(format!(
                "{0} wants a number from {min} to {max}, not '{value}'; write e.g. {0} {example}",
                self.name
            )),
        }
    }

    fn cfg(&mut self) -> Result<String, Failure> {
        let value = self.value("maxClientCnxns=10")?;
        if !value.contains('=') || value.contains('\n') || value.starts_with('=') {
            return refuse(format!(
                "--cfg wants a line KEY=VALUE of zoo.cfg, not '{value}'; write e.g. --cfg maxClientCnxns=10"
            ));
        }
        Ok(value.to_owned())
    }

    fn alone(&self) -> Result<(), Failure> {
        match self.value {
            Some(_) => refuse(format!("{0} takes no value; write just {0}", self.name)),
            None => Ok(()),
        }
    }
}

/// The member number before the colon of a `--cfg` line for one member, and the line.
pub(super) fn cfg_of_member(line: &str) -> (Option<&str>, &str) {
    match line.split_once(':') {
        Some((id, rest)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => (Some(id), rest),
        _ => (None, line),
    }
}

/// `None` if the user wants help.
pub(super) fn parse(given: &[String]) -> Result<Option<Arguments>, Failure> {
    let mut all = Arguments {
        command: None,
        positional: Vec::new(),
        dir: None,
        wait: Duration::from_mins(1),
        start: StartOptions {
            members: 3,
            observers: 0,
            tls: None,
            admin: false,
            whitelist: RECOMMENDED_WHITELIST.to_owned(),
            cfg: Vec::new(),
            wait: true,
            jvm: Vec::new(),
            heap: "96m".to_owned(),
            with_pid: None,
        },
        restart_wait: false,
        tls_ports: false,
        flag: false,
    };
    let mut command = None;
    let mut rest = given.iter();
    while let Some(argument) = rest.next() {
        if !argument.starts_with('-') {
            match command {
                None if argument == "help" => return Ok(None),
                None => {
                    all.command = Command::named(argument);
                    if all.command.is_none() {
                        return refuse(format!("'{argument}' is no command; write one of: {COMMANDS}"));
                    }
                    command = Some(argument.as_str());
                }
                Some(_) => all.positional.push(argument.clone()),
            }
            continue;
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if argument.starts_with("--") => (name, Some(value)),
            _ => (argument.as_str(), None),
        };
        if matches!(name, "-h" | "--help") {
            return Ok(None);
        }
        take(&mut all, command, &mut Flag { name, value, rest: &mut rest })?;
    }
    check(&all, command)?;
    Ok(Some(all))
}

fn take(all: &mut Arguments, command: Option<&str>, flag: &mut Flag<'_, '_>) -> Result<(), Failure> {
    let start = &mut all.start;
    match (command.unwrap_or(""), flag.name) {
        (_, "--dir") => {
            let dir = flag.value("/tmp/my-ensemble")?;
            if dir.is_empty() {
                return refuse("--dir wants a directory, e.g. --dir /tmp/my-ensemble");
            }
            all.dir = Some(dir.into());
        }
        (_, "--wait-seconds") => all.wait = Duration::from_secs(flag.number(1, 86400, "30")? as u64),
        ("start", "--members") => start.members = flag.number(1, MAX_MEMBERS, "3")?,
        ("start", "--observers") => start.observers = flag.number(0, MAX_MEMBERS - 1, "1")?,
        ("start", "--tls") => {
            let auth = flag.value.filter(|auth| !auth.is_empty()).unwrap_or("none");
            if !["none", "want", "need"].contains(&auth) {
                return refuse(format!("--tls={auth} is not known; write --tls=none, --tls=want or --tls=need"));
            }
            start.tls = Some(auth.to_owned());
        }
        ("start", "--admin") => {
            flag.alone()?;
            start.admin = true;
        }
        ("start", "--whitelist") => {
            flag.value("mntr,srvr")?.clone_into(&mut start.whitelist);
            if start.whitelist.contains('\n') {
                return refuse("--whitelist wants words on one line, e.g. --whitelist mntr,srvr");
            }
        }
        ("start", "--cfg") => start.cfg.push(flag.cfg()?),
        ("start", "--no-wait") => {
            flag.alone()?;
            start.wait = false;
        }
        ("start", "--jvm") => {
            let option = flag.value("-Dreadonlymode.enabled=true")?;
            if !option.starts_with('-') || option.contains('\n') {
                return refuse(format!(
                    "--jvm wants one option of java, not '{option}'; write e.g. --jvm -Dreadonlymode.enabled=true"
                ));
            }
            start.jvm.push(option.to_owned());
        }
        ("start", "--heap") => {
            flag.value("128m")?.clone_into(&mut start.heap);
            let number = start.heap.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']).unwrap_or_default();
            if number.is_empty() || number.starts_with('0') || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return refuse(format!("--heap wants a size such as 128m, not '{}'", start.heap));
            }
        }
        ("start", "--with-pid") => start.with_pid = u32::try_from(flag.number(1, 999_999_999, "$$")?).ok(),
        ("restart", "--cfg") => {
            let line = flag.cfg()?;
            if let (Some(_), line) = cfg_of_member(&line) {
                return refuse(format!("restart names the member already; write --cfg {line}"));
            }
            start.cfg.push(line);
        }
        ("restart", "--wait") => {
            flag.alone()?;
            all.restart_wait = true;
        }
        ("members", "--tls") => {
            flag.alone()?;
            all.tls_ports = true;
        }
        ("members", "--flag") => {
            flag.alone()?;
            all.flag = true;
        }
        ("", name) => {
            return refuse(format!(
                "there is no command before {name}; write: {PROGRAM} [--dir DIR] COMMAND [OPTION...], or see --help"
            ));
        }
        (command, name) => return refuse(format!("{command} has no option {name}; see {PROGRAM} --help")),
    }
    Ok(())
}

/// Checks number and form of the positional arguments.
fn check(all: &Arguments, command: Option<&str>) -> Result<(), Failure> {
    let (Some(name), Some(command)) = (command, all.command) else {
        return refuse(format!("no command; write one of: {COMMANDS} (or --help)"));
    };
    let wants = command.wants();
    let number = wants.split_whitespace().count();
    if all.positional.len() < number {
        return refuse(format!("{name} wants {wants}; write: {PROGRAM} {name} {wants}"));
    }
    if let Some(more) = all.positional.get(number) {
        return refuse(format!(
            "{name} does not take '{more}'; write: {}",
            format!("{PROGRAM} {name} {wants}").trim_end()
        ));
    }
    match (command, &all.positional[..]) {
        (Command::Mode, [role]) if Role::named(role).is_none() => {
            refuse(format!("'{role}' is no role; write one of: {}", Role::list()))
        }
        (Command::Word, [_, word]) if word.len() != 4 || !word.bytes().all(|byte| byte.is_ascii_graphic()) => {
            refuse(format!("'{word}' is no four-letter word; write e.g. mntr, srvr or ruok"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)?.map_or_else(|| refuse("help"), Ok)
    }

    #[test]
    fn options_are_read_from_both_forms() {
        let all =
            parsed("--dir=/tmp/e start --members 5 --observers=1 --tls --cfg 2:a=b --cfg=c=d=e --no-wait").unwrap();
        assert!(all.command == Some(Command::Start) && all.dir == Some("/tmp/e".into()));
        let start = all.start;
        assert_eq!((start.members, start.observers, start.tls.as_deref(), start.wait), (5, 1, Some("none"), false));
        assert_eq!(start.cfg, ["2:a=b", "c=d=e"]);
        assert_eq!((cfg_of_member("2:a=b"), cfg_of_member("a=1:2")), ((Some("2"), "a=b"), (None, "a=1:2")));
    }

    #[test]
    fn wrong_usage_names_the_argument_and_what_is_expected() {
        let cases = [
            ("", "no command; write one of: "),
            ("stat", "'stat' is no command"),
            ("--cfg a=b start", "there is no command before --cfg"),
            ("status --tls", "status has no option --tls"),
            ("start --members 21", "--members wants a number from 1 to 20, not '21'"),
            ("start --members", "--members wants a value, e.g. --members 3"),
            ("start --admin=1", "--admin takes no value"),
            ("start --heap 0m", "--heap wants a size such as 128m, not '0m'"),
            ("kill", "kill wants ID; write: scripts/ensemble kill ID"),
            ("stop 1", "stop does not take '1'; write: scripts/ensemble stop"),
            ("mode king", "'king' is no role"),
            ("word 1 toolong", "'toolong' is no four-letter word"),
            ("restart 1 --cfg 2:a=b", "restart names the member already; write --cfg a=b"),
        ];
        for (line, begin) in cases {
            match parsed(line).map(|_| ()) {
                Err(Failure::Usage(message)) => assert!(message.starts_with(begin), "{line}: {message}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert_eq!(parsed("start --help").err(), Some(Failure::Usage("help".to_owned())));
    }
}
