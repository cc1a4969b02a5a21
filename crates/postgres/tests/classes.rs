//! The class of each answer that a server may give. The server of these tests gives exactly that
//! answer.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use threadwise_core::ManageConnection;
use threadwise_postgres::postgres::error::SqlState;
use threadwise_postgres::{ErrorClass, PostgresManager, classify};

/// The class of an answer to a login.
fn class(severity: &str, code: &str) -> ErrorClass {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let content = format!("S{severity}\0V{severity}\0C{code}\0Mno\0\0");
    let length = u32::try_from(content.len() + 4).unwrap().to_be_bytes();
    let answer = [b"E", &length[..], content.as_bytes()].concat();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        client.read_exact(&mut length).unwrap();
        let mut login = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut login).unwrap();
        client.write_all(&answer).unwrap();
    });
    let url = format!("postgres://app@{address}/shop?sslmode=disable");
    let error = PostgresManager::from_url(&url).unwrap().connect().unwrap_err();
    server.join().unwrap();
    assert_eq!(error.code().map(SqlState::code), Some(code));
    classify(&error)
}

#[test]
fn each_answer_has_its_class() {
    for (severity, code, wanted) in [
        ("FATAL", "57P01", ErrorClass::Lost),
        ("FATAL", "57P02", ErrorClass::Lost),
        ("FATAL", "57P04", ErrorClass::Lost),
        ("FATAL", "57P05", ErrorClass::Lost),
        ("FATAL", "25P03", ErrorClass::Lost),
        ("FATAL", "25P04", ErrorClass::Lost),
        ("FATAL", "08006", ErrorClass::Lost),
        ("ERROR", "08P01", ErrorClass::Lost),
        ("FATAL", "XX000", ErrorClass::Lost),
        ("PANIC", "XX001", ErrorClass::Lost),
        ("FATAL", "28000", ErrorClass::Permanent),
        ("FATAL", "28P01", ErrorClass::Permanent),
        ("FATAL", "3D000", ErrorClass::Permanent),
        ("FATAL", "42501", ErrorClass::Permanent),
        ("FATAL", "22023", ErrorClass::Permanent),
        ("FATAL", "57P03", ErrorClass::Transient),
        ("FATAL", "53300", ErrorClass::Transient),
        ("ERROR", "53100", ErrorClass::Transient),
        ("ERROR", "53200", ErrorClass::Transient),
        ("FATAL", "08004", ErrorClass::Transient),
        ("ERROR", "25006", ErrorClass::Transient),
        ("ERROR", "40001", ErrorClass::Transient),
        ("ERROR", "40P01", ErrorClass::Transient),
        ("ERROR", "55P03", ErrorClass::Transient),
        ("ERROR", "58030", ErrorClass::Transient),
        ("ERROR", "57014", ErrorClass::Ordinary),
        ("ERROR", "23505", ErrorClass::Ordinary),
        ("ERROR", "42P01", ErrorClass::Ordinary),
        ("ERROR", "42501", ErrorClass::Ordinary),
        ("ERROR", "25P02", ErrorClass::Ordinary),
        ("ERROR", "XX000", ErrorClass::Ordinary),
    ] {
        assert_eq!(class(severity, code), wanted, "{severity} {code}");
    }
}
