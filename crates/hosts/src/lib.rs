//! One connection manager over several hosts, for the threadwise pools.
//!
//! A program whose database runs on several servers, a primary with replicas or a cluster, makes one
//! [`Hosts`] from the managers of the hosts. A pool gets its manager from that. When a host goes away or
//! changes its role, the pool leaves its connections to that host, and opens others elsewhere.
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//!
//! use threadwise_core::ManageConnection;
//! use threadwise_hosts::{Condition, Hosts, NoHost, OneHost};
//! use threadwise_queue::QueuePool;
//!
//! /// A manager of one host. Those of the databases are in their crates.
//! struct Host(&'static str);
//!
//! impl ManageConnection for Host {
//!     type Connection = &'static str;
//!     type Error = io::Error;
//!
//!     fn connect(&self) -> io::Result<&'static str> {
//!         Ok(self.0)
//!     }
//!
//!     fn is_valid(&self, _: &mut &'static str) -> io::Result<()> {
//!         Ok(())
//!     }
//!
//!     fn has_broken(&self, _: &mut &'static str) -> bool {
//!         false
//!     }
//! }
//!
//! impl OneHost for Host {
//!     fn condition(&self, conn: &mut &'static str, _: Duration) -> io::Result<Condition> {
//!         Ok(if *conn == "db1" { Condition::writer() } else { Condition::reader() })
//!     }
//!
//!     fn no_host(problem: NoHost) -> io::Error {
//!         io::Error::other(problem)
//!     }
//! }
//!
//! let hosts = Hosts::builder([Host("db1"), Host("db2")]).build()?;
//! let writer = QueuePool::new(hosts.writer(), 4)?;
//! let readers = QueuePool::new(hosts.readers(), 4)?;
//! assert_eq!(**writer.get()?, "db1");
//! assert_eq!(**readers.get()?, "db2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What happens when
//!
//! | event | a pool on these hosts |
//! |---|---|
//! | a connection breaks | asks its host at once, on the watcher's thread; until the host answers, a dial waits for it a quarter of a second and then tries another one |
//! | a host refuses a dial | the same; until the host answers, new connections prefer other hosts |
//! | the host does not answer twice in a row | leaves all its connections to the host when it meets them: on `get`, on return, in its own checks. It cuts off no borrower |
//! | the host answers that it is not ready | the same |
//! | the writer becomes read-only, or a reader a writer | the pool of [`writer`](Hosts::writer) or [`readers`](Hosts::readers) leaves it in the same way; that of [`any`](Hosts::any) stays |
//! | a name leads to another server | the connections to the earlier one are left, if [`log_in_every`](HostsBuilder::log_in_every) is set |
//! | a host refuses a statement, as a read-only one or one that is not ready | [`steady`](threadwise_core::Guard::steady) runs the work again on a connection to another host; other code gets the error |
//! | the host comes back | the host is used again for new connections. Open connections do not go back, unless [`fail_back`](HostsManager::fail_back) says so |
//! | all hosts are down | each attempt to connect asks each host, one thread at a time. The error names each host and its cause |
//! | a host is of another cluster than the first that was ready | it is not used. A cluster that was created again needs a new `Hosts` |
//!
//! A statement that waits for a frozen host ends with the driver's read timeout, because the pools interrupt
//! no statement. Set that timeout.
//!
//! # Costs
//!
//! One thread and one session at the server for each host and process, and its question once a second
//! ([`ask_every`](HostsBuilder::ask_every)). A new connection costs one question more. A `get` costs two
//! loads more than without this crate; a return two more.
//!
//! # Files
//!
//! | file | holds |
//! |---|---|
//! | `one_host`, `condition` | [`OneHost`], what a manager must answer; [`Condition`] and [`Role`], the answer |
//! | `hosts` | [`Hosts`], the view of all hosts, and its builder |
//! | `host`, `common`, `connection` | what is known of one host; what the hosts share; a connection that knows its host |
//! | `order` | which host a connection goes to: functions without side effects |
//! | `manager` | [`HostsManager`], what the pools ask |
//! | `watch` | the threads that watch the hosts |
//! | `error` | [`NoHost`] and [`HostsError`] |

mod common;
mod condition;
mod connection;
mod error;
mod host;
mod hosts;
mod manager;
mod one_host;
mod order;
mod watch;

pub use condition::{Condition, Refusal, Role};
pub use connection::HostConnection;
pub use error::{HostsError, NoHost};
pub use host::Health;
pub use hosts::{HostStatus, Hosts, HostsBuilder};
pub use manager::HostsManager;
pub use one_host::OneHost;
pub use order::Order;
