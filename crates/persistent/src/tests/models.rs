//! The slot's protocol under loom, in every interleaving of an owner and of a thread that closes the
//! pool. If a connection has two users at once, its cell has two accesses without an order, which loom
//! reports. The models assert that each connection is closed once.
//!
//! What loom does not show: it has no barrier that one thread passes for all others, so the light barrier
//! is a full one here. membarrier(2) promises that the light barrier suffices together with the system's
//! call, and `tests/stress` tries it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use crate::flags::Flags;
use crate::slot::{Borrowed, Found, PutBack, Slot};
use crate::this_thread::ThreadKey;

/// A connection that counts its uses, so that loom sees each of them.
#[derive(Default)]
struct Conn {
    uses: usize,
}

/// A pool with one slot, which one thread of the model owns, and a count of closed connections.
struct Model {
    flags: Flags,
    slot: Slot<Conn>,
    closed: AtomicUsize, // not loom's, since it is no part of the protocol
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flags: Flags::new(false),
            slot: Slot::new(ThreadKey::FOR_MODELS),
            closed: AtomicUsize::new(0),
        })
    }

    fn close_connection(&self, conn: Option<Conn>) {
        self.closed.fetch_add(usize::from(conn.is_some()), Ordering::Relaxed);
    }

    /// Opens the owner's connection, unless the pool is closed before it could be lent.
    fn open(&self) -> Option<Borrowed<'_, Conn>> {
        // SAFETY: one thread of each model is the owner.
        let Found::Empty(empty) = (unsafe { self.slot.owner_ref() }).borrow(&self.flags) else {
            panic!("the slot is not empty")
        };
        let borrowed = empty.fill(Conn::default());
        if self.flags.is_closed() {
            self.close_connection(Some(borrowed.take_out().1));
            return None;
        }
        Some(borrowed)
    }

    /// Like `Core::get`, for a connection that is open already.
    fn get(&self) -> Option<Borrowed<'_, Conn>> {
        // SAFETY: as in `open`.
        match unsafe { self.slot.owner_ref() }.borrow(&self.flags) {
            Found::Borrowed(borrowed) => Some(borrowed),
            Found::NeedsCheck(unchecked) => match unchecked.check(&self.flags) {
                Ok(borrowed) => Some(borrowed),
                Err(owner) => {
                    self.close_connection(owner.take_idle());
                    None
                }
            },
            Found::Empty(_) => None,
            Found::InUse => panic!("the owner uses its connection already"),
        }
    }

    /// Like `Core::give_back`.
    fn give_back(&self, mut borrowed: Borrowed<'_, Conn>) {
        borrowed.content_mut().uses += 1;
        match borrowed.put_back(&self.flags) {
            PutBack::Idle => {}
            PutBack::NeedsCheck(owner) if self.flags.is_closed() => {
                self.close_connection(owner.take_idle());
            }
            PutBack::NeedsCheck(_) => {}
            PutBack::ThreadEnded(borrowed) => self.close_connection(Some(borrowed.take_out().1)),
        }
    }

    /// Like `Core::close`.
    fn close_pool(&self) {
        let seen = self.flags.close().expect("a model has its barrier");
        self.close_connection(self.slot.take_idle(seen));
    }

    /// Like the end of the owner's thread.
    fn end_thread(&self) {
        // SAFETY: as in `open`.
        self.close_connection(unsafe { self.slot.owner_ref() }.end());
    }

    fn assert_closed_once(&self) {
        assert_eq!(self.closed.load(Ordering::Relaxed), 1, "one thread closes it, once");
    }
}

/// The owner does `work` while another thread closes the pool.
fn while_it_is_closed(work: impl Fn(&Model) + Send + Sync + Copy + 'static) {
    loom::model(move || {
        let model = Model::new();
        let opened = model.open().expect("the pool is not closed yet");
        model.give_back(opened);
        let closer = thread::spawn({
            let model = Arc::clone(&model);
            move || model.close_pool()
        });
        work(&model);
        closer.join().unwrap();
        model.assert_closed_once();
    });
}

#[test]
fn a_connection_that_is_borrowed_and_given_back_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|model| {
        if let Some(borrowed) = model.get() {
            model.give_back(borrowed);
        }
    });
}

#[test]
fn a_connection_that_is_used_twice_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|model| {
        for _ in 0..2 {
            if let Some(borrowed) = model.get() {
                model.give_back(borrowed);
            }
        }
    });
}

#[test]
fn a_connection_whose_thread_ends_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|model| {
        if let Some(borrowed) = model.get() {
            model.give_back(borrowed);
        }
        model.end_thread();
    });
}

#[test]
fn a_connection_that_a_guard_of_an_ending_thread_has_is_closed_once() {
    while_it_is_closed(|model| match model.get() {
        Some(borrowed) => {
            model.end_thread();
            model.give_back(borrowed);
        }
        None => model.end_thread(),
    });
}

#[test]
fn two_threads_that_close_the_pool_close_each_connection_once() {
    loom::model(|| {
        let model = Model::new();
        let opened = model.open().expect("the pool is not closed yet");
        model.give_back(opened);
        let closers = [(); 2].map(|()| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.close_pool())
        });
        for closer in closers {
            closer.join().unwrap();
        }
        model.assert_closed_once();
    });
}

#[test]
fn a_connection_that_is_opened_while_the_pool_is_closed_is_closed_once() {
    loom::model(|| {
        let model = Model::new();
        let closer = thread::spawn({
            let model = Arc::clone(&model);
            move || model.close_pool()
        });
        if let Some(borrowed) = model.open() {
            model.give_back(borrowed);
        }
        closer.join().unwrap();
        model.assert_closed_once();
    });
}

#[test]
fn a_connection_that_is_shared_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|model| {
        let Some(borrowed) = model.get() else { return };
        let first = borrowed.share();
        // SAFETY: this thread is the owner.
        let second = unsafe { model.slot.owner_ref() }.share_again().expect("it is shared");
        assert_eq!(first.content().uses, second.content().uses);
        assert!(first.end().is_none());
        model.give_back(second.end().expect("this was the last share"));
    });
}

#[test]
fn a_connection_whose_thread_ends_as_the_last_handle_is_dropped_is_closed_once() {
    loom::model(|| {
        let model = Model::new();
        let handles = Arc::new(loom::sync::atomic::AtomicUsize::new(2));
        // As `pool_handle!` does it.
        let drop_handle = |model: &Model, handles: &loom::sync::atomic::AtomicUsize| {
            if handles.fetch_sub(1, Ordering::AcqRel) == 1 {
                // SAFETY: this was the last handle, and there is no guard.
                let seen = unsafe { model.flags.close_unused() };
                model.close_connection(model.slot.take_idle(seen));
            }
        };
        let owner = thread::spawn({
            let (model, handles) = (Arc::clone(&model), Arc::clone(&handles));
            move || {
                let opened = model.open().expect("the pool is not closed yet");
                model.give_back(opened);
                drop_handle(&model, &handles);
                model.end_thread();
            }
        });
        drop_handle(&model, &handles);
        owner.join().unwrap();
        model.assert_closed_once();
    });
}

#[test]
fn a_connection_of_a_pool_that_closes_without_the_barrier_is_closed_once_by_its_thread() {
    loom::model(|| {
        let model = Model::new();
        let opened = model.open().expect("the pool is not closed yet");
        model.give_back(opened);
        let closer = thread::spawn({
            let model = Arc::clone(&model);
            move || {
                let _ = model.flags.close(); // as if the system refused: nothing is taken out
            }
        });
        if let Some(borrowed) = model.get() {
            model.give_back(borrowed);
        }
        model.end_thread();
        closer.join().unwrap();
        model.assert_closed_once();
    });
}
