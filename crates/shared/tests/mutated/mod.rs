//! A copy of the workspace in which the crate's code is changed, to see which test fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;
use std::{env, fs, io};

/// What is changed in the code.
pub(crate) struct Change<'c> {
    /// Relative to the crate's `src`.
    pub(crate) file: &'c str,
    /// The text to replace, which occurs once.
    pub(crate) from: &'c str,
    /// The text that replaces it.
    pub(crate) to: &'c str,
}

/// A copy of the workspace. Dropping it removes it.
pub(crate) struct Copy {
    root: PathBuf,
}

impl Copy {
    /// Makes a copy with this name under `target`.
    pub(crate) fn make(name: &str) -> io::Result<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        copy_tree(&workspace(), &root)?;
        Ok(Self { root })
    }

    /// Calls `act` while the code is changed. An error if the change does not fit.
    pub(crate) fn with<R>(
        &self,
        change: &Change<'_>,
        act: impl FnOnce() -> Result<R, String>,
    ) -> Result<R, String> {
        let file = self.root.join("crates/shared/src").join(change.file);
        let source = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let places = source.matches(change.from).count();
        if places != 1 {
            return Err(format!("fits {} in {places} places, not one", change.file));
        }
        let mutated = source.replace(change.from, change.to);
        fs::write(&file, mutated).map_err(|error| error.to_string())?;
        let verdict = act();
        fs::write(&file, source).map_err(|error| error.to_string())?;
        verdict
    }

    /// Runs one test of the copied crate. An error unless it fails and its output contains `complaint`.
    pub(crate) fn fails(
        &self,
        selection: &[&str],
        test: &str,
        rustflags: &str,
        complaint: &str,
    ) -> Result<(), String> {
        let built = self.cargo_test(selection, &["--no-run"], rustflags)?;
        if !built.status.success() {
            return Err(format!("does not compile\n{}", text_of(&built)));
        }
        let run = self.cargo_test(selection, &["--", "--exact", test], rustflags)?;
        let output = text_of(&run);
        if output.contains("running 0 tests") {
            Err(format!("there is no {test}"))
        } else if run.status.success() {
            Err(format!("{test} passes"))
        } else if !output.contains(complaint) {
            Err(format!("{test} fails for another reason\n{output}"))
        } else {
            Ok(())
        }
    }

    /// Uses the target directory of this test, where the dependencies are built already.
    fn cargo_test(
        &self,
        selection: &[&str],
        arguments: &[&str],
        rustflags: &str,
    ) -> Result<Output, String> {
        Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--offline", "--package", "threadwise-shared"])
            .arg("--target-dir")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."))
            .args(selection)
            .args(arguments)
            .current_dir(&self.root)
            .env("RUSTFLAGS", rustflags)
            .env("RUST_BACKTRACE", "0")
            .env("THREADWISE_PATIENCE", "3") // seconds until a test gives up waiting
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.root); // under `target` anyway
    }
}

/// Tries all of them in a copy with this name, and prints which test noticed which.
///
/// # Panics
///
/// If one was not noticed; the message lists all that were not.
pub(crate) fn assert_each_is_noticed<T>(
    copy: &str,
    all: &[T],
    name_and_test: impl Fn(&T) -> (&'static str, &'static str),
    try_out: impl Fn(&Copy, &T) -> Result<(), String>,
) {
    let copy = Copy::make(copy).expect("a copy of the workspace");
    let unnoticed: Vec<_> = all
        .iter()
        .filter_map(|one| {
            let (name, test) = name_and_test(one);
            let start = Instant::now();
            let verdict = try_out(&copy, one);
            let seconds = start.elapsed().as_secs_f32();
            let noticed = if verdict.is_ok() { "noticed" } else { "NOT NOTICED" };
            println!("{noticed} in {seconds:.1} s by {test}: {name}");
            verdict.err().map(|problem| format!("{name}: {problem}"))
        })
        .collect();
    assert!(unnoticed.is_empty(), "\n{}", unnoticed.join("\n"));
}

/// The command's whole output.
fn text_of(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_built = entry.path().join("CACHEDIR.TAG").exists(); // a target directory
        if is_built || name.to_string_lossy().starts_with('.') {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => copy_tree(&entry.path(), &to.join(name))?,
            false => fs::copy(entry.path(), to.join(name)).map(drop)?,
        }
    }
    Ok(())
}
