//! The slot's protocol under loom: every interleaving of an owner and of who closes the pool. A
//! connection with two users at once is two accesses to its cell without an order, which loom
//! reports; that each is closed once is asserted.
//!
//! What loom does not show: it has no barrier that one thread passes for all others, so the light one
//! is a full one here. That the system's call makes the light one suffice is its promise, see
//! membarrier(2), and what `tests/stress.rs` tries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use crate::exit::ThreadKey;
use crate::flags::Flags;
use crate::slot::{Back, Found, Lent, Slot};

/// A connection that counts its uses, so that loom sees each of them.
#[derive(Default)]
struct Conn {
    uses: usize,
}

/// A pool with one slot, which is the playing thread's, and an account of what was closed.
struct Play {
    flags: Flags,
    slot: Slot<Conn>,
    closed: AtomicUsize, // not loom's: it is no part of the play
}

impl Play {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flags: Flags::new(false),
            slot: Slot::new(ThreadKey::FOR_MODELS),
            closed: AtomicUsize::new(0),
        })
    }

    fn close(&self, conn: Option<Conn>) {
        self.closed.fetch_add(usize::from(conn.is_some()), Ordering::Relaxed);
    }

    /// Opens a connection, unless the pool is closed by the time that it could be lent.
    fn open(&self) -> Option<Lent<'_, Conn>> {
        // SAFETY: one thread of each play is the owner.
        let Found::Nothing(vacant) = (unsafe { self.slot.own() }).borrow(&self.flags) else {
            panic!("there is none yet")
        };
        let lent = vacant.fill(Conn::default());
        if self.flags.is_closed() {
            self.close(Some(lent.take_out().1));
            return None;
        }
        Some(lent)
    }

    /// As `Core::get`, for a connection that is open already.
    fn get(&self) -> Option<Lent<'_, Conn>> {
        // SAFETY: as above.
        match unsafe { self.slot.own() }.borrow(&self.flags) {
            Found::Lent(lent) => Some(lent),
            Found::Disturbed(disturbed) => match disturbed.settle(&self.flags) {
                Ok(lent) => Some(lent),
                Err(own) => {
                    self.close(own.take_idle());
                    None
                }
            },
            Found::Nothing(_) => None,
            Found::Borrowed => panic!("its owner does not use it"),
        }
    }

    /// As `Core::give_back`.
    fn give_back(&self, mut lent: Lent<'_, Conn>) {
        lent.content_mut().uses += 1;
        match lent.put_back(&self.flags) {
            Back::Idle => {}
            Back::Disturbed(own) if self.flags.is_closed() => self.close(own.take_idle()),
            Back::Disturbed(_) => {}
            Back::Ended(lent) => self.close(Some(lent.take_out().1)),
        }
    }

    /// As `Core::close`.
    fn shut(&self) {
        let seen = self.flags.close().expect("a model has its barrier");
        self.close(self.slot.take_idle(seen));
    }

    /// As the end of the owner's thread.
    fn end(&self) {
        // SAFETY: as above.
        self.close(unsafe { self.slot.own() }.end());
    }

    fn assert_closed_once(&self) {
        assert_eq!(self.closed.load(Ordering::Relaxed), 1, "closed once, by one of them");
    }
}

/// The owner does `work` while another thread closes the pool.
fn while_it_is_closed(work: impl Fn(&Play) + Send + Sync + Copy + 'static) {
    loom::model(move || {
        let play = Play::new();
        let opened = play.open().expect("it is not closed yet");
        play.give_back(opened);
        let closer = thread::spawn({
            let play = Arc::clone(&play);
            move || play.shut()
        });
        work(&play);
        closer.join().unwrap();
        play.assert_closed_once();
    });
}

#[test]
fn a_connection_that_is_borrowed_and_given_back_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|play| {
        if let Some(lent) = play.get() {
            play.give_back(lent);
        }
    });
}

#[test]
fn a_connection_that_is_used_twice_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|play| {
        for _ in 0..2 {
            if let Some(lent) = play.get() {
                play.give_back(lent);
            }
        }
    });
}

#[test]
fn a_connection_whose_thread_ends_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|play| {
        if let Some(lent) = play.get() {
            play.give_back(lent);
        }
        play.end();
    });
}

#[test]
fn a_connection_that_a_guard_of_an_ending_thread_has_is_closed_once() {
    while_it_is_closed(|play| match play.get() {
        Some(lent) => {
            play.end();
            play.give_back(lent);
        }
        None => play.end(),
    });
}

#[test]
fn two_who_close_the_pool_close_each_connection_once() {
    loom::model(|| {
        let play = Play::new();
        let opened = play.open().expect("it is not closed yet");
        play.give_back(opened);
        let closers = [(); 2].map(|()| {
            let play = Arc::clone(&play);
            thread::spawn(move || play.shut())
        });
        closers.into_iter().for_each(|closer| closer.join().unwrap());
        play.assert_closed_once();
    });
}

#[test]
fn a_connection_that_is_opened_while_the_pool_is_closed_is_closed_once() {
    loom::model(|| {
        let play = Play::new();
        let closer = thread::spawn({
            let play = Arc::clone(&play);
            move || play.shut()
        });
        if let Some(lent) = play.open() {
            play.give_back(lent);
        }
        closer.join().unwrap();
        play.assert_closed_once();
    });
}

#[test]
fn a_connection_that_is_shared_while_the_pool_is_closed_is_closed_once() {
    while_it_is_closed(|play| {
        let Some(lent) = play.get() else { return };
        let first = lent.share();
        // SAFETY: this thread is the owner.
        let second = unsafe { play.slot.own() }.join().expect("it is shared");
        assert_eq!(first.content().uses, second.content().uses);
        assert!(first.leave().is_none());
        play.give_back(second.leave().expect("this was the last"));
    });
}

#[test]
fn a_connection_whose_thread_ends_as_the_last_handle_is_dropped_is_closed_once() {
    loom::model(|| {
        let play = Play::new();
        let handles = Arc::new(loom::sync::atomic::AtomicUsize::new(2));
        // As `pool_handle!` does it.
        let drop_handle = |play: &Play, handles: &loom::sync::atomic::AtomicUsize| {
            if handles.fetch_sub(1, Ordering::AcqRel) == 1 {
                // SAFETY: it was the last one, and no guard is left.
                let seen = unsafe { play.flags.close_unused() };
                play.close(play.slot.take_idle(seen));
            }
        };
        let owner = thread::spawn({
            let (play, handles) = (Arc::clone(&play), Arc::clone(&handles));
            move || {
                let opened = play.open().expect("it is not closed yet");
                play.give_back(opened);
                drop_handle(&play, &handles);
                play.end();
            }
        });
        drop_handle(&play, &handles);
        owner.join().unwrap();
        play.assert_closed_once();
    });
}

#[test]
fn a_connection_of_a_pool_that_closes_without_the_barrier_is_closed_once_by_its_thread() {
    loom::model(|| {
        let play = Play::new();
        let opened = play.open().expect("it is not closed yet");
        play.give_back(opened);
        let closer = thread::spawn({
            let play = Arc::clone(&play);
            move || {
                let _ = play.flags.close(); // as if the system refused: nothing is taken
            }
        });
        if let Some(lent) = play.get() {
            play.give_back(lent);
        }
        play.end();
        closer.join().unwrap();
        play.assert_closed_once();
    });
}
