//! Shows pictures: in place while the scene runs, or one after the other.

use std::io::{self, Write, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show as ShowCursor};
use crossterm::style::{Color, Stylize};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use threadwise_systems::Shutdown;

use crate::picture::{self, Ink, Line, Picture};

/// The width of a picture without a terminal.
const PLAIN_WIDTH: usize = 80;

/// The colours of the connections, by number.
const COLOURS: [Color; 6] = [
    Color::DarkGreen,
    Color::DarkCyan,
    Color::DarkMagenta,
    Color::Blue,
    Color::DarkYellow,
    Color::Grey,
];

/// The output for pictures.
pub(crate) struct Show {
    screen: Option<Screen>,
    done: Vec<Picture>,
}

impl Show {
    /// Draws on the screen if there is one. Otherwise it prints each picture at the end of its
    /// scene.
    pub(crate) fn new(screen: Option<Screen>) -> Self {
        Self { screen, done: Vec::new() }
    }

    /// Draws a running scene.
    pub(crate) fn live(&mut self, draw: impl FnOnce(usize) -> Picture) {
        if let Some(screen) = &self.screen {
            let width = width();
            screen.show(&self.done, &draw(width), width);
        }
    }

    /// Draws a finished scene.
    pub(crate) fn done(&mut self, draw: impl FnOnce(usize) -> Picture) {
        match self.screen {
            Some(_) => self.done.push(draw(width())),
            None => println!("{}", picture::plain(&draw(PLAIN_WIDTH))),
        }
    }

    /// Leaves the screen, if there is one, and prints its pictures again.
    pub(crate) fn finish(self) -> io::Result<()> {
        if self.screen.is_none() {
            return Ok(());
        }
        drop(self.screen);
        let text = |picture: &Picture| picture.iter().map(|line| coloured(line) + "\n").collect();
        let text: Vec<String> = self.done.iter().map(text).collect();
        writeln!(stdout(), "{}", text.join("\n"))
    }
}

fn width() -> usize {
    terminal::size().map_or(PLAIN_WIDTH, |(columns, _)| usize::from(columns).min(110))
}

// ANCHOR: restore
/// Whether the terminal shows the other screen. It is one static for the whole program, because the
/// panic hook and the signal handler have to find it.
static IS_LIVE: AtomicBool = AtomicBool::new(false);

/// The terminal's other screen, without a cursor. Dropping this value, Ctrl-C and a panic of any
/// thread leave it, so that later output is readable.
pub(crate) struct Screen(());

impl Screen {
    pub(crate) fn enter(shutdown: &Shutdown) -> io::Result<Self> {
        let print_panic = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            print_panic(info);
        }));
        shutdown.at_begin(restore);
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        IS_LIVE.store(true, Ordering::Relaxed);
        Ok(Self(()))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal, once.
fn restore() {
    let mut terminal = stdout().lock(); // waits until a picture is complete
    if IS_LIVE.swap(false, Ordering::Relaxed) {
        let _ = execute!(terminal, ShowCursor, LeaveAlternateScreen); // or it is gone anyway
    }
}
// ANCHOR_END: restore

impl Screen {
    /// Draws the latest pictures, as many as there is room for.
    fn show(&self, done: &[Picture], now: &Picture, width: usize) {
        let blank = Line::new();
        let before = done.iter().flat_map(|picture| picture.iter().chain([&blank]));
        let lines: Vec<_> = before.chain(now).collect();
        let height = terminal::size().map_or(24, |(_, rows)| usize::from(rows)).max(2) - 1;
        let lines = &lines[lines.len().saturating_sub(height)..];
        // If the program cannot write to the terminal, the scene goes on without it.
        let _ = frame(lines, width).and_then(|frame| {
            let mut terminal = stdout().lock();
            if IS_LIVE.load(Ordering::Relaxed) {
                terminal.write_all(&frame)?;
            }
            terminal.flush()
        });
    }
}

/// A picture as bytes, so that one write shows all of it.
fn frame(lines: &[&Line], width: usize) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    queue!(frame, BeginSynchronizedUpdate, MoveTo(0, 0))?;
    for line in lines {
        frame.extend(coloured(&cut(line, width)).bytes());
        queue!(frame, Clear(ClearType::UntilNewLine))?;
        frame.extend(b"\r\n");
    }
    queue!(frame, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
    Ok(frame)
}

/// The beginning of a line that fits into `width`.
fn cut(line: &Line, width: usize) -> Line {
    let mut room = width;
    let cut = line.iter().map(|(ink, text)| {
        let text: String = text.chars().take(room).collect();
        room -= text.chars().count();
        (*ink, text)
    });
    cut.collect()
}

fn coloured(line: &Line) -> String {
    let piece = |(ink, text): &(Ink, String)| match ink {
        Ink::Text => text.clone(),
        Ink::Heading => text.as_str().bold().to_string(),
        Ink::Waits => text.as_str().yellow().to_string(),
        Ink::Rests => text.as_str().dark_grey().to_string(),
        Ink::Holds(number) => text.as_str().black().on(COLOURS[number % COLOURS.len()]).to_string(),
    };
    line.iter().map(piece).collect()
}
