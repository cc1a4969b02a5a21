//! The private MariaDB that all pools use, as the programs name it.

use std::net::SocketAddr;

/// Returns the URL of a server or a proxy for the programs. It has no parameters, which each driver
/// would understand differently.
pub(super) fn url_of(address: SocketAddr) -> String {
    format!("mysql://root@{address}/test")
}
