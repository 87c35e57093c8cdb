//! Whose directory it is: one process at a time, and nothing of others or of later versions is touched.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use engine::*;

#[test]
fn i8_a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let second = Store::open(directory.path(), options());
    assert!(matches!(&second, Err(OpenError::InUse(_))), "{second:?}");
    store.close().unwrap();
    open(directory.path());
}

#[test]
fn directories_of_others_and_of_later_versions_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "work").unwrap();
    let opened = Store::open(directory.path(), options());
    assert!(matches!(&opened, Err(OpenError::NotADataDirectory(path)) if path == directory.path()), "{opened:?}");
    assert_eq!(names(directory.path()), ["thesis.txt"]);

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret.key"), "the server's").unwrap();
    open(directory.path()).close().unwrap();
    let format = directory.path().join("FORMAT");
    let good = fs::read(&format).unwrap();
    flip(&format, 20);
    open(directory.path()).close().unwrap();
    assert_eq!(fs::read(&format).unwrap(), good, "a damaged copy is written anew");
    let mut later = good.clone();
    for copy in [0, 4096] {
        later[copy + 8] = 2;
        let crc = crc32fast_of(&later[copy..copy + 56]);
        later[copy + 56..copy + 60].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&format, later).unwrap();
    flip(&format, 20);
    fs::remove_file(directory.path().join("LOCK")).unwrap();
    let before = (names(directory.path()), fs::read(&format).unwrap());
    let refused = Store::open(directory.path(), options()).unwrap_err();
    assert!(matches!(&refused, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{refused:?}");
    let line = refused.to_string();
    assert!(line.starts_with(directory.path().to_str().unwrap()) && !line.contains('\n'), "{line}");
    assert_eq!((names(directory.path()), fs::read(&format).unwrap()), before);
    flip(&format, 4096 + 20);
    let before = (names(directory.path()), fs::read(&format).unwrap());
    let refused = Store::open(directory.path(), options()).unwrap_err();
    assert!(matches!(&refused, OpenError::LostFormat(path) if path == directory.path()), "{refused:?}");
    assert_eq!((names(directory.path()), fs::read(&format).unwrap()), before);
}

#[test]
fn a_directory_with_features_of_a_later_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).close().unwrap();
    let format = directory.path().join("FORMAT");
    let good = fs::read(&format).unwrap();
    // Compatible features are nobody's concern, those of writers and of readers are.
    for (field, refused_bits) in [(32, None), (40, Some(4)), (48, Some(4))] {
        let mut later = good.clone();
        for copy in [0, 4096] {
            later[copy + field] = 4;
            let crc = crc32fast_of(&later[copy..copy + 56]);
            later[copy + 56..copy + 60].copy_from_slice(&crc.to_le_bytes());
        }
        fs::write(&format, &later).unwrap();
        match (Store::open(directory.path(), options()), refused_bits) {
            (Ok(_), None) => {}
            (Err(error @ OpenError::UnknownFeatures { .. }), Some(bits)) => {
                let expected = format!(
                    "{} uses features that this program does not know (bits {bits:#x}): use a newer version of it",
                    directory.path().display()
                );
                assert_eq!(error.to_string(), expected);
            }
            (opened, _) => panic!("{field}: {opened:?}"),
        }
        assert_eq!(fs::read(&format).unwrap()[..4160], later[..4160]);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// CRC-32 by its definition, so that the test does not trust the code under test.
fn crc32fast_of(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
