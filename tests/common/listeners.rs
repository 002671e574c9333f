//! Fake members that return malformed, slow, endless or no replies.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A listener on loopback that handles every connection the same way until it is dropped.
pub struct Listener {
    pub address: String,
    pub connections: Arc<AtomicUsize>,
}

impl Listener {
    pub fn start(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, treat) = (Arc::clone(&connections), Arc::new(treat));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let treat = Arc::clone(&treat);
                std::thread::spawn(move || treat(stream));
            }
        });
        Self { address, connections }
    }

    /// Reads the command, writes the bytes and closes the connection, as ZooKeeper does.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |mut stream| {
            let _ = stream.read_exact(&mut [0; 4]);
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Both);
        })
    }

    /// Replies to each command with the given bytes.
    pub fn answering_words(answers: &[(&str, &str)]) -> Self {
        Self::answering_late(Duration::ZERO, answers)
    }

    /// Like `answering_words`, after a delay.
    pub fn answering_late(time: Duration, answers: &[(&str, &str)]) -> Self {
        let answers: Vec<(String, String)> =
            answers.iter().map(|(command, answer)| ((*command).to_owned(), (*answer).to_owned())).collect();
        Self::start(move |mut stream| {
            let mut command = [0; 4];
            let _ = stream.read_exact(&mut command);
            pause(time);
            let answer =
                answers.iter().find(|(known, _)| known.as_bytes() == command).map_or("", |(_, answer)| answer.as_str());
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.shutdown(Shutdown::Both);
        })
    }

    /// Accepts connections and never replies, like a stopped process.
    pub fn silent() -> Self {
        Self::start(|stream| {
            pause(Duration::from_mins(1));
            drop(stream);
        })
    }

    /// Closes the connection without a reply, as ZooKeeper does at maxClientCnxns.
    pub fn closing() -> Self {
        Self::start(|mut stream| {
            let _ = stream.read_exact(&mut [0; 4]);
        })
    }

    /// Resets the connection: closing a socket with unread data makes the kernel send RST.
    pub fn resetting() -> Self {
        Self::start(|stream| {
            // Wait until the command is in the receive buffer, so that the close finds unread data.
            let _ = stream.peek(&mut [0]);
            drop(stream);
        })
    }

    /// Sends one byte per second.
    pub fn dripping() -> Self {
        Self::start(|mut stream| {
            for byte in b"zk_version\t3.8.0-x\nzk_server_state\tfollower\n" {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                pause(Duration::from_secs(1));
            }
        })
    }

    /// Writes until the client closes the connection.
    pub fn flooding(piece: &'static str) -> Self {
        Self::start(move |mut stream| {
            let block = piece.repeat(64 * 1024 / piece.len());
            while stream.write_all(block.as_bytes()).is_ok() {}
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "called from threads of its own, outside any runtime")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// An address that refuses connections: the port stays bound without listening, so no other test can take it.
pub fn closed_port() -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::mem::forget(socket);
    address
}
