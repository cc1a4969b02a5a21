//! Tests how bytes become lines.

use threadwise_systems::{BadLine, Lines};

fn all(lines: &mut Lines) -> Vec<Result<String, BadLine>> {
    std::iter::from_fn(|| lines.next_line()).collect()
}

#[test]
fn lines_come_out_whole_however_they_came_in() {
    let text = b"one\r\ntwo\n\nthree\n";
    for size in 1..=text.len() {
        let mut lines = Lines::new(5);
        text.chunks(size).for_each(|chunk| lines.feed(chunk));
        let expected = ["one", "two", "", "three"].map(|line| Ok(line.to_owned()));
        assert_eq!(all(&mut lines), expected, "in pieces of {size}");
        assert!(!lines.has_begun());
    }
}

#[test]
fn a_line_that_is_too_long_is_reported_and_the_next_one_comes() {
    for size in [1, 3, 100] {
        let mut lines = Lines::new(3);
        b"abcd\nabc\r\nabc\r\r\nabcdefgh\nx\n".chunks(size).for_each(|chunk| lines.feed(chunk));
        let (long, line) = (Err(BadLine::TooLong(3)), |text: &str| Ok(text.to_owned()));
        assert_eq!(all(&mut lines), [long.clone(), line("abc"), long.clone(), long, line("x")]);
    }
}

#[test]
fn bytes_that_are_no_text_cost_their_line_only() {
    let mut lines = Lines::new(9);
    lines.feed(b"\xff\xfe\nfine\n");
    assert_eq!(all(&mut lines), [Err(BadLine::NotUtf8), Ok("fine".to_owned())]);
}
