//! The machine that numbers were taken on, and how busy it was.
//!
//! A figure without them can't be compared with anything, not even with itself tomorrow.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Result};

/// Processor, cores, memory, kernel in one line.
pub(crate) fn line() -> Result<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1)).map(str::trim);
    let cores = std::thread::available_parallelism().context("counting cores")?;
    let memory = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let kilobytes: u64 = kilobytes.context("/proc/meminfo has no MemTotal")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("reading the kernel's release")?;
    let kernel = kernel.trim();
    Ok(format!("{}, {cores} cores, {} GiB, Linux {kernel}", model.unwrap_or("unknown processor"), kilobytes >> 20))
}

/// Load averages over 1, 5 and 15 minutes.
pub(crate) fn load_average() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// The kind of file system a directory is on, as the mount table names it.
pub(crate) fn file_system(directory: &Path) -> Result<String> {
    let directory = fs::canonicalize(directory).context(format!("finding {}", directory.display()))?;
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading the mount table")?;
    let mounted = mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        Some((PathBuf::from(fields.get(1)?), (*fields.get(2)?).to_owned()))
    });
    // Of the mounts above the directory the longest holds it, and of equals the last.
    let holding =
        mounted.filter(|(point, _)| directory.starts_with(point)).max_by_key(|(point, _)| point.as_os_str().len());
    holding.map(|(_, kind)| kind).context(format!("no mount holds {}", directory.display()))
}

/// Whether a file system of this kind forgets everything at power loss, so that a sync on it costs nothing.
pub(crate) fn is_volatile(kind: &str) -> bool {
    matches!(kind, "tmpfs" | "ramfs")
}

/// Bytes that a directory's files take on the disk, all levels.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(directory).context(format!("reading {}", directory.display()))? {
        let entry = entry.context("reading a directory")?;
        let metadata = entry.metadata().context(format!("looking at {}", entry.path().display()))?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// Bytes written so far to the disk that holds a directory, by whomever; none where the kernel doesn't count them, as behind a
/// file system of several disks.
pub(crate) fn disk_written_bytes(directory: &Path) -> Result<Option<u64>> {
    use std::os::unix::fs::MetadataExt;
    let device = fs::metadata(directory).context(format!("looking at {}", directory.display()))?.dev();
    let path = format!("/sys/dev/block/{}:{}/stat", rustix::fs::major(device), rustix::fs::minor(device));
    let Ok(counters) = fs::read_to_string(path) else { return Ok(None) };
    // The seventh field of the kernel's block/stat.rst: sectors of 512 bytes.
    let sectors = counters.split_whitespace().nth(6).and_then(|text| text.parse::<u64>().ok());
    Ok(sectors.map(|sectors| sectors * 512))
}

/// Copies a directory's regular files, all levels. Sockets and pipes of a dead process are left out.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).context(format!("creating {}", to.display()))?;
    let permissions = fs::metadata(from).context(format!("looking at {}", from.display()))?.permissions();
    fs::set_permissions(to, permissions).context(format!("giving permissions to {}", to.display()))?;
    for entry in fs::read_dir(from).context(format!("reading {}", from.display()))? {
        let entry = entry.context("reading a directory")?;
        let kind = entry.file_type().context("looking at a directory's entry")?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).context(format!("copying {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_describes_itself() {
        assert!(line().unwrap().contains("Linux"));
        assert_eq!(load_average().unwrap().split(' ').count(), 3);
        assert_eq!(file_system(Path::new("/proc/self")).unwrap(), "proc");
    }

    #[test]
    fn a_copied_directory_has_the_same_files() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/file"), [7; 5000]).unwrap();
        let to = directory.path().join("to");
        copy_directory(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("inner/file")).unwrap(), [7; 5000]);
        assert!(disk_bytes(&to).unwrap() >= 4096);
    }
}
