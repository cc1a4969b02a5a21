//! Builds the pool and the server of a scenario: a simulated server, or a real one behind a proxy of
//! the contender's own, which delays, cuts and refuses connections.

use delegate::delegate;
use threadwise_figures::ContenderKind;
use threadwise_shared::SharedPool;
use threadwise_testkit::Proxy;

use super::rig::{Rig, Server, Subject};
use super::scenario::Needs;
use crate::backend::Environment;
use crate::backend::simulated::SimulatedServer;
use crate::backend::source::Source;
use crate::contenders::{MysqlPool, R2d2, Threadwise};
use crate::{Failure, Result};

/// Builds a pool, on the server or else on a simulated one.
pub(super) fn rig(environment: &Environment, pool: ContenderKind, needs: Needs) -> Result<Rig> {
    let Some((behind, proxy)) = environment.behind_proxy()? else {
        let server = SimulatedServer::new(needs.connect);
        return Ok(Rig::new(on_any(pool, &server, needs)?, Box::new(server)));
    };
    proxy.delay(needs.connect);
    let subject: Box<dyn Subject> = match &behind {
        Environment::Mysql(server) if pool == ContenderKind::MysqlPool => {
            Box::new(MysqlPool::lazy(server.plain(), needs.size, needs.get_timeout)?)
        }
        Environment::Mysql(server) => on_any(pool, &**server, needs)?,
        Environment::Postgres(server) => on_any(pool, &**server, needs)?,
        Environment::Synthetic | Environment::Sqlite(_) => return Err(takes_no_part(pool)),
    };
    Ok(Rig::new(subject, Box::new(proxy)))
}

/// Builds a pool with the scenario's settings, and defaults for the rest.
fn on_any<S: Source>(pool: ContenderKind, source: &S, needs: Needs) -> Result<Box<dyn Subject>> {
    let Needs { size, get_timeout, .. } = needs;
    match pool {
        ContenderKind::Shared => {
            let settings = SharedPool::builder().max_size(size).get_timeout(get_timeout);
            let pool = settings.build_lazy(source.manager()).map_err(Failure::of)?;
            Ok(Box::new(Threadwise(pool)))
        }
        ContenderKind::R2d2 | ContenderKind::R2d2Mysql => {
            Ok(Box::new(R2d2::lazy(source.r2d2(), size, get_timeout)?))
        }
        other => Err(takes_no_part(other)),
    }
}

fn takes_no_part(pool: ContenderKind) -> Failure {
    Failure::new(format_args!("{pool} takes no part in scenarios there"))
}

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
