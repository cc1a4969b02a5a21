//! Finding the server program, and creating the system tables of a new server.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::home::Home;
use super::{StartError, process};
use crate::server::poll;

/// Where servers are installed that an ordinary user's PATH does not reach.
const PROGRAM_DIRECTORIES: &[&str] = &[
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
    "/usr/local/opt/mariadb/bin",
    "/opt/homebrew/opt/mariadb/bin",
];
/// The directories of the SQL files, relative to the parent of the program's directory and to these
/// roots.
const SHARE_DIRECTORIES: &[&str] = &["share/mysql", "share/mariadb", "share"];
const SHARE_ROOTS: &[&str] = &["/usr", "/usr/local"];
/// The SQL files, in the order in which the server wants them; since MariaDB 11 and before that.
const SYSTEM_TABLES: [[&str; 2]; 2] = [
    ["mariadb_system_tables.sql", "mariadb_system_tables_data.sql"],
    ["mysql_system_tables.sql", "mysql_system_tables_data.sql"],
];
/// A bootstrap takes a quarter of a second; a machine that needs longer than this is stuck.
const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(120);

/// The path of the MariaDB server program.
///
/// It is the value of the environment variable `MARIADBD`, if that is set. Otherwise this searches
/// `mariadbd`, then `mysqld`, in the directories of `PATH` and in the usual places outside it.
///
/// # Errors
///
/// [`StartError::NotInstalled`] if there is none. If `MARIADBD` names anything but an executable
/// file, this does not search the other places.
pub fn find_mariadbd() -> Result<PathBuf, StartError> {
    let usual: Vec<_> = PROGRAM_DIRECTORIES.iter().map(PathBuf::from).collect();
    find_program(env::var_os("MARIADBD").as_deref(), env::var_os("PATH").as_deref(), &usual)
}

fn find_program(
    variable: Option<&OsStr>,
    path: Option<&OsStr>,
    usual: &[PathBuf],
) -> Result<PathBuf, StartError> {
    if let Some(value) = variable.filter(|value| !value.is_empty()) {
        let program = PathBuf::from(value);
        if is_executable(&program) {
            return Ok(program);
        }
        return Err(StartError::NotInstalled { variable: Some(program), searched: Vec::new() });
    }
    let mut directories: Vec<_> = path.into_iter().flat_map(env::split_paths).collect();
    directories.extend_from_slice(usual);
    for name in ["mariadbd", "mysqld"] {
        let mut candidates = directories.iter().map(|directory| directory.join(name));
        if let Some(program) = candidates.find(|program| is_executable(program)) {
            return Ok(program);
        }
    }
    Err(StartError::NotInstalled { variable: None, searched: directories })
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The SQL files that belong to `program`.
fn find_system_tables(program: &Path) -> Result<[PathBuf; 2], StartError> {
    // The real path, because /usr/local/bin/mariadbd may be a link into an installation elsewhere.
    let real = fs::canonicalize(program).map_err(StartError::io("resolve", program))?;
    let above = real.parent().and_then(Path::parent).map(Path::to_owned);
    let mut searched = Vec::new();
    for root in above.into_iter().chain(SHARE_ROOTS.iter().map(PathBuf::from)) {
        for share in SHARE_DIRECTORIES.iter().map(|name| root.join(name)) {
            for names in SYSTEM_TABLES {
                let files = names.map(|name| share.join(name));
                if files.iter().all(|file| file.is_file()) {
                    return Ok(files);
                }
            }
            searched.push(share);
        }
    }
    searched.dedup();
    Err(StartError::NoSystemTables { program: program.to_owned(), searched })
}

/// Creates the data directory with the system tables and an empty database `test`.
///
/// This does what the `mariadb-install-db` script does, without the client package that the script
/// needs, and without the help texts and time zones that no test reads.
pub(super) fn initialise(program: &Path, home: &Home) -> Result<(), StartError> {
    let system_tables = find_system_tables(program)?;
    for directory in [home.data(), home.temporary()] {
        fs::create_dir(&directory).map_err(StartError::io("create", &directory))?;
    }
    let script = home.bootstrap_script();
    fs::write(&script, bootstrap_sql(&system_tables)?).map_err(StartError::io("write", &script))?;

    let mut command = process::command(program, home)?;
    command
        .args(["--bootstrap", "--log-warnings=0", "--enforce-storage-engine="])
        .arg("--max-allowed-packet=8M")
        .args(process::SMALL)
        .args(process::UNSAFE_ON_POWER_LOSS)
        .stdin(File::open(&script).map_err(StartError::io("open", &script))?);
    let mut child = command.spawn().map_err(StartError::io("run", program))?;
    let status = poll::until(BOOTSTRAP_LIMIT, || child.try_wait().transpose());
    let reason = match status {
        Some(Ok(status)) if status.success() => return Ok(()),
        Some(Ok(status)) => status.to_string(),
        Some(Err(error)) => error.to_string(),
        None => format!("not done after {} seconds", BOOTSTRAP_LIMIT.as_secs()),
    };
    // Both fail only if the process has already ended.
    let _ = child.kill();
    let _ = child.wait();
    Err(StartError::Bootstrap { reason, log: home.log_summary() })
}

/// The text for `mariadbd --bootstrap`, which accepts at most one end of a statement per line.
fn bootstrap_sql(system_tables: &[PathBuf; 2]) -> Result<Vec<u8>, StartError> {
    // The variable decides how root logs in; NULL means with an empty password.
    let mut sql = b"create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n".to_vec();
    for path in system_tables {
        sql.extend(fs::read(path).map_err(StartError::io("read", path))?);
        sql.push(b'\n');
    }
    sql.extend_from_slice(b"create database test;\n");
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(directory: &Path, name: &str) -> PathBuf {
        let program = directory.join(name);
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn a_variable_that_names_no_file_is_an_error_of_one_line() {
        let error = find_program(Some(OsStr::new("/no/such/server")), None, &[]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("MARIADBD=/no/such/server is not an executable file"), "{text}");
        assert!(
            text.contains("apt-get install --no-install-recommends mariadb-server-core"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_variable_that_names_a_directory_or_a_plain_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("mariadbd");
        fs::write(&plain, "").unwrap();
        for value in [directory.path(), plain.as_path()] {
            let outcome = find_program(Some(value.as_os_str()), None, &[]);
            assert!(matches!(outcome, Err(StartError::NotInstalled { variable: Some(_), .. })));
        }
    }

    #[test]
    fn the_error_names_each_searched_place_the_variable_and_the_package() {
        let path = OsStr::new("/first:/second");
        let error = find_program(None, Some(path), &[PathBuf::from("/third")]).unwrap_err();
        let text = error.to_string();
        for part in ["/first, /second, /third", "set MARIADBD", "mariadb-server-core"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn the_variable_comes_before_the_path_and_the_path_before_the_usual_places() {
        let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [chosen, on_path, usual] =
            directories.each_ref().map(|directory| installed(directory.path(), "mariadbd"));
        let path = directories[1].path().as_os_str();
        let places = [directories[2].path().to_owned()];
        let find = |variable, path| find_program(variable, path, &places).unwrap();
        assert_eq!(find(Some(chosen.as_os_str()), Some(path)), chosen);
        assert_eq!(find(Some(OsStr::new("")), Some(path)), on_path);
        assert_eq!(find(None, Some(path)), on_path);
        assert_eq!(find(None, None), usual);
    }

    #[test]
    fn the_old_program_name_is_the_second_choice() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = installed(first.path(), "mysqld");
        let places = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(find_program(None, None, &places).unwrap(), old);
        let new = installed(second.path(), "mariadbd");
        assert_eq!(find_program(None, None, &places).unwrap(), new);
    }

    #[test]
    fn sql_files_are_found_beside_the_program_also_through_a_link_by_old_and_new_names() {
        for names in SYSTEM_TABLES {
            let root = tempfile::tempdir().unwrap();
            let base = fs::canonicalize(root.path()).unwrap();
            for directory in ["bin", "share/mariadb", "links"] {
                fs::create_dir_all(base.join(directory)).unwrap();
            }
            let files = names.map(|name| base.join("share/mariadb").join(name));
            for file in &files {
                fs::write(file, "").unwrap();
            }
            let program = installed(&base.join("bin"), "mariadbd");
            let link = base.join("links/mariadbd");
            std::os::unix::fs::symlink(&program, &link).unwrap();
            assert_eq!(find_system_tables(&program).unwrap(), files);
            assert_eq!(find_system_tables(&link).unwrap(), files);
        }
    }
}
