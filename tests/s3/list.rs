//! Listings against a model that fits on one page.

use std::collections::BTreeSet;

use tests::http::encode;
use tests::{Client, Response};

use crate::fixture;

/// What a listing holds: keys and common prefixes in one order, as AWS interleaves them. A start inside a common prefix
/// still shows it when keys follow; a start that is the common prefix itself leaves it out.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for key in keys.iter().filter(|k| k.starts_with(prefix)) {
        let rolled = (!delimiter.is_empty())
            .then(|| key[prefix.len()..].find(delimiter))
            .flatten()
            .map(|at| key[..prefix.len() + at + delimiter.len()].to_owned());
        let entry = rolled.unwrap_or_else(|| key.clone());
        if key.as_str() > after && entry != after && entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

fn entries(page: &Response, contents: &str) -> Vec<String> {
    let mut entries = page.xml_all(contents);
    entries.extend(page.xml_all("CommonPrefixes/Prefix"));
    entries.sort();
    entries
}

/// Follows a listing of version 1 or 2 to its end, checking each page's size.
fn walk(client: &Client, version: u8, prefix: &str, delimiter: &str, after: &str, page_keys_max: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = client.request("GET", "box", "").query("max-keys", &page_keys_max.to_string());
        if version == 2 {
            request = request.query("list-type", "2");
        }
        for (name, value) in [("prefix", prefix), ("delimiter", delimiter)] {
            if !value.is_empty() {
                request = request.query(name, value);
            }
        }
        let after_name = if version == 2 { "start-after" } else { "marker" };
        match &token {
            Some(token) => request = request.query(if version == 2 { "continuation-token" } else { "marker" }, token),
            None if !after.is_empty() => request = request.query(after_name, after),
            None => {}
        }
        let page = client.send(request);
        let here = entries(page.expect(200, ""), "Contents/Key");
        assert!(here.len() <= page_keys_max, "{} entries on a page of {page_keys_max}", here.len());
        if version == 2 {
            assert_eq!(page.xml("KeyCount"), here.len().to_string());
        }
        let truncated = page.xml("IsTruncated") == "true";
        token = match (version, delimiter.is_empty()) {
            (2, _) => Some(page.xml("NextContinuationToken")).filter(|t| !t.is_empty()),
            // Version 1 names the next marker only with a delimiter; else it is the last key.
            (_, false) => Some(page.xml("NextMarker")).filter(|t| !t.is_empty()),
            (_, true) => here.last().cloned(),
        };
        found.extend(here);
        if !truncated {
            return found;
        }
        assert!(token.is_some(), "a truncated page says how to go on: {page}");
        assert!(found.len() < 10_000, "the listing doesn't end");
    }
}

/// F4: elsewhere keys were dropped, repeated or invented at prefixes that end mid-name, at the last marker and around delimiters.
#[test]
fn listings_agree_with_a_model_for_every_prefix_delimiter_and_page_size() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let keys: BTreeSet<String> = [
        "a",
        "a/",
        "a//b",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a0",
        "box",
        "b/",
        "b/c/",
        "fo",
        "foo",
        "foo+1/",
        "foo+1/x",
        "foo/",
        "foo/bar",
        "foo/bar/baz",
        "foo0",
        "food/a",
        "food/b",
        "quux ab/",
        "quux ab/c",
        "z",
        "z//",
        "z//y",
        "ö/ü",
        "ö/ü/x",
        "\u{1f5dd}",
        "~",
    ]
    .map(str::to_owned)
    .into();
    for key in &keys {
        client.put("box", key, key.as_bytes()).ok();
    }
    client.put("box", "foo/deleted/x", "x").ok();
    client.delete("box", "foo/deleted/x").ok();
    let mut checked = 0;
    for prefix in ["", "f", "fo", "foo", "foo/", "foo/b", "a/", "a/b", "quux", "quux ab/", "ö/", "z//", "nothing", "~~"]
    {
        for delimiter in ["", "/", "o", "//", "b/"] {
            for after in ["", "a/b", "foo", "foo/", "foo/zzz", "~", "\u{1f5dd}", "zzzz"] {
                let expected = model(&keys, prefix, delimiter, after);
                for page_keys_max in [1000, 1, 3] {
                    if page_keys_max == 1 && checked % 7 != 0 {
                        continue;
                    }
                    for version in [1, 2] {
                        let found = walk(&client, version, prefix, delimiter, after, page_keys_max);
                        assert_eq!(
                            found, expected,
                            "v{version} prefix {prefix:?} delimiter {delimiter:?} after {after:?} pages of {page_keys_max}"
                        );
                    }
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 14 * 5 * 8);
}

/// F12: elsewhere the order was that of a directory walk, `foo/` before `foo+1/`.
#[test]
fn order_is_that_of_the_keys_bytes_with_encoding_too() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for key in ["foo+1/bar", "foo/bar/xyzzy", "quux ab/thud", "asdf+b"] {
        client.put("box", key, "x").ok();
    }
    for version in ["1", "2"] {
        let request = client.request("GET", "box", "").query("encoding-type", "url").query("delimiter", "/");
        let page = client.send(if version == "2" { request.query("list-type", "2") } else { request });
        assert_eq!(page.xml_all("Contents/Key"), ["asdf%2Bb"], "{page}");
        let prefixes: Vec<String> =
            page.xml_all("CommonPrefixes/Prefix").iter().map(|p| p.replace('+', "%20")).collect();
        assert_eq!(prefixes, ["foo%2B1/", "foo/", "quux%20ab/"], "{page}");
        assert_eq!(page.xml("EncodingType"), "url");
    }
}

#[test]
fn parameters_outside_their_range_are_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "x").ok();
    for (name, value) in [
        ("max-keys", "-1"),
        ("max-keys", "x"),
        ("encoding-type", "base64"),
        ("continuation-token", "made up"),
        ("max-keys", "99999999999999999999"),
    ] {
        client.list("box", &[(name, value)]).expect(400, "InvalidArgument");
    }
    let none = client.list("box", &[("max-keys", "0")]);
    assert_eq!((none.expect(200, "").xml_all("Key").len(), none.xml("IsTruncated")), (0, "false".to_owned()));
    let many = client.list("box", &[("max-keys", "5000")]);
    assert_eq!(many.expect(200, "").xml("MaxKeys"), "1000");
}

#[test]
fn listing_shows_size_etag_date_and_owner() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "12345").ok();
    let page = client.list("box", &[("fetch-owner", "true")]);
    assert_eq!(page.xml("Contents/Size"), "5");
    assert_eq!(page.xml("Contents/ETag"), tests::checksum::etag(b"12345"));
    assert_eq!(page.xml("Contents/StorageClass"), "STANDARD");
    assert!(page.xml("Contents/LastModified").ends_with('Z'), "{page}");
    assert_ne!(page.xml("Owner/ID"), "");
    assert_eq!(client.list("box", &[]).xml("Owner/ID"), "");
    let first = client.send(client.request("GET", "box", ""));
    assert_ne!(first.expect(200, "").xml("Owner/ID"), "");
    let versions = client.send(client.request("GET", "box", "").query("versions", ""));
    assert_eq!(versions.expect(200, "").xml_all("Version/Key"), ["k"]);
    assert_eq!(
        (versions.xml("Version/VersionId").as_str(), versions.xml("Version/IsLatest").as_str()),
        ("null", "true")
    );
}

#[test]
fn thousand_and_one_keys_take_two_pages() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let keys: Vec<String> = (0..1001).map(|n| format!("{n:05} {}", encode("ключ"))).collect();
    for key in &keys {
        client.put("box", key, "").ok();
    }
    let page = client.list("box", &[]);
    assert_eq!((page.xml_all("Contents/Key").len(), page.xml("IsTruncated")), (1000, "true".to_owned()));
    assert_eq!(client.keys("box"), keys);
}
