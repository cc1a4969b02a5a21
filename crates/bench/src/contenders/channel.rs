//! `channel`: the least that a queue of connections can cost.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::backend::synthetic::SyntheticConnection;
use crate::contender::Lend;
use crate::{Failure, Result};

/// The bare channel on which `QueuePool` is based: a thread receives a connection, uses it and
/// sends it back. It does not check, count or close anything. A thread that panics loses its
/// connection.
pub struct Channel {
    sender: Sender<SyntheticConnection>,
    receiver: Receiver<SyntheticConnection>,
}

impl Channel {
    /// Creates a channel with `size` connections.
    pub fn new(size: usize) -> Self {
        let (sender, receiver) = bounded(size);
        for _ in 0..size {
            sender.try_send(SyntheticConnection::default()).expect("there is room");
        }
        Self { sender, receiver }
    }
}

impl Lend for Channel {
    type Connection = SyntheticConnection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut SyntheticConnection) -> R) -> Result<R> {
        let mut conn = self.receiver.recv().map_err(Failure::of)?;
        let result = operation(&mut conn);
        self.sender.send(conn).map_err(Failure::of)?;
        Ok(result)
    }
}
