//! Errors by which a server refuses work that another server, or the same one later, may accept.

use mysql::MySqlError;

/// Why a server refuses work that another server, or the same one later, may accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server is not ready, like a Galera node without its cluster.
    NotReady,
    /// The server is read-only, like a replica.
    ReadOnlyServer,
    /// The transaction is read-only: by the server's setting, or because its user asked for that.
    ReadOnlyTransaction,
}

/// Reads this answer as a refusal, if it is one.
pub(crate) fn refusal(answer: &MySqlError) -> Option<Refusal> {
    match answer.code {
        1047 => Some(Refusal::NotReady),
        1290 if is_about_read_only(&answer.message) => Some(Refusal::ReadOnlyServer),
        1836 => Some(Refusal::ReadOnlyServer),
        1792 => Some(Refusal::ReadOnlyTransaction),
        _ => None,
    }
}

/// The answer 1290 has other meanings too. In each language, its text names the server's option.
fn is_about_read_only(message: &str) -> bool {
    ["read-only", "read_only"].iter().any(|option| message.contains(option))
}

/// Whether the text of a statement may ask for a read-only transaction or session.
pub(crate) fn asks_for_read_only(text: &str) -> bool {
    let mut bytes = text.bytes().map(|byte| byte.to_ascii_lowercase());
    match [bytes.next(), bytes.next(), bytes.next()].map(Option::unwrap_or_default) {
        // SELECT, INSERT, REPLACE, UPDATE and DELETE do not, and most statements are one of these.
        [b's', b'e', b'l'] | [b'i' | b'r' | b'u' | b'd', ..] => return false,
        _ => {}
    }
    let text = text.to_ascii_lowercase();
    text.contains("read") && text.contains("only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_that_another_server_would_not_give() {
        let says = |code, message: &str| {
            refusal(&MySqlError { code, state: "HY000".into(), message: message.into() })
        };
        for message in [
            "The MariaDB server is running with the --read-only option so it cannot execute this statement",
            "The MySQL server is running with the --super-read-only option",
            "Der MariaDB-Server laeuft mit der Option --read-only",
        ] {
            assert_eq!(says(1290, message), Some(Refusal::ReadOnlyServer));
        }
        assert_eq!(says(1290, "running with the --secure-file-priv option"), None);
        assert_eq!(says(1836, "Running in read-only mode"), Some(Refusal::ReadOnlyServer));
        assert_eq!(says(1792, ""), Some(Refusal::ReadOnlyTransaction));
        assert_eq!(says(1047, ""), Some(Refusal::NotReady));
        assert_eq!(says(1062, ""), None);
    }

    #[test]
    fn a_text_that_asks_for_a_read_only_transaction_is_found() {
        for text in [
            "START TRANSACTION READ ONLY",
            "set session transaction read only",
            "SET @@tx_read_only = 1",
            " SET transaction_read_only = ON",
        ] {
            assert!(asks_for_read_only(text), "{text}");
        }
        for text in ["SELECT 'read only'", "INSERT INTO only VALUES ('read')", "SET @a = 1", ""] {
            assert!(!asks_for_read_only(text), "{text}");
        }
    }
}
