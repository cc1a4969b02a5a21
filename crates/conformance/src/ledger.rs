//! The ledger: every connection that was ever opened, and what happened to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts opens, closes and holders. A [`Scripted`](crate::Scripted) manager keeps it.
#[derive(Debug, Default)]
pub struct Ledger {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    dialling: usize,
    opened: u64,
    open: BTreeSet<u64>,
    most_open: usize,
    held: BTreeSet<u64>,
    resets: u64,
    complaints: Vec<String>,
}

impl Ledger {
    /// How many connections exist now.
    pub fn open(&self) -> usize {
        self.lock().open.len()
    }

    /// How many connections were opened so far. Their numbers are 1, 2, 3 and so on.
    pub fn opened(&self) -> u64 {
        self.lock().opened
    }

    /// How many connections were closed so far.
    pub fn closed(&self) -> u64 {
        let books = self.lock();
        books.opened - books.open.len() as u64
    }

    /// The most connections that ever existed at once, including those that were being opened.
    pub fn most_open(&self) -> usize {
        self.lock().most_open
    }

    /// Whether the connection with this number exists.
    pub fn is_open(&self, id: u64) -> bool {
        self.lock().open.contains(&id)
    }

    /// How many sessions were reset so far.
    pub fn resets(&self) -> u64 {
        self.lock().resets
    }

    /// Asserts that each connection had one holder at a time and was closed once.
    ///
    /// # Panics
    ///
    /// If a connection had two holders at once, was borrowed after it was closed, or was closed twice.
    pub fn assert_in_order(&self) {
        let books = self.lock();
        assert!(books.complaints.is_empty(), "{}", books.complaints.join("\n"));
    }

    /// Records that the caller uses the connection with this number, until it drops the returned
    /// value.
    #[must_use]
    pub fn hold(self: &Arc<Self>, id: u64) -> Holding {
        let mut books = self.lock();
        if !books.held.insert(id) {
            books.complaints.push(format!("connection {id} has two holders"));
        }
        if !books.open.contains(&id) {
            books.complaints.push(format!("connection {id} was borrowed after it was closed"));
        }
        Holding { ledger: Arc::clone(self), id }
    }

    pub(crate) fn dialling(self: &Arc<Self>) -> Dialling {
        let mut books = self.lock();
        books.dialling += 1;
        books.most_open = books.most_open.max(books.open.len() + books.dialling);
        Dialling { ledger: Arc::clone(self), succeeded: false }
    }

    pub(crate) fn add_reset(&self) {
        self.lock().resets += 1;
    }

    pub(crate) fn add_closed(&self, id: u64) {
        let mut books = self.lock();
        if !books.open.remove(&id) {
            books.complaints.push(format!("connection {id} was closed twice"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dial that is running. It counts as a connection until it fails or becomes one.
pub(crate) struct Dialling {
    ledger: Arc<Ledger>,
    succeeded: bool,
}

impl Dialling {
    /// Notes that the dial has opened a connection. Returns its number.
    pub(crate) fn succeeded(mut self) -> u64 {
        self.succeeded = true;
        let mut books = self.ledger.lock();
        books.dialling -= 1;
        books.opened += 1;
        let id = books.opened;
        books.open.insert(id);
        id
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        if !self.succeeded {
            self.ledger.lock().dialling -= 1;
        }
    }
}

/// A connection in use, for the ledger.
#[derive(Debug)]
pub struct Holding {
    ledger: Arc<Ledger>,
    id: u64,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.ledger.lock().held.remove(&self.id);
    }
}
