//! HTTP/1.1: connections for a pool, a small server to try them on, and one for real clients.
//!
//! | file | holds |
//! |---|---|
//! | [`Http`] | the manager: opens connections to one server, and says which may be lent again |
//! | [`Connection`], [`Response`] | one request after the other on one socket |
//! | [`Limits`] | how long each step may take, and how large an answer may be |
//! | [`Error`] | what went wrong, and whether the request may be sent again |
//! | [`server`] | a keep-alive server that counts its connections, and misbehaves when told to |
//! | [`serve`](serve()) | a server for real clients, with `hyper`, and its limits of time |
//!
//! `ureq-proto` knows the bytes of HTTP for the client. It takes bytes, returns heads and bodies, and
//! has no sockets. The client speaks plain `http` only, without TLS.

mod connection;
mod error;
mod limits;
mod manager;
mod response;
mod serve;
pub mod server;
mod socket;

pub use connection::Connection;
pub use error::Error;
pub use hyper::body::Incoming as Body;
pub use limits::Limits;
pub use manager::Http;
pub use response::Response;
pub use serve::{MAX_HEAD, ServerLimits, Socket, serve};
pub use ureq_proto::http::{HeaderMap, Method, Request, StatusCode, header};
/// A response of [`serve`](serve()).
pub type Answer = ureq_proto::http::Response<String>;
