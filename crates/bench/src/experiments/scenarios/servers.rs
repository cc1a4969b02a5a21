//! Builds the pool and the server of a scenario: a simulated server, or a private MariaDB. On
//! MariaDB, each contender has its own proxy, which delays, cuts and refuses connections.

use std::thread;
use std::time::Duration;

use delegate::delegate;
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, PooledConn};
use r2d2_mysql::MySqlConnectionManager;
use threadwise_core::ManageConnection;
use threadwise_figures::ContenderKind;
use threadwise_mysql::MysqlManager;
use threadwise_shared::SharedPool;
use threadwise_testkit::Proxy;

use super::rig::{Rig, Server, Session, Subject};
use super::scenario::Needs;
use crate::backend::private::PrivateServer;
use crate::backend::simulated::{SimulatedConnection, SimulatedServer};
use crate::backend::source::Source;
use crate::contenders::{MysqlPool, R2d2, Threadwise};
use crate::{Failure, Result};

/// Builds a pool on this server, behind its own proxy.
pub(super) fn real(server: &PrivateServer, pool: ContenderKind, needs: Needs) -> Result<Rig> {
    let proxy = server.proxy()?;
    proxy.delay(needs.connect);
    let opts = Opts::from_url(&server.url()).map_err(Failure::of)?;
    let opts = OptsBuilder::from_opts(opts)
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(proxy.address().port())
        .prefer_socket(false);
    let Needs { size, get_timeout, .. } = needs;
    let subject: Box<dyn Subject> = match pool {
        ContenderKind::Shared => shared(MysqlManager::new(opts), needs)?,
        ContenderKind::R2d2Mysql => r2d2(MySqlConnectionManager::new(opts), needs)?,
        ContenderKind::MysqlPool => Box::new(MysqlPool::lazy(opts.into(), size, get_timeout)?),
        other => return Err(takes_no_part(other)),
    };
    Ok(Rig::new(subject, Box::new(proxy)))
}

/// Builds a pool on its own simulated server.
pub(super) fn simulated(pool: ContenderKind, needs: Needs) -> Result<Rig> {
    let server = SimulatedServer::new(needs.connect);
    let subject = match pool {
        ContenderKind::Shared => shared(server.clone(), needs)?,
        ContenderKind::R2d2 => r2d2(server.r2d2(), needs)?,
        other => return Err(takes_no_part(other)),
    };
    Ok(Rig::new(subject, Box::new(server)))
}

fn takes_no_part(pool: ContenderKind) -> Failure {
    Failure::new(format_args!("{pool} takes no part in scenarios there"))
}

/// Builds the pool with the scenario's settings, and defaults for the rest.
fn shared<M>(manager: M, needs: Needs) -> Result<Box<dyn Subject>>
where
    M: ManageConnection<Connection: Session>,
{
    let Needs { size, get_timeout, .. } = needs;
    let settings = SharedPool::builder().max_size(size).get_timeout(get_timeout);
    Ok(Box::new(Threadwise(settings.build_lazy(manager).map_err(Failure::of)?)))
}

fn r2d2<M>(manager: M, needs: Needs) -> Result<Box<dyn Subject>>
where
    M: r2d2::ManageConnection<Connection: Session>,
{
    Ok(Box::new(R2d2::lazy(manager, needs.size, needs.get_timeout)?))
}

impl Session for SimulatedConnection {
    fn query(&mut self, takes: Duration) -> Result<()> {
        thread::sleep(takes);
        self.check().map_err(Failure::of)
    }
}

macro_rules! session {
    ($($connection:ty),*) => {$(
        impl Session for $connection {
            fn query(&mut self, takes: Duration) -> Result<()> {
                self.query_drop(format!("DO SLEEP({})", takes.as_secs_f64())).map_err(Failure::of)
            }
        }
    )*};
}

session!(Conn, PooledConn, threadwise_mysql::Connection);

macro_rules! server {
    ($($server:ty, $opened:ident);*) => {$(
        impl Server for $server {
            delegate! {
                to self {
                    fn refuse(&self);
                    fn serve(&self);
                    #[call($opened)]
                    fn opened(&self) -> u64;
                    fn open(&self) -> u64;
                }
            }
        }
    )*};
}

server!(Proxy, accepted; SimulatedServer, opened);
