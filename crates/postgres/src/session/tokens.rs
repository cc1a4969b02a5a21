//! The tokens of a statement's text, without comments and spaces.

/// One token of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    /// A keyword or a name without quotes, as written.
    Word(&'s str),
    /// A name in double quotes, without them. A quote inside is still doubled.
    Quoted(&'s str),
    /// A string, whatever its quotes.
    Text,
    /// A number or a parameter (`$1`).
    Value,
    Sign(u8),
}

impl Token<'_> {
    /// Whether the token is this keyword, which is in lower case.
    pub(crate) fn is(self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// The text cannot be read further: it does not end where a token must, or depends on a setting.
#[derive(Debug)]
pub(crate) struct Unclear;

/// Reads a text as the server does.
#[derive(Clone)]
pub(crate) struct Tokens<'s> {
    rest: &'s str,
    /// Whether a backslash in `'…'` is an ordinary character (`standard_conforming_strings`).
    plain_backslashes: bool,
}

impl<'s> Tokens<'s> {
    pub(crate) fn new(text: &'s str, plain_backslashes: bool) -> Self {
        Self { rest: text, plain_backslashes }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Reads the first `bytes` of the rest.
    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Skips spaces and comments. Comments in `/* … */` may contain others.
    fn skip_blank(&mut self) -> Result<(), Unclear> {
        loop {
            let bytes = self.rest.as_bytes();
            match bytes {
                [b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c', ..] => self.skip(1),
                [b'-', b'-', ..] => {
                    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.skip(end.unwrap_or(bytes.len()));
                }
                [b'/', b'*', ..] => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), Unclear> {
        let bytes = self.rest.as_bytes();
        let (mut depth, mut at) = (0_usize, 0);
        loop {
            match bytes.get(at..at + 2).ok_or(Unclear)? {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                self.skip(at);
                return Ok(());
            }
        }
    }

    /// Skips what is between two `quote`s; the first is the next byte. A doubled quote inside is read
    /// as the end of one string and the start of the next, which changes nothing outside.
    fn skip_quoted(&mut self, quote: u8, has_escapes: bool) -> Result<&'s str, Unclear> {
        let bytes = self.rest.as_bytes();
        let mut at = 1;
        loop {
            match *bytes.get(at).ok_or(Unclear)? {
                byte if byte == quote => break,
                b'\\' if has_escapes => at += 2,
                _ => at += 1,
            }
        }
        let inside = self.rest.get(1..at).ok_or(Unclear)?;
        self.skip(at + 1);
        Ok(inside)
    }

    /// A string in single quotes. Without `standard_conforming_strings` a backslash begins an escape.
    fn plain_string(&mut self) -> Result<Token<'s>, Unclear> {
        let inside = self.skip_quoted(b'\'', false)?;
        if inside.contains('\\') && !self.plain_backslashes {
            Err(Unclear)
        } else {
            Ok(Token::Text)
        }
    }

    /// A string `E'…'`. It may continue in quotes on the next line, where escapes count, too.
    fn escape_string(&mut self) -> Result<Token<'s>, Unclear> {
        self.skip_quoted(b'\'', true)?;
        let mut after = self.clone();
        after.skip_blank()?;
        if after.rest.starts_with('\'') { Err(Unclear) } else { Ok(Token::Text) }
    }

    /// A string between two equal tags, such as `$$` or `$body$`; or a parameter.
    fn dollar(&mut self) -> Result<Token<'s>, Unclear> {
        let bytes = self.rest.as_bytes();
        let digits = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            self.skip(1 + digits);
            // Newer servers refuse `$1abc`, older ones read two tokens.
            let follows_word = self.rest.bytes().next().is_some_and(continues_word);
            return if follows_word { Err(Unclear) } else { Ok(Token::Value) };
        }
        let name = bytes[1..].iter().take_while(|byte| continues_name(**byte)).count();
        if bytes.get(1 + name) != Some(&b'$') {
            return Err(Unclear);
        }
        let tag = self.take(name + 2);
        let end = self.rest.find(tag).ok_or(Unclear)?;
        self.skip(end + tag.len());
        Ok(Token::Text)
    }

    fn word(&mut self) -> Result<Token<'s>, Unclear> {
        let bytes = self.rest.as_bytes();
        let length = bytes.iter().take_while(|byte| continues_word(**byte)).count();
        let word = self.take(length);
        let follows = self.rest.as_bytes();
        match (word.as_bytes(), follows) {
            ([b'e' | b'E'], [b'\'', ..]) => self.escape_string(),
            ([b'b' | b'B' | b'x' | b'X' | b'n' | b'N'], [b'\'', ..]) => self.plain_string(),
            // Its quotes may hold escapes by a sign that the text chooses.
            ([b'u' | b'U'], [b'&', b'\'' | b'"', ..]) => Err(Unclear),
            _ => Ok(Token::Word(word)),
        }
    }

    /// A number. What directly follows it is a number's part to some servers and a word to others.
    fn number(&mut self) -> Result<Token<'s>, Unclear> {
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let is_exponent_sign = matches!(byte, b'+' | b'-')
                && matches!(bytes[at - 1], b'e' | b'E')
                && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            if !byte.is_ascii_digit() && !matches!(byte, b'.' | b'e' | b'E') && !is_exponent_sign {
                break;
            }
            at += 1;
        }
        self.skip(at);
        let follows_word = self.rest.bytes().next().is_some_and(continues_word);
        if follows_word { Err(Unclear) } else { Ok(Token::Value) }
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Result<Token<'s>, Unclear>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(unclear) = self.skip_blank() {
            return Some(Err(unclear));
        }
        let bytes = self.rest.as_bytes();
        let first = *bytes.first()?;
        Some(match first {
            b'\'' => self.plain_string(),
            b'"' => self.skip_quoted(b'"', false).map(Token::Quoted),
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => self.number(),
            _ if begins_word(first) => self.word(),
            0..=31 | 127 => Err(Unclear),
            _ => {
                self.skip(1);
                Ok(Token::Sign(first))
            }
        })
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

/// In the tag of a `$tag$` string.
fn continues_name(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit()
}

fn continues_word(byte: u8) -> bool {
    continues_name(byte) || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, plain: bool) -> Option<Vec<Token<'_>>> {
        Tokens::new(text, plain).map(Result::ok).collect()
    }

    #[test]
    fn texts_are_cut_as_the_server_does() {
        use Token::{Quoted, Sign, Text, Value, Word};
        for (text, tokens) in [
            ("a.b", vec![Word("a"), Sign(b'.'), Word("b")]),
            ("SELECT/* x /* y */ z */1", vec![Word("SELECT"), Value]),
            ("a -- b\n+c", vec![Word("a"), Sign(b'+'), Word("c")]),
            ("'it''s' \"a\"\"b\"", vec![Text, Text, Quoted("a"), Quoted("b")]),
            (r"E'a\'b' x", vec![Text, Word("x")]),
            (r"e'a\\' x", vec![Text, Word("x")]),
            ("$$ ' $$ x", vec![Text, Word("x")]),
            ("$a$ $$ $a$ x", vec![Text, Word("x")]),
            ("$1::int", vec![Value, Sign(b':'), Sign(b':'), Word("int")]),
            ("1.5e-3 .5 x", vec![Value, Value, Word("x")]),
            ("a$b$c", vec![Word("a$b$c")]),
            ("b'01' X'f0'", vec![Text, Text]),
            ("é(1)", vec![Word("é"), Sign(b'('), Value, Sign(b')')]),
        ] {
            assert_eq!(read(text, true).as_deref(), Some(&*tokens), "{text}");
        }
    }

    #[test]
    fn a_text_that_depends_on_a_setting_or_does_not_end_is_unclear() {
        for text in [
            "'", "\"", "$$", "$a$ $b$", "/* /* */", "U&'x'", "u&\"x\"", "1a", "$1a", "0x1f",
            "\u{1}",
        ] {
            assert_eq!(read(text, true), None, "{text}");
        }
        assert_eq!(read("E'a'\n'\\'' , f(1), ''''", true), None, "the escape string goes on");
        assert_eq!(read(r"'a\' x", false), None);
        assert_eq!(read(r"'a\' x", true), Some(vec![Token::Text, Token::Word("x")]));
    }
}
