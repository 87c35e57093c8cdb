//! What the system's refusal of a directory means to the person who named it.
//!
//! "Read-only file system" or "Permission denied" says neither whose permission is meant nor what to do, and the process that was refused is often a service whose restrictions nobody sees.

use std::io;
use std::path::Path;

use engine::OpenError;

/// One line: what is wrong with the directory, or a file in it, and what to do.
pub fn why_unusable(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{shown} is not there and can't be made: check the path"),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{shown} is a file or lies below one: name a directory")
        }
        io::ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            format!(
                "{shown} may not be used by user ID {user}: let that user read and write there (chown), or name another directory"
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => format!(
            "{shown} can't be written: the file system is mounted read-only, or closed to the service (add the directory to ReadWritePaths= by systemctl edit strongroom)"
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(path),
        io::ErrorKind::InvalidFilename => format!("{shown}: the name is too long: name another directory"),
        _ => format!("{shown} can't be used: {error}: check the disk, or name another directory"),
    }
}

/// One line: why a data directory can't be opened, and what to do.
pub fn why_unopened(path: &Path, error: &OpenError) -> String {
    if let OpenError::LostFormat(_) = error {
        let shown = path.display();
        return format!(
            "{shown} is damaged: neither copy in FORMAT is intact, which says only whose files these are: copy FORMAT from a backup of this store into {shown} and look with strongroom fsck {shown}, or restore the backup (strongroom restore)"
        );
    }
    let (OpenError::Io { source, .. } | OpenError::NotWritable(_, source)) = error else { return error.to_string() };
    let is_missing = |name: &&str| matches!(path.join(name).try_exists(), Ok(false));
    let missing = ["log", "bulk"].into_iter().find(is_missing).filter(|_| path.join("FORMAT").is_file());
    match (source.kind(), missing) {
        (io::ErrorKind::NotFound, Some(name)) => format!(
            "{} is missing, which holds what is stored: put it back, or restore a backup (strongroom restore)",
            path.join(name).display()
        ),
        (io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists, _)
        | (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull, _) => {
            why_unusable(path, source)
        }
        _ => error.to_string(),
    }
}

/// What a disk without space comes to.
pub(super) fn full(path: &Path) -> String {
    format!("{} lies on a disk that is full: free space there, or name a directory on another one", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_an_intact_copy_of_its_format_file_is_told_what_helps() {
        let directory = tempfile::tempdir().unwrap();
        engine::Store::open(directory.path(), engine::Options::default()).unwrap().close().unwrap();
        let file = directory.path().join("FORMAT");
        let mut bytes = std::fs::read(&file).unwrap();
        for copy in [0, 4096] {
            bytes[copy + 20] ^= 1;
        }
        std::fs::write(&file, bytes).unwrap();
        let error = engine::Store::open(directory.path(), engine::Options::default()).err().unwrap();
        let told = why_unopened(directory.path(), &error);
        let shown = directory.path().display().to_string();
        assert!(told.starts_with(&format!("{shown} is damaged: ")), "{told}");
        for words in ["copy FORMAT from a backup of this store", "strongroom fsck", "strongroom restore"] {
            assert!(told.contains(words), "no {words:?} in {told}");
        }
    }

    #[test]
    fn no_answer_of_the_system_is_left_without_what_to_do() {
        let of = |number: i32| why_unusable(Path::new("/backup"), &io::Error::from_raw_os_error(number));
        use rustix::io::Errno;
        for (errno, words) in [
            (Errno::NOENT, "check the path"),
            (Errno::NOTDIR, "name a directory"),
            (Errno::EXIST, "name a directory"),
            (Errno::ACCESS, "may not be used by user ID"),
            (Errno::PERM, "may not be used by user ID"),
            (Errno::ROFS, "ReadWritePaths="),
            (Errno::NOSPC, "free space there"),
            (Errno::DQUOT, "free space there"),
            (Errno::NAMETOOLONG, "name another directory"),
            (Errno::IO, "check the disk"),
        ] {
            let line = of(errno.raw_os_error());
            assert!(line.starts_with("/backup ") || line.starts_with("/backup:"), "{line}");
            assert!(line.contains(words), "no {words:?} in {line}");
        }
    }
}
