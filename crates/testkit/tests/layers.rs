//! The files of a benchmark crate import each other in one direction only.
//!
//! The test follows the `mod` lines of each crate's roots, and reads every `use` and every path that
//! begins with `crate`, `self` or `super`. Tests at the end of a file may import anything, so it
//! does not read them. If there is a circle, it prints the files of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 4] = ["figures", "bench", "page", "advise"];

#[test]
fn no_file_imports_itself_through_others() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in CRATES {
        let imports = Imports::of(&crates.join(name).join("src"));
        println!("{name}: {} files, {} imports", imports.files(), imports.arrows());
        assert!(imports.files() > 1, "{name}: no files were found");
        let circle = imports.circle().unwrap_or_default();
        let shown: Vec<_> = circle.iter().map(|file| file.display().to_string()).collect();
        assert!(circle.is_empty(), "{name}: a circle of imports:\n  {}", shown.join("\n  "));
    }
}

#[test]
fn a_circle_of_three_files_is_found_and_a_test_may_close_one() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("lib.rs", "//! Files.\nmod one;\npub(crate) mod two;\nmod three;\n");
    write("one.rs", "use std::fmt;\nuse crate::{\n    two::Two,\n};\n");
    write("two.rs", "fn two() {\n    super::three::run();\n}\n");
    write(
        "three.rs",
        "// use crate::one;\n#[cfg(test)]\nmod tests {\n    use crate::one::One;\n}\n",
    );
    let imports = Imports::of(directory.path());
    assert_eq!((imports.files(), imports.arrows(), imports.circle()), (4, 2, None));
    write("three.rs", "use crate::one::One as Other;\n");
    let circle = Imports::of(directory.path()).circle().expect("there is one");
    assert_eq!(circle.len(), 4, "it ends where it begins: {circle:?}");
}

/// A module's path from the crate's root, and its file.
type Modules = BTreeMap<Vec<String>, PathBuf>;

/// Which file imports which.
struct Imports(BTreeMap<PathBuf, BTreeSet<PathBuf>>);

impl Imports {
    /// Reads the crate whose sources are in this directory: its library and its programs.
    fn of(sources: &Path) -> Self {
        let programs = fs::read_dir(sources.join("bin")).into_iter().flatten();
        let programs = programs.map(|entry| entry.unwrap().path());
        let roots = ["lib.rs", "main.rs"].map(|name| sources.join(name));
        let mut imports = BTreeMap::new();
        for root in roots.into_iter().chain(programs).filter(|root| root.is_file()) {
            let mut modules = Modules::new();
            find_modules(Vec::new(), root, &mut modules);
            for (module, file) in &modules {
                let imported = imports_of(module, &read(file), &modules).into_iter();
                imports.insert(file.clone(), imported.filter(|other| other != file).collect());
            }
        }
        Self(imports)
    }

    fn files(&self) -> usize {
        self.0.len()
    }

    fn arrows(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// A circle, if there is one. It ends with the file with which it begins.
    fn circle(&self) -> Option<Vec<PathBuf>> {
        let mut done = BTreeSet::new();
        self.0.keys().find_map(|file| self.circle_from(file, &mut Vec::new(), &mut done))
    }

    fn circle_from(
        &self,
        file: &PathBuf,
        way: &mut Vec<PathBuf>,
        done: &mut BTreeSet<PathBuf>,
    ) -> Option<Vec<PathBuf>> {
        let begins = way.iter().position(|before| before == file);
        way.push(file.clone());
        if let Some(begins) = begins {
            return Some(way[begins..].to_vec());
        }
        if !done.contains(file) {
            for next in self.0.get(file).into_iter().flatten() {
                if let Some(circle) = self.circle_from(next, way, done) {
                    return Some(circle);
                }
            }
            done.insert(file.clone());
        }
        way.pop();
        None
    }
}

fn find_modules(module: Vec<String>, file: PathBuf, modules: &mut Modules) {
    let is_root = module.is_empty();
    let directory = if is_root { file.parent().unwrap().into() } else { file.with_extension("") };
    for line in read(&file).lines() {
        let declared = without_visibility(line).strip_prefix("mod ");
        let Some(child) = declared.and_then(|rest| rest.strip_suffix(';')) else { continue };
        let beside = directory.join(child).with_extension("rs");
        let inside = directory.join(child).join("mod.rs");
        let child_file = if inside.is_file() { inside } else { beside };
        find_modules([&module[..], &[child.to_owned()]].concat(), child_file, modules);
    }
    modules.insert(module, file);
}

/// The text of a file without its comments and the tests at its end.
fn read(file: &Path) -> String {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let code = lines.map(|line| match line.split_once("//") {
        Some((before, _)) if before.is_empty() || before.ends_with(' ') => before,
        _ => line,
    });
    code.collect::<Vec<_>>().join("\n")
}

/// The files whose items a text names.
fn imports_of(module: &[String], text: &str, modules: &Modules) -> BTreeSet<PathBuf> {
    let mut paths = Vec::new();
    let mut rest = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(first) = without_visibility(line).strip_prefix("use ") else {
            rest += &format!("{line}\n");
            continue;
        };
        let mut statement = first.to_owned();
        while !statement.ends_with(';') {
            statement += lines.next().expect("a `use` ends with a semicolon").trim();
        }
        expand("", statement.trim_end_matches(';'), &mut paths);
    }
    paths.extend(paths_in(&rest));
    paths.iter().filter_map(|path| file_of(module, path, modules)).collect()
}

fn without_visibility(line: &str) -> &str {
    let line = line.trim();
    let Some(rest) = line.strip_prefix("pub") else { return line };
    let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |it| it.1);
    rest.trim_start()
}

/// Writes out the braces of a `use`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    if tree.trim().is_empty() {
        return; // after the last comma
    }
    let Some((prefix, inside)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        paths.push(format!("{before}{}", name.trim()));
        return;
    };
    let prefix = format!("{before}{}", prefix.trim());
    let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
    let (mut depth, mut begin) = (0, 0);
    for (at, sign) in inside.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &inside[begin..at], paths);
                begin = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, &inside[begin..], paths);
}

/// The paths in code that begin with `crate` or `super`.
fn paths_in(code: &str) -> Vec<String> {
    let is_of_path = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == ':';
    let words = code.split(|sign| !is_of_path(sign));
    let begins = |word: &&str| word.starts_with("crate::") || word.starts_with("super::");
    words.filter(begins).map(str::to_owned).collect()
}

/// The file that a path leads to from this module; `None` if it leads out of the crate.
fn file_of(module: &[String], path: &str, modules: &Modules) -> Option<PathBuf> {
    let mut names = path.split("::").filter(|name| !name.is_empty()).peekable();
    let mut at = module.to_vec();
    match *names.peek()? {
        "crate" => {
            at.clear();
            names.next();
        }
        "self" => {
            names.next();
        }
        "super" => {
            while names.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        child => {
            at.push(child.to_owned());
            modules.get(&at)?;
            names.next();
        }
    }
    for name in names {
        at.push(name.to_owned());
        if !modules.contains_key(&at) {
            at.pop();
            break;
        }
    }
    modules.get(&at).cloned()
}
