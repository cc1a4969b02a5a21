//! One connection manager for several hosts, for the threadwise pools.
//!
//! Use it if your database runs on several servers: a primary with replicas, or a cluster. Make one
//! [`Hosts`] from a manager for each host, and make the manager of each pool from that. When a host fails
//! or changes its role, the pools *leave* it: they close each connection to it at the next check, and open
//! new ones to another host.
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
//! # What happens when a host fails
//!
//! | event | what the pools do |
//! |---|---|
//! | a connection breaks | They wake the watcher, which asks the host at once. Until the host answers, a dial waits for it for a quarter of a second, or for ten times its usual answer time if that is longer, and then tries another host |
//! | a dial fails | They wake the watcher. Until the host answers, new connections prefer other hosts |
//! | the host does not answer its watcher twice in a row | They leave the host: they close each connection to it on `get`, on return, or in the pool's own checks. A borrowed connection stays open until its return |
//! | the host answers that it is not ready | They leave the host |
//! | the writer becomes read-only | Pools of [`writer`](Hosts::writer) leave the host |
//! | a reader becomes a writer | Pools of [`readers`](Hosts::readers) leave the host |
//! | a host name leads to another server | They close their connections to the earlier server, if [`log_in_every`](HostsBuilder::log_in_every) is set |
//! | a host refuses a statement because it is read-only or not ready | [`steady`](threadwise_core::Guard::steady) runs the work again on a connection to another host. Without `steady`, the borrower gets the error |
//! | the host recovers | New connections can use the host again. Open connections stay where they are, unless [`fail_back`](HostsManager::fail_back) is set |
//! | all hosts are down | Each attempt to connect tries each host, but only one thread at a time tries the same host. The error names each host and its cause |
//! | a host belongs to another cluster than the first host that was ready | They do not use it. If you create a cluster again, make a new `Hosts` |
//!
//! The pools interrupt no statement. So a statement that waits for a frozen host ends with the driver's read
//! timeout. Set that timeout.
//!
//! # Costs
//!
//! For each host, the process has one more thread and one more session at the server. The thread asks its
//! question once a second ([`ask_every`](HostsBuilder::ask_every)). A dial asks it once on the new
//! connection. The free check costs two atomic loads more than without this crate, on each `get` and on each
//! return. A return costs three loads besides.
//!
//! # Files
//!
//! | file | holds |
//! |---|---|
//! | `one_host`, `condition` | [`OneHost`], what a manager must answer; [`Condition`] and [`Role`], the answer |
//! | `hosts` | [`Hosts`], the view of all hosts, and its builder |
//! | `host`, `common`, `connection` | the last condition of one host; what the hosts share; a connection that knows its host |
//! | `order` | which host a connection goes to: functions without side effects |
//! | `manager` | [`HostsManager`], the manager that a pool gets |
//! | `watch` | the watchers |
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
