//! TLS: when the server is asked for it, and what the connector gets. The connector here encrypts
//! nothing, and the server is behind a relay that agrees to TLS or does not.

mod common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use common::Database;
use threadwise_core::{ManageConnection, chain};
use threadwise_postgres::postgres::Socket;
use threadwise_postgres::postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use threadwise_postgres::{ErrorClass, PostgresManager, classify};
use threadwise_testkit::postgres::Postgres;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the server's front answers to the question for TLS.
#[derive(Clone, Copy)]
enum Front {
    Agrees,
    Refuses,
    /// It is not asked.
    Direct,
}

/// Relays one connection to the server. Returns its address.
fn relay(front: Front) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let answer: &[u8] = match front {
            Front::Agrees => b"S",
            Front::Refuses => b"N",
            Front::Direct => b"",
        };
        if !answer.is_empty() {
            let mut question = [0; 8];
            client.read_exact(&mut question).unwrap();
            assert_eq!(question, [0, 0, 0, 8, 4, 210, 22, 47]);
            client.write_all(answer).unwrap();
        }
        let server = TcpStream::connect(("127.0.0.1", Postgres::shared().port())).unwrap();
        for (mut from, mut to) in
            [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
        {
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to); // ends with either side
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

/// A connector that encrypts nothing, and notes for which host it was asked.
#[derive(Clone, Default)]
struct Plain {
    domains: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

struct PlainStream(Socket);

impl MakeTlsConnect<Socket> for Plain {
    type Stream = PlainStream;
    type TlsConnect = Self;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Self> {
        self.domains.lock().unwrap().push(domain.to_owned());
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Plain {
    type Stream = PlainStream;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<PlainStream>>;

    fn connect(self, socket: Socket) -> Self::Future {
        std::future::ready(if self.fails {
            Err(io::Error::other("invalid peer certificate: UnknownIssuer"))
        } else {
            Ok(PlainStream(socket))
        })
    }
}

impl TlsStream for PlainStream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for PlainStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn manager(front: Front, parameters: &str, tls: &Plain) -> PostgresManager {
    let port = relay(front).port();
    let url = format!("postgres://postgres@localhost:{port}/postgres?{parameters}");
    PostgresManager::from_url(&url).unwrap().tls(tls.clone())
}

#[test]
fn the_connector_gets_the_socket_and_the_hosts_name_where_the_server_agrees() {
    for (front, parameters) in [
        (Front::Agrees, "sslmode=require"),
        (Front::Agrees, "sslmode=prefer"),
        (Front::Direct, "sslmode=require&sslnegotiation=direct"),
    ] {
        let tls = Plain::default();
        let manager = manager(front, parameters, &tls);
        let mut conn = manager.connect().unwrap_or_else(|e| panic!("{parameters}: {}", chain(&e)));
        assert_eq!(*tls.domains.lock().unwrap(), ["localhost"], "{parameters}");
        conn.batch_execute("BEGIN").unwrap();
        assert!(manager.in_transaction(&mut conn), "the wire is watched above the encryption");
    }
}

#[test]
fn the_mode_decides_where_the_server_refuses() {
    let tls = Plain::default();
    manager(Front::Refuses, "sslmode=prefer", &tls).connect().unwrap();
    let error = manager(Front::Refuses, "sslmode=require", &tls).connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Permanent);
    assert!(tls.domains.lock().unwrap().is_empty());
}

#[test]
fn a_server_is_not_asked_if_tls_is_off() {
    let tls = Plain::default();
    manager(Front::Direct, "sslmode=disable", &tls).connect().unwrap();
    assert!(tls.domains.lock().unwrap().is_empty());
}

#[test]
fn a_refused_certificate_is_permanent() {
    let tls = Plain { fails: true, ..Plain::default() };
    let error = manager(Front::Agrees, "sslmode=require", &tls).connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Permanent);
    assert!(chain(&error).to_string().contains("UnknownIssuer"), "{}", chain(&error));
}

#[test]
fn over_a_unix_socket_there_is_no_tls() {
    let tls = Plain::default();
    let database = Database::new(&[]);
    let url = format!("{}?sslmode=prefer", Postgres::shared().socket_url_for(&database.name));
    PostgresManager::from_url(&url).unwrap().tls(tls.clone()).connect().unwrap();
    assert!(tls.domains.lock().unwrap().is_empty());
}
