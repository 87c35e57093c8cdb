//! Compares what an object holds with its ETag and checksums, as whoever stored it knows them.
//!
//! The engine's own checksums say that bytes are those that were written. These say that they are those that were acknowledged: an error between taking a body in and writing it would show here only.

use engine::{ChecksumKind, Error, Object, ObjectPart, Wait};

use crate::protocol::checksum::{self, Digested, Digests};

/// What is read at once, in bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// Whether an object's bytes are those that its ETag and checksums were made of. What was made of something that isn't kept any more counts as matching.
///
/// # Errors
/// It can't be read.
pub(super) fn match_what_was_said(object: &Object) -> Result<bool, Error> {
    let info = &object.info;
    let full_object = info.attributes.checksums.iter().filter(|sum| sum.kind == ChecksumKind::FullObject);
    let mut whole: Vec<Digests> = full_object.map(|sum| Digests::new(false, Some(sum.algorithm))).collect();
    if whole.is_empty() && info.etag.parts == 0 {
        whole.push(Digests::new(false, None));
    }
    let mut offset = 0;
    let mut parts = Vec::with_capacity(info.parts.len());
    for part in &info.parts {
        let mut digests = Digests::new(false, part.checksum.as_ref().map(|sum| sum.algorithm));
        read(object, offset, part.size, |bytes| {
            digests.update(bytes);
            whole.iter_mut().for_each(|it| it.update(bytes));
        })?;
        offset += part.size;
        parts.push(digests.finish());
    }
    if info.parts.is_empty() && !whole.is_empty() {
        read(object, 0, info.size, |bytes| whole.iter_mut().for_each(|it| it.update(bytes)))?;
        offset = info.size;
    }
    let whole: Vec<Digested> = whole.into_iter().map(Digests::finish).collect();
    let has_length = whole.is_empty() && info.parts.is_empty() || offset == info.size;
    Ok(has_length
        && parts_match(&info.parts, &parts)
        && etag_matches(object, &whole, &parts)
        && sums_match(object, &whole))
}

/// Hands the bytes of a range over, piece by piece.
fn read(object: &Object, offset: u64, length: u64, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut done = 0;
    while done < length {
        let wanted = usize::try_from((length - done).min(PIECE_BYTES)).unwrap_or(0);
        let bytes = object.read(offset + done, wanted, Wait::Allowed)?;
        if bytes.is_empty() {
            // Shorter than it says, which the lengths tell.
            return Ok(());
        }
        take(&bytes);
        done += bytes.len() as u64;
    }
    Ok(())
}

fn parts_match(said: &[ObjectPart], found: &[Digested]) -> bool {
    said.iter().zip(found).all(|(said, found)| {
        let sum = said.checksum.as_ref().zip(found.checksum.as_ref());
        said.size == found.length
            && said.etag.md5 == found.md5
            && sum.is_none_or(|(said, (_, found))| said.value == *found)
    })
}

fn etag_matches(object: &Object, whole: &[Digested], parts: &[Digested]) -> bool {
    let etag = &object.info.etag;
    match etag.parts {
        0 => whole.first().is_none_or(|whole| whole.md5 == etag.md5),
        // A copy of a small object that was made of parts has its ETag without them.
        _ if parts.is_empty() => true,
        count => {
            let all: Vec<u8> = parts.iter().flat_map(|part| part.md5).collect();
            let mut digests = Digests::new(false, None);
            digests.update(&all);
            usize::from(count) == parts.len() && digests.finish().md5 == etag.md5
        }
    }
}

fn sums_match(object: &Object, whole: &[Digested]) -> bool {
    let info = &object.info;
    info.attributes.checksums.iter().all(|said| match said.kind {
        ChecksumKind::FullObject => {
            let found = whole.iter().filter_map(|it| it.checksum.as_ref());
            let mut found = found.filter(|(algorithm, _)| *algorithm == said.algorithm);
            found.all(|(_, value)| *value == said.value)
        }
        ChecksumKind::Composite => {
            let sums = info.parts.iter().map(|part| part.checksum.as_ref().filter(|it| it.algorithm == said.algorithm));
            let sums: Option<Vec<_>> = sums.collect();
            // Without the parts' own there is nothing to compare.
            let Some(sums) = sums.filter(|sums| !sums.is_empty()) else { return true };
            let all: Vec<u8> = sums.into_iter().flat_map(|sum| sum.value.iter().copied()).collect();
            checksum::of(said.algorithm, &all) == said.value
        }
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use engine::{
        Attributes, Body, BucketName, Checksum, ChecksumAlgorithm, ETag, NewBucket, ObjectKey, Options, Precondition,
        Put, Store, Versioning,
    };

    use super::*;

    fn md5(bytes: &[u8]) -> [u8; 16] {
        let mut digests = Digests::new(false, None);
        digests.update(bytes);
        digests.finish().md5
    }

    async fn stored(etag: [u8; 16], sum: &'static [u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { durability: engine::Durability::Relaxed, ..Options::default() };
        let store = Store::open(directory.path(), options).unwrap();
        let bucket = NewBucket {
            name: BucketName::parse("box").unwrap(),
            owner: "1".to_owned(),
            versioning: Versioning::Unversioned,
            attributes: Bytes::new(),
        };
        let bucket = store.create_bucket(bucket).await.unwrap().id;
        let value = checksum::of(ChecksumAlgorithm::Crc32, sum);
        let checksums = vec![Checksum { algorithm: ChecksumAlgorithm::Crc32, kind: ChecksumKind::FullObject, value }];
        let key = ObjectKey::parse("k").unwrap();
        let put = Put {
            bucket,
            key: key.clone(),
            body: Body::Inline(Bytes::from_static(b"hello")),
            etag: ETag::of_body(etag),
            attributes: Attributes { checksums, ..Attributes::default() },
            precondition: Precondition::default(),
        };
        store.put(put).await.unwrap();
        let object = store.open_object(bucket, &key, None, Wait::Allowed).unwrap();
        match_what_was_said(&object).unwrap()
    }

    #[tokio::test]
    async fn contents_match_only_their_own_etag_and_checksum() {
        assert!(stored(md5(b"hello"), b"hello").await);
        assert!(!stored(md5(b"hellp"), b"hello").await);
        assert!(!stored(md5(b"hello"), b"hellp").await);
    }
}
