//! The server's own word on autocommit and transactions.
//!
//! Each answer of a server ends with status flags, and the driver keeps them to itself: it has no method
//! that shows them. They do stand in what its `Conn` prints for debugging, which is read here. That takes
//! microseconds, so it is done where a session begins, and where texts do not tell whether a transaction is
//! open. A driver that prints something else tells nothing; then the texts alone decide.

use std::fmt::{self, Write};

use mysql::Conn;

/// What the server said at the end of its last answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) in_transaction: bool,
    pub(crate) is_autocommit_off: bool,
}

impl Flags {
    /// `None` if the driver does not print them.
    pub(crate) fn of(conn: &Conn) -> Option<Self> {
        Self::read(conn)
    }

    fn read(printed: &dyn fmt::Debug) -> Option<Self> {
        let mut reader = Reader::default();
        // An error stops the printing once the flags are known.
        let _ = write!(reader, "{printed:?}");
        let flags = reader.flags.strip_prefix(": StatusFlags(")?;
        Some(Self {
            in_transaction: flags.contains("SERVER_STATUS_IN_TRANS"),
            is_autocommit_off: !flags.contains("SERVER_STATUS_AUTOCOMMIT"),
        })
    }
}

/// Keeps the value of the last field `status_flags` before the field `character_set`, and of all else
/// that passes by nothing at all: a password is among it.
#[derive(Default)]
struct Reader {
    flags: String,
    is_in_flags: bool,
    is_done: bool,
}

impl Write for Reader {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        match part {
            "status_flags" => {
                self.flags.clear();
                self.is_in_flags = true;
            }
            "character_set" => self.is_done = true,
            ", " | "\n" if self.is_in_flags => self.is_in_flags = false,
            part if self.is_in_flags => self.flags.push_str(part),
            _ => {}
        }
        if self.is_done { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[allow(dead_code)] // they are printed
    struct Packet {
        status_flags: Option<u16>,
    }

    struct StatusFlags(&'static str);

    impl fmt::Debug for StatusFlags {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("StatusFlags(")?;
            f.write_str(self.0)?;
            f.write_str(")")
        }
    }

    #[derive(Debug)]
    #[allow(dead_code)] // they are printed
    struct Conn {
        password: &'static str,
        ok_packet: Packet,
        status_flags: StatusFlags,
        character_set: u8,
    }

    fn read(flags: &'static str) -> Option<Flags> {
        Flags::read(&Conn {
            password: "status_flags",
            ok_packet: Packet { status_flags: Some(3) },
            status_flags: StatusFlags(flags),
            character_set: 45,
        })
    }

    #[test]
    fn the_connection_s_own_flags_are_read_and_no_others() {
        let idle = Flags::default();
        assert_eq!(read("SERVER_STATUS_AUTOCOMMIT"), Some(idle));
        assert_eq!(
            read("SERVER_STATUS_IN_TRANS | SERVER_STATUS_AUTOCOMMIT"),
            Some(Flags { in_transaction: true, ..idle })
        );
        assert_eq!(read("0x0"), Some(Flags { is_autocommit_off: true, ..idle }));
    }

    #[test]
    fn what_prints_no_flags_tells_nothing() {
        assert_eq!(Flags::read(&"SERVER_STATUS_IN_TRANS"), None);
    }
}
