//! `aws-chunked` bodies: whole, in pieces, altered, and cut off.

use bytes::Bytes;

use super::aws::{CHUNK_SIGNATURES, chunked_body, decoder};
use super::*;
use crate::auth::{AuthErrorCode, ChunkContext, ChunkDecoder, ChunkError, PayloadAuth, Trailers};

/// Runs a body through a decoder, piece by piece.
pub(super) fn decode(mut decoder: ChunkDecoder, pieces: &[Bytes]) -> Result<(Vec<u8>, Trailers), ChunkError> {
    let mut data = Vec::new();
    for piece in pieces {
        let mut piece = piece.clone();
        while let Some(slice) = decoder.decode(&mut piece)? {
            data.extend_from_slice(&slice);
        }
    }
    Ok((data, decoder.finish()?))
}

pub(super) fn unsigned(decoded_length: u64, trailers: &[&str]) -> ChunkDecoder {
    let names = trailers.iter().map(|name| (*name).to_owned()).collect();
    ChunkDecoder::new(ChunkContext::new(None, true, decoded_length, names))
}

fn decode_unsigned(length: u64, trailers: &[&str], body: &str) -> Result<(Vec<u8>, Trailers), ChunkError> {
    decode(unsigned(length, trailers), &[Bytes::from(body.to_owned())])
}

#[test]
fn data_shares_the_memory_of_the_piece() {
    let mut piece = Bytes::from_static(b"5\r\nhello\r\n0\r\n\r\n");
    let inside = piece.as_ptr_range();
    let data = unsigned(5, &[]).decode(&mut piece).unwrap().unwrap();
    assert_eq!(data, "hello");
    assert!(inside.contains(&data.as_ptr()));
}

#[test]
fn unsigned_bodies_with_trailers_are_read_as_botocore_writes_them() {
    let body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    let (data, trailers) = decode_unsigned(11, &["x-amz-checksum-crc32"], body).unwrap();
    assert_eq!(data, b"hello world");
    assert_eq!(trailers.value("x-amz-checksum-crc32"), Some("DUoRhQ=="));
    let (data, _) = decode_unsigned(0, &[], "0\r\n\r\n").unwrap();
    assert!(data.is_empty());
}

/// A4: a chunk's signature that is wrong, the last one's that is wrong, and one that is missing.
#[test]
fn a4_wrong_and_missing_chunk_signatures_are_refused() {
    let wrong = "00".repeat(32);
    for position in 0..3 {
        let mut signatures = CHUNK_SIGNATURES;
        signatures[position] = &wrong;
        let error = decode(decoder(false), &[Bytes::from(chunked_body(signatures, "\r\n"))]).unwrap_err();
        let error = AuthError::from(error);
        assert_eq!((error.code(), error.status()), (AuthErrorCode::SignatureDoesNotMatch, 403));
        assert!(error.element("StringToSign").unwrap().starts_with("AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n"));
        assert_eq!(error.element("SignatureProvided"), Some(wrong.as_str()));
    }
    let whole = String::from_utf8(chunked_body(CHUNK_SIGNATURES, "\r\n")).unwrap();
    for missing in [
        whole.replace(&format!("0;chunk-signature={}", CHUNK_SIGNATURES[2]), "0"),
        whole.replace(&format!("0;chunk-signature={}", CHUNK_SIGNATURES[2]), "0;chunk-signature="),
        whole.replace(&format!("400;chunk-signature={}", CHUNK_SIGNATURES[1]), "400"),
    ] {
        assert_ne!(missing, whole);
        let error = decode(decoder(false), &[Bytes::from(missing)]).unwrap_err();
        assert!(matches!(error, ChunkError::SignatureMismatch(_)), "{error:?}");
    }
}

#[test]
fn an_altered_byte_fails_at_the_end_of_its_chunk() {
    let mut body = chunked_body(CHUNK_SIGNATURES, "\r\n");
    body[200] = b'b';
    let mut decoder = decoder(false);
    let mut pieces = Bytes::from(body);
    let mut first = pieces.split_to(1000);
    assert!(decoder.decode(&mut first).unwrap().is_some(), "data comes before its signature is known");
    assert!(matches!(decoder.decode(&mut pieces), Err(ChunkError::SignatureMismatch(_))));
    // Once failed, it stays so.
    let mut more = Bytes::from_static(b"0\r\n");
    assert!(matches!(decoder.decode(&mut more), Err(ChunkError::SignatureMismatch(_))));
    assert!(matches!(decoder.finish(), Err(ChunkError::SignatureMismatch(_))));
}

#[test]
fn chunks_in_another_order_are_refused() {
    let body = chunked_body(CHUNK_SIGNATURES, "\r\n");
    let first = body.iter().position(|byte| *byte == b'\n').unwrap() + 1 + 65_536 + 2;
    let second = first + 1024 + 2 + "400;chunk-signature=".len() + 64 + 2;
    let swapped = [&body[first..second], &body[..first], &body[second..]].concat();
    assert!(matches!(decode(decoder(false), &[Bytes::from(swapped)]), Err(ChunkError::SignatureMismatch(_))));
}

#[test]
fn a_body_cut_anywhere_is_not_whole() {
    let body = chunked_body(CHUNK_SIGNATURES, "\r\n");
    let last = body.len() - "0;chunk-signature=\r\n\r\n".len() - 64;
    for end in (0..200).chain(last - 100..body.len() - 3) {
        let error = decode(decoder(false), &[Bytes::copy_from_slice(&body[..end])]).unwrap_err();
        assert_eq!(error, ChunkError::Incomplete, "cut at {end}");
    }
    let error = AuthError::from(ChunkError::Incomplete);
    assert_eq!((error.code(), error.status()), (AuthErrorCode::IncompleteBody, 400));
    assert_eq!(decode_unsigned(5, &["a"], "5\r\nhello\r\n0\r\na:1").unwrap_err(), ChunkError::Incomplete);
}

#[test]
fn the_announced_length_is_exact() {
    let body = "5\r\nhello\r\n0\r\n\r\n";
    assert!(decode_unsigned(5, &[], body).is_ok());
    for length in [0, 4, 6, u64::MAX] {
        assert_eq!(decode_unsigned(length, &[], body).unwrap_err(), ChunkError::Incomplete);
    }
    assert_eq!(decode_unsigned(5, &[], "ffffffffffffffff\r\n").unwrap_err(), ChunkError::Incomplete);
}

#[test]
fn broken_framing_is_refused_without_panic() {
    for body in [
        "\r\n",
        "g\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\rX0\r\n\r\n",
    ] {
        let error = decode_unsigned(5, &[], body).unwrap_err();
        assert!(matches!(error, ChunkError::Malformed(_)), "{body:?}: {error:?}");
        assert_eq!(AuthError::from(error).status(), 400);
    }
    let endless = "0".repeat(5000);
    assert!(matches!(decode_unsigned(5, &[], &endless), Err(ChunkError::Malformed(_))));
    let body = chunked_body(CHUNK_SIGNATURES, "\r\nmore");
    assert!(matches!(decode(decoder(false), &[Bytes::from(body)]), Err(ChunkError::Malformed(_))));
}

#[test]
fn trailers_must_be_the_announced_ones() {
    let attempt = |announced: &[&str], trailer: &str| {
        decode_unsigned(1, announced, &format!("1\r\na\r\n0\r\n{trailer}\r\n")).map(|_| ()).unwrap_err()
    };
    for (announced, trailer) in [
        (&["a"][..], ""),
        (&[], "a:1\r\n"),
        (&["a"], "b:1\r\n"),
        (&["a"], "a:1\r\nb:2\r\n"),
        (&["a"], "a:1\r\na:2\r\n"),
        (&["a"], "a\r\n"),
        (&["a"], ":1\r\na:1\r\n"),
        (&["a", "b"], "a:1\r\n\r\nb:1\r\n"),
        (&["a"], "a:1\r\nx-amz-trailer-signature:00\r\n"),
    ] {
        assert_eq!(attempt(announced, trailer), ChunkError::MalformedTrailer, "{trailer:?}");
    }
    let long = format!("a:{}\r\n", "1".repeat(9000));
    assert_eq!(attempt(&["a"], &long), ChunkError::MalformedTrailer);
    assert_eq!(AuthError::from(ChunkError::MalformedTrailer).code(), AuthErrorCode::MalformedTrailerError);
}

#[test]
fn a_small_signed_chunk_may_only_be_the_last() {
    let body = chunked_body(CHUNK_SIGNATURES, "\r\n");
    let first = body.iter().position(|byte| *byte == b'\n').unwrap() + 1 + 65_536 + 2;
    let rest = String::from_utf8(body[first..].to_vec()).unwrap();
    // After the chunk of 1 KiB comes another one: it is refused by its size, whatever its signature.
    let more = rest.replace("\r\n0;", "\r\n1;");
    let body = [&body[..first], more.as_bytes()].concat();
    let mut decoder = decoder(false);
    let mut pieces = Bytes::from(body);
    let error = loop {
        match decoder.decode(&mut pieces) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error, ChunkError::SmallChunk { chunk: 3, size_bytes: 1024 });
    let error = AuthError::from(error);
    assert_eq!((error.code(), error.status()), (AuthErrorCode::InvalidChunkSizeError, 403));
    assert_eq!(error.element("BadChunkSize"), Some("1024"));
}

#[test]
fn a_chunked_body_must_tell_its_decoded_length() {
    let request = |length: Option<&str>| {
        let request = Request::new("PUT", "/b/k")
            .header("host", "h")
            .header("x-amz-date", "20130524T000000Z")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let request = length.into_iter().fold(request, |r, length| r.header("x-amz-decoded-content-length", length));
        verify(&request.signed_v4("AK", "one-secret", "20130524T000000Z", ""), "one-secret", None, NOW_AWS)
    };
    for length in [None, Some(""), Some("-1"), Some("+1"), Some("1_"), Some("18446744073709551616")] {
        let error = request(length).unwrap_err();
        assert_eq!((error.code().as_str(), error.status()), ("MissingContentLength", 411), "{length:?}");
    }
    assert!(
        matches!(request(Some("12")).unwrap().payload(), PayloadAuth::Chunked(context) if context.decoded_length() == 12)
    );
}
