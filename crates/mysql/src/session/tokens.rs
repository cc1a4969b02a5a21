//! The tokens of a statement's text, without comments and spaces.

/// One token of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    Word(&'s str),
    /// A name in quotes or a string. The session's settings decide which of them it is.
    Quoted(&'s str),
    /// A string in single quotes, or a named parameter of the driver (`:name`). It is never a name.
    Text,
    Sign(u8),
}

/// The text cannot be read further: what follows depends on settings that this crate does not know.
#[derive(Debug)]
pub(crate) struct Unclear;

/// Reads a text as the server does, or stops where servers differ.
#[derive(Clone)]
pub(crate) struct Tokens<'s> {
    rest: &'s [u8],
    text: &'s str,
    /// Whether the session reads a backslash in a string as an ordinary character.
    no_backslash_escape: bool,
    /// Whether spaces or a comment precede the last token.
    pub(crate) follows_space: bool,
}

impl<'s> Tokens<'s> {
    pub(crate) fn new(text: &'s str, no_backslash_escape: bool) -> Self {
        Self { rest: text.as_bytes(), text, no_backslash_escape, follows_space: false }
    }

    /// The next byte, without reading it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes.min(self.rest.len())..];
    }

    fn slice(&self, from: usize, length: usize) -> Result<&'s str, Unclear> {
        let slice = self.text.get(from..from + length).ok_or(Unclear)?;
        if slice.is_ascii() { Ok(slice) } else { Err(Unclear) }
    }

    fn offset(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// Skips spaces and comments.
    fn skip_blank(&mut self) -> Result<(), Unclear> {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r' | b'\x0c', ..] => self.skip(1),
                [b'#', ..] | [b'-', b'-'] => self.skip_line(),
                [b'-', b'-', b' ' | b'\t' | b'\n' | b'\r', ..] => self.skip_line(),
                [b'-', b'-', next, ..] if next.is_ascii_control() => return Err(Unclear),
                // Some servers run this as code, or take it as a hint that changes settings.
                [b'/', b'*', b'!' | b'+', ..] | [b'/', b'*', b'M' | b'm', b'!', ..] => {
                    return Err(Unclear);
                }
                [b'/', b'*', inside @ ..] => {
                    let end = inside.windows(2).position(|pair| pair == b"*/").ok_or(Unclear)?;
                    self.skip(end + 4);
                }
                _ => return Ok(()),
            }
            self.follows_space = true;
        }
    }

    /// Skips a comment up to the end of its line. A zero byte ends the comment, too: how the server
    /// reads what follows is not clear.
    fn skip_line(&mut self) {
        let end = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\0'));
        self.skip(end.unwrap_or(self.rest.len()));
    }

    /// Skips a string in single quotes. A doubled quote inside is read as the end of one string and
    /// the start of the next. That changes nothing outside of strings.
    fn skip_text(&mut self) -> Result<(), Unclear> {
        let mut at = 1;
        loop {
            let is_end = |byte: &u8| *byte == b'\'' || *byte == b'\\';
            at += self.rest[at..].iter().position(is_end).ok_or(Unclear)?;
            if self.rest[at] == b'\'' {
                self.skip(at + 1);
                return Ok(());
            }
            if self.no_backslash_escape {
                at += 1;
                continue;
            }
            // In some character sets a backslash may be the second byte of a character.
            if !self.rest[at - 1].is_ascii() || at + 2 > self.rest.len() {
                return Err(Unclear);
            }
            at += 2;
        }
    }

    /// Reads the text up to the next `sign`. With a backslash or a doubled sign in it, the
    /// session's settings decide where it ends.
    fn quoted(&mut self, sign: u8) -> Result<Token<'s>, Unclear> {
        let from = self.offset() + 1;
        let inside = &self.rest[1..];
        let length = inside.iter().position(|byte| *byte == sign).ok_or(Unclear)?;
        let name = self.slice(from, length)?;
        if name.contains('\\') || inside.get(length + 1) == Some(&sign) {
            return Err(Unclear);
        }
        self.skip(length + 2);
        Ok(Token::Quoted(name))
    }

    fn word(&mut self) -> Result<Token<'s>, Unclear> {
        let length = self.rest.iter().position(|byte| !is_of_word(*byte));
        let length = length.unwrap_or(self.rest.len());
        let word = self.slice(self.offset(), length)?;
        if word.starts_with(|c: char| c.is_ascii_digit()) && !is_number(word) {
            return Err(Unclear); // a name, or a number and the word after it
        }
        self.skip(length);
        Ok(Token::Word(word))
    }

    /// Reads `:name`, which the driver replaces by `?` before it sends the text.
    fn parameter(&mut self) -> Result<Token<'s>, Unclear> {
        let is_of_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let length = self.rest[1..].iter().take_while(|byte| is_of_name(byte)).count();
        self.skip(1 + length);
        // To the driver a capital letter ends the name: `:aFROM` becomes `?FROM`.
        if self.peek().is_some_and(is_of_word) { Err(Unclear) } else { Ok(Token::Text) }
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Result<Token<'s>, Unclear>;

    fn next(&mut self) -> Option<Self::Item> {
        self.follows_space = false;
        if let Err(unclear) = self.skip_blank() {
            return Some(Err(unclear));
        }
        let first = self.peek()?;
        Some(match first {
            b'\'' => self.skip_text().map(|()| Token::Text),
            b'"' | b'`' => self.quoted(first),
            b'[' => Err(Unclear),  // begins a name in the mode `MSSQL`
            b'\\' => Err(Unclear), // `\NFROM` is `NULL FROM`
            b':' if matches!(self.rest, [_, b'a'..=b'z' | b'_', ..]) => self.parameter(),
            _ if is_of_word(first) => self.word(),
            _ if first.is_ascii_control() => Err(Unclear), // a space for the server
            _ => {
                self.skip(1);
                Ok(Token::Sign(first))
            }
        })
    }
}

/// Whether a word that begins with a digit is one number, or the start of one, on every server.
fn is_number(word: &str) -> bool {
    let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(hex) = word.strip_prefix("0x") {
        return hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => are_digits(mantissa) && are_digits(exponent),
        None => are_digits(word),
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}
