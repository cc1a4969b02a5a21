//! Text that cannot become markup.

use std::fmt::{Display, Formatter, Result, Write};

/// Displays its value, with each special character of HTML and SVG written as an entity.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> Result {
        text.chars().try_for_each(|character| match character {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            '\n' | '\t' => self.0.write_char(' '),
            control if control.is_control() => Ok(()), // not allowed in XML
            other => self.0.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        let text = "<b class=\"x\">Tom & 'Jerry'\u{1b}\n</b>";
        let shown = "&lt;b class=&quot;x&quot;&gt;Tom &amp; &#39;Jerry&#39; &lt;/b&gt;";
        assert_eq!(Escaped(text).to_string(), shown);
    }
}
