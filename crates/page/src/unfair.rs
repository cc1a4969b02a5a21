//! What is unfair to pools of other languages, and to ours beside them.

use threadwise_figures::{Note, Report};

/// A language, and its pools and drivers.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
}

/// Returns a group for our pools and one for each language, in the order of running. Each pool and
/// each driver has one line. Empty for a report without pools of other languages.
pub(crate) fn groups(report: &Report) -> Vec<Group> {
    let mut groups = Vec::new();
    if !report.abroad.is_empty() {
        let ours = "our pools: run in the harness's process, in a loop compiled for each of them";
        groups.push(Group { title: ours.into(), lines: Vec::new() });
    }
    for language in unique(report.abroad.iter().map(|note| note.language.clone())) {
        let notes = || report.abroad.iter().filter(|note| note.language == language);
        let versions = unique(notes().flat_map(|note| note.versions.iter().cloned())).join(", ");
        let unfair = unique(notes().map(|note| note.unfair_language.clone())).join(", ");
        let pools = notes().map(|it| format!("{} ({}): {}", it.base_name, it.about, it.unfair));
        let driver = |note: &Note| {
            Some(format!("{}: {}", note.driver.as_ref()?, note.unfair_driver.as_ref()?))
        };
        let lines = unique(pools.chain(notes().filter_map(driver)));
        groups.push(Group { title: format!("{language} ({versions}): {unfair}"), lines });
    }
    groups
}

/// The texts without those that were there before.
fn unique(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for text in texts {
        if !unique.contains(&text) {
            unique.push(text);
        }
    }
    unique
}
