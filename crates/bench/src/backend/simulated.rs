//! A server that exists only in this process. It takes a while to open connections, it can go away,
//! and its connections may die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use threadwise_core::ManageConnection;

use crate::dial::Dial;
use crate::workload::Mortal;
use crate::{Failure, Queries, Result, Rng};

/// A simulated server, and the manager that opens its connections. Clones are the same server.
#[derive(Clone, Debug)]
pub struct SimulatedServer(Arc<Server>);

#[derive(Debug, Default)]
struct Server {
    connect: Duration,
    /// In uses; `None` for connections that do not die by themselves.
    longest_life: Option<u32>,
    refuses: AtomicBool,
    /// Counts how often the server went away. Connections with an older number are dead.
    outages: AtomicU64,
    opened: AtomicU64,
    /// Connections that are open or being opened.
    open: AtomicU64,
}

/// A connection to a simulated server. Once it is lost, each further use is an error.
pub struct SimulatedConnection {
    server: Arc<Server>,
    outages: u64,
    /// `None` for any number.
    uses_left: Option<u32>,
}

/// The connection was lost, or the server is gone.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection was lost")]
pub struct Lost;

impl SimulatedServer {
    /// A server that takes this long to open a connection.
    pub fn new(connect: Duration) -> Self {
        Self(Arc::new(Server { connect, ..Server::default() }))
    }

    /// A server whose connections die after a random number of uses. The numbers are the same for
    /// every contender.
    pub fn mortal(Mortal { longest_life, connect }: Mortal) -> Self {
        let longest_life = Some(longest_life);
        Self(Arc::new(Server { connect, longest_life, ..Server::default() }))
    }

    /// Cuts all connections and refuses new ones.
    pub fn refuse(&self) {
        self.0.refuses.store(true, SeqCst);
        self.0.outages.fetch_add(1, SeqCst);
    }

    /// Serves again.
    pub fn serve(&self) {
        self.0.refuses.store(false, SeqCst);
    }

    /// Returns the number of connections opened so far.
    pub fn opened(&self) -> u64 {
        self.0.opened.load(SeqCst)
    }

    /// Returns the number of connections that are open or being opened.
    pub fn open(&self) -> u64 {
        self.0.open.load(SeqCst)
    }

    fn open_one(&self) -> Result<SimulatedConnection, Lost> {
        let server = &self.0;
        if server.refuses.load(SeqCst) {
            return Err(Lost);
        }
        let number = server.opened.fetch_add(1, SeqCst);
        server.open.fetch_add(1, SeqCst);
        let life = |longest| 1 + Rng::with_seed(number).u32(..longest);
        let mut conn = SimulatedConnection {
            server: Arc::clone(server),
            outages: 0,
            uses_left: server.longest_life.map(life),
        };
        thread::sleep(server.connect);
        conn.outages = server.outages.load(SeqCst);
        conn.check().map(|()| conn)
    }
}

impl SimulatedConnection {
    /// Whether it still works.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn check(&self) -> Result<(), Lost> {
        let is_cut =
            self.server.refuses.load(SeqCst) || self.outages != self.server.outages.load(SeqCst);
        if is_cut || self.uses_left == Some(0) { Err(Lost) } else { Ok(()) }
    }

    fn use_it(&mut self) -> Result<()> {
        self.check().map_err(Failure::of)?;
        self.uses_left = self.uses_left.map(|left| left - 1);
        Ok(())
    }
}

impl Drop for SimulatedConnection {
    fn drop(&mut self) {
        self.server.open.fetch_sub(1, SeqCst);
    }
}

impl Queries for SimulatedConnection {
    const REAL: bool = false;

    fn point_select(&mut self, _: u32) -> Result<()> {
        self.use_it()
    }

    fn sleep(&mut self, time: Duration) -> Result<()> {
        thread::sleep(time);
        self.use_it()
    }
}

impl ManageConnection for SimulatedServer {
    type Connection = SimulatedConnection;
    type Error = Lost;

    fn connect(&self) -> Result<SimulatedConnection, Lost> {
        self.open_one()
    }

    fn is_valid(&self, conn: &mut SimulatedConnection) -> Result<(), Lost> {
        conn.check()
    }

    fn has_broken(&self, conn: &mut SimulatedConnection) -> bool {
        conn.check().is_err()
    }

    fn is_lost(&self, _: &Lost) -> bool {
        true
    }
}

impl Dial for SimulatedServer {
    type Connection = SimulatedConnection;

    fn dial(&self) -> Result<SimulatedConnection> {
        self.open_one().map_err(Failure::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST_LIFE: u32 = 199;

    fn mortal() -> SimulatedServer {
        let connect = Duration::ZERO;
        SimulatedServer::mortal(Mortal { longest_life: LONGEST_LIFE, connect })
    }

    fn lives(server: &SimulatedServer) -> Vec<u32> {
        (0..1_000).map(|_| server.open_one().unwrap().uses_left.unwrap()).collect()
    }

    #[test]
    fn a_connection_works_until_the_end_of_its_life_and_is_lost_afterwards() {
        let server = mortal();
        let mut conn = server.open_one().unwrap();
        for _ in 0..conn.uses_left.unwrap() {
            assert!(!server.has_broken(&mut conn));
            conn.point_select(1).unwrap();
        }
        assert!(server.has_broken(&mut conn));
        assert!(server.is_valid(&mut conn).is_err());
        assert_eq!(conn.point_select(1), Err(Failure::of(Lost)));
    }

    #[test]
    fn lengths_of_life_are_random_and_a_hundred_uses_on_average() {
        let found = lives(&mortal());
        assert!(found.iter().all(|life| (1..=LONGEST_LIFE).contains(life)));
        let mean = found.iter().sum::<u32>() / 1_000;
        assert!((90..110).contains(&mean), "{mean}");
        assert_eq!(found, lives(&mortal()), "always the same");
    }

    #[test]
    fn an_outage_cuts_connections_and_refuses_new_ones_until_its_end() {
        let server = SimulatedServer::new(Duration::ZERO);
        let conn = server.open_one().unwrap();
        assert!(conn.check().is_ok());
        server.refuse();
        assert!(conn.check().is_err() && server.open_one().is_err());
        server.serve();
        assert!(conn.check().is_err(), "it was cut for good");
        assert!(server.open_one().is_ok());
        assert_eq!((server.opened(), server.open()), (2, 1));
    }
}
