//! What servers got wrong elsewhere, and the texts of refusals.

use super::aws::PRESIGNED;
use super::*;
use crate::auth::{PayloadAuth, QueryPairs, Scheme};

const DATE: &str = "20130524T000000Z";

fn get() -> Request {
    Request::new("GET", "/b/k")
        .header("host", "h:9000")
        .header("x-amz-date", DATE)
        .header("x-amz-content-sha256", EMPTY_SHA256)
}

fn signed(request: Request) -> Request {
    request.signed_v4("AK", "one-secret", DATE, "")
}

fn check(request: &Request) -> Result<Authenticated, AuthError> {
    verify(request, "one-secret", None, NOW_AWS)
}

/// A presigned request over the given headers and query (both canonical already), signed with "one-secret".
fn presigned(method: &str, path: &str, query: &str, headers: &[(&str, &str)], payload: &str) -> Request {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("%3B");
    let auth = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date={DATE}&X-Amz-Expires=600&X-Amz-SignedHeaders={names}"
    );
    let mut pairs: Vec<&str> = auth.split('&').chain(query.split('&').filter(|pair| !pair.is_empty())).collect();
    pairs.sort_unstable();
    let query = pairs.join("&");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{}\n{payload}", names.replace("%3B", ";"));
    let signature = sign("one-secret", DATE, &canonical);
    Request::new(method, &format!("{path}?{query}&X-Amz-Signature={signature}")).headers(headers)
}

/// A1: the word for an unsigned body says nothing about the request's own signature.
#[test]
fn a1_an_unsigned_trailer_body_does_not_replace_the_signature() {
    let put = Request::new("PUT", "/b/k")
        .header("host", "h:9000")
        .header("x-amz-date", DATE)
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-meta-snowball-auto-extract", "true");
    assert!(
        matches!(check(&signed(put.clone())).unwrap().payload(), PayloadAuth::Chunked(context) if !context.is_signed())
    );
    for signature in ["garbage", "", &"0".repeat(64)] {
        let names =
            "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-meta-snowball-auto-extract";
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AK/20130524/us-east-1/s3/aws4_request, SignedHeaders={names}, Signature={signature}"
        );
        let error = check(&put.clone().header("authorization", &authorization)).unwrap_err();
        assert_eq!((error.code().as_str(), error.status()), ("SignatureDoesNotMatch", 403));
    }
}

/// A2: a credential in the query is a claim, never an identity.
#[test]
fn a2_a_credential_in_the_query_without_valid_signature_is_nobody() {
    let put = |query: &str| {
        Request::new("PUT", &format!("/b/k?{query}"))
            .header("host", "h")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "5")
    };
    let credential = "X-Amz-Credential=AK%2F20130524%2Fus-east-1%2Fs3%2Faws4_request";
    // No mechanism at all: as on S3, an anonymous request.
    let authenticated = check(&put(credential)).unwrap();
    assert_eq!((authenticated.access_key(), authenticated.scheme()), (None, Scheme::Anonymous));
    let incomplete = check(&put(&format!("X-Amz-Algorithm=AWS4-HMAC-SHA256&{credential}"))).unwrap_err();
    assert_eq!((incomplete.code().as_str(), incomplete.status()), ("AuthorizationQueryParametersError", 400));
    let names = "host%3Bx-amz-decoded-content-length";
    let complete = check(&put(&format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&{credential}&X-Amz-Date={DATE}&X-Amz-Expires=60&X-Amz-SignedHeaders={names}&X-Amz-Signature={}",
        "0".repeat(64)
    )))
    .unwrap_err();
    assert_eq!((complete.code().as_str(), complete.status()), ("SignatureDoesNotMatch", 403));
}

/// A3: whoever opens a presigned URL adds nothing that means anything.
#[test]
fn a3_headers_added_to_a_presigned_url_are_refused() {
    let put = presigned("PUT", "/b/k", "", &[("host", "h")], "UNSIGNED-PAYLOAD");
    assert!(check(&put).is_ok());
    for name in [
        "x-amz-tagging",
        "x-amz-acl",
        "x-amz-copy-source",
        "x-amz-meta-a",
        "x-amz-object-lock-mode",
        "x-amz-security-token",
        "x-amz-date",
        "content-md5",
    ] {
        let error = check(&put.clone().header(name, "x")).unwrap_err();
        assert_eq!((error.code().as_str(), error.status()), ("AccessDenied", 403));
        assert_eq!(error.message(), "There were headers present in the request which were not signed");
        assert_eq!(error.element("HeadersNotSigned"), Some(name));
    }
    assert!(check(&put.clone().header("content-type", "text/plain").header("range", "bytes=0-1")).is_ok());
    // The hash of the body needs no mention, because its value is signed for.
    assert!(check(&put.clone().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")).is_ok());
    assert_eq!(code(check(&put.clone().header("x-amz-content-sha256", EMPTY_SHA256))), "SignatureDoesNotMatch");
    let signed_acl = presigned("PUT", "/b/k", "", &[("host", "h"), ("x-amz-acl", "private")], "UNSIGNED-PAYLOAD");
    assert!(check(&signed_acl).is_ok());
    assert_eq!(code(check(&signed_acl.clone().replaced("x-amz-acl", "public-read"))), "SignatureDoesNotMatch");
    assert_eq!(code(check(&signed_acl.header("x-amz-acl", "public-read"))), "SignatureDoesNotMatch");
}

#[test]
fn headers_added_to_a_signed_request_are_refused() {
    let request = signed(get());
    assert!(check(&request).is_ok());
    let error =
        check(&request.clone().header("x-amz-acl", "a").header("x-amz-copy-source", "b").header("content-md5", "c"));
    assert_eq!(error.unwrap_err().element("HeadersNotSigned"), Some("content-md5, x-amz-acl, x-amz-copy-source"));
    let without_host =
        request.headers["authorization"].to_str().unwrap().replace("SignedHeaders=host;", "SignedHeaders=");
    let error = check(&request.replaced("authorization", &without_host)).unwrap_err();
    assert_eq!(error.element("HeadersNotSigned"), Some("host"));
}

/// A7: keys and queries in spellings that are easy to get wrong, signed as AWS defines and as signers do that sign what
/// they send.
#[test]
fn a7_presigned_queries_are_canonical_whatever_their_spelling() {
    let sorted = presigned("GET", "/b/k", "partNumber=10&partNumber=2", &[("host", "h")], "UNSIGNED-PAYLOAD");
    let shuffled = sorted.uri.to_string().replace("partNumber=10&partNumber=2", "partNumber=2&partNumber=10");
    assert!(check(&Request::new("GET", &shuffled).header("host", "h")).is_ok());
    let encoded =
        presigned("GET", "/b/k", "prefix=a%20b%3Bc%2Fd", &[("host", "h")], "UNSIGNED-PAYLOAD").uri.to_string();
    for spelling in ["a%20b;c/d", "a+b%3bc/d", "%61%20b%3Bc%2fd"] {
        let target = encoded.replace("a%20b%3Bc%2Fd", spelling);
        assert!(check(&Request::new("GET", &target).header("host", "h")).is_ok(), "{spelling}");
    }
    // A plus that was signed as a plus is not a space.
    let plus = presigned("GET", "/b/k", "prefix=a%2Bb", &[("host", "h")], "UNSIGNED-PAYLOAD").uri.to_string();
    let target = plus.replace("a%2Bb", "a+b");
    assert_eq!(code(check(&Request::new("GET", &target).header("host", "h"))), "SignatureDoesNotMatch");
    // Signers that sign a ready URL as it is.
    for (path, query) in [("/b/a%2fb(c)", "prefix=a+b;c/d"), ("/b/k", "x=(1)"), ("/b/(k)", "x=1")] {
        assert!(check(&presigned("GET", path, query, &[("host", "h")], "UNSIGNED-PAYLOAD")).is_ok(), "{path} {query}");
    }
    // A signer that encodes the path for its signature and takes the query as it is.
    let encoded = presigned("GET", "/b/%28k%29", "x=(1)", &[("host", "h")], "UNSIGNED-PAYLOAD").uri.to_string();
    assert!(check(&Request::new("GET", &encoded.replace("%28k%29", "(k)")).header("host", "h")).is_ok());
    assert_eq!(
        QueryPairs::parse("a+b=c+d%2B&e&=f&a%20b=").iter().collect::<Vec<_>>(),
        [("a b", Some("c d+")), ("e", None), ("", Some("f")), ("a b", Some(""))]
    );
}

/// A9: the life of a presigned URL.
#[test]
fn a9_expires_is_bounded() {
    let attempt = |expires: &str, now| {
        let target = PRESIGNED.replace("X-Amz-Expires=86400", &format!("X-Amz-Expires={expires}"));
        let request = Request::new("GET", &target).header("host", "examplebucket.s3.amazonaws.com");
        verify(&request, AWS_SECRET, None, now).unwrap_err()
    };
    for (expires, status, message) in [
        (
            "604801",
            400,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
        ("-1", 400, "X-Amz-Expires must be non-negative"),
        ("", 400, "X-Amz-Expires should be a number"),
        ("1e3", 400, "X-Amz-Expires should be a number"),
        ("9223372036854775808", 400, "X-Amz-Expires should be a number"),
        ("0", 403, "Request has expired"),
    ] {
        let error = attempt(expires, NOW_AWS);
        assert_eq!((error.status(), error.message()), (status, message), "{expires}");
    }
    // Altered, but within the limits: the signature tells.
    assert_eq!(attempt("604800", NOW_AWS).code().as_str(), "SignatureDoesNotMatch");
    assert_eq!(attempt("604800", NOW_AWS + 604_800).code().as_str(), "SignatureDoesNotMatch");
    assert_eq!(attempt("604800", NOW_AWS + 604_801).message(), "Request has expired");
    assert_eq!(attempt("604800", NOW_AWS - 901).message(), "Request is not yet valid");
}

#[test]
fn signed_requests_are_taken_for_fifteen_minutes_each_way() {
    let request = signed(get());
    for now in [NOW_AWS - 900, NOW_AWS + 900] {
        assert!(verify(&request, "one-secret", None, now).is_ok());
    }
    for now in [NOW_AWS - 901, NOW_AWS + 901] {
        let error = verify(&request, "one-secret", None, now).unwrap_err();
        assert_eq!((error.code().as_str(), error.status()), ("RequestTimeTooSkewed", 403));
        assert_eq!(error.element("RequestTime"), Some(DATE));
        assert_eq!(error.element("MaxAllowedSkewMilliseconds"), Some("900000"));
    }
    let error = verify(&request, "one-secret", None, NOW_AWS + 901).unwrap_err();
    assert_eq!(error.element("ServerTime"), Some("2013-05-24T00:15:01Z"));
}

/// A11, and a signature for another region.
#[test]
fn a11_another_scope_is_refused_before_any_secret_is_needed() {
    let request = signed(get());
    let authorization = request.headers["authorization"].to_str().unwrap().to_owned();
    let attempt = |from: &str, to: &str| {
        check(&request.clone().replaced("authorization", &authorization.replace(from, to))).unwrap_err()
    };
    for service in ["sts", "iam", "s3tables"] {
        let error = attempt("/s3/", &format!("/{service}/"));
        assert_eq!((error.code().as_str(), error.status()), ("AuthorizationHeaderMalformed", 400));
        assert_eq!(
            error.message(),
            format!(
                "The authorization header is malformed; incorrect service \"{service}\". This endpoint belongs to \"s3\"."
            )
        );
    }
    let error = attempt("us-east-1", "eu-central-1");
    assert_eq!(
        error.message(),
        "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting 'us-east-1'"
    );
    assert_eq!(error.element("Region"), Some("us-east-1"));
    let error = attempt("/20130524/", "/20130523/");
    assert_eq!(
        error.message(),
        "The authorization header is malformed; Invalid credential date. Date is not the same as X-Amz-Date."
    );

    let sts = AuthConfig { service: "sts".into(), ..AuthConfig::s3("us-east-1") };
    assert_eq!(code(verify_with(&request, &sts, "one-secret", None, NOW_AWS)), "AuthorizationHeaderMalformed");

    let query = Request::new("GET", &PRESIGNED.replace("us-east-1", "eu-west-1")).header("host", "h");
    let error = verify(&query, AWS_SECRET, None, NOW_AWS).unwrap_err();
    assert_eq!(error.code().as_str(), "AuthorizationQueryParametersError");
    assert_eq!(error.element("Region"), Some("us-east-1"));
    let query = Request::new("GET", &PRESIGNED.replace("%2Fs3%2F", "%2Fsts%2F")).header("host", "h");
    assert_eq!(code(verify(&query, AWS_SECRET, None, NOW_AWS)), "AuthorizationQueryParametersError");
}

#[test]
fn a_presigned_scope_is_of_the_day_of_its_date() {
    let target = PRESIGNED.replace("%2F20130524%2F", "%2F20130523%2F");
    let error = check(&Request::new("GET", &target).header("host", "h")).unwrap_err();
    assert_eq!(error.code().as_str(), "AuthorizationQueryParametersError");
    assert_eq!(
        error.message(),
        "Invalid credential date \"20130523\". This date is not the same as X-Amz-Date: \"20130524\"."
    );
}

/// A8: a proxy may rewrite the host; only configured names are tried besides the one sent.
#[test]
fn a8_the_host_may_be_a_configured_external_one() {
    let request = signed(get());
    let rewritten = request.replaced("host", "127.0.0.1:8080").header("x-forwarded-host", "h:9000");
    assert_eq!(code(check(&rewritten)), "SignatureDoesNotMatch");
    let behind = |hosts: &[&str]| AuthConfig {
        external_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..AuthConfig::s3("us-east-1")
    };
    assert!(verify_with(&rewritten, &behind(&["other", "h:9000"]), "one-secret", None, NOW_AWS).is_ok());
    let error = verify_with(&rewritten, &behind(&["other", "h"]), "one-secret", None, NOW_AWS).unwrap_err();
    assert!(error.element("CanonicalRequest").unwrap().contains("host:127.0.0.1:8080\n"), "the host as sent is named");
}

#[test]
fn a_mismatch_names_what_was_compared() {
    let request = signed(get()).replaced("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let error = check(&request).unwrap_err();
    let names: Vec<&str> = error.elements().iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "AWSAccessKeyId",
            "StringToSign",
            "SignatureProvided",
            "StringToSignBytes",
            "CanonicalRequest",
            "CanonicalRequestBytes"
        ]
    );
    assert_eq!(error.element("AWSAccessKeyId"), Some("AK"));
    assert_eq!(
        error.element("CanonicalRequest").unwrap(),
        "GET\n/b/k\n\nhost:h:9000\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD"
    );
    assert!(
        error
            .element("StringToSign")
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n")
    );
    assert!(error.element("StringToSignBytes").unwrap().starts_with("41 57 53 34 2d"));
    assert!(!format!("{error:?} {error}").contains("one-secret"));
}

#[test]
fn malformed_headers_get_their_own_refusals() {
    let attempt = |value: &str| {
        let error = check(&get().header("authorization", value)).unwrap_err();
        (error.code().as_str(), error.status(), error.message().to_owned())
    };
    let components = "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.";
    for (value, code, message) in [
        ("garbage", "InvalidArgument", "Authorization header is invalid -- one and only one ' ' (space) required"),
        (
            "AWS4-HMAC-SHA256",
            "InvalidArgument",
            "Authorization header is invalid -- one and only one ' ' (space) required",
        ),
        ("Bearer abc", "InvalidArgument", "Unsupported Authorization Type"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "InvalidArgument", "Unsupported Authorization Type"),
        ("AWS4-HMAC-SHA256 ", "AuthorizationHeaderMalformed", components),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b", "AuthorizationHeaderMalformed", components),
        (
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c, Signature=c",
            "AuthorizationHeaderMalformed",
            components,
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c, Other=d",
            "AuthorizationHeaderMalformed",
            components,
        ),
        ("AWS HAHAHA", "InvalidArgument", "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"),
        ("AWS a:", "InvalidArgument", "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"),
        ("AWS a:b:c", "InvalidArgument", "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"),
        ("AWS  a:b", "InvalidArgument", "Authorization header is invalid -- one and only one ' ' (space) required"),
    ] {
        assert_eq!(attempt(value), (code, 400, message.to_owned()), "{value}");
    }
    assert_eq!(
        attempt("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=c").0,
        "AuthorizationHeaderMalformed"
    );
    // An empty header is no credential.
    assert_eq!(check(&get().header("authorization", "")).unwrap().scheme(), Scheme::Anonymous);
}

#[test]
fn dates_must_be_there_and_readable() {
    let v4 = |request: Request| check(&request.header("authorization", "AWS4-HMAC-SHA256 Credential=a")).unwrap_err();
    let v2 = |request: Request| check(&request.header("authorization", "AWS a:b")).unwrap_err();
    for error in [
        v4(get().without("x-amz-date")),
        v4(get().replaced("x-amz-date", "Bad Date")),
        v4(get().replaced("x-amz-date", "")),
        v2(get().without("x-amz-date")),
        v2(get().replaced("x-amz-date", "Bad Date")),
        // `x-amz-date` counts even if only `Date` could be read.
        v2(get().replaced("x-amz-date", "").header("date", "Fri, 24 May 2013 00:00:00 GMT")),
        v2(get().replaced("x-amz-date", "Tue, 07 Jul 1950 21:53:04 GMT")),
    ] {
        assert_eq!((error.code().as_str(), error.status()), ("AccessDenied", 403));
        assert_eq!(error.message(), "AWS authentication requires a valid Date or x-amz-date header");
    }
    // The weekdays are wrong, as in the test suite that asks this.
    for date in ["Tue, 07 Jul 2010 21:53:04 GMT", "Tue, 07 Jul 2030 21:53:04 GMT", "Tue, 07 Jul 9999 21:53:04 GMT"] {
        assert_eq!(v2(get().replaced("x-amz-date", date)).code().as_str(), "RequestTimeTooSkewed", "{date}");
    }
}

#[test]
fn the_payload_word_is_required_and_known() {
    let attempt = |request: Request| {
        let error = check(&request.header("authorization", "AWS4-HMAC-SHA256 x")).unwrap_err();
        (error.code().as_str(), error.message().to_owned())
    };
    assert_eq!(
        attempt(get().without("x-amz-content-sha256")),
        ("InvalidRequest", "Missing required header for this request: x-amz-content-sha256".into())
    );
    for word in [
        "",
        "unsigned-payload",
        &EMPTY_SHA256[1..],
        &format!("{EMPTY_SHA256}0"),
        &"g".repeat(64),
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    ] {
        let (code, message) = attempt(get().replaced("x-amz-content-sha256", word));
        assert_eq!(code, "InvalidArgument", "{word}");
        assert!(message.starts_with("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "));
    }
    assert_eq!(attempt(get().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")).0, "InvalidArgument");
    let upper = signed(get().replaced("x-amz-content-sha256", &EMPTY_SHA256.to_uppercase()));
    assert!(matches!(check(&upper).unwrap().payload(), PayloadAuth::Sha256(hash) if hash[..2] == [0xe3, 0xb0]));
}

#[test]
fn only_one_mechanism_is_taken() {
    let both = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
    let header = signed(get());
    let mut requests = vec![header.clone().header("authorization", "AWS a:b")];
    for query in ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "Signature=x", "X-Amz-Algorithm", "X-Amz-Algorithm=x&Signature=x"]
    {
        let mut request = header.clone();
        request.uri = format!("/b/k?{query}").parse().unwrap();
        requests.push(request);
    }
    requests.push(Request::new("GET", "/b/k?Signature=x").header("authorization", ""));
    requests.push(Request::new("GET", "/b/k?Signature=x&X-Amz-Algorithm=y"));
    for request in requests {
        let error = check(&request).unwrap_err();
        assert_eq!((error.code().as_str(), error.status(), error.message()), ("InvalidArgument", 400, both));
        assert_eq!(error.element("ArgumentName"), Some("Authorization"));
    }
}

#[test]
fn parameters_of_a_presigned_url_come_once() {
    for name in
        ["X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Algorithm"]
    {
        let request =
            Request::new("GET", &format!("{PRESIGNED}&{name}=1")).header("host", "examplebucket.s3.amazonaws.com");
        let error = verify(&request, AWS_SECRET, None, NOW_AWS).unwrap_err();
        assert_eq!((error.code().as_str(), error.status()), ("AuthorizationQueryParametersError", 400));
        let missing = PRESIGNED.replace(&format!("{name}="), "other=");
        let error = verify(&Request::new("GET", &missing).header("host", "h"), AWS_SECRET, None, NOW_AWS);
        match name {
            "X-Amz-Algorithm" => assert_eq!(error.unwrap().access_key(), None),
            _ => assert!(
                error.unwrap_err().message().starts_with("Query-string authentication version 4 requires"),
                "{name}"
            ),
        }
    }
    let wrong = PRESIGNED.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1");
    assert_eq!(code(check(&Request::new("GET", &wrong).header("host", "h"))), "AuthorizationQueryParametersError");
}

#[test]
fn session_tokens_belong_to_their_access_key() {
    let request = signed(get().header("x-amz-security-token", "token"));
    let attempt = |request: &Request, expected| code(verify(request, "one-secret", expected, NOW_AWS));
    assert_eq!(attempt(&request, Some("token")), "accepted");
    assert_eq!(attempt(&request, Some("another")), "InvalidToken");
    assert_eq!(attempt(&request, None), "InvalidToken");
    assert_eq!(attempt(&signed(get()), Some("token")), "InvalidAccessKeyId");
    // A wrong signature is what is said first: it tells nothing about tokens.
    assert_eq!(code(verify(&request, "wrong", Some("another"), NOW_AWS)), "SignatureDoesNotMatch");
    let query = presigned("GET", "/b/k", "X-Amz-Security-Token=token", &[("host", "h")], "UNSIGNED-PAYLOAD");
    assert_eq!(attempt(&query, Some("token")), "accepted");
    assert_eq!(attempt(&query, None), "InvalidToken");
}

#[test]
fn an_unknown_access_key_is_named() {
    let request = signed(get());
    let config = AuthConfig::s3("us-east-1");
    let Claim::Signed(claim) = parse(request.head(), &config, NOW_AWS).unwrap() else { panic!("anonymous") };
    assert_eq!((claim.access_key(), claim.scheme(), claim.session_token()), ("AK", Scheme::SigV4Header, None));
    let error = claim.unknown_access_key();
    assert_eq!((error.code().as_str(), error.status()), ("InvalidAccessKeyId", 403));
    assert_eq!(error.element("AWSAccessKeyId"), Some("AK"));
}

#[test]
fn version_2_can_be_switched_off() {
    let config = AuthConfig { sigv2: false, ..AuthConfig::s3("us-east-1") };
    for request in
        [get().header("authorization", "AWS a:b"), Request::new("GET", "/b/k?AWSAccessKeyId=a&Expires=1&Signature=b")]
    {
        let error = verify_with(&request, &config, "one-secret", None, NOW_AWS).unwrap_err();
        assert_eq!((error.code().as_str(), error.status()), ("InvalidRequest", 400));
        assert!(error.message().contains("Please use AWS4-HMAC-SHA256"));
    }
    assert!(verify_with(&signed(get()), &config, "one-secret", None, NOW_AWS).is_ok());
}

#[test]
fn version_2_urls_need_their_parameters() {
    let attempt = |query: &str| check(&Request::new("GET", &format!("/b/k?{query}"))).unwrap_err();
    for query in ["Signature=a", "Signature=a&Expires=1", "Signature=a&AWSAccessKeyId=b"] {
        assert_eq!(
            attempt(query).message(),
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        );
    }
    for expires in ["", "x", "1e9", "2147483648", "-2147483649"] {
        let error = attempt(&format!("Signature=a&AWSAccessKeyId=b&Expires={expires}"));
        assert_eq!((error.code().as_str(), error.status()), ("AccessDenied", 403));
        assert_eq!(error.message(), format!("Invalid date (should be seconds since epoch): {expires}"));
    }
}

fn sign_v2(string_to_sign: &str) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(b"one-secret").unwrap();
    mac.update(string_to_sign.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// The rule of AWS's document that its "Delete" example breaks.
#[test]
fn version_2_signs_an_empty_date_beside_x_amz_date() {
    let amz_date = "Fri, 24 May 2013 00:00:10 GMT";
    let request = |string: &str| {
        Request::new("DELETE", "/b/k")
            .header("date", "Fri, 24 May 2013 00:00:00 GMT")
            .header("x-amz-date", amz_date)
            .header("authorization", &format!("AWS AK:{}", sign_v2(string)))
    };
    let by_the_rule = request(&format!("DELETE\n\n\n\nx-amz-date:{amz_date}\n/b/k"));
    assert_eq!(check(&by_the_rule).unwrap().signed_at(), Some(NOW_AWS + 10));
    let with_date = format!("DELETE\n\n\nFri, 24 May 2013 00:00:00 GMT\nx-amz-date:{amz_date}\n/b/k");
    assert_eq!(code(check(&request(&with_date))), "SignatureDoesNotMatch");
}

/// A selector that version 2 doesn't sign would turn a signed request into another operation.
#[test]
fn version_2_signs_what_selects_the_operation() {
    let expires = NOW_AWS + 60;
    let sign = |string: &str| sign_v2(string).replace('+', "%2B").replace('=', "%3D");
    let auth = format!("AWSAccessKeyId=AK&Expires={expires}&Signature={}", sign(&format!("PUT\n\n\n{expires}\n/b/k")));
    assert!(check(&Request::new("PUT", &format!("/b/k?{auth}"))).is_ok());
    for selector in [
        "acl",
        "tagging",
        "retention",
        "legal-hold",
        "uploads",
        "versionId=1",
        "partNumber=1",
        "response-expires=0",
        "x-amz-acl=public-read",
    ] {
        let request = Request::new("PUT", &format!("/b/k?{selector}&{auth}"));
        assert_eq!(code(check(&request)), "SignatureDoesNotMatch", "{selector}");
    }
    let added = Request::new("PUT", &format!("/b/k?{auth}")).header("x-amz-copy-source", "/b/secret");
    assert_eq!(code(check(&added)), "SignatureDoesNotMatch");
    // A client that repeats a parameter of the URL as a header says nothing new.
    let acl = format!(
        "AWSAccessKeyId=AK&Expires={expires}&x-amz-acl=private&Signature={}",
        sign(&format!("PUT\n\n\n{expires}\nx-amz-acl:private\n/b/k"))
    );
    let request = Request::new("PUT", &format!("/b/k?{acl}"));
    assert!(check(&request).is_ok());
    assert!(check(&request.clone().header("x-amz-acl", "private")).is_ok());
    assert_eq!(code(check(&request.header("x-amz-acl", "public-read"))), "SignatureDoesNotMatch");
}

/// A6, as far as it is decided here: an anonymous chunked upload is read as one.
#[test]
fn anonymous_requests_tell_how_to_read_their_body() {
    let put = |word: &str| {
        Request::new("PUT", "/b/k")
            .header("x-amz-content-sha256", word)
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32, X-Amz-Meta-B")
    };
    let chunked = check(&put("STREAMING-UNSIGNED-PAYLOAD-TRAILER")).unwrap();
    match chunked.payload() {
        PayloadAuth::Chunked(context) => assert_eq!(context.trailer_names(), ["x-amz-checksum-crc32", "x-amz-meta-b"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(check(&put(EMPTY_SHA256)).unwrap().payload(), PayloadAuth::Sha256(_)));
    assert!(matches!(check(&Request::new("GET", "/")).unwrap().payload(), PayloadAuth::Unsigned));
    assert_eq!(code(check(&put("garbage"))), "InvalidArgument");
    // Signed chunks continue from a signature; without one there is nothing to verify them with.
    for word in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"] {
        assert_eq!(code(check(&put(word))), "AccessDenied");
    }
    let unsaid = Request::new("PUT", "/b/k")
        .header("content-encoding", "gzip, aws-chunked")
        .header("x-amz-decoded-content-length", "5");
    assert!(matches!(check(&unsaid).unwrap().payload(), PayloadAuth::Chunked(_)));
}
