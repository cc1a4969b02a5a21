//! The features of a person: twenty numbers, each from its own statement.

use crate::seed::TODAY;

/// A number about a person.
pub(crate) struct Feature {
    /// Its name in answers.
    pub(crate) name: &'static str,
    /// The query. Its parameter is a person's number, and its result is one row with one number.
    /// The table `person` has no row for an unknown number.
    pub(crate) sql: &'static str,
}

/// Lookups by a key and small sums, as for a model in production. Each is cheap, and there are
/// many.
///
/// `* 1e0` turns a whole number into a real one. For whole numbers, MySQL's `SUM` returns a
/// decimal, which comes as text, and its `AVG` returns four digits.
pub(crate) const ALL: [Feature; 20] = [
    feature("age", "SELECT age FROM person WHERE id = ?"),
    feature("days_known", "SELECT 1000 - joined FROM person WHERE id = ?"),
    feature("visits", "SELECT COUNT(*) FROM visit WHERE person = ?"),
    feature("visits_30_days", "SELECT COUNT(*) FROM visit WHERE person = ? AND day > 970"),
    feature("visits_7_days", "SELECT COUNT(*) FROM visit WHERE person = ? AND day > 993"),
    feature("visit_last", "SELECT 1000 - COALESCE(MAX(day), 0) FROM visit WHERE person = ?"),
    feature("pages", "SELECT COALESCE(SUM(pages * 1e0), 0) FROM visit WHERE person = ?"),
    feature("pages_average", "SELECT COALESCE(AVG(pages * 1e0), 0) FROM visit WHERE person = ?"),
    feature("pages_most", "SELECT COALESCE(MAX(pages), 0) FROM visit WHERE person = ?"),
    feature("seconds", "SELECT COALESCE(SUM(seconds * 1e0), 0) FROM visit WHERE person = ?"),
    feature("newsletter", "SELECT newsletter FROM person WHERE id = ?"),
    feature("orders", "SELECT COUNT(*) FROM purchase WHERE person = ?"),
    feature("orders_90_days", "SELECT COUNT(*) FROM purchase WHERE person = ? AND day > 910"),
    feature("order_last", "SELECT 1000 - COALESCE(MAX(day), 0) FROM purchase WHERE person = ?"),
    feature("spent", "SELECT COALESCE(SUM(cents / 1e2), 0) FROM purchase WHERE person = ?"),
    feature("order_average", "SELECT COALESCE(AVG(cents / 1e2), 0) FROM purchase WHERE person = ?"),
    feature("order_largest", "SELECT COALESCE(MAX(cents), 0) / 1e2 FROM purchase WHERE person = ?"),
    feature("items", "SELECT COALESCE(SUM(items * 1e0), 0) FROM purchase WHERE person = ?"),
    feature("complaints", "SELECT COUNT(*) FROM complaint WHERE person = ?"),
    feature(
        "complaint_last",
        "SELECT 1000 - COALESCE(MAX(day), 0) FROM complaint WHERE person = ?",
    ),
];

const fn feature(name: &'static str, sql: &'static str) -> Feature {
    Feature { name, sql }
}

const _: () = assert!(TODAY == 1000, "the statements count days back from 1000");
