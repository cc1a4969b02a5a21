//! The manager of the `redis` crate, unchanged, in each pool, on a private Redis.

use redis::{Client, Connection, RedisError, cmd};
use threadwise::{AnyPool, CloseReason, Pool, PoolKind};
use threadwise_r2d2::FromR2d2;
use threadwise_testkit::redis::Redis;

/// A client, and all that a program can say of its connections.
fn adapted(server: &Redis) -> FromR2d2<Client> {
    FromR2d2::new(Client::open(server.url()).unwrap())
        .reset_with(|conn| cmd("RESET").exec(conn))
        .is_lost_with(|error: &RedisError| error.is_connection_dropped() || error.is_io_error())
        .has_broken_on_checkout(true) // a flag of the driver
}

fn pool_of_one(kind: PoolKind, server: &Redis) -> AnyPool<FromR2d2<Client>> {
    kind.builder().size(1).build(adapted(server)).unwrap()
}

fn id(conn: &mut Connection) -> Result<i64, RedisError> {
    cmd("CLIENT").arg("ID").query(conn)
}

/// Ends all connections but the one that asks for it.
fn kill_all(server: &Redis) {
    let mut admin = Client::open(server.url()).unwrap().get_connection().unwrap();
    cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).exec(&mut admin).unwrap();
}

#[test]
fn the_manager_works_in_each_pool_and_the_next_borrower_finds_a_fresh_session() {
    let server = Redis::start().unwrap();
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, &server);
        let mut conn = pool.get().unwrap();
        cmd("SELECT").arg(3).exec(&mut conn).unwrap();
        cmd("SET").arg("drink").arg("tea").exec(&mut conn).unwrap();
        drop(conn);
        let found: Option<String> =
            cmd("GET").arg("drink").query(&mut pool.get().unwrap()).unwrap();
        assert_eq!(found, None, "{kind}: the session is in database 0 again");
        let counters = pool.state().counters;
        assert_eq!(counters.opened - counters.closed(CloseReason::Probed), 1, "{kind}");
    }
}

#[test]
fn a_connection_that_the_server_has_closed_is_replaced_by_steady() {
    let server = Redis::start().unwrap();
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, &server);
        let mut conn = pool.get().unwrap();
        let before = id(&mut conn).unwrap();
        kill_all(&server);
        let now = conn.steady(|conn| id(conn).map_err(|error| pool.manager().error(error)));
        assert_ne!(now.unwrap(), before, "{kind}");
    }
}

#[test]
fn a_connection_whose_loss_the_driver_has_noticed_is_not_lent_again() {
    let server = Redis::start().unwrap();
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, &server);
        let mut conn = pool.get().unwrap();
        kill_all(&server);
        id(&mut conn).unwrap_err();
        drop(conn);
        id(&mut pool.get().unwrap()).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn the_compat_pool_runs_a_program_for_r2d2() {
    use threadwise_r2d2::compat as r2d2;
    let server = Redis::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let pool = r2d2::Pool::builder().max_size(2).build(client).unwrap();
    let pong: String = cmd("PING").query(&mut *pool.get().unwrap()).unwrap();
    assert_eq!(pong, "PONG");
}
