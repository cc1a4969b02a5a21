//! The lines of a client, and their answers: a line for each line.
//!
//! | the client writes | it is answered |
//! |---|---|
//! | `PATIENT;TEXT` | `saved PATIENT;CASE;CATEGORY;PROBABILITY` once the case is durable |
//! | `PATIENT#KEY;TEXT` | the same; sent again with the same key, it is not saved again |
//! | `?PATIENT` | `history PATIENT;CASE CATEGORY PROBABILITY;…`, the newest first |
//! | anything else | `error KIND: what is wrong, and what to do` |
//!
//! A category is one of the lessons', or `unknown` (with the probability 0.00) where no word of the
//! text is known.
//!
//! A line that begins with `bye` answers nothing: it is the last one, and says why.

use std::fmt;

use threadwise_systems::{BadLine, Line};

/// The most characters of a patient's id, or of a key.
const MAX_NAME: usize = 32;

/// A client's request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A case to save and classify.
    Save(Case),
    /// The latest cases of this patient.
    History(String),
}

/// A case from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) patient: String,
    /// The client's key for this case. It makes sending again safe.
    pub(crate) key: Option<String>,
    pub(crate) text: String,
}

/// A case in the database.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saved {
    pub(crate) id: i64,
    pub(crate) category: String,
    pub(crate) probability: f64,
}

/// The answer to a line.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Saved { patient: String, case: Saved },
    History { patient: String, cases: Vec<Saved> },
    Refused { kind: &'static str, why: String },
}

/// What a line asks for.
pub(crate) fn read(line: Result<String, BadLine>) -> Line<Request> {
    match line.map_err(Answer::from).and_then(|line| Request::parse(&line)) {
        Ok(question @ Request::History(_)) => Line::Alone(question),
        Ok(case) => Line::Job(case),
        Err(refusal) => Line::Answered(refusal.to_string()),
    }
}

impl Request {
    /// Parses a line.
    pub(crate) fn parse(line: &str) -> Result<Self, Answer> {
        if let Some(patient) = line.strip_prefix('?') {
            return Ok(Self::History(name("patient", patient)?));
        }
        let Some((who, text)) = line.split_once(';') else {
            return Err(Answer::refused(
                "format",
                "there is no `;`; write PATIENT;TEXT, PATIENT#KEY;TEXT or ?PATIENT",
            ));
        };
        let (patient, key) = match who.split_once('#') {
            Some((patient, key)) => (patient, Some(name("key", key)?)),
            None => (who, None),
        };
        let patient = name("patient", patient)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(Answer::refused("text", "there is no text after the `;`"));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() && *c != '\t') {
            let why = format!("the text has the control character {bad:?}; leave it out");
            return Err(Answer::refused("text", why));
        }
        Ok(Self::Save(Case { patient, key, text: text.to_owned() }))
    }
}

/// Accepts only names that are harmless in a log, a file name, a shell or a page.
fn name(kind: &'static str, text: &str) -> Result<String, Answer> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let why = match text.chars().find(|c| !is_fine(*c)) {
        // The error shows only the first bad character of a hostile name, escaped.
        Some(bad) => format!("{bad:?} is not allowed in it; use letters, digits, `-` and `_`"),
        None if text.is_empty() => "it is empty".to_owned(),
        None if text.len() > MAX_NAME => format!("it is longer than {MAX_NAME} characters"),
        None => return Ok(text.to_owned()),
    };
    Err(Answer::refused(kind, why))
}

impl Answer {
    pub(crate) fn refused(kind: &'static str, why: impl Into<String>) -> Self {
        Self::Refused { kind, why: why.into() }
    }
}

impl From<BadLine> for Answer {
    fn from(bad: BadLine) -> Self {
        Self::refused("line", format!("{bad}; it was not used"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saved { patient, case: Saved { id, category, probability } } => {
                write!(f, "saved {patient};{id};{category};{probability:.2}")
            }
            Self::History { patient, cases } => {
                write!(f, "history {patient}")?;
                cases.iter().try_for_each(|Saved { id, category, probability }| {
                    write!(f, ";{id} {category} {probability:.2}")
                })
            }
            Self::Refused { kind, why } => write!(f, "error {kind}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_with_and_without_a_key() {
        let case = |key: Option<&str>, text: &str| {
            let key = key.map(str::to_owned);
            Ok(Request::Save(Case { patient: "anna-1".to_owned(), key, text: text.to_owned() }))
        };
        assert_eq!(Request::parse("anna-1; a; b#c "), case(None, "a; b#c"));
        assert_eq!(Request::parse("anna-1#k_7;ache\tfever"), case(Some("k_7"), "ache\tfever"));
        assert_eq!(Request::parse("?anna-1"), Ok(Request::History("anna-1".to_owned())));
    }
}
