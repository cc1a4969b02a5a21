//! Finds the category of a case: naive Bayes over words.
//!
//! A category's score is how common it is, times how common each word of the text is in it. Every
//! word is counted once more than it was seen (Laplace's smoothing): otherwise a single new word
//! would make a category impossible. The sums are of logarithms, since products of small numbers
//! become zero.

use std::collections::HashMap;

/// The category of a text whose words are in no lesson. A person has to look at it.
pub(crate) const UNKNOWN: &str = "unknown";

/// A category, and how sure the classifier is of it, from 0 to 1. It is 0 for [`UNKNOWN`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) category: String,
    pub(crate) probability: f64,
}

/// Learns from cases once. After that, any number of threads may read it.
pub(crate) struct Classifier {
    categories: Vec<Category>,
    vocabulary: HashMap<String, usize>,
}

struct Category {
    name: String,
    prior: f64,
    words: Vec<f64>, // the logarithm of each word's share, by its number in the vocabulary
}

/// The number of questions after the lessons, and how many answers were right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exam {
    pub(crate) right: usize,
    pub(crate) asked: usize,
}

/// The made-up cases that the program brings along.
pub(crate) const CASES: &str = include_str!("cases.txt");

impl Classifier {
    /// Learns from `CATEGORY;TEXT` lines up to `# held out`. The lines after it are the exam.
    pub(crate) fn from_cases(text: &str) -> (Self, Exam) {
        let (lessons, held_out) = text.split_once("# held out").unwrap_or((text, ""));
        let classifier = Self::learn(&cases(lessons));
        let questions = cases(held_out);
        let is_right =
            |(category, text): &&(&str, &str)| classifier.classify(text).category == *category;
        let right = questions.iter().filter(is_right).count();
        (classifier, Exam { right, asked: questions.len() })
    }

    fn learn(cases: &[(&str, &str)]) -> Self {
        let mut vocabulary = HashMap::new();
        let mut counts: HashMap<&str, (usize, HashMap<usize, usize>)> = HashMap::new();
        for (category, text) in cases {
            let (seen, words) = counts.entry(category).or_default();
            *seen += 1;
            for word in words_of(text) {
                let next = vocabulary.len();
                *words.entry(*vocabulary.entry(word).or_insert(next)).or_default() += 1;
            }
        }
        let mut categories: Vec<_> = counts
            .into_iter()
            .map(|(name, (seen, words))| {
                let total = words.values().sum::<usize>() + vocabulary.len();
                let share = |word| (words.get(&word).copied().unwrap_or(0) + 1) as f64;
                Category {
                    name: name.to_owned(),
                    prior: (seen as f64 / cases.len() as f64).ln(),
                    words: (0..vocabulary.len())
                        .map(|word| (share(word) / total as f64).ln())
                        .collect(),
                }
            })
            .collect();
        categories.sort_by(|a, b| a.name.cmp(&b.name)); // a hash map has a new order in each run
        Self { categories, vocabulary }
    }

    /// Returns the likeliest category, or [`UNKNOWN`] if two categories are equally likely or all
    /// words are new. Words that are in no lesson do not count.
    pub(crate) fn classify(&self, text: &str) -> Verdict {
        let words: Vec<usize> =
            words_of(text).filter_map(|word| self.vocabulary.get(&word).copied()).collect();
        let score = |category: &Category| {
            category.prior + words.iter().map(|word| category.words[*word]).sum::<f64>()
        };
        let scores: Vec<f64> = self.categories.iter().map(score).collect();
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let best = best.expect("there are lessons");
        let is_as_likely = |score: &&f64| scores[best] - **score < 1e-9;
        if words.is_empty() || scores.iter().filter(is_as_likely).count() > 1 {
            return Verdict { category: UNKNOWN.to_owned(), probability: 0.0 };
        }
        // Relative to the largest sum, so that not all exponentials become zero.
        let total: f64 = scores.iter().map(|score| (score - scores[best]).exp()).sum();
        Verdict { category: self.categories[best].name.clone(), probability: 1.0 / total }
    }

    pub(crate) fn words(&self) -> usize {
        self.vocabulary.len()
    }
}

fn cases(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(';').expect("CATEGORY;TEXT")).collect()
}

fn words_of(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_seen_in_one_category_only_decides_but_does_not_exclude_the_other() {
        let (classifier, _) = Classifier::from_cases("bad;ache pain\ngood;well fine");
        let verdict = classifier.classify("PAIN!");
        // Smoothed: (1 + 1) / (2 + 4) against (0 + 1) / (2 + 4).
        assert_eq!(verdict.category, "bad");
        assert!((verdict.probability - 2.0 / 3.0).abs() < 1e-9, "{verdict:?}");
    }

    #[test]
    fn a_text_without_a_known_word_has_no_category() {
        let unknown = Verdict { category: "unknown".into(), probability: 0.0 };
        let (classifier, _) = Classifier::from_cases(CASES);
        for text in ["zebra", "zebra quagga okapi", "!?", "Brustschmerzen", "腹痛"] {
            assert_eq!(classifier.classify(text), unknown, "{text}");
        }
        assert_ne!(classifier.classify("zebra crushing chest pain"), unknown);
        // A word that is as common in both categories decides nothing, either.
        let (classifier, _) = Classifier::from_cases("bad;ache pain\ngood;well fine");
        assert_eq!(classifier.classify("pain, but fine"), unknown);
    }

    #[test]
    fn a_long_text_keeps_a_probability() {
        let (classifier, _) = Classifier::from_cases(CASES);
        let verdict = classifier.classify(&"chest pain ".repeat(400));
        assert!(verdict.probability > 0.5 && verdict.probability <= 1.0, "{verdict:?}");
    }

    #[test]
    fn most_of_what_was_held_out_is_told_right() {
        let (_, exam) = Classifier::from_cases(CASES);
        assert!(exam.asked == 32 && exam.right * 4 >= exam.asked * 3, "{exam:?}");
    }
}
