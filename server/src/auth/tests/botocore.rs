//! Requests as botocore 1.43.11 signs them, with keys and queries that signers and servers like to disagree about.
//!
//! Made with boto3 clients for `http://node.example:9000` (and `https://node.example`), `signature_version` "s3v4" or
//! "s3", access key `AKIDBOTO`, secret `boto/secret+KEY=`, the clock of `botocore.auth` held at 2026-01-02T03:04:05Z,
//! and the finished request taken in a `before-send` handler or from `generate_presigned_url(ExpiresIn=3600)`. Headers
//! that are not signed and say nothing here (user agent, retry bookkeeping) are left out.

use super::{NOW_BOTOCORE, Request, verify};

struct Vector {
    name: &'static str,
    host_bucket: Option<&'static str>,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

const SESSION_TOKEN: &str = "FwoG//tok+en==";

#[test]
fn a7_f13_what_botocore_signs_is_verified() {
    for vector in VECTORS {
        let token = vector.name.contains("token").then_some(SESSION_TOKEN);
        let request =
            Request::new(vector.method, vector.target).headers(vector.headers).host_bucket(vector.host_bucket);
        let result = verify(&request, "boto/secret+KEY=", token, NOW_BOTOCORE);
        assert!(result.is_ok(), "{}: {:?}", vector.name, result.unwrap_err());
    }
}

#[test]
fn the_same_requests_fail_with_another_method_key_or_secret() {
    for vector in VECTORS {
        let token = vector.name.contains("token").then_some(SESSION_TOKEN);
        let request = |method: &str, target: &str, secret| {
            let request = Request::new(method, target).headers(vector.headers).host_bucket(vector.host_bucket);
            let error = verify(&request, secret, token, NOW_BOTOCORE).expect_err(vector.name);
            assert_eq!(error.code().as_str(), "SignatureDoesNotMatch", "{}", vector.name);
        };
        request("DELETE", vector.target, "boto/secret+KEY=");
        request(vector.method, vector.target, "boto/secret+KEY");
        let (path, query) = vector.target.split_once('?').unwrap_or((vector.target, ""));
        request(vector.method, &format!("{path}/x?{query}"), "boto/secret+KEY=");
    }
}

const VECTORS: &[Vector] = &[
    Vector {
        name: "v4 get a//b",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a//b",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=55f233c6bea7787d7919087ee0b280211ca33a3d9d8aa986dbfe85818aabaa89",
            ),
        ],
    },
    Vector {
        name: "v4 presigned a//b",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a//b?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=f3ebe27242470fce74e90904c50080fd6d3d3316dacea6d5776552642dbbe1cd",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get a//b",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a//b?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:u5cBXkJtgvUYXsUWmIMJQLpt89k="),
        ],
    },
    Vector {
        name: "v2 presigned a//b",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a//b?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=SmkN61vkgwS3qsClqEnTvqoTMH4%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get a/./b/../c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a/./b/../c",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=71d7a2ed40e7a79e39640abadbf670b84cd45d42ebbf0589e06ffd64888e4bc5",
            ),
        ],
    },
    Vector {
        name: "v4 presigned a/./b/../c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a/./b/../c?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=5338e87f907e7bbd74f2180b2b8557fba6f32fc12724bba7b1cea296d7697b25",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get a/./b/../c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a/./b/../c?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:EzogoBh3ndU920v9RMRF1EPw13k="),
        ],
    },
    Vector {
        name: "v2 presigned a/./b/../c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a/./b/../c?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=HH5fJUYXlpqwm2NO%2BBq5Hg0Rf6I%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get a b+c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%20b%2Bc",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=81d3a4c590124edec9a0c15cea77a89a8cd241ca1165ed9ea9e715d50dcd7780",
            ),
        ],
    },
    Vector {
        name: "v4 presigned a b+c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%20b%2Bc?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=360b569a9f0bc542731d7bc5b64c823f6d464f7b046dc9a128ae9b6a532c8a05",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get a b+c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%20b%2Bc?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:FPywyskMB+acVWa1ytILO0FNJvc="),
        ],
    },
    Vector {
        name: "v2 presigned a b+c",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%20b%2Bc?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=pW3XehYj26C%2BkHazRsT7%2FVDTj2Y%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get a%2Fb",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%252Fb",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=55049b00b32531bb9c959a58c28b2b402ab95403a357545388da0a4278147826",
            ),
        ],
    },
    Vector {
        name: "v4 presigned a%2Fb",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%252Fb?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=2dffce2d531908638fba0d954d7d259583ce02060a49558df7c3ccf9e682a870",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get a%2Fb",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%252Fb?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:8rSs7mk2C0Uk5gqIxNQSqoGFsv0="),
        ],
    },
    Vector {
        name: "v2 presigned a%2Fb",
        host_bucket: None,
        method: "GET",
        target: "/bkt/a%252Fb?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=P9fuMTBOynmzxBrUYRC3wOTlN00%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get ünï/字",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%C3%BCn%C3%AF/%E5%AD%97",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=549f27b7648776bdef08657512acb529c044ad3bcf78afee816308abd5275d5b",
            ),
        ],
    },
    Vector {
        name: "v4 presigned ünï/字",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%C3%BCn%C3%AF/%E5%AD%97?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=8e1fff0b14836090c4c1c4a358433b750e9dc28dcd41c69ffe4ba90547fe20af",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get ünï/字",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%C3%BCn%C3%AF/%E5%AD%97?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:fe5eWxFmh7YeHVClSus+4XQZhoU="),
        ],
    },
    Vector {
        name: "v2 presigned ünï/字",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%C3%BCn%C3%AF/%E5%AD%97?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=F%2F6HaWvXNGsiWR7pglEz%2FPeWALQ%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get semi;colon&amp=x?y#z",
        host_bucket: None,
        method: "GET",
        target: "/bkt/semi%3Bcolon%26amp%3Dx%3Fy%23z",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=9420095614d87cf9baeb7316dfa7486ea2304e0f50b5f04479b08c56278e59aa",
            ),
        ],
    },
    Vector {
        name: "v4 presigned semi;colon&amp=x?y#z",
        host_bucket: None,
        method: "GET",
        target: "/bkt/semi%3Bcolon%26amp%3Dx%3Fy%23z?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=4fed3fac5e7007bdeeba7385a50f7cea42f258070643939d6adae4e92e17a3e0",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get semi;colon&amp=x?y#z",
        host_bucket: None,
        method: "GET",
        target: "/bkt/semi%3Bcolon%26amp%3Dx%3Fy%23z?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:0TGCpQYwMVqbnWUbdK/MN07lgjM="),
        ],
    },
    Vector {
        name: "v2 presigned semi;colon&amp=x?y#z",
        host_bucket: None,
        method: "GET",
        target: "/bkt/semi%3Bcolon%26amp%3Dx%3Fy%23z?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=FEfT3cx3NpIN85DA24fjIihzaUk%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get tilde~(paren)'quote*!",
        host_bucket: None,
        method: "GET",
        target: "/bkt/tilde~%28paren%29%27quote%2A%21",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=a1554570e4ec3a4babcec4ac44fc4d890e1b7aecedb84352939d16733275b5ef",
            ),
        ],
    },
    Vector {
        name: "v4 presigned tilde~(paren)'quote*!",
        host_bucket: None,
        method: "GET",
        target: "/bkt/tilde~%28paren%29%27quote%2A%21?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=b4f904b1088145a651159d194d7c21b61fae0ec4a92f309966d9f5c7eefebaa8",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get tilde~(paren)'quote*!",
        host_bucket: None,
        method: "GET",
        target: "/bkt/tilde~%28paren%29%27quote%2A%21?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:7rt79c4QcMCoIPh6ikY2XdddXak="),
        ],
    },
    Vector {
        name: "v2 presigned tilde~(paren)'quote*!",
        host_bucket: None,
        method: "GET",
        target: "/bkt/tilde~%28paren%29%27quote%2A%21?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=V56iJjXVbhRXR2%2F25gDDupxhEh0%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get trailing/",
        host_bucket: None,
        method: "GET",
        target: "/bkt/trailing/",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=3f3597c9a4758cb976645a902f6670df5c03d9c7c9892a7117edddc7df18771f",
            ),
        ],
    },
    Vector {
        name: "v4 presigned trailing/",
        host_bucket: None,
        method: "GET",
        target: "/bkt/trailing/?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=563659b3a60c6472638681f38bb5c35ff13cb0d4d2bf85cd1e27232a8a4e84f8",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get trailing/",
        host_bucket: None,
        method: "GET",
        target: "/bkt/trailing/?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:KIGxXCxR4cmq1zeslz3ABybWRog="),
        ],
    },
    Vector {
        name: "v2 presigned trailing/",
        host_bucket: None,
        method: "GET",
        target: "/bkt/trailing/?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=dOfG2L9TTrl1kegrSJrqRzzEmB8%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get 100%",
        host_bucket: None,
        method: "GET",
        target: "/bkt/100%25",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=5c5c41fab34447743e8c189a5f598e056ab75700249690ed523fe2868a81e91f",
            ),
        ],
    },
    Vector {
        name: "v4 presigned 100%",
        host_bucket: None,
        method: "GET",
        target: "/bkt/100%25?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=02e289f54d63e22aa074520350011d6faae1224c8af4920cf22b2305e552ab0c",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get 100%",
        host_bucket: None,
        method: "GET",
        target: "/bkt/100%25?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:s4MTaII/xqvumN62I61+tpglAz4="),
        ],
    },
    Vector {
        name: "v2 presigned 100%",
        host_bucket: None,
        method: "GET",
        target: "/bkt/100%25?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=o4yMddu9JD5yXcU5hMjBfmGiEJ0%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 get @:$,[]|\\^`{}\"<>",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%40%3A%24%2C%5B%5D%7C%5C%5E%60%7B%7D%22%3C%3E",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=f6a405f512ae65fe0e3025ffdc4a224e3d4b823d731abcfba8b126a4f442e50d",
            ),
        ],
    },
    Vector {
        name: "v4 presigned @:$,[]|\\^`{}\"<>",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%40%3A%24%2C%5B%5D%7C%5C%5E%60%7B%7D%22%3C%3E?versionId=v%2B1%2F%3B%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=9a78e9fbebdb82e90fbe1746e997f522dd5a2c35125f077b69c639736a29e9d8",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 get @:$,[]|\\^`{}\"<>",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%40%3A%24%2C%5B%5D%7C%5C%5E%60%7B%7D%22%3C%3E?response-content-type=text%2Fplain%3B%20x%3D%2B",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:RzZr8lJId9V9/zrM5b5njmyxzG0="),
        ],
    },
    Vector {
        name: "v2 presigned @:$,[]|\\^`{}\"<>",
        host_bucket: None,
        method: "GET",
        target: "/bkt/%40%3A%24%2C%5B%5D%7C%5C%5E%60%7B%7D%22%3C%3E?versionId=v%2B1%2F%3B%3D&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&AWSAccessKeyId=AKIDBOTO&Signature=8Kkd6wjFG5cuzKMbHUPr13XNSnc%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 list",
        host_bucket: None,
        method: "GET",
        target: "/bkt?list-type=2&prefix=a%20b%2Bc%2F%3B%26%3D%C3%BC&delimiter=%2F&start-after=~%2A&encoding-type=url",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=9663ae6bad7dcce531469c3a409bd116416af8e9933bc3026c857f0f1e3a9b1b",
            ),
        ],
    },
    Vector {
        name: "v4 put meta",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-meta-spaces", "a   b  c"),
            ("x-amz-meta-x", "y"),
            ("x-amz-acl", "private"),
            ("x-amz-tagging", "a=b%20c&d=e"),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-acl;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-meta-spaces;x-amz-meta-x;x-amz-sdk-checksum-algorithm;x-amz-tagging, Signature=a51d63ec3128dbd264efe4c1bc99691b201320338c5f8c7a81ee8b82396ed47e",
            ),
            ("content-length", "5"),
        ],
    },
    Vector {
        name: "v4 put https",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k",
        headers: &[
            ("host", "node.example"),
            ("transfer-encoding", "chunked"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=5fcbffb7ad6523fc15cdd1eac1d360aff226d7d040a5726a64bafd79fe4b6767",
            ),
        ],
    },
    Vector {
        name: "v4 token",
        host_bucket: None,
        method: "GET",
        target: "/bkt/k",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-security-token", "FwoG//tok+en=="),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=927590732f0ea326e4cad5b8817e28c5ccad1ea49b634b8c2c90078643d9e58d",
            ),
        ],
    },
    Vector {
        name: "v4 presigned token",
        host_bucket: None,
        method: "GET",
        target: "/bkt/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=FwoG%2F%2Ftok%2Ben%3D%3D&X-Amz-Signature=56dd55c38efdf1426fdd1a78ca840e042e118a80f20b344668863fde030a067b",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 presigned put acl",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl&X-Amz-Signature=b6f35c027505899427b5010833ffd61f1bcc12d886468eeba41e3447ba807e62",
        headers: &[("host", "node.example:9000"), ("x-amz-acl", "public-read"), ("content-type", "text/plain")],
    },
    Vector {
        name: "v4 presigned upload part",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k?partNumber=10&uploadId=u%2B%2F%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDBOTO%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=16282f41f50cd32bdf1621926a79ac30c7514a7d68126f870109d504fb3707c2",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v4 virtual host",
        host_bucket: Some("bkt"),
        method: "GET",
        target: "/a//b",
        headers: &[
            ("host", "bkt.node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=67462d40f6e52510f7f2275cc9b191890003add959df4a32590e97463f083af6",
            ),
        ],
    },
    Vector {
        name: "v4 delete objects",
        host_bucket: None,
        method: "POST",
        target: "/bkt?delete",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-crc32", "CEaAGw=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "0ebe2d4e061df349be597c8e7da1bea023a159bae0fb2a70efca7c1395be1439"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDBOTO/20260102/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-sdk-checksum-algorithm, Signature=65860edb0448f2252f34e37522b3af07e1893a60a543d1384a423f0ee385c746",
            ),
            ("content-length", "94"),
        ],
    },
    Vector {
        name: "v2 create bucket",
        host_bucket: None,
        method: "PUT",
        target: "/bkt",
        headers: &[
            ("host", "node.example:9000"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:haPjwV6MpqiX3+XHgUe/ADYJWxs="),
            ("content-length", "0"),
        ],
    },
    Vector {
        name: "v2 list buckets",
        host_bucket: None,
        method: "GET",
        target: "/",
        headers: &[
            ("host", "node.example:9000"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:6kik+r8hudYmCQ4oH8Jnynl+twU="),
        ],
    },
    Vector {
        name: "v2 list",
        host_bucket: None,
        method: "GET",
        target: "/bkt?list-type=2&prefix=a%20b&encoding-type=url",
        headers: &[
            ("host", "node.example:9000"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:uWhj/pN6tojX8K4y2xC5iX0P/78="),
        ],
    },
    Vector {
        name: "v2 get acl",
        host_bucket: None,
        method: "GET",
        target: "/bkt?acl",
        headers: &[
            ("host", "node.example:9000"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:QYM/PhEiwkr98KTVsr3DYW0icrk="),
        ],
    },
    Vector {
        name: "v2 put",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k",
        headers: &[
            ("host", "node.example:9000"),
            ("content-type", "text/x"),
            ("x-amz-meta-a", "b  c"),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:bBIAgG3Dkq0Ykxj3H6WXahokNP0="),
            ("content-length", "5"),
        ],
    },
    Vector {
        name: "v2 put https",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k",
        headers: &[
            ("host", "node.example"),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:MVFycWsjFyhUluQnTfIUrJrbm6s="),
            ("content-length", "5"),
        ],
    },
    Vector {
        name: "v2 upload part",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k?partNumber=2&uploadId=u%2B%2F%3D",
        headers: &[
            ("host", "node.example:9000"),
            ("x-amz-checksum-crc32", "jNwWgw=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:1LFCpmK2vzIeO2AMSH0NpNhcNk4="),
            ("content-length", "1"),
        ],
    },
    Vector {
        name: "v2 virtual host",
        host_bucket: Some("bkt"),
        method: "GET",
        target: "/a//b",
        headers: &[
            ("host", "bkt.node.example:9000"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:eVQSgxE8mkBz077orpW+Pz4Bq1c="),
        ],
    },
    Vector {
        name: "v2 virtual host list",
        host_bucket: Some("bkt"),
        method: "GET",
        target: "/?list-type=2&encoding-type=url",
        headers: &[
            ("host", "bkt.node.example:9000"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("authorization", "AWS AKIDBOTO:uWhj/pN6tojX8K4y2xC5iX0P/78="),
        ],
    },
    Vector {
        name: "v2 presigned put acl",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k?AWSAccessKeyId=AKIDBOTO&Signature=tZLq0GgNdhU00vwshEXzmuqNehc%3D&x-amz-acl=public-read&content-type=text%2Fplain&x-amz-meta-m=1&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 presigned token",
        host_bucket: None,
        method: "GET",
        target: "/bkt/k?AWSAccessKeyId=AKIDBOTO&Signature=92EWxmYCdkZizE0LlZdN0yFSxs8%3D&x-amz-security-token=FwoG%2F%2Ftok%2Ben%3D%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 presigned list",
        host_bucket: None,
        method: "GET",
        target: "/bkt?list-type=2&prefix=x&encoding-type=url&AWSAccessKeyId=AKIDBOTO&Signature=Jg3w4y9wxiwOaZ6XkGAQ14vGE%2BE%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 presigned virtual host",
        host_bucket: Some("bkt"),
        method: "GET",
        target: "/a//b?AWSAccessKeyId=AKIDBOTO&Signature=tlixY8nDUvdcPsyzAF51Q%2FUpUeA%3D&Expires=1767326645",
        headers: &[("host", "bkt.node.example:9000")],
    },
    Vector {
        name: "v2 presigned create bucket",
        host_bucket: None,
        method: "PUT",
        target: "/bkt?AWSAccessKeyId=AKIDBOTO&Signature=PHQD%2FPrK9rlPZrEY2%2FN0rjscEJ0%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
    Vector {
        name: "v2 presigned upload part",
        host_bucket: None,
        method: "PUT",
        target: "/bkt/k?partNumber=10&uploadId=u%2B%2F%3D&AWSAccessKeyId=AKIDBOTO&Signature=Xz6uaLI4depmnacJNg21jmtChqs%3D&Expires=1767326645",
        headers: &[("host", "node.example:9000")],
    },
];
