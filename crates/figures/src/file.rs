//! Writing a file as a whole.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

/// Writes a file under another name beside it and renames it, so that `path` never has a part of
/// it.
///
/// # Errors
///
/// Those of creating, writing and renaming a file.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = draft_beside(path)?;
    draft.write_all(text.as_bytes())?;
    draft.persist(path)?;
    Ok(())
}

/// Writes a value as JSON, in the same way.
///
/// # Errors
///
/// As for [`write_whole`].
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// Checks before the measurement whether [`write_whole`] can write to this path. Creates the
/// directory if it is missing.
///
/// # Errors
///
/// Those of creating a directory or a file. Also if `path` is a directory or a device, which a file
/// must not replace.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(_) => draft_beside(path).map(drop),
        Err(_) => {
            drop(draft_beside(path)?);
            fs::File::create_new(path)?; // a name may be too long or end with a slash
            fs::remove_file(path)
        }
    }
}

fn draft_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(), // part of the path is a file
        _ => error,
    })?;
    // Temporary files are private by default, but a report gets the permissions of an ordinary file.
    let all = Permissions::from_mode(0o666); // less the umask
    let mut builder = tempfile::Builder::new();
    builder.prefix(".report-").suffix(".json").permissions(all).tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_the_old_one_and_leaves_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/report.json");
        for text in ["old", "new"] {
            write_whole(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_or_a_file_in_the_path_is_found_before_the_measurement() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_writable(directory.path()).is_err());
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let below = check_writable(&file.join("report.json")).unwrap_err();
        assert_eq!(below.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_invalid_file_name_and_a_device_are_found_before_the_measurement() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["report/", &"r".repeat(300)] {
            assert!(check_writable(&directory.path().join(name)).is_err(), "{name}");
        }
        assert!(check_writable(Path::new("/dev/null")).is_err(), "a file would replace it");
        check_writable(&directory.path().join("report.json")).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
