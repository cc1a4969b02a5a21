//! The server's status flags: autocommit, and an open transaction.
//!
//! Each answer of the server ends with these flags. The driver keeps them and has no method that
//! returns them, but the `Debug` output of its `Conn` shows them. Reading them from there takes
//! about 3 µs, so the manager does it only when a session begins, and when it needs to know whether
//! a transaction is open. If a later driver prints something else, every statement counts as the
//! beginning of a transaction.

use std::fmt::{self, Write};

use mysql::Conn;

/// The status flags of the server's last answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusFlags {
    pub(crate) in_transaction: bool,
    pub(crate) is_autocommit_off: bool,
}

impl StatusFlags {
    /// The flags of the last answer; `None` if the driver does not print them.
    pub(crate) fn of(conn: &Conn) -> Option<Self> {
        Self::read(conn)
    }

    fn read(printed: &dyn fmt::Debug) -> Option<Self> {
        let mut reader = Reader::default();
        // The reader stops the printing with an error once it has the flags.
        let _ = write!(reader, "{printed:?}");
        let flags = reader.flags.strip_prefix(": StatusFlags(")?;
        Some(Self {
            in_transaction: flags.contains("SERVER_STATUS_IN_TRANS"),
            is_autocommit_off: !flags.contains("SERVER_STATUS_AUTOCOMMIT"),
        })
    }
}

/// Keeps the value of the last field `status_flags` before the field `character_set`. It stores
/// nothing else: a password passes by here.
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
    #[allow(dead_code)] // the fields are printed
    struct Packet {
        status_flags: Option<u16>,
    }

    struct DriverFlags(&'static str);

    impl fmt::Debug for DriverFlags {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("StatusFlags(")?;
            f.write_str(self.0)?;
            f.write_str(")")
        }
    }

    #[derive(Debug)]
    #[allow(dead_code)] // the fields are printed
    struct Conn {
        password: &'static str,
        ok_packet: Packet,
        status_flags: DriverFlags,
        character_set: u8,
    }

    fn read(flags: &'static str) -> Option<StatusFlags> {
        StatusFlags::read(&Conn {
            password: "status_flags",
            ok_packet: Packet { status_flags: Some(3) },
            status_flags: DriverFlags(flags),
            character_set: 45,
        })
    }

    #[test]
    fn the_flags_of_the_connection_are_read_and_not_those_of_a_packet() {
        let idle = StatusFlags::default();
        assert_eq!(read("SERVER_STATUS_AUTOCOMMIT"), Some(idle));
        assert_eq!(
            read("SERVER_STATUS_IN_TRANS | SERVER_STATUS_AUTOCOMMIT"),
            Some(StatusFlags { in_transaction: true, ..idle })
        );
        assert_eq!(read("0x0"), Some(StatusFlags { is_autocommit_off: true, ..idle }));
    }

    #[test]
    fn output_without_flags_gives_none() {
        assert_eq!(StatusFlags::read(&"SERVER_STATUS_IN_TRANS"), None);
    }
}
