//! The bits of a slot's word: the state of its connection, and flags beside the state.
//!
//! | state | meaning | next | changed by |
//! |---|---|---|---|
//! | `EMPTY` | no connection | `DIALLING` | a dialer that has a reservation |
//! | `DIALLING` | a dialer owns the slot | `BORROWED`, `EMPTY` | that dialer |
//! | `IDLE` | any thread may take the connection | `BORROWED` | a borrower |
//! | | | `RESERVED` | close, evict, resize, keepalive |
//! | `BORROWED` | a borrower owns the slot, or a waiter is about to | `IDLE`, `EMPTY` | the owner |
//! | | | `RESERVED` | a borrower that leaves the validation to the pool |
//! | `RESERVED` | the pool itself owns the slot | `IDLE`, `EMPTY` | the owner |
//!
//! Any thread may set a flag. Each flag makes the exchange of the fast path fail, so that the slow
//! path looks at it:
//!
//! | flag | on | meaning |
//! |---|---|---|
//! | `STALE` | any but `EMPTY` | validate before the next use |
//! | `RETIRE` | `BORROWED`, `RESERVED` | close instead of making it idle again |
//! | `EXPIRED` | `BORROWED`, `RESERVED` | the same, but not inside a transaction |
//! | `SURPLUS` | `BORROWED`, `RESERVED` | the same, if too many connections are open by then |
//! | `RESTING` | `IDLE`, `RESERVED` | take other connections first, so that this one reaches its idle timeout |
//! | `SUSPENDED` | any | the pool is suspended: no thread may take the connection |
//! | `WATCHED` | any, always | the settings ask for work at each use: hooks, events, limits of use |

pub(crate) const EMPTY: u32 = 0;
pub(crate) const DIALLING: u32 = 1;
pub(crate) const IDLE: u32 = 2;
pub(crate) const BORROWED: u32 = 3;
pub(crate) const RESERVED: u32 = 4;
/// The bits of the state.
pub(crate) const STATE: u32 = 0b111;

pub(crate) const STALE: u32 = 1 << 3;
pub(crate) const RETIRE: u32 = 1 << 4;
pub(crate) const EXPIRED: u32 = 1 << 5;
pub(crate) const SUSPENDED: u32 = 1 << 6;
pub(crate) const WATCHED: u32 = 1 << 7;
pub(crate) const SURPLUS: u32 = 1 << 8;
pub(crate) const RESTING: u32 = 1 << 9;

/// The flags that keep a connection from becoming idle again.
pub(crate) const CLOSE_FLAGS: u32 = RETIRE | EXPIRED | SURPLUS;
/// The flags that outlive the connection.
pub(crate) const SLOT_FLAGS: u32 = SUSPENDED | WATCHED;

/// Those of [`CLOSE_FLAGS`] that a slot had at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseFlags(u32);

impl CloseFlags {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn of(word: u32) -> Self {
        Self(word & CLOSE_FLAGS)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn is_evicted(self) -> bool {
        self.0 & RETIRE != 0
    }

    pub(crate) fn has_expired(self) -> bool {
        self.0 & EXPIRED != 0
    }

    /// The same flags without `EXPIRED`.
    pub(crate) fn without_expired(self) -> Self {
        Self(self.0 & !EXPIRED)
    }
}

/// The state of a slot as one load saw it. Another thread may have changed it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Empty,
    Dialling,
    Idle { stale: bool },
    Borrowed,
    Reserved,
}

impl Seen {
    pub(crate) fn of(word: u32) -> Self {
        match word & STATE {
            EMPTY => Self::Empty,
            DIALLING => Self::Dialling,
            IDLE => Self::Idle { stale: word & STALE != 0 },
            BORROWED => Self::Borrowed,
            _ => Self::Reserved,
        }
    }
}
