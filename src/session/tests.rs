//! Tests of sessions with scripted servers: the bytes sent, and the handling of replies.

use std::path::PathBuf;
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

/// A scripted server.
struct ScriptedServer(TcpListener);

/// A connection to the server.
struct ServerConnection(TcpStream);

impl ScriptedServer {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    fn address(&self) -> Address {
        self.0.local_addr().expect("bound").to_string().parse().expect("an address")
    }

    /// Accepts a connection and reads its `ConnectRequest`: session id and password.
    async fn accept(&self) -> (ServerConnection, i64, Vec<u8>) {
        let (stream, _) = self.0.accept().await.expect("a client");
        let mut accepted = ServerConnection(stream);
        let request = accepted.frame().await.expect("a request");
        let session = i64::from_be_bytes(request[16..24].try_into().expect("a number"));
        (accepted, session, request[28..request.len() - 1].to_vec())
    }
}

impl ServerConnection {
    async fn frame(&mut self) -> Option<Vec<u8>> {
        let length = self.0.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }

    /// The xid and type of the next request.
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

fn session(servers: &[&ScriptedServer], milliseconds: u64) -> Session {
    let config = SessionConfig { timeout: Duration::from_millis(milliseconds), ..SessionConfig::default() };
    let wire = Arc::new(wire::Client::new(&Module::default()));
    let members = servers.iter().map(|server| server.address()).collect();
    let params = SessionParams { config, ..SessionParams::new(members, &Module::default(), wire) };
    // Begins with the first server.
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
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start().await);
    let mut session = session(&[&first, &second], 6000);
    let (client, (mut accepted, number, _)) = tokio::join!(session.client(soon()), async {
        let mut accepted = first.accept().await;
        accepted.0.grant(6000, 0x77).await;
        accepted
    });
    let client = client.expect("a session");
    assert_eq!((number, client.session_id()), (0, 0x77), "a new session is requested");
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
    assert_eq!((number, password), (0x77, vec![7; 16]), "the same session continues");
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
    let server = ScriptedServer::start().await;
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
    let server = ScriptedServer::start().await;
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
async fn a_server_that_grants_and_closes_is_connected_to_with_growing_pauses() {
    let server = ScriptedServer::start().await;
    let mut session = session(&[&server], 6000);
    let mut connects = Vec::new();
    let serve = timeout(Duration::from_millis(2500), async {
        loop {
            let (mut accepted, ..) = server.accept().await;
            accepted.grant(6000, 0x77).await;
            connects.push(Instant::now());
        }
    });
    let (client, _) = tokio::join!(session.client(soon()), serve);
    client.expect("a session");
    // At 0 s, 0.5 s and 1.5 s; the next one is due at 3.5 s.
    assert!((2..=3).contains(&connects.len()), "{} connects in 2.5 s", connects.len());
    assert!(connects[1] - connects[0] >= RECONNECT_PAUSE);
    // The session can be continued until its timeout.
    let pauses = std::iter::successors(Some(Duration::ZERO), |last| Some(next_pause(*last, Duration::from_secs(6))));
    let pauses: Vec<u128> = pauses.take(5).map(|pause| pause.as_millis()).collect();
    assert_eq!(pauses, [0, 500, 1000, 2000, 2000]);
}

#[tokio::test]
async fn pings_are_sent_after_a_third_of_the_granted_timeout() {
    let server = ScriptedServer::start().await;
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
async fn a_silent_server_is_abandoned_after_two_thirds_of_the_requested_timeout() {
    let server = ScriptedServer::start().await;
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
    // The session is not continued for the granted 24 days.
    timeout(Duration::from_secs(4), session.ended()).await.expect("it ends");
}

#[tokio::test]
async fn invalid_replies_to_a_new_session_are_refused() {
    for (milliseconds, number) in [(0, 0x77), (-5, 0x77), (6000, 0)] {
        let server = ScriptedServer::start().await;
        let mut session = session(&[&server], 6000);
        let (client, _accepted) = tokio::join!(session.client(soon()), async {
            let (mut accepted, ..) = server.accept().await;
            accepted.grant(milliseconds, number).await;
            accepted
        });
        assert_eq!(client.err(), Some(SessionError::Protocol), "{milliseconds} {number}");
    }
    // The minimum timeout must not cause a flood of pings.
    let server = ScriptedServer::start().await;
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
        let server = ScriptedServer::start().await;
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

/// A session with this content of its `digest_file`.
fn session_with_secret(server: &ScriptedServer, secret: &str) -> (Session, tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("digest");
    std::fs::write(&file, secret).expect("written");
    let mut session = session(&[server], 6000);
    let config = SessionConfig { digest_file: Some(file.clone()), ..SessionConfig::default() };
    let params = SessionParams { config, ..session.members.params.clone() };
    session.members = Arc::new(Members::new(params, 0));
    (session, folder, file)
}

#[tokio::test]
async fn an_identity_that_is_refused_is_reported() {
    let server = ScriptedServer::start().await;
    let (mut session, _folder, _) = session_with_secret(&server, "exporter:secret\n");
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
async fn a_changed_password_is_used_in_a_new_session() {
    let server = ScriptedServer::start().await;
    let (mut session, _folder, file) = session_with_secret(&server, "exporter:wrong");
    let accept = async |id: i64, secret: &[u8]| {
        let (mut accepted, ..) = server.accept().await;
        accepted.grant(6000, id).await;
        let frame = accepted.frame().await.expect("a request");
        assert!(frame.ends_with(secret), "{frame:?}");
        accepted.reply(-4, 0).await;
        accepted
    };
    let (client, mut first) = tokio::join!(session.client(soon()), accept(0x77, b"exporter:wrong"));
    assert_eq!(client.expect("a session").session_id(), 0x77);
    // Neither the same content nor a missing file ends it.
    for remove in [false, true] {
        if remove {
            std::fs::remove_file(&file).expect("removed");
        }
        assert_eq!(session.client(soon()).await.expect("the session").session_id(), 0x77);
    }
    std::fs::write(&file, "exporter:right").expect("written");
    let both = async { tokio::join!(session.client(soon()), accept(0x78, b"exporter:right")) };
    let (client, _second) = timeout(Duration::from_secs(4), both).await.expect("a second connection");
    assert_eq!(client.expect("a new session").session_id(), 0x78);
    assert_eq!(first.request().await.expect("a request").1, CLOSE);
}

#[tokio::test]
async fn concurrent_operations_get_their_own_replies_despite_late_ones() {
    let server = ScriptedServer::start().await;
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

#[tokio::test]
async fn a_session_leaves_an_avoided_member() {
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start().await);
    let mut session = session(&[&first, &second], 6000);
    let avoided = Arc::clone(&session.members.params.avoided);
    let (client, mut accepted) = tokio::join!(session.client(soon()), async {
        let (mut accepted, ..) = first.accept().await;
        accepted.grant(6000, 0x77).await;
        accepted
    });
    client.expect("a session");
    let peer = session.peer().expect("connected");
    assert!(!session.avoids(Some(&peer)));
    avoided.replace([first.address()].into());
    assert!(session.avoids(Some(&peer)) && !session.avoids(None));
    assert_eq!(accepted.request().await.expect("a request").1, CLOSE);
    let (client, _second) = tokio::join!(session.client(soon()), async {
        let (mut accepted, number, _) = second.accept().await;
        assert_eq!(number, 0, "a new session");
        accepted.grant(6000, 0x78).await;
        accepted
    });
    assert_eq!(client.expect("a session").session_id(), 0x78);
    // Without another member no session is opened or attempted.
    avoided.replace([first.address(), second.address()].into());
    assert_eq!(session.client(soon()).await.err(), Some(SessionError::Connect));
    assert!(session.avoids(None) && session.describe(SessionError::Connect).contains("another ensemble"));
}

#[tokio::test]
async fn a_search_that_failed_because_of_a_limit_is_reported_as_limited() {
    let server = ScriptedServer::start().await;
    let mut session = session(&[&server], 1000);
    assert!(!session.is_limited());
    let limited = wire::Failure::limited(wire::Limit::Files, "no descriptor");
    assert_eq!(session.members.failed(limited).0, SessionError::Connect);
    session.members.failed(wire::Failure::new(wire::Reason::Connect, "refused"));
    assert!(session.is_limited(), "a member that was not tried may have accepted");
    // The next search replaces the result.
    drop(server);
    let error = session.client(Instant::now() + Duration::from_secs(1)).await.expect_err("no server");
    assert_eq!((error, session.is_limited()), (SessionError::Connect, false));
}
