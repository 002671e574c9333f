//! Client sessions that a test holds open.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::root;

/// Sessions of one source address, closed on drop.
pub struct Sessions(Child);

impl Sessions {
    pub fn open(member: &str, source: &str, count: u32) -> Self {
        let script = root().join("tests/ensemble/zk_client.py");
        let arguments = [member, "hold", source, &count.to_string()];
        let mut child =
            Command::new("/usr/bin/python3").arg(script).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "open", "{count} sessions from {source}");
        Self(child)
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
