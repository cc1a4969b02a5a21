//! The messages over a WebSocket: JSON in text frames.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Serialize};
use tungstenite::Bytes;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};

/// The most bytes of a message's text. The column holds 64 KiB.
pub(crate) const MAX_TEXT: usize = 4000;

/// The most bytes of a WebSocket message. JSON may need six bytes for one. The server does not read
/// a longer message.
pub(crate) const MAX_FRAME: usize = 32 * 1024;

/// The most characters of a name.
const MAX_NICK: usize = 20;

/// A chatter's name: letters of any script with their marks, digits, `-` and `_`. Capitals and
/// small letters are the same, and so are the ways to write one letter (`é` with one character or
/// with two). Two names may still look the same, as where one has a Cyrillic `а` and the other a
/// Latin `a`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) struct Nick(String);

/// A message that is saved, or will be.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The position in the order of all messages; 0 until the database has assigned one.
    pub(crate) id: i64,
    pub(crate) from: Nick,
    /// The user who may see it; `None` means all users.
    pub(crate) to: Option<Nick>,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// The sender's key for the message. It makes sending again safe.
    pub(crate) key: String,
}

/// A frame from a chatter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
pub(crate) enum Incoming {
    /// `{"msg": "hello", "to": "bob", "key": "k1"}`. Without `to`, all users get it.
    Say { msg: String, to: Option<String>, key: Option<String> },
    /// `{"seen": 17}`: the page has shown all private messages up to this number.
    Seen { seen: i64 },
}

/// A frame to a chatter.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Outgoing<'m> {
    /// The first frame: the chatter's name, and the number of the last message.
    Hello {
        you: &'m Nick,
        last: i64,
    },
    /// The frame after the past: the users who are present. All later frames are live.
    Present {
        who: Vec<&'m Nick>,
    },
    Joined {
        who: &'m Nick,
    },
    Left {
        who: &'m Nick,
    },
    Message {
        id: i64,
        from: &'m Nick,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'m Nick>,
        msg: &'m str,
        at: i64,
        /// The sender's key. Only the sender gets it.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'m str>,
    },
    /// The message is committed, under this number.
    Ack {
        key: &'m str,
        id: i64,
    },
    /// The message is not committed, or not known to be (`unknown`); `code` is for programs, `error` for people.
    Error {
        code: &'m str,
        error: &'m str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'m str>,
    },
}

/// The reason why the server refuses a frame.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) error: String,
    pub(crate) key: Option<String>,
}

/// Close codes that a page has to tell apart (RFC 6455 leaves 4000 to 4999 to programs).
pub(crate) mod close {
    pub(crate) const BAD_NAME: u16 = 4001;
    pub(crate) const TAKEN: u16 = 4002;
    pub(crate) const REPLACED: u16 = 4003;
    pub(crate) const FULL: u16 = 4004;
    pub(crate) const UNAVAILABLE: u16 = 4005;
}

impl Nick {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        let text = nfc.normalize(text);
        let is_right = (1..=MAX_NICK).contains(&text.chars().count())
            && text.chars().all(is_fit)
            && !text.starts_with(is_mark); // it would join what stands before the name
        if !is_right {
            return Err(format!("a name has 1 to {MAX_NICK} letters, digits, - or _"));
        }
        Ok(Self(nfc.normalize(&text.to_lowercase()).into_owned()))
    }

    /// A name from the database. It was parsed before it was saved.
    pub(crate) fn from_database(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a name may contain this character: letters, their marks and digits, but no invisible
/// character, and none that changes how its neighbours look.
fn is_fit(c: char) -> bool {
    let invisible = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let is_letter = GeneralCategoryGroup::Letter.contains(category) || is_mark(c);
    let is_digit =
        matches!(category, GeneralCategory::DecimalNumber | GeneralCategory::LetterNumber);
    (is_letter || is_digit || "-_".contains(c)) && !invisible.contains(c)
}

fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Message {
    /// A message from `from`, if the text and the key are valid.
    pub(crate) fn said(
        from: &Nick,
        text: String,
        to: Option<String>,
        key: Option<String>,
    ) -> Result<Self, Refusal> {
        let refuse = |code, error: String| Refusal { code, error, key: key.clone() };
        if key.as_ref().is_some_and(|key| !is_token(key, 1)) {
            let error = "a key has 1 to 64 letters, digits, - or _".to_owned();
            return Err(Refusal { code: "malformed", error, key: None });
        }
        if text.len() > MAX_TEXT {
            let error = format!("the message has {} bytes, more than {MAX_TEXT}", text.len());
            return Err(refuse("too_long", error));
        }
        if text.trim().is_empty() {
            return Err(refuse("empty", "the message is empty".to_owned()));
        }
        let to = to.map(|to| Nick::parse(&to)).transpose();
        let to = to.map_err(|error| refuse("unknown_recipient", error))?;
        if to.as_ref() == Some(from) {
            return Err(refuse("unknown_recipient", "you are the recipient".to_owned()));
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let key =
            key.unwrap_or_else(|| format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)));
        Ok(Self { id: 0, from: from.clone(), to, text, at: at.as_millis() as i64, key })
    }

    /// The frame for `reader`: only the author gets the key.
    pub(crate) fn frame(&self, reader: Option<&Nick>) -> Bytes {
        let key = (reader == Some(&self.from)).then_some(self.key.as_str());
        let (from, to, msg) = (&self.from, self.to.as_ref(), self.text.as_str());
        Outgoing::Message { id: self.id, from, to, msg, at: self.at, key }.frame()
    }

    pub(crate) fn ack(&self) -> Bytes {
        Outgoing::Ack { key: &self.key, id: self.id }.frame()
    }
}

impl Outgoing<'_> {
    /// The bytes of a frame. They are the same for every chatter, because a server does not mask
    /// its frames.
    pub(crate) fn frame(&self) -> Bytes {
        let json = serde_json::to_vec(self).expect("it is made of text and numbers");
        bytes(Frame::message(json, OpCode::Data(Data::Text), true))
    }
}

impl Refusal {
    pub(crate) fn frame(&self) -> Bytes {
        let key = self.key.as_deref();
        Outgoing::Error { code: self.code, error: &self.error, key }.frame()
    }
}

pub(crate) fn ping() -> Bytes {
    bytes(Frame::ping(Bytes::new()))
}

/// The last frame of a connection. Its reason has at most 123 bytes.
pub(crate) fn goodbye(code: u16, reason: &str) -> Bytes {
    let reason = reason[..reason.floor_char_boundary(123)].to_owned().into();
    bytes(Frame::close(Some(CloseFrame { code: CloseCode::from(code), reason })))
}

/// Whether a client chose a valid secret or key: letters, digits, `-` and `_`, at most 64.
pub(crate) fn is_token(text: &str, min: usize) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (min..=64).contains(&text.len()) && text.bytes().all(is_fit)
}

fn bytes(frame: Frame) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).expect("a Vec takes everything");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_folded_and_checked() {
        assert_eq!(Nick::parse("Ann_1").unwrap().as_str(), "ann_1");
        for bad in ["", " ", "a b", "<b>", "a\0", "123456789012345678901"] {
            Nick::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn only_the_author_sees_the_key() {
        let ann = Nick::parse("ann").unwrap();
        let message = Message::said(&ann, "x".into(), None, Some("k1".into())).unwrap();
        let shows = |reader| String::from_utf8_lossy(&message.frame(reader)).contains("k1");
        assert!(shows(Some(&ann)) && !shows(None) && !shows(Some(&Nick::parse("bob").unwrap())));
    }

    #[test]
    fn a_reason_to_hang_up_is_cut_between_letters() {
        assert!(goodbye(4001, &"ä".repeat(100)).len() <= 127);
    }
}
