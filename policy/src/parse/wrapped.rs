//! Documents that hold a policy but are not one: what the AWS and MinIO tools print, and files in another encoding.

use super::fault::Fault;
use crate::json::Node;

/// Whether the bytes are UTF-16: by their mark, or by the zero byte beside an ASCII brace.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [b'{', 0, ..] | [0, b'{', ..])
}

/// Whether the text is a URL-encoded JSON object.
pub(crate) fn is_url_encoded(text: &str) -> bool {
    let start = text.trim_start().trim_start_matches('"');
    start.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("%7b"))
}

/// Finds a policy inside another document, when the document itself isn't one.
pub(crate) fn find(root: &Node) -> Option<Fault> {
    let holds_statement = |node: Option<&Node>| {
        node.is_some_and(|node| node.member("Statement").is_some() || node.as_str().is_some_and(looks_like_policy))
    };
    let version = root.member("PolicyVersion");
    if holds_statement(version.and_then(|version| version.member("Document"))) {
        return Some(Fault::Wrapped("PolicyVersion.Document"));
    }
    for (key, name) in
        [("PolicyDocument", "PolicyDocument"), ("Document", "Document"), ("Policy", "Policy"), ("policy", "policy")]
    {
        if holds_statement(root.member(key)) {
            return Some(Fault::Wrapped(name));
        }
    }
    None
}

/// A policy that is itself a JSON string, plain or URL-encoded.
fn looks_like_policy(text: &str) -> bool {
    is_url_encoded(text) || (text.trim_start().starts_with('{') && text.contains("\"Statement\""))
}
