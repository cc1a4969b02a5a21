//! Draws the notes. This code does not wait, print or look at a clock.

use std::fmt::Write;
use std::time::Duration;

use crate::threads::{Note, What};

/// The widths of a thread's name and of the remark about it.
const NAME: usize = 10;
const REMARK: usize = 27;

/// Lines of a picture.
pub(crate) type Picture = Vec<Line>;

/// Pieces of a line, each in its colour.
pub(crate) type Line = Vec<(Ink, String)>;

/// What a piece of a line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Text,
    Heading,
    Waits,
    Rests,
    /// The connection of this number.
    Holds(usize),
}

/// A scene up to this moment.
pub(crate) struct Board<'b> {
    pub(crate) title: &'b str,
    pub(crate) threads: usize,
    pub(crate) notes: &'b [Note],
    pub(crate) now: Duration,
}

/// The counts at the end of a scene.
pub(crate) struct Facts {
    /// Connections opened.
    pub(crate) opened: u64,
    /// The most that were open at the same time.
    pub(crate) most: usize,
    /// Connections that are still open after the pool was dropped.
    pub(crate) left: usize,
}

impl Board<'_> {
    /// Draws a row for each thread. The scale has room for `expected`.
    pub(crate) fn draw(&self, width: usize, expected: Duration) -> Picture {
        let columns = width.saturating_sub(NAME + REMARK).clamp(20, 80);
        let step = scale(self.now.max(expected), columns);
        let mut picture = vec![
            vec![(Ink::Heading, self.title.to_owned())],
            vec![(Ink::Text, axis(step, columns))],
        ];
        picture.extend((0..self.threads).map(|thread| self.row(thread, step, columns)));
        picture
    }

    /// Draws the finished scene and its results.
    pub(crate) fn draw_all(&self, width: usize, facts: &Facts) -> Picture {
        let mut picture = self.draw(width, Duration::ZERO);
        let columns = width.saturating_sub(NAME + REMARK).clamp(20, 80);
        let Facts { opened, most, left } = facts;
        let waited = self.waited(scale(self.now, columns)).count();
        let order: String = self.served().fold(String::new(), |mut order, thread| {
            let _ = write!(order, " {}", thread + 1);
            order
        });
        let lines = [
            format!("served in this order:{order}; {waited} of {} waited", self.threads),
            format!(
                "{opened} connections opened, {most} at most at the same time, {left} after the \
                 pool's end"
            ),
        ];
        picture.extend(lines.map(|line| vec![(Ink::Text, line)]));
        picture
    }

    /// The threads in the order in which they got connections.
    fn served(&self) -> impl Iterator<Item = usize> {
        let held = self.notes.iter().filter(|note| matches!(note.what, What::Holds(_)));
        held.map(|note| note.thread)
    }

    /// The threads that have waited for others, for at least this long. (A thread for which the
    /// pool opens a connection does not wait for another thread.)
    fn waited(&self, limit: Duration) -> impl Iterator<Item = usize> {
        let has_waited = move |thread: usize| {
            let Some((asked, answered)) = self.wait_of(thread) else { return false };
            let mut others = self.notes.iter().filter(|note| note.thread != thread);
            answered - asked >= limit
                && others.any(|note| note.frees() && (asked..=answered).contains(&note.at))
        };
        (0..self.threads).filter(move |&thread| has_waited(thread))
    }

    /// The moment at which a thread asked, and the moment of its answer, or now.
    fn wait_of(&self, thread: usize) -> Option<(Duration, Duration)> {
        let asked = self.notes_of(thread).find(|note| note.what == What::Asks)?;
        let next = self.notes_of(thread).find(|note| note.what != What::Asks);
        Some((asked.at, next.map_or(self.now, |note| note.at).max(asked.at)))
    }

    fn notes_of(&self, thread: usize) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(move |note| note.thread == thread)
    }

    fn row(&self, thread: usize, step: Duration, columns: usize) -> Line {
        let mut cells = vec![(Ink::Text, ' '); columns];
        let notes: Vec<_> = self.notes_of(thread).collect();
        for (index, note) in notes.iter().enumerate() {
            let end = notes.get(index + 1).map_or(self.now, |next| next.at);
            let (ink, mark, least) = match note.what {
                What::Asks => (Ink::Waits, '.', 0),
                What::Holds(number) => (Ink::Holds(number), letter(number), 1),
                What::Returns => (Ink::Rests, '-', 0),
                What::Panics => (Ink::Text, '!', 1),
                What::GivesUp(_) | What::Ends => continue,
            };
            let column = |at: Duration| (at.as_nanos() / step.as_nanos()) as usize;
            let from = column(note.at).min(columns - 1);
            let to = column(end).max(from + least).min(columns);
            cells[from..to.max(from)].fill((ink, mark));
        }
        let mut line = vec![(Ink::Text, format!("{:<NAME$}", format!("thread {}", thread + 1)))];
        for same in cells.chunk_by(|one, other| one.0 == other.0) {
            line.push((same[0].0, same.iter().map(|cell| cell.1).collect()));
        }
        line.push((Ink::Text, format!(" {}", self.remark(thread))));
        line
    }

    /// A remark about the outcome of a thread's `get`.
    fn remark(&self, thread: usize) -> String {
        let Some((asked, answered)) = self.wait_of(thread) else { return String::new() };
        let waited = (answered - asked).as_millis();
        let mut notes = self.notes_of(thread).map(|note| &note.what);
        if let Some(What::GivesUp(why)) = notes.find(|what| matches!(what, What::GivesUp(_))) {
            return format!("gave up: {why}");
        }
        match self.served().position(|served| served == thread) {
            None => format!("waits: {waited} ms"),
            Some(place) if waited == 0 => format!("served {} at once", ordinal(place + 1)),
            Some(place) => format!("served {} after {waited} ms", ordinal(place + 1)),
        }
    }
}

/// The text of a picture.
pub(crate) fn plain(picture: &[Line]) -> String {
    let line = |line: &Line| line.iter().map(|(_, text)| text.as_str()).collect::<String>();
    picture.iter().map(|pieces| format!("{}\n", line(pieces).trim_end())).collect()
}

/// The smallest round number of milliseconds for each column, so that the whole time fits.
fn scale(all: Duration, columns: usize) -> Duration {
    let powers = std::iter::successors(Some(1), |power| Some(power * 10));
    let steps = powers.flat_map(|power| [1, 2, 3, 4, 5, 6, 8].map(|step| step * power));
    let mut steps = steps.map(Duration::from_millis);
    steps.find(|step| *step * columns as u32 >= all).expect("they grow")
}

/// An axis with milliseconds at every tenth column.
fn axis(step: Duration, columns: usize) -> String {
    let marks = (0..columns / 10).map(|mark| step.as_millis() * mark as u128 * 10);
    let marks: String = marks.map(|ms| format!("{ms:<10}")).collect();
    format!("{:NAME$}{marks:<columns$} ms", "")
}

/// A connection's name.
fn letter(number: usize) -> char {
    char::from(b'A' + (number % 26) as u8)
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(at: u64, thread: usize, what: What) -> Note {
        Note { at: Duration::from_millis(at), thread, what }
    }

    fn scene() -> Vec<Note> {
        vec![
            note(0, 0, What::Asks),
            note(0, 0, What::Holds(0)),
            note(100, 1, What::Asks),
            note(400, 0, What::Returns),
            note(400, 1, What::Holds(0)),
            note(500, 0, What::Ends),
            note(800, 1, What::Returns),
            note(900, 1, What::Ends),
        ]
    }

    fn drawn(notes: &[Note], now: u64, facts: Option<Facts>) -> String {
        let now = Duration::from_millis(now);
        let board = Board { title: "title", threads: 2, notes, now };
        plain(&match facts {
            Some(facts) => board.draw_all(77, &facts),
            None => board.draw(77, Duration::from_millis(900)),
        })
    }

    #[test]
    fn a_scene_that_goes_on_is_drawn_up_to_now() {
        let begun = &scene()[..3];
        let text = drawn(begun, 250, None);
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert!(rows[0].starts_with("thread 1  AAAAAAAA  "), "{text}");
        assert!(rows[1].starts_with("thread 2     .....  "), "{text}");
        assert!(rows[1].ends_with("waits: 150 ms"), "{text}");
    }

    #[test]
    fn a_thread_whose_connection_is_opened_waits_for_no_other_thread() {
        let notes = [
            note(0, 0, What::Asks),
            note(300, 0, What::Holds(0)), // a slow server
            note(350, 1, What::Asks),
            note(500, 0, What::Returns),
            note(500, 1, What::Holds(0)),
        ];
        let text = drawn(&notes, 600, Some(Facts { opened: 1, most: 1, left: 1 }));
        assert!(text.contains("in this order: 1 2; 1 of 2 waited"), "{text}");
    }

    #[test]
    fn a_thread_that_gives_up_or_panics_is_marked() {
        let notes = [
            note(0, 0, What::Asks),
            note(0, 0, What::Holds(27)),
            note(100, 1, What::Asks),
            note(200, 1, What::GivesUp("the pool is closed".to_owned())),
            note(300, 0, What::Panics),
            note(300, 0, What::Ends),
        ];
        let text = drawn(&notes, 400, None);
        assert!(text.contains("BBBB!"), "{text}");
        assert!(text.contains("gave up: the pool is closed"), "{text}");
    }

    #[test]
    fn the_scale_is_round_and_all_fits() {
        for (all, step) in [(0, 1), (40, 1), (41, 2), (81, 3), (201, 6), (321, 10), (40_001, 2_000)]
        {
            let ms = Duration::from_millis;
            assert_eq!(scale(ms(all), 40), ms(step), "{all}");
        }
    }

    #[test]
    fn ordinals_are_english() {
        let text = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal).join(" ");
        assert_eq!(text, "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th");
    }
}
