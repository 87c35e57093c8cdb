//! From method, host, path and query to a target and an [`Operation`]: exactly one answer, or an error; never another operation's.

use http::{HeaderMap, Method};

use super::error::{Code, S3Result};
use super::name::{bucket_name, decode_path, object_key};
use super::operation::{Level, Operation, ROWS, Row};
use super::request::{Query, Target};

/// Query parameters that select an operation of AWS's that has no row in the table.
const OTHER_SUBRESOURCES: &[&str] = &[
    "abac",
    "metadataConfiguration",
    "metadataTable",
    "metadataInventoryTable",
    "metadataJournalTable",
    "session",
    "renameObject",
    "append",
    "select",
];

/// Parameters of operations, which never select one by being there without a value.
const PARAMETERS: &[&str] = &[
    "prefix",
    "delimiter",
    "marker",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "key-marker",
    "version-id-marker",
    "upload-id-marker",
    "max-uploads",
    "part-number-marker",
    "max-parts",
    "versionId",
    "partNumber",
    "uploadId",
    "id",
    "x-id",
    "max-buckets",
    "bucket-region",
    "allow-unordered",
];

/// The bucket that a host names by a domain: `BUCKET.localhost`, `BUCKET.s3.example.com`.
pub fn bucket_of_host<'a>(host: &'a str, domains: &[String]) -> Option<&'a str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let under = |domain: &str| {
        let (bucket, rest) = name.split_at_checked(name.len().checked_sub(domain.len() + 1)?)?;
        (rest.as_bytes()[0] == b'.' && rest[1..].eq_ignore_ascii_case(domain) && !bucket.is_empty()).then_some(bucket)
    };
    domains.iter().find_map(|domain| under(domain)).or_else(|| under("localhost"))
}

/// Bucket and key of a raw path and the host's bucket.
pub fn target(path: &str, host_bucket: Option<&str>) -> S3Result<Target> {
    let rest = path.strip_prefix('/').ok_or_else(|| Code::InvalidURI.error())?;
    let (bucket, key) = match host_bucket {
        Some(bucket) => (bucket.to_owned(), rest),
        None => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            (decode_path(bucket).ok_or_else(|| Code::InvalidURI.error())?, key)
        }
    };
    if bucket.is_empty() {
        return if key.is_empty() { Ok(Target::Service) } else { Err(Code::InvalidBucketName.error()) };
    }
    let bucket = bucket_name(&bucket)?;
    if key.is_empty() {
        return Ok(Target::Bucket(bucket));
    }
    let key = decode_path(key)
        .ok_or_else(|| Code::InvalidURI.with("The key is not UTF-8, or an escape in the path is broken."))?;
    Ok(Target::Object(bucket, object_key(&key)?))
}

/// The operation that a request names.
pub fn operation(method: &Method, target: &Target, query: &Query, headers: &HeaderMap) -> S3Result<Operation> {
    let level = match target {
        Target::Service => Level::Service,
        Target::Bucket(_) => Level::Bucket,
        Target::Object(..) => Level::Object,
    };
    let rows = || ROWS.iter().filter(move |row| row.level == level);
    let selected = |row: &&Row| !row.subresource.is_empty() && query.has(row.subresource);
    if let Some(row) = rows().filter(selected).find(|row| row.method == method.as_str()) {
        return Ok(by_id(row.operation, query.has("id")));
    }
    if rows().any(|row| selected(&row)) {
        return Err(Code::MethodNotAllowed.error());
    }
    let elsewhere = |name: &str| ROWS.iter().any(|row| row.subresource == name) || OTHER_SUBRESOURCES.contains(&name);
    let bare = |name: &str, value: &str| value.is_empty() && !PARAMETERS.contains(&name) && !is_signature(name);
    if let Some((name, _)) = query.iter().find(|(name, value)| elsewhere(name) || bare(name, value)) {
        return Err(Code::NotImplemented.with(format!("The subresource ?{name} is not implemented here.")));
    }
    let upload = query.has("uploadId");
    let copy = headers.contains_key("x-amz-copy-source");
    match (level, method.as_str()) {
        (Level::Object, "PUT") if upload || query.has("partNumber") => {
            if !(upload && query.has("partNumber")) {
                return Err(Code::InvalidArgument.with("A part needs both uploadId and partNumber."));
            }
            Ok(if copy { Operation::UploadPartCopy } else { Operation::UploadPart })
        }
        (Level::Object, "PUT") if copy => Ok(Operation::CopyObject),
        (Level::Object, "GET") if upload => Ok(Operation::ListParts),
        (Level::Object, "POST") if upload => Ok(Operation::CompleteMultipartUpload),
        (Level::Object, "DELETE") if upload => Ok(Operation::AbortMultipartUpload),
        (Level::Bucket, "POST") => Err(Code::NotImplemented.with("Browser form uploads are not implemented.")),
        // The rows of these two have no subresource of their own, but only the cases above name them.
        (Level::Object, "POST") => Err(Code::MethodNotAllowed.error()),
        _ => rows()
            .find(|row| row.subresource.is_empty() && row.method == method.as_str())
            .map(|row| row.operation)
            .ok_or_else(|| Code::MethodNotAllowed.error()),
    }
}

/// `?analytics` and its kin name one configuration with an id, and the list of them without.
fn by_id(operation: Operation, has_id: bool) -> Operation {
    match operation {
        Operation::GetBucketAnalyticsConfiguration if !has_id => Operation::ListBucketAnalyticsConfigurations,
        Operation::GetBucketInventoryConfiguration if !has_id => Operation::ListBucketInventoryConfigurations,
        Operation::GetBucketMetricsConfiguration if !has_id => Operation::ListBucketMetricsConfigurations,
        Operation::GetBucketIntelligentTieringConfiguration if !has_id => {
            Operation::ListBucketIntelligentTieringConfigurations
        }
        other => other,
    }
}

fn is_signature(name: &str) -> bool {
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    starts("x-amz-") || starts("response-") || matches!(name, "AWSAccessKeyId" | "Signature" | "Expires")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> Result<Operation, Code> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let target = target(path, None).map_err(|e| e.code)?;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        operation(&method, &target, &Query::parse(query).unwrap(), &map).map_err(|e| e.code)
    }

    #[test]
    fn requests_name_exactly_one_operation() {
        let copy = [("x-amz-copy-source", "abc/k")];
        for (method, uri, headers, operation) in [
            ("GET", "/", &[][..], Operation::ListBuckets),
            ("GET", "/abc", &[], Operation::ListObjects),
            ("GET", "/abc/", &[], Operation::ListObjects),
            ("GET", "/abc?list-type=2&prefix=", &[], Operation::ListObjectsV2),
            ("GET", "/abc?versions", &[], Operation::ListObjectVersions),
            ("GET", "/abc?analytics&id=x", &[], Operation::GetBucketAnalyticsConfiguration),
            ("GET", "/abc?analytics", &[], Operation::ListBucketAnalyticsConfigurations),
            ("POST", "/abc?delete", &[], Operation::DeleteObjects),
            ("PUT", "/abc/k", &[], Operation::PutObject),
            ("PUT", "/abc/k?x-id=PutObject", &[], Operation::PutObject),
            ("PUT", "/abc/k", &copy, Operation::CopyObject),
            ("PUT", "/abc/k?partNumber=1&uploadId=u", &[], Operation::UploadPart),
            ("PUT", "/abc/k?partNumber=1&uploadId=u", &copy, Operation::UploadPartCopy),
            ("GET", "/abc/k?uploadId=u", &[], Operation::ListParts),
            ("POST", "/abc/k?uploads", &[], Operation::CreateMultipartUpload),
            ("POST", "/abc/k?uploadId=u", &[], Operation::CompleteMultipartUpload),
            ("DELETE", "/abc/k?uploadId=u", &[], Operation::AbortMultipartUpload),
            ("GET", "/abc/k?attributes", &[], Operation::GetObjectAttributes),
            ("GET", "/abc/k?tagging", &[], Operation::GetObjectTagging),
            ("GET", "/abc?policyStatus", &[], Operation::GetBucketPolicyStatus),
        ] {
            assert_eq!(route(method, uri, headers), Ok(operation), "{method} {uri}");
        }
    }

    #[test]
    fn f7_an_unknown_subresource_is_never_answered_with_a_listing() {
        for uri in ["/abc?foo", "/abc?foo=", "/abc?session", "/abc/k?renameObject", "/abc?retention", "/?policy"] {
            assert_eq!(route("GET", uri, &[]), Err(Code::NotImplemented), "{uri}");
        }
        assert_eq!(route("GET", "/abc?inventory", &[]), Ok(Operation::ListBucketInventoryConfigurations));
        assert_eq!(route("PATCH", "/abc", &[]), Err(Code::MethodNotAllowed));
        assert_eq!(route("POST", "/abc/k", &[]), Err(Code::MethodNotAllowed));
        assert_eq!(route("DELETE", "/", &[]), Err(Code::MethodNotAllowed));
        assert_eq!(route("PUT", "/abc/k?partNumber=1", &[]), Err(Code::InvalidArgument));
    }

    #[test]
    fn hosts_under_a_domain_name_a_bucket() {
        let domains = ["s3.example.com".to_owned()];
        let bucket = |host| bucket_of_host(host, &domains);
        assert_eq!(bucket("abc.localhost:9000"), Some("abc"));
        assert_eq!(bucket("a.b.s3.example.com"), Some("a.b"));
        assert_eq!(bucket("abc.S3.Example.Com"), Some("abc"));
        for host in ["localhost:9000", "127.0.0.1:9000", "s3.example.com", ".localhost", "xlocalhost", "[::1]:9000"] {
            assert_eq!(bucket(host), None, "{host}");
        }
    }

    #[test]
    fn c14_a_key_is_the_decoded_text_of_the_path_and_nothing_else() {
        let key = |path| match target(path, None) {
            Ok(Target::Object(_, key)) => key.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(key("/abc/public/../private.txt"), "public/../private.txt");
        assert_eq!(key("/abc/public/%2e%2e/private.txt"), "public/../private.txt");
        assert_eq!(key("/abc//x//"), "/x//");
        assert_eq!(key("/abc/a+b%2Fc%20d"), "a+b/c d");
        assert!(target("/abc/%ff", None).is_err());
        assert!(target("/abc/%2", None).is_err());
        assert!(target("//k", None).is_err());
    }
}
