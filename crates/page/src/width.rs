//! The width of the output: tables leave out columns that do not fit, and text wraps at words.

use std::env;

use comfy_table::{
    Attribute, Cell, CellAlignment, ColumnConstraint, ContentLineStyle, LineStyle, Table,
    TableStyle,
};
use textwrap::{Options, WordSplitter};

/// The style of all tables.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_lines(ContentLineStyle::none().junction(' '))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none().junction(' '))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// An empty table with a bold header, and all columns but the first aligned to the right.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The most characters that a line may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width(Option<usize>);

/// The least width. Lines for a narrower terminal have this width, too.
const NARROWEST: usize = 30;

impl Width {
    /// For files and pipes.
    pub const UNLIMITED: Self = Self(None);

    /// Returns a width of `columns` characters.
    pub fn of(columns: usize) -> Self {
        Self(Some(columns.max(NARROWEST)))
    }

    /// Returns the width of the standard output: the variable `COLUMNS`, or else the width of the
    /// terminal. Without both it is unlimited.
    pub fn of_output() -> Self {
        let said = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
        let columns = said.filter(|columns| *columns > 0);
        let columns = columns.or_else(|| Table::new().width().map(usize::from));
        columns.filter(|columns| *columns > 0).map_or(Self::UNLIMITED, Self::of)
    }

    fn columns(self) -> usize {
        self.0.unwrap_or(usize::MAX)
    }

    /// Returns the lesser of this width and `most`.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self(Some(self.columns().min(most)))
    }

    /// Whether each line of the text fits.
    pub fn fits(self, text: &str) -> bool {
        text.lines().all(|line| line.chars().count() <= self.columns())
    }

    /// Returns the table with as many columns as fit, and a note that names the others.
    /// `expendable` has the positions of the columns that may be left out, in the order in which
    /// they are. The other columns always stay.
    pub fn fit(self, mut table: Table, titles: &[&str], expendable: &[usize]) -> String {
        let mut left_out = Vec::new();
        let mut text = table.to_string();
        for &place in expendable {
            if self.fits(&text) {
                break;
            }
            if let Some(column) = table.column_mut(place) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
            left_out.push(place);
            text = table.to_string();
        }
        if left_out.is_empty() {
            return text;
        }
        left_out.sort_unstable();
        let names: Vec<_> = left_out.iter().map(|&place| titles[place]).collect();
        let note = format!("left out, the line being too short: {}", names.join(", "));
        text + "\n" + self.wrap(&note, "  ", "  ").trim_end()
    }

    /// Breaks a text between words into lines that fit. The first line begins with `first`, the
    /// others with `rest`. A word that is longer than a line has its own line.
    pub fn wrap(self, text: &str, first: &str, rest: &str) -> String {
        let lines = between_words(self.columns()).initial_indent(first).subsequent_indent(rest);
        textwrap::fill(text, lines) + "\n"
    }
}

/// Lines of at most this many columns, broken between words only.
pub(crate) fn between_words<'o>(columns: usize) -> Options<'o> {
    Options::new(columns).break_words(false).word_splitter(WordSplitter::NoHyphenation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = super::table(&TITLES);
        table.add_row(["shared", "12.3 k", "4 %"]);
        table
    }

    const TITLES: [&str; 3] = ["pool", "figure", "spread"];

    #[test]
    fn a_table_that_fits_keeps_all_columns() {
        let whole = table().to_string();
        let columns = whole.lines().map(|line| line.chars().count()).max().unwrap();
        let fitted = Width(Some(columns)).fit(table(), &TITLES, &[2, 1]);
        assert_eq!(fitted, whole);
        assert_eq!(Width::UNLIMITED.fit(table(), &TITLES, &[2, 1]), whole);
    }

    #[test]
    fn a_table_that_is_too_wide_leaves_columns_out_and_names_them() {
        let columns = table().to_string().lines().map(|line| line.chars().count()).max().unwrap();
        let fitted = Width(Some(columns - 1)).fit(table(), &TITLES, &[1, 2]);
        assert!(fitted.contains("shared") && fitted.contains("4 %"), "{fitted}");
        assert!(!fitted.contains("12.3 k"), "{fitted}");
        let note = fitted.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(note.ends_with("too short: figure"), "{fitted}");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        let text = Width(Some(12)).wrap("one two three four", "- ", "  ");
        assert_eq!(text, "- one two\n  three four\n");
        assert_eq!(Width(Some(8)).wrap("immeasurable x", "", " "), "immeasurable\n x\n");
        assert_eq!(Width::UNLIMITED.wrap("a b", "", ""), "a b\n");
    }
}
