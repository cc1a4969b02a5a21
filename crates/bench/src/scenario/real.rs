//! A private MariaDB. Each contender has a proxy before it that delays, cuts and refuses
//! connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, PoolConstraints, PooledConn};
use r2d2_mysql::MySqlConnectionManager;
use threadwise_figures::{Backend, ContenderKind};
use threadwise_mysql::MysqlManager;
use threadwise_testkit::Proxy;
use threadwise_testkit::mariadb::MariaDb;

use super::rig::{Needs, Rig, Server, Session, Subject};
use super::simulated::{r2d2, shared};
use crate::Failure;

/// Enough for all contenders at the same time.
const MAX_CONNECTIONS: u32 = 512;

pub(super) struct RealServer(MariaDb);

impl RealServer {
    pub(super) fn start() -> Result<Self, Failure> {
        let server = MariaDb::builder().max_connections(MAX_CONNECTIONS).start();
        server.map(Self).map_err(Failure::of)
    }

    pub(super) fn rig(&self, pool: ContenderKind, needs: Needs) -> Result<Rig, Failure> {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, self.0.port()));
        let proxy = Proxy::before(target).map_err(Failure::of)?;
        proxy.delay(needs.connect);
        let opts = Opts::from_url(&self.0.url()).map_err(Failure::of)?;
        let opts = OptsBuilder::from_opts(opts)
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(proxy.address().port())
            .prefer_socket(false);
        let subject: Box<dyn Subject> = match pool {
            ContenderKind::Shared => Box::new(shared(MysqlManager::new(opts), needs)?),
            ContenderKind::R2d2Mysql => Box::new(r2d2(MySqlConnectionManager::new(opts), needs)?),
            ContenderKind::MysqlPool => Box::new(mysql_pool(opts, needs)?),
            other => return Err(Failure::not_on(other, Backend::Mysql)),
        };
        Ok(Rig::new(subject, Box::new(proxy)))
    }
}

/// The pool with its defaults, except that it opens no connection in advance. Its only timeout is
/// that of `try_get_conn`, which it may exceed.
struct MysqlPool {
    pool: mysql::Pool,
    get_timeout: Duration,
}

fn mysql_pool(opts: OptsBuilder, needs: Needs) -> Result<MysqlPool, Failure> {
    let constraints = PoolConstraints::new(0, needs.size)
        .ok_or_else(|| Failure::new("the size of a mysql::Pool must be at least 1"))?;
    let pool_opts = mysql::PoolOpts::default().with_constraints(constraints);
    let pool = mysql::Pool::new(opts.pool_opts(pool_opts)).map_err(Failure::of)?;
    Ok(MysqlPool { pool, get_timeout: needs.get_timeout })
}

impl Subject for MysqlPool {
    fn with(&self, use_it: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Failure> {
        let got = self.pool.try_get_conn(self.get_timeout);
        got.map(|mut conn| use_it(&mut conn)).map_err(Failure::of)
    }
}

macro_rules! session {
    ($($connection:ty),*) => {$(
        impl Session for $connection {
            fn query(&mut self, takes: Duration) -> Result<(), Failure> {
                self.query_drop(format!("DO SLEEP({})", takes.as_secs_f64())).map_err(Failure::of)
            }
        }
    )*};
}

session!(Conn, PooledConn, threadwise_mysql::Connection);

impl Server for Proxy {
    fn refuse(&self) {
        self.refuse();
    }

    fn serve(&self) {
        self.serve();
    }

    fn opened(&self) -> u64 {
        self.accepted()
    }

    fn open(&self) -> u64 {
        self.open()
    }
}
