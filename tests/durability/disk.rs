//! A small file system of a test's own, in a mount namespace that ends with the test.
//!
//! Small, so that it gets full, and so that log segments are small: a segment is 1/64 of the file system. It outlives the nodes on it, so that a
//! stopped node's files can be spoiled.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tests::{NodeBuilder, binary};

/// A mounted file system.
#[derive(Debug)]
pub(crate) struct Disk {
    /// Keeps the mount namespace alive while its standard input is open.
    holder: Child,
    temporary: TempDir,
    root: bool,
}

impl Disk {
    /// A file system in memory; this takes no privileges.
    pub(crate) fn in_memory(bytes: u64) -> Disk {
        Disk::mounted(TempDir::new().expect("a temporary directory"), &format!("mount -t tmpfs -o size={bytes} tmpfs"))
    }

    /// A file system of this kind on an image file: `ext4`, `xfs` or `btrfs`; `tmpfs` is one in memory.
    ///
    /// # Panics
    /// Unless run as root with the tools of that file system: `tests/run crash` sees to that.
    pub(crate) fn image(kind: &str, bytes: u64) -> Disk {
        if kind == "tmpfs" {
            return Disk::in_memory(bytes);
        }
        let temporary = TempDir::new().expect("a temporary directory");
        let image = temporary.path().join("image");
        let file = std::fs::File::create(&image).and_then(|file| file.set_len(bytes));
        file.expect("a writable temporary directory");
        // mkfs.xfs refuses less than 300 MB unless it is told that this is a test.
        let options: &[&str] = if kind == "xfs" { &["--unsupported", "-q"] } else { &["-q"] };
        let made = Command::new(format!("mkfs.{kind}")).args(options).arg(&image).output();
        let made = made.unwrap_or_else(|error| panic!("mkfs.{kind}: {error}"));
        assert!(made.status.success(), "mkfs.{kind}: {}", String::from_utf8_lossy(&made.stderr));
        let mount = format!("mount -t {kind} -o loop '{}'", image.display());
        Disk::mounted(temporary, &mount)
    }

    fn mounted(temporary: TempDir, mount: &str) -> Disk {
        let directory = temporary.path().join("disk");
        std::fs::create_dir(&directory).expect("a writable temporary directory");
        let root = rustix::process::geteuid().is_root();
        // As root a mount namespace is enough; as anyone else it takes a user namespace.
        let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
        let script = format!("set -e; {mount} '{}'; echo mounted; exec cat", directory.display());
        let mut holder = Command::new("unshare")
            .args(user)
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("readable standard output");
        let disk = Disk { holder, temporary, root };
        assert_eq!(line, "mounted\n", "{mount}: what is wrong stands above");
        disk
    }

    /// A node with its data directory here.
    pub(crate) fn node(&self) -> NodeBuilder {
        self.node_through(&[])
    }

    /// [`Disk::node`], started by another program that is given the node's command line after its own.
    pub(crate) fn node_through(&self, program: &[&str]) -> NodeBuilder {
        let mut through = vec!["nsenter".to_owned(), format!("--target={}", self.holder.id()), "--mount".into()];
        if !self.root {
            through.extend(["--user".into(), "--preserve-credentials".into()]);
        }
        through.push("--".into());
        through.extend(program.iter().map(|&word| word.to_owned()));
        through.push(binary::path().to_str().expect("its path is UTF-8").into());
        let through: Vec<&str> = through.iter().map(String::as_str).collect();
        NodeBuilder::serve().through(&through).data(&self.temporary.path().join("disk/data"))
    }

    /// The file system as this process sees it.
    pub(crate) fn path(&self) -> PathBuf {
        let inside = self.temporary.path().join("disk");
        let inside = inside.strip_prefix("/").expect("temporary directories have absolute paths");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside)
    }

    /// The data directory of [`Disk::node`] as this process sees it.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Ends `cat`, and with it the namespace and its mount.
        drop(self.holder.stdin.take());
        self.holder.wait().ok();
    }
}

/// Every file below a directory, in order of path.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        // What a running node has just removed is not there.
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Bytes that the files below a directory take on the disk.
pub(crate) fn used_bytes(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    files(directory).iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.blocks() * 512).sum()
}
