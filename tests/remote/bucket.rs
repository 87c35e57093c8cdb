//! `strongroom bucket`, and who can do what.

use super::{field, file, local, node};

#[test]
fn a_bucket_is_created_listed_by_what_it_holds_changed_and_deleted() {
    let node = node();
    local(&node, &["bucket", "create", "lake", "--versioning", "enabled"]).ok();
    local(&node, &["bucket", "create", "sea"]).ok();
    node.client().put("lake", "k", "four").expect(200, "");
    let list = local(&node, &["bucket", "list", "--sort", "bytes", "--descending"]).ok();
    let first = list.lines().nth(1).expect("a row");
    assert!(first.starts_with("lake ") && first.contains("4 bytes") && first.contains("enabled"), "{list}");
    let changed = local(&node, &["bucket", "edit", "lake", "--versioning", "suspended"]).ok();
    assert!(changed.starts_with("changed bucket \"lake\""), "{changed}");
    assert_eq!(field(&local(&node, &["bucket", "show", "lake"]).ok(), "versioning"), "suspended");
    local(&node, &["bucket", "delete", "lake", "--yes"]).fails(5, &["bucket \"lake\""]);
    local(&node, &["bucket", "delete", "sea", "--yes"]).ok();
    local(&node, &["bucket", "show", "sea"]).fails(3, &["sea", "bucket list"]);
    local(&node, &["bucket", "create", "lake"]).fails(5, &["in use"]);
    local(&node, &["bucket", "create", "No"]).fails(2, &["name"]);
}

#[test]
fn a_bucket_s_quota_is_set_shown_kept_and_taken_away() {
    let node = node();
    let made = local(&node, &["bucket", "create", "scratch", "--quota", "1KiB"]).ok();
    assert_eq!(field(&made, "quota"), "1.0 KiB");
    node.client().put("scratch", "k", vec![7; 2048]).expect(403, "QuotaExceeded");
    local(&node, &["bucket", "edit", "scratch", "--versioning", "enabled"]).ok();
    let raised = local(&node, &["bucket", "edit", "scratch", "--quota", "4kb", "--json"]).json();
    assert_eq!(raised["quota"]["bytes"], 4000, "{raised}");
    node.client().put("scratch", "k", vec![7; 2048]).expect(200, "");
    let list = local(&node, &["bucket", "list"]).ok();
    assert!(list.lines().any(|line| line.starts_with("scratch ") && line.contains("2.0 KiB  3.9 KiB")), "{list}");
    let freed = local(&node, &["bucket", "edit", "scratch", "--quota", "none"]).ok();
    assert_eq!(field(&freed, "quota"), "none");
    node.client().put("scratch", "large", vec![7; 8192]).expect(200, "");
    local(&node, &["bucket", "edit", "scratch"]).fails(2, &["--versioning or --quota"]);
    local(&node, &["bucket", "edit", "scratch", "--quota", "much"]).fails(2, &["--quota", "500GiB"]);
}

#[test]
fn a_bucket_s_policy_is_replaced_downloaded_and_removed() {
    let node = node();
    local(&node, &["bucket", "create", "lake"]).ok();
    node.client().put("lake", "k", "body").expect(200, "");
    let text = "{\"Version\": \"2012-10-17\",\r\n \"Statement\": [{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::lake/*\"}]}";
    let policy = file(&node, "policy.json", text);
    local(&node, &["bucket", "policy", "replace", "lake", &policy]).ok();
    node.client().anonymous().get("lake", "k").expect(200, "");
    assert_eq!(local(&node, &["bucket", "policy", "download", "lake"]).ok(), text);
    assert_eq!(field(&local(&node, &["bucket", "show", "lake"]).ok(), "public"), "yes");
    local(&node, &["bucket", "policy", "remove", "lake"]).ok();
    node.client().anonymous().get("lake", "k").expect(403, "AccessDenied");
    local(&node, &["bucket", "policy", "download", "lake"]).fails(3, &["lake"]);
    let bad = file(&node, "bad.json", &text.replace("GetObject", "GtObject"));
    let refused = local(&node, &["bucket", "policy", "replace", "lake", &bad]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains(&format!("{bad}:2:")), "{refused:?}");
}

#[test]
fn access_says_what_a_service_account_can_do_and_who_can_do_what_to_a_bucket() {
    let node = node();
    local(&node, &["bucket", "create", "lake"]).ok();
    let policy = file(
        &node,
        "policy.json",
        r#"{"Version": "2012-10-17", "Statement": [{"Sid": "Here", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.21.0/24"}}}]}"#,
    );
    local(&node, &["permission", "create", "here", "--policy", &policy]).ok();
    local(&node, &["permission", "create", "write", "--all-buckets", "--actions", "write-only"]).ok();
    local(&node, &["service-account", "create", "worker", "-p", "here", "-p", "write"]).ok();
    let access = local(&node, &["service-account", "access", "worker"]).ok();
    assert!(access.contains("here/Here: Allow s3:GetObject on arn:aws:s3:::lake/*"), "{access}");
    assert!(access.contains("127.0.21.0/24"), "{access}");
    let row = access.lines().find(|line| line.starts_with("lake ")).expect("the bucket's row");
    assert!(row.contains("s3:GetObject"), "{access}");
    let access = local(&node, &["bucket", "access", "lake"]).ok();
    assert!(
        access.lines().any(|line| line.starts_with("service-account ")
            && line.contains(" worker ")
            && line.contains("s3:GetObject")),
        "{access}"
    );
    let json = local(&node, &["bucket", "access", "lake", "--json"]).json();
    let rows = json.as_array().expect("a list");
    let worker = rows.iter().find(|it| it["name"] == "worker").expect("its row");
    assert_eq!(worker["conditional"][0], "s3:GetObject");
    assert!(rows.iter().any(|it| it["kind"] == "anyone" && it["allowed"] == serde_json::json!([])), "{json}");
}
