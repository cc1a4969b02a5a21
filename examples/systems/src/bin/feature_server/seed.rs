//! Made-up people and their visits, orders and complaints.

use std::fmt::Write;

use threadwise_systems::{Connection, Error};

/// The last day of the made-up data; days are counted from 1.
pub(crate) const TODAY: i64 = 1000;

const ROWS_AT_ONCE: usize = 200;

const TABLES: [(&str, &str); 5] = [
    ("person", "id BIGINT PRIMARY KEY, age INT, joined INT, newsletter INT, bought INT"),
    ("visit", "person BIGINT, nr INT, day INT, pages INT, seconds INT, PRIMARY KEY (person, nr)"),
    ("purchase", "person BIGINT, nr INT, day INT, cents INT, items INT, PRIMARY KEY (person, nr)"),
    ("complaint", "person BIGINT, nr INT, day INT, PRIMARY KEY (person, nr)"),
    // The key names one request. So a task that does not know whether its row was written can write
    // it again.
    ("scored", "request VARCHAR(32) PRIMARY KEY, person BIGINT NOT NULL, score DOUBLE NOT NULL"),
];

/// Creates the tables, and adds the same `users` people each time. It keeps people who are already
/// there. Returns how many there are.
pub(crate) fn fill(conn: &mut Connection, users: i64) -> Result<i64, Error> {
    for (name, columns) in TABLES {
        conn.create_table(name, columns)?;
    }
    conn.transaction(|conn| {
        let known = conn.query("SELECT COUNT(*) FROM person", &[])?[0].integer(0)?;
        if known > 0 {
            return Ok(known);
        }
        let mut people = People::default();
        let mut rng = fastrand::Rng::with_seed(20);
        (1..=users).for_each(|id| people.add(id, &mut rng));
        people.insert(conn)?;
        Ok(users)
    })
}

/// Rows of an `INSERT`. They contain only numbers that this program made.
#[derive(Default)]
struct People {
    person: Vec<String>,
    visit: Vec<String>,
    purchase: Vec<String>,
    complaint: Vec<String>,
}

impl People {
    /// Adds a person. A keen person comes more often and more recently, buys more, complains less,
    /// and more often buys again. No table says how keen a person is; the model has to find out.
    fn add(&mut self, id: i64, rng: &mut fastrand::Rng) {
        let keen = rng.f64();
        let is_likely = |part: f64, rng: &mut fastrand::Rng| i64::from(rng.f64() < part);
        let (age, joined) = (rng.i64(18..80), rng.i64(1..TODAY));
        let bought = is_likely(1.0 / (1.0 + (-10.0 * (keen - 0.5)).exp()), rng);
        let newsletter = is_likely(0.2 + 0.6 * keen, rng);
        self.person.push(format!("({id},{age},{joined},{newsletter},{bought})"));

        let day = |rng: &mut fastrand::Rng| {
            let ago = rng.f64().powf(1.0 + 2.0 * keen) * (TODAY - joined) as f64;
            TODAY - ago as i64
        };
        for nr in 0..(2.0 + keen * 20.0 * rng.f64()) as i64 {
            let (pages, seconds) = (rng.i64(1..4 + (keen * 10.0) as i64), rng.i64(5..600));
            self.visit.push(format!("({id},{nr},{},{pages},{seconds})", day(rng)));
        }
        for nr in 0..(keen * 10.0 * rng.f64()) as i64 {
            let (cents, items) = (rng.i64(300..20_000), rng.i64(1..6));
            self.purchase.push(format!("({id},{nr},{},{cents},{items})", day(rng)));
        }
        for nr in 0..((1.0 - keen) * 4.0 * rng.f64()) as i64 {
            self.complaint.push(format!("({id},{nr},{})", day(rng)));
        }
    }

    fn insert(&self, conn: &mut Connection) -> Result<(), Error> {
        let Self { person, visit, purchase, complaint } = self;
        let tables = [
            ("person", person),
            ("visit", visit),
            ("purchase", purchase),
            ("complaint", complaint),
        ];
        for (table, rows) in tables {
            for rows in rows.chunks(ROWS_AT_ONCE) {
                let mut sql = format!("INSERT INTO {table} VALUES ");
                write!(sql, "{}", rows.join(",")).expect("a text takes all");
                conn.run(&sql)?;
            }
        }
        Ok(())
    }
}
