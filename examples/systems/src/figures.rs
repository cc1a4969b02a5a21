//! The throughput and the times of operations.

use std::thread;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, TableStyle};
use hdrhistogram::Histogram;

/// The times of operations, to three digits, up to a minute.
#[derive(Clone, Debug)]
pub struct Figures {
    took: Histogram<u64>,
    failed: u64,
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The name of the measurement.
    pub name: String,
    /// The figures of all threads.
    pub figures: Figures,
    /// The time from the first operation to the end of the last.
    pub elapsed: Duration,
}

impl Default for Figures {
    fn default() -> Self {
        let minute = Duration::from_secs(60).as_nanos() as u64;
        let took = Histogram::new_with_max(minute, 3).expect("bounds that fit");
        Self { took, failed: 0 }
    }
}

impl Figures {
    /// Adds an operation that began at this moment and ends now.
    pub fn done(&mut self, began: Instant) {
        self.took.saturating_record(began.elapsed().as_nanos() as u64);
    }

    /// Adds a failed operation. It has no time, because a quick failure is not speed.
    pub fn failed(&mut self) {
        self.failed += 1;
    }

    /// Adds the figures of another thread.
    pub fn add(&mut self, other: &Self) {
        self.took.add(&other.took).expect("the same bounds");
        self.failed += other.failed;
    }

    /// How many operations succeeded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.took.len()
    }

    /// How many operations failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed
    }

    /// The time that this part of the operations, from 0 to 1, did not exceed.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_nanos(self.took.value_at_quantile(part))
    }
}

impl Turn {
    /// Runs each client on a thread, all at once, and adds up their figures.
    ///
    /// # Errors
    ///
    /// That of the first client that fails.
    pub fn run<C, E>(
        name: impl Into<String>,
        clients: impl IntoIterator<Item = C>,
    ) -> Result<Self, E>
    where
        C: FnOnce() -> Result<Figures, E> + Send,
        E: Send,
    {
        let began = Instant::now();
        let figures = thread::scope(|threads| {
            let running: Vec<_> = clients.into_iter().map(|client| threads.spawn(client)).collect();
            let mut all = Figures::default();
            for client in running {
                all.add(&client.join().expect("a client that does not panic")?);
            }
            Ok(all)
        })?;
        Ok(Self { name: name.into(), figures, elapsed: began.elapsed() })
    }

    /// Operations per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.figures.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// The milliseconds that this part of the operations, from 0 to 1, did not exceed.
    #[must_use]
    pub fn ms(&self, part: f64) -> String {
        format!("{:.2}", self.figures.quantile(part).as_secs_f64() * 1e3)
    }
}

/// A row for each turn: operations per second, p50, p99, and what failed.
#[must_use]
pub fn table(what: &str, turns: &[Turn]) -> String {
    let row = |turn: &Turn| {
        let (rate, failed) = (format!("{:.0}", turn.rate()), turn.figures.failures().to_string());
        [turn.name.clone(), rate, turn.ms(0.5), turn.ms(0.99), failed]
    };
    columns(["", &format!("{what}/s"), "p50 ms", "p99 ms", "failed"], turns.iter().map(row))
}

/// A table with a column of names, and columns of numbers behind it.
pub fn columns<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
