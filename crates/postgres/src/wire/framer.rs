//! Cuts a stream of bytes into PostgreSQL's messages.

/// Finds the messages in one direction of a connection, whatever the pieces in which their bytes come.
///
/// It keeps only the first bytes of a message, as many as the caller wants of its kind.
pub(crate) struct Framer {
    part: Part,
    /// The bytes of a header that came so far.
    header: Vec<u8>,
    kept: Vec<u8>,
}

enum Part {
    /// The client's first message, which has no kind.
    Startup,
    Header,
    /// The rest of a message: its kind, its whole length, how many bytes are missing, and how many the
    /// caller wants.
    Body {
        kind: u8,
        length: usize,
        missing: usize,
        wanted: usize,
    },
}

/// One whole message.
pub(crate) struct Message<'m> {
    pub(crate) kind: u8,
    /// The first bytes of its content.
    pub(crate) content: &'m [u8],
    /// Whether `content` is all of it.
    pub(crate) is_complete: bool,
}

/// How many bytes the framer keeps for the next message. Few are longer.
const USUAL_BYTES: usize = 4 << 10;
/// A kind byte and a length, which counts itself.
const HEADER_BYTES: usize = 5;

impl Framer {
    /// For what a client sends after any question about encryption.
    pub(crate) fn of_client() -> Self {
        Self { part: Part::Startup, header: Vec::new(), kept: Vec::new() }
    }

    /// For what a server sends.
    pub(crate) fn of_server() -> Self {
        Self { part: Part::Header, header: Vec::new(), kept: Vec::new() }
    }

    /// Whether the next byte begins a message.
    pub(crate) fn is_between_messages(&self) -> bool {
        matches!(self.part, Part::Header) && self.header.is_empty()
    }

    /// Reads `bytes`, and gives each message that they complete to `take`. `wanted` says how many bytes
    /// of a kind's content matter.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        wanted: impl Fn(u8) -> usize,
        mut take: impl FnMut(Message<'_>),
    ) {
        loop {
            match self.part {
                Part::Startup => {
                    let Some(length) = self.read_header(&mut bytes, HEADER_BYTES - 1, 0) else {
                        return;
                    };
                    self.part = Part::Body { kind: 0, length, missing: length, wanted: 0 };
                }
                Part::Header => {
                    let Some(length) = self.read_header(&mut bytes, HEADER_BYTES, 1) else {
                        return;
                    };
                    let kind = self.kept[0];
                    self.kept.clear();
                    self.part = Part::Body { kind, length, missing: length, wanted: wanted(kind) };
                }
                Part::Body { kind, length, missing, wanted } => {
                    let (now, rest) = bytes.split_at(missing.min(bytes.len()));
                    let keep = wanted.saturating_sub(self.kept.len()).min(now.len());
                    self.kept.extend_from_slice(&now[..keep]);
                    bytes = rest;
                    let missing = missing - now.len();
                    if missing > 0 {
                        self.part = Part::Body { kind, length, missing, wanted };
                        return;
                    }
                    let is_complete = self.kept.len() == length;
                    take(Message { kind, content: &self.kept, is_complete });
                    self.kept.clear();
                    self.kept.shrink_to(USUAL_BYTES);
                    self.part = Part::Header;
                }
            }
        }
    }

    /// Reads a header of `size` bytes with the length at `at`; returns the length of the content. The
    /// kind is then the first kept byte.
    fn read_header(&mut self, bytes: &mut &[u8], size: usize, at: usize) -> Option<usize> {
        let take = (size - self.header.len()).min(bytes.len());
        self.header.extend_from_slice(&bytes[..take]);
        *bytes = &bytes[take..];
        if self.header.len() < size {
            return None;
        }
        let length: [u8; 4] = self.header[at..at + 4].try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        self.kept.clear();
        if at > 0 {
            self.kept.push(self.header[0]);
        }
        self.header.clear();
        Some(length.saturating_sub(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    /// What a framer finds if the bytes come in pieces of `size`.
    fn read(framer: &mut Framer, bytes: &[u8], size: usize) -> Vec<(u8, Vec<u8>, bool)> {
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            framer.feed(
                piece,
                |kind| if kind == b'd' { 2 } else { 100 },
                |message| {
                    found.push((message.kind, message.content.to_vec(), message.is_complete));
                },
            );
        }
        found
    }

    #[test]
    fn messages_are_found_whatever_the_pieces() {
        let startup = [&12_u32.to_be_bytes()[..], b"12345678"].concat();
        let bytes =
            [startup, message(b'Q', b"SELECT 1\0"), message(b'S', b""), message(b'd', b"long")]
                .concat();
        for size in 1..=bytes.len() {
            let mut framer = Framer::of_client();
            assert_eq!(
                read(&mut framer, &bytes, size),
                [
                    (0, Vec::new(), false),
                    (b'Q', b"SELECT 1\0".to_vec(), true),
                    (b'S', Vec::new(), true),
                    (b'd', b"lo".to_vec(), false),
                ],
                "{size}"
            );
            assert!(framer.is_between_messages());
        }
    }
}
