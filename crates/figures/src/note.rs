//! What is to be known about a pool of another language, beside its figures.

use serde::{Deserialize, Serialize};

/// What is to be known about a pool of another language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The name in the results and scenarios.
    pub pool: String,
    /// The same without the driver.
    pub base_name: String,
    /// A description of the pool in one line.
    pub about: String,
    /// What is unfair about it.
    pub unfair: String,
    /// `Python`, `Java` or `Go`.
    pub language: String,
    /// What is unfair about the language.
    pub unfair_language: String,
    /// The driver; `null` if the pool ran on connections that do nothing only.
    pub driver: Option<String>,
    /// What is unfair about the driver.
    pub unfair_driver: Option<String>,
    /// The names and versions of the packages and of the language. Empty if the program could not
    /// be started.
    pub versions: Vec<String>,
}
