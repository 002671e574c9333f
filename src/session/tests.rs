//! Sessions with servers made for one test each: what is sent, and what becomes of the replies.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const CREATE: i32 = 1;
const EXISTS: i32 = 3;
const PING: i32 = 11;
const AUTH: i32 = 100;
const CLOSE: i32 = -11;

/// A server that does what a test says.
struct Server(TcpListener);

/// One connection to it.
struct Accepted(TcpStream);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    fn address(&self) -> Address {
        self.0.local_addr().expect("bound").to_string().parse().expect("an address")
    }

    /// The next connection and its `ConnectRequest`: session and password.
    async fn accept(&self) -> (Accepted, i64, Vec<u8>) {
        let (stream, _) = self.0.accept().await.expect("a client");
        let mut accepted = Accepted(stream);
        let request = accepted.frame().await.expect("a request");
        let session = i64::from_be_bytes(request[16..24].try_into().expect("a number"));
        (accepted, session, request[28..request.len() - 1].to_vec())
    }
}

impl Accepted {
    async fn frame(&mut self) -> Option<Vec<u8>> {
        let length = self.0.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }

    /// Number and type of the next request.
    async fn request(&mut self) -> Option<(i32, i32)> {
        let frame = self.frame().await?;
        let int = |place: usize| i32::from_be_bytes(frame[place..place + 4].try_into().expect("four bytes"));
        Some((int(0), int(4)))
    }

    async fn write(&mut self, parts: &[&[u8]]) {
        let body = parts.concat();
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        self.0.write_all(&[&length[..], &body].concat()).await.expect("a client that reads");
    }

    async fn grant(&mut self, milliseconds: i32, session: i64) {
        let password = [7; 16];
        let (length, none) = (16_i32.to_be_bytes(), [0; 4]);
        self.write(&[&none, &milliseconds.to_be_bytes(), &session.to_be_bytes(), &length, &password, &[0]]).await;
    }

    async fn reply(&mut self, xid: i32, error: i32) {
        self.write(&[&xid.to_be_bytes(), &5_i64.to_be_bytes(), &error.to_be_bytes()]).await;
    }
}

fn session(servers: &[&Server], milliseconds: u64) -> Session {
    let config = SessionConfig { timeout: Duration::from_millis(milliseconds), ..SessionConfig::default() };
    let wire = Arc::new(wire::Client::new(&Module::default()));
    let members = servers.iter().map(|server| server.address()).collect();
    let params = SessionParams { config, ..SessionParams::new(members, &Module::default(), wire) };
    // The first server comes first.
    Session {
        members: Arc::new(Members::new(params, 0)),
        reconnect_timeout: Duration::from_millis(milliseconds),
        open: None,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn a_lost_connection_is_continued_at_the_next_member() {
    let (first, second) = (Server::start().await, Server::start().await);
    let mut session = session(&[&first, &second], 6000);
    let (client, (mut accepted, number, _)) = tokio::join!(session.client(soon()), async {
        let mut accepted = first.accept().await;
        accepted.0.grant(6000, 0x77).await;
        accepted
    });
    let client = client.expect("a session");
    assert_eq!((number, client.session_id()), (0, 0x77), "a new session is asked for");
    // The connection is lost while a reply is due.
    let (lost, ()) = tokio::join!(client.exists("/a"), async {
        assert_eq!(accepted.request().await.expect("a request").1, EXISTS);
        drop(accepted);
    });
    assert_eq!(lost, Err(SessionError::Connect));
    let (client, (mut accepted, number, password)) = tokio::join!(session.client(soon()), async {
        let mut accepted = second.accept().await;
        accepted.0.grant(6000, 0x77).await;
        accepted
    });
    assert_eq!((number, password), (0x77, vec![7; 16]), "the same session goes on");
    let client = client.expect("the session");
    let (found, ()) = tokio::join!(client.exists("/a"), async {
        let (xid, kind) = accepted.request().await.expect("a request");
        assert_eq!(kind, EXISTS, "nothing is sent twice");
        accepted.reply(xid, -101).await;
    });
    assert_eq!(found, Ok(None));
}

#[tokio::test]
async fn a_session_that_moved_is_continued_on_another_connection() {
    let server = Server::start().await;
    let mut session = session(&[&server], 6000);
    let serve = async {
        let (mut accepted, ..) = server.accept().await;
        accepted.grant(6000, 0x77).await;
        let (xid, _) = accepted.request().await.expect("a request");
        accepted.reply(xid, -118).await;
        let (mut again, number, _) = server.accept().await;
        again.grant(6000, 0x77).await;
        (again, number)
    };
    let work = async {
        let client = session.client(soon()).await.expect("a session");
        assert_eq!(client.exists("/a").await, Err(SessionError::Connect));
        timeout(Duration::from_secs(4), async {
            session.client(soon()).await.expect("the session");
        })
        .await
        .expect("in time");
    };
    let ((_again, number), ()) = tokio::join!(serve, work);
    assert_eq!(number, 0x77);
}

#[tokio::test]
async fn an_expired_session_is_replaced_by_a_new_one() {
    let server = Server::start().await;
    let mut session = session(&[&server], 6000);
    let serve = async {
        let (mut first, ..) = server.accept().await;
        first.grant(6000, 0x77).await;
        drop(first);
        let (mut refused, number, _) = server.accept().await;
        assert_eq!(number, 0x77);
        refused.grant(0, 0).await;
        let (mut third, number, _) = server.accept().await;
        third.grant(6000, 0x78).await;
        (third, number)
    };
    let work = async {
        assert_eq!(session.client(soon()).await.expect("a session").session_id(), 0x77);
        timeout(Duration::from_secs(4), session.ended()).await.expect("it ends");
        session.client(soon()).await.expect("a new session").session_id()
    };
    let ((_third, number), id) = tokio::join!(serve, work);
    assert_eq!((number, id), (0, 0x78));
}

#[tokio::test]
async fn pings_come_at_a_third_of_the_timeout_granted() {
    let server = Server::start().await;
    let mut session = session(&[&server], 60_000);
    let (client, mut accepted) = tokio::join!(session.client(soon()), async {
        let (mut accepted, ..) = server.accept().await;
        accepted.grant(900, 0x77).await;
        accepted
    });
    client.expect("a session");
    let begun = Instant::now();
    for _ in 0..3 {
        let (xid, kind) = accepted.request().await.expect("a ping");
        assert_eq!((xid, kind), (-2, PING));
        accepted.reply(xid, 0).await;
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(850) && took < Duration::from_millis(2500), "{took:?}");
    assert!(session.is_connected());
}

#[tokio::test]
async fn a_silent_server_is_left_after_two_thirds_of_the_timeout_asked_for() {
    let server = Server::start().await;
    let mut session = session(&[&server], 900);
    let (client, mut accepted) = tokio::join!(session.client(soon()), async {
        let (mut accepted, ..) = server.accept().await;
        // 24 days.
        accepted.grant(i32::MAX, 0x77).await;
        accepted
    });
    client.expect("a session");
    let begun = Instant::now();
    while accepted.request().await.is_some() {}
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(550) && took < Duration::from_millis(2500), "{took:?}");
    // Nor is it continued for days.
    timeout(Duration::from_secs(4), session.ended()).await.expect("it ends");
}

#[tokio::test]
async fn absurd_answers_to_a_new_session_are_refused() {
    for (milliseconds, number) in [(0, 0x77), (-5, 0x77), (6000, 0)] {
        let server = Server::start().await;
        let mut session = session(&[&server], 6000);
        let (client, _accepted) = tokio::join!(session.client(soon()), async {
            let (mut accepted, ..) = server.accept().await;
            accepted.grant(milliseconds, number).await;
            accepted
        });
        assert_eq!(client.err(), Some(SessionError::Protocol), "{milliseconds} {number}");
    }
    // The shortest timeout makes no storm of pings.
    let server = Server::start().await;
    let mut session = session(&[&server], 6000);
    let (client, mut accepted) = tokio::join!(session.client(soon()), async {
        let (mut accepted, ..) = server.accept().await;
        accepted.grant(1, 0x77).await;
        accepted
    });
    client.expect("a session");
    let mut pings = 0;
    let count = async {
        while let Some((xid, _)) = accepted.request().await {
            accepted.reply(xid, 0).await;
            pings += 1;
        }
    };
    let _ = timeout(Duration::from_secs(1), count).await;
    assert!(pings <= 11, "{pings} pings in a second");
}

#[tokio::test]
async fn closing_and_dropping_a_session_end_it_at_the_server() {
    for close in [true, false] {
        let server = Server::start().await;
        let mut session = session(&[&server], 6000);
        let (client, mut accepted) = tokio::join!(session.client(soon()), async {
            let (mut accepted, ..) = server.accept().await;
            accepted.grant(6000, 0x77).await;
            accepted
        });
        client.expect("a session");
        let ending = async {
            if close {
                session.close(Duration::from_secs(2)).await;
            } else {
                drop(session);
            }
        };
        let begun = Instant::now();
        let (request, ()) = tokio::join!(
            async {
                let request = accepted.request().await;
                drop(accepted);
                request
            },
            ending
        );
        assert_eq!(request.expect("a request").1, CLOSE);
        assert!(begun.elapsed() < Duration::from_secs(1), "the server's end is waited for, and no longer");
    }
}

#[tokio::test]
async fn an_identity_that_is_refused_is_reported() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("digest");
    std::fs::write(&file, "exporter:secret\n").expect("written");
    let mut session = session(&[&server], 6000);
    let config = SessionConfig { digest_file: Some(file), ..SessionConfig::default() };
    let params = SessionParams { config, ..session.members.params.clone() };
    session.members = Arc::new(Members::new(params, 0));
    let (client, _accepted) = tokio::join!(session.client(soon()), async {
        let (mut accepted, ..) = server.accept().await;
        accepted.grant(6000, 0x77).await;
        let frame = accepted.frame().await.expect("a request");
        assert_eq!(frame[4..8], AUTH.to_be_bytes());
        assert!(frame.ends_with(b"exporter:secret"));
        accepted.reply(-4, -115).await;
        accepted
    });
    assert_eq!(client.err(), Some(SessionError::AuthFailed));
}

#[tokio::test]
async fn operations_side_by_side_get_their_own_replies_and_late_ones_disturb_nothing() {
    let server = Server::start().await;
    let mut session = session(&[&server], 6000);
    let serve = async {
        let (mut accepted, ..) = server.accept().await;
        accepted.grant(6000, 0x77).await;
        while let Some((xid, kind)) = accepted.request().await {
            match kind {
                // The deadline passes before the reply.
                CREATE => {
                    sleep(Duration::from_millis(300)).await;
                    accepted.reply(xid, -110).await;
                }
                EXISTS => accepted.reply(xid, -101).await,
                CLOSE => break,
                _ => {}
            }
        }
    };
    let work = async {
        let client = session.client(Instant::now() + Duration::from_millis(150)).await.expect("a session");
        assert_eq!(client.create("/a", b"", &[], false).await, Err(SessionError::Timeout));
        let client = session.client(soon()).await.expect("the same session");
        let many = (0..100).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.exists("/a").await })
        });
        for one in many.collect::<Vec<_>>() {
            assert_eq!(one.await.expect("no panic"), Ok(None));
        }
        drop(client);
        session.close(Duration::from_secs(2)).await;
    };
    tokio::join!(serve, work);
}
