//! What holds for every input: nothing panics, and how a body arrives in pieces changes nothing.

use bytes::Bytes;
use proptest::prelude::*;

use super::aws::{CHUNK_SIGNATURES, TRAILER_CHUNK_SIGNATURES, chunked_body, decoder};
use super::body::{decode, unsigned};
use super::*;

/// Cuts `body` at the given places (taken modulo its length).
fn pieces(body: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.sort_unstable();
    let mut start = 0;
    let mut pieces = Vec::new();
    for cut in cuts.into_iter().chain([body.len()]) {
        pieces.push(Bytes::copy_from_slice(&body[start..cut]));
        start = cut;
    }
    pieces
}

proptest! {
    #[test]
    fn any_split_of_an_unsigned_body_gives_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        garbled in prop::option::of((any::<usize>(), any::<u8>())),
    ) {
        let data = chunks.concat();
        let mut body = Vec::new();
        for chunk in &chunks {
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
        if let Some((position, byte)) = garbled {
            let position = position % body.len();
            body[position] = byte;
        }
        let decoder = || unsigned(data.len() as u64, &["x-amz-checksum-crc32"]);
        let whole = decode(decoder(), &[Bytes::from(body.clone())]);
        prop_assert_eq!(&decode(decoder(), &pieces(&body, &cuts)), &whole);
        if garbled.is_none() {
            prop_assert_eq!(whole.unwrap().0, data);
        }
    }

    #[test]
    fn any_split_of_a_signed_body_gives_the_same(
        cuts in prop::collection::vec(0usize..67_200, 0..12),
        trailer in any::<bool>(),
        garbled in prop::option::of((0usize..67_200, any::<u8>())),
    ) {
        let mut body = if trailer {
            chunked_body(
                TRAILER_CHUNK_SIGNATURES,
                "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
            )
        } else {
            chunked_body(CHUNK_SIGNATURES, "\r\n")
        };
        let original = body.clone();
        if let Some((position, byte)) = garbled {
            let position = position % body.len();
            body[position] = byte;
        }
        let whole = decode(decoder(trailer), &[Bytes::from(body.clone())]);
        prop_assert_eq!(&decode(decoder(trailer), &pieces(&body, &cuts)), &whole);
        if body == original {
            prop_assert!(whole.is_ok());
        } else if let Ok((data, _)) = whole {
            // Only spelling that carries no meaning may differ: the case of a size or of a name, space around a value.
            prop_assert!(data.iter().all(|byte| *byte == b'a') && data.len() == 66_560);
        }
    }

    #[test]
    fn any_bytes_in_place_of_a_body_are_no_panic(
        body in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"0a5;:\r\n"[..])], 0..200),
        cuts in prop::collection::vec(any::<usize>(), 0..5),
        length in any::<u64>(),
    ) {
        let whole = decode(unsigned(length, &["a"]), &[Bytes::from(body.clone())]);
        prop_assert_eq!(decode(unsigned(length, &["a"]), &pieces(&body, &cuts)), whole);
        let _ = decode(decoder(true), &pieces(&body, &cuts));
    }

    #[test]
    fn any_request_is_parsed_without_panic(
        path in "[!-~]{0,30}",
        query in "((X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Security-Token|Content-Sha256)|Signature|Expires|AWSAccessKeyId|x)=?[A-Za-z0-9%/=;+-]{0,20}&?){0,10}",
        authorization in prop::option::of("(AWS4-HMAC-SHA256|AWS|Bearer)? ?((Credential|SignedHeaders|Signature)=[a-z0-9/;]{0,20},? ?){0,4}[ -~]{0,10}"),
        date in prop::option::of("([0-9]{8}T[0-9]{6}Z|[ -~]{0,30})"),
        content in prop::option::of("(UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER|[0-9a-f]{64}|[ -~]{0,70})"),
        now in prop_oneof![any::<i64>(), 0i64..4_000_000_000],
    ) {
        let Ok(uri) = format!("/{path}?{query}").parse::<Uri>() else { return Ok(()) };
        let mut request = Request::new("PUT", "/").header("host", "h");
        request.uri = uri;
        for (name, value) in [("authorization", authorization), ("x-amz-date", date), ("x-amz-content-sha256", content)] {
            if let Some(value) = value {
                request = request.header(name, &value);
            }
        }
        // What is not refused by form fails by signature: nobody guesses one.
        if let Ok(authenticated) = verify(&request, "one-secret", None, now) {
            prop_assert!(authenticated.access_key().is_none());
        }
    }

    #[test]
    fn a_flipped_character_of_a_presigned_url_never_verifies(position in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
        let mut target = super::aws::PRESIGNED.as_bytes().to_vec();
        let position = position.index(target.len());
        prop_assume!(target[position] != byte);
        target[position] = byte;
        let Ok(uri) = String::from_utf8(target.clone()).unwrap().parse::<Uri>() else { return Ok(()) };
        let mut request = Request::new("GET", "/").header("host", "examplebucket.s3.amazonaws.com");
        request.uri = uri;
        if let Ok(authenticated) = verify(&request, AWS_SECRET, None, NOW_AWS) {
            // Another spelling of the same bytes (`%2f`) is the same request; a name that is no longer a mechanism's is
            // anonymous.
            let same = String::from_utf8(target).unwrap().eq_ignore_ascii_case(super::aws::PRESIGNED);
            prop_assert!(authenticated.access_key().is_none() || same);
        }
    }
}
