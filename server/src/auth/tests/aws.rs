//! AWS's published examples.
//!
//! S3's are from "Signature calculations for the authorization header" (single chunk, multiple chunks, trailing
//! headers), "Authenticating requests: using query parameters" and "Signing and authenticating REST requests" (version
//! 2); the general ones from AWS's Signature Version 4 test suite, those whose path S3 would not treat differently.

use bytes::Bytes;

use super::*;
use crate::auth::sigv4;
use crate::auth::{ChunkDecoder, ChunkError, PayloadAuth, Scheme};

fn s3_example(method: &str, target: &str) -> Request {
    Request::new(method, target).header("host", "examplebucket.s3.amazonaws.com")
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={AWS_ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed_headers},Signature={signature}"
    )
}

#[test]
fn single_chunk_header_examples_verify() {
    let get = s3_example("GET", "/test.txt")
        .header("range", "bytes=0-9")
        .header("x-amz-content-sha256", EMPTY_SHA256)
        .header("x-amz-date", "20130524T000000Z")
        .header(
            "authorization",
            &authorization(
                "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        );
    let put = s3_example("PUT", "/test$file.text")
        .header("date", "Fri, 24 May 2013 00:00:00 GMT")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
        .header(
            "authorization",
            &authorization(
                "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
        );
    let plain = |target, signature| {
        s3_example("GET", target)
            .header("x-amz-date", "20130524T000000Z")
            .header("x-amz-content-sha256", EMPTY_SHA256)
            .header("authorization", &authorization("host;x-amz-content-sha256;x-amz-date", signature))
    };
    let lifecycle = plain("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    let list = plain("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    for request in [get, put, lifecycle, list] {
        let authenticated = verify(&request, AWS_SECRET, None, NOW_AWS + 7).unwrap();
        assert_eq!(authenticated.access_key(), Some(AWS_ACCESS_KEY));
        assert_eq!(authenticated.scheme(), Scheme::SigV4Header);
        assert_eq!(authenticated.scheme().auth_type(), Some("REST-HEADER"));
        assert_eq!(authenticated.scheme().signature_version(), Some("AWS4-HMAC-SHA256"));
        assert_eq!(authenticated.signed_at(), Some(NOW_AWS));
        assert_eq!(authenticated.signature_age_milliseconds(), Some(7000));
        assert_eq!(authenticated.expires_at(), None);
        assert!(matches!(authenticated.payload(), PayloadAuth::Sha256(_)));
        assert_eq!(code(verify(&request, "another secret", None, NOW_AWS)), "SignatureDoesNotMatch");
    }
}

pub(super) const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

#[test]
fn presigned_example_verifies_until_it_expires() {
    let request = s3_example("GET", PRESIGNED);
    for now in [NOW_AWS - 900, NOW_AWS, NOW_AWS + 86_400] {
        let authenticated = verify(&request, AWS_SECRET, None, now).unwrap();
        assert_eq!(authenticated.scheme(), Scheme::SigV4Query);
        assert_eq!(authenticated.scheme().auth_type(), Some("REST-QUERY-STRING"));
        assert_eq!(authenticated.expires_at(), Some(NOW_AWS + 86_400));
        assert_eq!(authenticated.signature_age_milliseconds(), Some((now - NOW_AWS).max(0) * 1000));
        assert!(matches!(authenticated.payload(), PayloadAuth::Unsigned));
    }
    let late = verify(&request, AWS_SECRET, None, NOW_AWS + 86_401).unwrap_err();
    assert_eq!((late.status(), late.message()), (403, "Request has expired"));
    assert_eq!(late.element("Expires"), Some("2013-05-25T00:00:00Z"));
    assert_eq!(late.element("ServerTime"), Some("2013-05-25T00:00:01Z"));
    let early = verify(&request, AWS_SECRET, None, NOW_AWS - 901).unwrap_err();
    assert_eq!((early.status(), early.message()), (403, "Request is not yet valid"));
}

/// The request of the chunk examples, without and with a trailer.
fn chunked_example(trailer: bool) -> Request {
    let request = Request::new("PUT", "/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560");
    if trailer {
        request
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
            .header("x-amz-trailer", "x-amz-checksum-crc32c")
            .header(
                "authorization",
                &authorization(
                    "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
                    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
                ),
            )
    } else {
        request
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .header("content-length", "66824")
            .header(
                "authorization",
                &authorization(
                    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
                    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                ),
            )
    }
}

pub(super) const CHUNK_SIGNATURES: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
pub(super) const TRAILER_CHUNK_SIGNATURES: [&str; 3] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const TRAILER: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
    x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";

/// The framed body of the examples: 64 KiB, 1 KiB and the last chunk of the letter `a`.
pub(super) fn chunked_body(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in [65_536, 1024, 0].into_iter().zip(signatures) {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        if size > 0 {
            body.resize(body.len() + size, b'a');
            body.extend_from_slice(b"\r\n");
        }
    }
    body.extend_from_slice(end.as_bytes());
    body
}

pub(super) fn decoder(trailer: bool) -> ChunkDecoder {
    match verify(&chunked_example(trailer), AWS_SECRET, None, NOW_AWS).unwrap().into_payload() {
        PayloadAuth::Chunked(context) => {
            assert_eq!(context.decoded_length(), 66_560);
            assert!(context.is_signed());
            ChunkDecoder::new(*context)
        }
        other => panic!("not chunked: {other:?}"),
    }
}

#[test]
fn chunked_example_verifies_chunk_by_chunk() {
    let body = chunked_body(CHUNK_SIGNATURES, "\r\n");
    assert_eq!(body.len(), 66_824, "the example's Content-Length");
    let (data, trailers) = super::body::decode(decoder(false), &[Bytes::from(body)]).unwrap();
    assert_eq!(data, vec![b'a'; 66_560]);
    assert_eq!(trailers.iter().count(), 0);
}

#[test]
fn trailing_header_example_verifies() {
    for end in ["\r\n", ""] {
        let body = chunked_body(TRAILER_CHUNK_SIGNATURES, &format!("{TRAILER}{end}"));
        let (data, trailers) = super::body::decode(decoder(true), &[Bytes::from(body)]).unwrap();
        assert_eq!(data.len(), 66_560);
        assert_eq!(trailers.value("x-amz-checksum-crc32c"), Some("sOO8/Q=="));
    }
    // The blank line before the signature is how the document's grammar can be read, and how some clients send it.
    let split = TRAILER.replace("==\r\n", "==\n\r\n");
    let body = chunked_body(TRAILER_CHUNK_SIGNATURES, &format!("{split}\r\n"));
    assert!(super::body::decode(decoder(true), &[Bytes::from(body)]).is_ok());
}

#[test]
fn an_altered_or_unsigned_trailer_is_refused() {
    let attempt = |end: &str| {
        let body = chunked_body(TRAILER_CHUNK_SIGNATURES, end);
        super::body::decode(decoder(true), &[Bytes::from(body)]).unwrap_err()
    };
    for end in [
        TRAILER.replace("sOO8", "sOO9"),
        TRAILER.replace("d81f", "d81e"),
        "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n".into(),
        "\r\n".into(),
        format!("x-amz-meta-more:1\r\n{TRAILER}"),
    ] {
        assert!(matches!(attempt(&end), ChunkError::SignatureMismatch(_)), "{end}");
    }
    for end in
        [format!("{TRAILER}x-amz-meta-more:1\r\n"), format!("{TRAILER}{TRAILER}"), format!("nonsense\r\n{TRAILER}")]
    {
        assert_eq!(attempt(&end), ChunkError::MalformedTrailer, "{end}");
    }
}

#[test]
fn general_test_suite_signatures_match() {
    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);
    let cases: &[Case] = &[
        ("GET", "/", &[], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param1=value1", &[], "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ("POST", "/?Param1=value1", &[], "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/?Param1=value2&Param1=value1",
            &[],
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
        ),
        (
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "GET",
            "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        ("GET", "/?ሴ=bar", &[], "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        ("GET", "/ሴ", &[], "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        (
            "GET",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        ("GET", "/example%20space/", &[], "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        ("GET", "/example/$delete", &[], "a853c9b21b528b19643d00910d35b83a10c366a10833ceefb45edd6c80e40f27"),
        (
            "GET",
            "/",
            &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "GET",
            "/",
            &[("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")],
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "GET",
            "/",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        ("POST", "/", &[("my-header1", "VALUE1")], "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ];
    for (method, target, headers, signature) in cases {
        let request = Request::new(method, target)
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .headers(headers);
        let mut names: Vec<&str> = request.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        let proof = sigv4::Proof {
            credential: Credential {
                access_key: "AKIDEXAMPLE".into(),
                day: "20150830".into(),
                region: "us-east-1".into(),
                service: "service".into(),
            },
            signed_headers: names.join(";").into(),
            signature: (*signature).into(),
            date: "20150830T123600Z".into(),
            payload: EMPTY_SHA256.as_bytes().into(),
            presigned: false,
        };
        let secret = SecretKey::parse("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").unwrap();
        let hosts = std::iter::once(&b"example.amazonaws.com"[..]);
        let result = proof.verify(request.head(), hosts, &secret, &SigningKeyCache::new(1));
        assert!(result.is_ok(), "{method} {target}: {:?}", result.unwrap_err());
    }
}

/// All of the document's requests but "Delete", whose signature contradicts the document's own rule that `Date` is
/// empty beside `x-amz-date`.
#[test]
fn version_2_header_examples_verify() {
    let bucket = Some("awsexamplebucket1");
    let get = "Tue, 27 Mar 2007 19:36:42 +0000";
    let cases = [
        (Request::new("GET", "/photos/puppy.jpg").host_bucket(bucket), get, "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
        (
            Request::new("PUT", "/photos/puppy.jpg")
                .host_bucket(bucket)
                .header("content-type", "image/jpeg")
                .header("content-length", "94328"),
            "Tue, 27 Mar 2007 21:15:45 +0000",
            "iqRzw+ileNPu1fhspnRs8nOjjIA=",
        ),
        (
            Request::new("GET", "/?prefix=photos&max-keys=50&marker=puppy").host_bucket(bucket),
            "Tue, 27 Mar 2007 19:42:41 +0000",
            "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
        ),
        (
            Request::new("GET", "/?acl").host_bucket(bucket),
            "Tue, 27 Mar 2007 19:44:46 +0000",
            "82ZHiFIjc+WbcwFKGUVEQspPn+0=",
        ),
        (
            Request::new("PUT", "/db-backup.dat.gz")
                .host_bucket(Some("static.awsexamplebucket1.net"))
                .header("x-amz-acl", "public-read")
                .header("content-type", "application/x-download")
                .header("content-md5", "4gJE4saaMU4BqNR0kLY+lw==")
                .header("x-amz-meta-reviewedby", "joe@awsexamplebucket1.net")
                .header("x-amz-meta-reviewedby", "jane@awsexamplebucket1.net")
                .header("x-amz-meta-filechecksum", "0x02661779")
                .header("x-amz-meta-checksumalgorithm", "crc32")
                .header("content-encoding", "gzip"),
            "Tue, 27 Mar 2007 21:06:08 +0000",
            "dKZcB+bz2EPXgSdXZp9ozGeOM4I=",
        ),
        (Request::new("GET", "/"), "Wed, 28 Mar 2007 01:29:59 +0000", "qGdzdERIC03wnaRNKh6OqZehG9s="),
        (
            Request::new("GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re"),
            "Wed, 28 Mar 2007 01:49:49 +0000",
            "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
        ),
    ];
    for (request, date, signature) in cases {
        let now = crate::auth::date::parse_any(date).unwrap();
        let request =
            request.header("date", date).header("authorization", &format!("AWS {AWS_ACCESS_KEY}:{signature}"));
        let authenticated = verify(&request, AWS_SECRET, None, now + 900).unwrap();
        assert_eq!(authenticated.scheme(), Scheme::SigV2Header);
        assert_eq!(authenticated.scheme().signature_version(), Some("AWS"));
        assert_eq!(authenticated.signed_at(), Some(now));
        assert_eq!(code(verify(&request, AWS_SECRET, None, now + 901)), "RequestTimeTooSkewed");
        assert_eq!(
            code(verify(&request.replaced("content-type", "x"), AWS_SECRET, None, now)),
            "SignatureDoesNotMatch"
        );
    }
}

/// The presigned example of the first edition of the document, whose keys belong to its signature.
#[test]
fn version_2_presigned_example_verifies() {
    let request = Request::new(
        "GET",
        "/quotes/nelson?AWSAccessKeyId=44CF9590006BF252F707&Expires=1141889120&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D",
    );
    let secret = "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV";
    let authenticated = verify(&request, secret, None, 1_141_889_120).unwrap();
    assert_eq!(authenticated.scheme(), Scheme::SigV2Query);
    assert_eq!(authenticated.expires_at(), Some(1_141_889_120));
    assert_eq!(authenticated.signature_age_milliseconds(), Some(0));
    let late = verify(&request, secret, None, 1_141_889_121).unwrap_err();
    assert_eq!((late.status(), late.message()), (403, "Request has expired"));
    assert!(verify(&request, secret, None, 1_141_889_120 - 604_800).is_ok());
    assert_eq!(code(verify(&request, secret, None, 1_141_889_120 - 604_801)), "AccessDenied");
}
