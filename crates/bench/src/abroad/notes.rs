//! What is to be known about the pools of other languages, beside their figures.

use serde::{Deserialize, Serialize};
use threadwise_page::width::Width;

use super::pools::{ForeignPool, Language};

/// What is to be known about a pool of another language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Note {
    /// The note of a pool with these versions, which a program reports with commas between them.
    pub(super) fn of(pool: ForeignPool, versions: Option<&str>) -> Self {
        let versions = versions.unwrap_or_default().split(", ").filter(|it| !it.is_empty());
        Self {
            pool: pool.name(),
            base_name: pool.base_name().into(),
            about: pool.about().into(),
            unfair: pool.unfair().into(),
            language: pool.language().name().into(),
            unfair_language: pool.language().unfair().into(),
            driver: pool.driver().map(Into::into),
            unfair_driver: pool.unfair_driver().map(Into::into),
            versions: versions.map(Into::into).collect(),
        }
    }
}

/// The notes as text: for each language its versions and what is unfair, then for each pool and each
/// driver.
#[must_use]
pub fn render_notes(notes: &[Note], width: Width) -> String {
    let mut text = String::from("What is unfair\n");
    let ours = "our pools: run in the harness's process, in a loop compiled for each of them";
    text += &width.wrap(ours, "  ", "    ");
    for language in Language::ALL.map(Language::name) {
        let notes: Vec<_> = notes.iter().filter(|note| note.language == language).collect();
        let Some(first) = notes.first() else { continue };
        let versions = unique(notes.iter().flat_map(|note| note.versions.iter().cloned()));
        let versions = versions.join(", ");
        let line = format!("{language} ({versions}): {}", first.unfair_language);
        text += &width.wrap(&line, "  ", "    ");
        let pools =
            notes.iter().map(|it| format!("{} ({}): {}", it.base_name, it.about, it.unfair));
        let drivers = notes.iter().filter_map(|note| {
            Some(format!("{}: {}", note.driver.as_ref()?, note.unfair_driver.as_ref()?))
        });
        for line in unique(pools.chain(drivers)) {
            text += &width.wrap(&line, "    ", "      ");
        }
    }
    text
}

/// The lines without those that were there before.
fn unique(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for line in lines {
        if !unique.contains(&line) {
            unique.push(line);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use threadwise_figures::Backend;

    use super::*;

    #[test]
    fn the_notes_name_each_language_pool_driver_and_version_once() {
        let note = |pool: ForeignPool| {
            let driver = pool.driver().unwrap_or("none");
            Note::of(pool, Some(&format!("{driver} 1, {} 2", pool.language().name())))
        };
        let pools = [Backend::Synthetic, Backend::Mysql].into_iter().flat_map(ForeignPool::all_on);
        let text = render_notes(&pools.map(note).collect::<Vec<_>>(), Width::UNLIMITED);
        let lines = |start: &str| text.lines().filter(|it| it.trim().starts_with(start)).count();
        for once in ["Python (", "Java (", "Go (", "pooleddb (", "hikaricp (", "pymysql:"] {
            assert_eq!(lines(once), 1, "{once} in {text}");
        }
        assert!(text.contains("Python (none 1, Python 2, pymysql 1, mysqlclient 1):"), "{text}");
    }
}
