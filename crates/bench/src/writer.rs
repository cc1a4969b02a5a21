//! A thread that writes while a contender's threads read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::Failure;
use crate::measure::Sample;

/// One writer with its own connection, the same for every contender. It sleeps between rounds.
#[derive(Debug)]
pub struct Writer {
    /// `None` tells the thread to end.
    orders: Option<Sender<()>>,
    samples: Receiver<Sample>,
    stop: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `write` adds a row and commits it.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn start<F>(mut write: F) -> Result<Self, Failure>
    where
        F: FnMut() -> Result<(), Failure> + Send + 'static,
    {
        let (send_order, orders) = mpsc::channel();
        let (send_sample, samples) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let live = move || {
            for () in orders {
                let mut sample = Sample::begin();
                while sample.ops + sample.errors == 0 || !is_over.load(Relaxed) {
                    sample.count(Ok(write()));
                }
                sample.ended = Instant::now();
                let _ = send_sample.send(sample);
            }
        };
        let handle = thread::Builder::new()
            .name("bench-writer".into())
            .spawn(live)
            .map_err(|error| Failure::new(format_args!("cannot start a thread: {error}")))?;
        Ok(Self { orders: Some(send_order), samples, stop, handle: Some(handle) })
    }

    /// Lets the writer write until [`end`](Self::end).
    pub(crate) fn begin(&self) {
        self.stop.store(false, Relaxed); // the channel makes it visible to the thread
        if let Some(orders) = &self.orders {
            let _ = orders.send(()); // if the thread has panicked, `end` reports it
        }
    }

    /// Stops the writer, waits until it has finished its statement, and returns its sample.
    pub(crate) fn end(&self) -> Sample {
        self.stop.store(true, Relaxed);
        self.samples.recv().unwrap_or_else(|_| Sample::failed(Failure::new("the writer panicked")))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.orders = None;
        if let Some(handle) = self.handle.take() {
            let _ = handle.join(); // `end` has reported a panic
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_writes_at_least_once_in_each_round_and_counts_failures() {
        let mut calls = 0;
        let write = move || {
            calls += 1;
            if calls == 1 { Err(Failure::new("locked")) } else { Ok(()) }
        };
        let writer = Writer::start(write).unwrap();
        writer.begin();
        let first = writer.end();
        assert_eq!((first.errors, first.first_error), (1, Some(Failure::new("locked"))));
        writer.begin();
        let second = writer.end();
        assert!(second.ops > 0 && second.errors == 0);
    }

    #[test]
    fn a_panic_of_the_writer_is_a_failure_of_the_round() {
        let writer = Writer::start(|| panic!("on purpose")).unwrap();
        writer.begin();
        assert_eq!(writer.end().first_error, Some(Failure::new("the writer panicked")));
    }
}
