//! The output that an example promises at the head of its file.

/// The promised output: the last block of text in the head of `source`.
#[must_use]
pub fn promised_output(source: &str) -> String {
    let head: Vec<_> = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let blocks = head.split(|line| line.starts_with("```")).skip(1).step_by(2);
    blocks.last().unwrap_or_default().iter().map(|line| format!("{line}\n")).collect()
}
