//! Finding the server's programs, and the user who may run them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::StartError;

/// Where Debian and its relatives, Red Hat and its relatives, and others install each version in a
/// directory of its own.
const VERSION_DIRECTORIES: &[&str] = &["/usr/lib/postgresql", "/usr/libexec"];
/// Where servers are installed without a version in the path.
const PROGRAM_DIRECTORIES: &[&str] =
    &["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql/bin"];

/// The directory of the programs `initdb` and `postgres`.
///
/// It is the value of the environment variable `POSTGRES_BIN`, if that is set. Otherwise this
/// searches the newest version below `/usr/lib/postgresql`, then the directories of `PATH`, then the
/// usual places outside it.
///
/// # Errors
///
/// [`StartError::NotInstalled`] if there are none.
pub fn find_postgres() -> Result<PathBuf, StartError> {
    let mut places: Vec<_> =
        VERSION_DIRECTORIES.iter().flat_map(|root| versions(Path::new(root))).collect();
    if let Some(path) = env::var_os("PATH") {
        places.extend(env::split_paths(&path));
    }
    places.extend(PROGRAM_DIRECTORIES.iter().map(PathBuf::from));
    find(env::var_os("POSTGRES_BIN").as_deref(), places)
}

fn find(variable: Option<&OsStr>, places: Vec<PathBuf>) -> Result<PathBuf, StartError> {
    if let Some(value) = variable.filter(|value| !value.is_empty()) {
        let directory = PathBuf::from(value);
        return match complete(&directory) {
            Some(real) => Ok(real),
            None => {
                Err(StartError::NotInstalled { variable: Some(directory), searched: Vec::new() })
            }
        };
    }
    let found = places.iter().find_map(|directory| complete(directory));
    found.ok_or(StartError::NotInstalled { variable: None, searched: places })
}

/// The `bin` directories below `root`, the one with the highest version first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The directory with both programs, by its real path: a link in `/usr/local/bin` may lead to one of
/// them alone.
fn complete(directory: &Path) -> Option<PathBuf> {
    let initdb = fs::canonicalize(directory.join("initdb")).ok()?;
    let real = initdb.parent()?;
    ["initdb", "postgres"]
        .iter()
        .all(|name| is_executable(&real.join(name)))
        .then(|| real.to_owned())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// A user of the system, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) group: u32,
}

/// The user that runs the server where this process is root: `postgres`, or `nobody`.
pub(super) fn server_user() -> Result<User, StartError> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|name| user(&text, name)).ok_or(StartError::NoUser)
}

fn user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let id = fields.nth(1)?.parse().ok()?;
        Some(User { id, group: fields.next()?.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(directory: &Path, names: &[&str]) {
        fs::create_dir_all(directory).unwrap();
        for name in names {
            let program = directory.join(name);
            fs::write(&program, "").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "13", "notes"] {
            install(&root.path().join(version).join("bin"), &["initdb", "postgres"]);
        }
        let found: Vec<_> = versions(root.path());
        let wanted = ["15", "13", "9"].map(|version| root.path().join(version).join("bin"));
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_directory_needs_both_programs() {
        let root = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(root.path()).unwrap();
        install(&base.join("client"), &["initdb"]);
        install(&base.join("server"), &["initdb", "postgres"]);
        let places = vec![base.join("client"), base.join("server")];
        assert_eq!(find(None, places).unwrap(), base.join("server"));
    }

    #[test]
    fn the_error_names_the_package_the_variable_and_each_searched_place() {
        let places = vec![PathBuf::from("/first"), PathBuf::from("/second")];
        let text = find(None, places).unwrap_err().to_string();
        for part in
            ["/first, /second", "POSTGRES_BIN", "install --no-install-recommends postgresql"]
        {
            assert!(text.contains(part), "{text}");
        }
        let text = find(Some(OsStr::new("/no/such")), Vec::new()).unwrap_err().to_string();
        assert!(text.contains("POSTGRES_BIN=/no/such has no programs"), "{text}");
    }

    #[test]
    fn a_user_is_found_by_name() {
        let text = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib:/bin/sh\n";
        assert_eq!(user(text, "postgres"), Some(User { id: 101, group: 104 }));
        assert_eq!(user(text, "nobody"), None);
    }
}
