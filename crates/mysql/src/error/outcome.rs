//! Errors after which it is unknown whether the server has committed.

use mysql::{Error, MySqlError};

use super::{ErrorClass, classify, makes_sync_unknown};
use crate::session::commits::{AtStake, Ending};

/// Whether the server may have committed what is at stake, although it ended with this error.
///
/// InnoDB commits a single change at the very end of its statement, after the server has looked for
/// a `KILL`. So an answer with an error says that the change was not made. No manual promises that
/// of an interrupted `COMMIT`.
pub(crate) fn is_outcome_unknown(error: &Error, at_stake: AtStake) -> bool {
    let class = classify(error);
    match at_stake {
        _ if class == ErrorClass::Unknown => true,
        AtStake::Nothing => false,
        _ if class == ErrorClass::Lost => true,
        AtStake::OwnChanges => false,
        AtStake::Commit => !is_certain(error),
        // A row was too large to be read, or the statement too large to be sent.
        AtStake::Anything if makes_sync_unknown(error) => true,
        AtStake::Anything => {
            matches!(error, Error::MySqlError(answer) if is_interruption(answer.code))
        }
    }
}

/// Whether this error of a commit says that it did not happen.
fn is_certain(error: &Error) -> bool {
    let Error::MySqlError(MySqlError { code, state, .. }) = error else {
        return true; // a wrong use of the driver, which has sent nothing
    };
    match code {
        // Timeout of a lock; not ready; read-only; a read lock; wrong syntax.
        1047 | 1064 | 1205 | 1223 | 1290 | 1792 | 1836 => true,
        _ => match state.get(..2) {
            // Rolled back, except 40003, "statement completion unknown". The cluster's deadlock is
            // one of these.
            Some("40") => state != "40003",
            // A state of a distributed transaction that forbids it.
            Some("XA") => true,
            _ => false,
        },
    }
}

fn is_interruption(code: u16) -> bool {
    matches!(code, 1317 | 1969 | 3024)
}

/// How a statement with this result has ended, for its transaction.
pub(crate) fn ending<T>(outcome: &Result<T, Error>) -> Ending {
    match outcome {
        Ok(_) => Ending::Succeeded,
        Err(Error::MySqlError(answer)) if is_interruption(answer.code) => Ending::Unclear,
        Err(error) if classify(error) == ErrorClass::Ordinary => Ending::Failed,
        Err(_) => Ending::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn answer(code: u16, state: &str) -> Error {
        Error::MySqlError(MySqlError { code, state: state.into(), message: "…".into() })
    }

    const ALL: [AtStake; 4] =
        [AtStake::Nothing, AtStake::OwnChanges, AtStake::Commit, AtStake::Anything];

    /// For which stakes the outcome is unknown.
    fn unknown(error: &Error) -> Vec<AtStake> {
        ALL.into_iter().filter(|at_stake| is_outcome_unknown(error, *at_stake)).collect()
    }

    #[test]
    fn a_lost_connection_leaves_unknown_whatever_is_at_stake() {
        for error in [
            Error::IoError(ErrorKind::BrokenPipe.into()),
            answer(1053, "08S01"),
            answer(1927, "70100"),
            answer(2013, "HY000"),
        ] {
            assert_eq!(unknown(&error), ALL[1..], "{error}");
        }
    }

    #[test]
    fn an_error_during_commit_is_unknown_always() {
        assert_eq!(unknown(&answer(1180, "HY000")), ALL);
    }

    #[test]
    fn an_interruption_leaves_unknown_what_may_have_been_committed_before_it() {
        for code in [1317, 1969, 3024] {
            let error = answer(code, "70100");
            assert_eq!(unknown(&error), [AtStake::Commit, AtStake::Anything], "{code}");
        }
    }

    #[test]
    fn an_answer_that_says_that_nothing_was_committed_is_believed() {
        for error in [
            answer(1213, "40001"),
            answer(3101, "40000"),
            answer(1205, "HY000"),
            answer(1047, "08S01"),
            answer(1290, "HY000"),
            answer(1399, "XAE07"),
            Error::DriverError(mysql::DriverError::MixedParams),
        ] {
            assert_eq!(unknown(&error), [], "{error}");
        }
        for error in [answer(1105, "HY000"), answer(9999, "40003"), answer(1598, "HY000")] {
            assert_eq!(unknown(&error), [AtStake::Commit], "{error}");
        }
    }
}
