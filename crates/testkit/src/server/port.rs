//! Chooses a TCP port that will still be free after a restart.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use super::random;

/// Well-known services use ports below this.
const LOWEST: u16 = 10_000;
/// Where Linux starts to assign ports to outgoing connections, unless configured otherwise.
const USUAL_EPHEMERAL_START: u16 = 32_768;
const ATTEMPTS: usize = 64;

/// A port on 127.0.0.1 that is free at the moment.
///
/// The operating system's own choice (port 0) is only the second choice. It comes from the range
/// for outgoing connections, so a client of any program may get it while the server is stopped.
pub(crate) fn free() -> io::Result<u16> {
    let span = ephemeral_start().saturating_sub(LOWEST);
    for _ in 0..ATTEMPTS {
        let Some(offset) = random::number().checked_rem(u64::from(span)) else { break };
        let port = LOWEST + u16::try_from(offset).expect("a remainder of a u16 is a u16");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn ephemeral_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(USUAL_EPHEMERAL_START)
}
