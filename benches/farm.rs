//! Stand-in members for scale measurements: thousands of listeners that reply like a real ensemble.
//!
//! `cargo bench --bench farm -- N [MILLISECONDS|silent]` prints N addresses, one per line, then an empty line, and
//! serves until its standard input is closed, so that it ends with its parent process. Members reply after the given
//! time, or accept connections and never reply.
#![allow(missing_docs, reason = "a program, not an interface")]
#![allow(clippy::expect_used, clippy::print_stdout, reason = "it ends where it cannot go on")]

use std::io::{IsTerminal, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// The replies of a real three-member ensemble: leader, follower, follower.
const ROLES: [[&str; 3]; 3] = [LEADER, FOLLOWER, FOLLOWER];
const LEADER: [&str; 3] = [
    include_str!("../tests/fixtures/3.9.3/leader/mntr.txt"),
    include_str!("../tests/fixtures/3.9.3/leader/srvr.txt"),
    include_str!("../tests/fixtures/3.9.3/leader/conf.txt"),
];
const FOLLOWER: [&str; 3] = [
    include_str!("../tests/fixtures/3.9.3/follower/mntr.txt"),
    include_str!("../tests/fixtures/3.9.3/follower/srvr.txt"),
    include_str!("../tests/fixtures/3.9.3/follower/conf.txt"),
];

/// A separate address for each member; all use the same port, as the hosts of a fleet do.
fn address(number: usize, port: u16) -> SocketAddr {
    let byte = |number: usize| u8::try_from(number).expect("a byte");
    SocketAddr::new(Ipv4Addr::new(127, 77, byte(number / 200), byte(number % 200 + 1)).into(), port)
}

/// The behaviour of the members.
#[derive(Clone, Copy)]
enum Manner {
    AnswerAfter(Duration),
    Silent,
}

async fn answer(mut stream: TcpStream, replies: [&'static str; 3], manner: Manner) {
    let mut command = [0; 4];
    if stream.read_exact(&mut command).await.is_err() {
        return;
    }
    match manner {
        Manner::AnswerAfter(time) => tokio::time::sleep(time).await,
        Manner::Silent => {
            // Until the client closes the connection.
            while stream.read(&mut command).await.is_ok_and(|count| count > 0) {}
            return;
        }
    }
    let reply = match &command {
        b"mntr" => replies[0],
        b"srvr" => replies[1],
        b"conf" => replies[2],
        _ => "",
    };
    // The client may have closed the connection.
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn serve(count: usize, manner: Manner) {
    let mut port = 0;
    for number in 0..count {
        let listener = TcpListener::bind(address(number, port)).await.expect("a free address of 127.0.0.0/8");
        port = listener.local_addr().expect("a bound listener has one").port();
        println!("{}", address(number, port));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, ROLES[number % ROLES.len()], manner));
            }
        });
    }
    println!();
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
}

fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok());
    let time = std::env::args().filter_map(|argument| argument.parse().ok()).nth(1).unwrap_or(0);
    let silent = std::env::args().any(|argument| argument == "silent");
    let manner = if silent { Manner::Silent } else { Manner::AnswerAfter(Duration::from_millis(time)) };
    let Some(count) = count.filter(|_| !std::io::stdin().is_terminal()) else {
        println!(
            "farm: usage: cargo bench --bench farm -- MEMBERS [MILLISECONDS|silent], with a pipe as standard input"
        );
        return;
    };
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(serve(count, manner));
}
