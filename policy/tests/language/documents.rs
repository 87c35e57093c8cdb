//! What is refused, in the AWS dialect: the code, the text, the place.

use policy::{Level, ParseOptions, PolicyErrors, PolicyKind, parse};

fn refused(document: &str, options: ParseOptions<'_>) -> PolicyErrors {
    match parse(document.as_bytes(), options) {
        Ok(_) => panic!("accepted: {document}"),
        Err(errors) => errors,
    }
}

const GRANT: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}"#;

#[test]
fn a_plain_grant_is_accepted_in_every_form() {
    for document in [
        GRANT,
        r#"{"Id": "x", "Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": "123456789012"}, "NotAction": ["s3:Get*"], "NotResource": "arn:aws:s3:::b/x"}}"#,
        r#"{"Version": "2008-10-17", "Statement": [{"Sid": "ünïcode - any", "Effect": "Allow", "Principal": {"AWS": ["123456789012"]}, "Action": "*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3::*:b/*"], "Condition": {}}]}"#,
        r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": [], "Resource": [], "Condition": {"StringEquals": {"s3:prefix": []}}}]}"#,
        r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericLessThan": {"s3:max-keys": 10}, "Bool": {"aws:SecureTransport": false}}}]}"#,
    ] {
        parse(document.as_bytes(), ParseOptions::bucket("b")).unwrap_or_else(|errors| panic!("{document}\n{errors:?}"));
    }
}

/// A bucket policy's document and S3's text for it.
#[rustfmt::skip]
const BUCKET_TEXTS: [(&str, &str); 41] = [
    ("", "Policies must be valid JSON and the first byte must be '{'"),
    ("hello", "Policies must be valid JSON and the first byte must be '{'"),
    ("[]", "Policies must be valid JSON and the first byte must be '{'"),
    ("{", "This policy contains invalid Json"),
    (r#"{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}"#, "This policy contains invalid Json"),
    (r#"{"Version": "2012-10-17"}"#, "Missing required field Statement"),
    (r#"{"Statement": []}"#, "Could not parse the policy: Statement is empty!"),
    (r#"{"Statement": "x"}"#, "Invalid policy syntax."),
    (r#"{"Statement": [7]}"#, "Invalid policy syntax."),
    (r#"{"Version": "2020-01-01", "Statement": {}}"#, "The policy must contain a valid version string"),
    (r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Missing required field Principal"),
    (r#"{"Statement": {"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Missing required field Effect"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Resource": "arn:aws:s3:::b/*"}}"#, "Missing required field Action"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}}"#, "Missing required field Resource"),
    (r#"{"Statement": {"Effect": "allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid effect: allow"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:PuObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Policy has invalid action"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "arn:aws:s3:::b/*"}}"#, "Policy has invalid action"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Policy has invalid action"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "strongroom:CreateUser", "Resource": "arn:aws:s3:::b/*"}}"#, "Policy has invalid action"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": 7, "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid policy syntax."),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}}"#, "Policy has invalid resource"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*"}}"#, "Policy has invalid resource"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}}"#, "Policy has invalid resource"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bb/*"}}"#, "Policy has invalid resource"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "b/*"}}"#, "Policy has invalid resource"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:sns:::b/*"}}"#, "Policy has invalid resource"),
    (r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username"}}"#, "Policy has invalid resource"),
    (r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:nothing}"}}"#, "Policy has invalid resource"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "alice", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid principal in policy"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": {"Aws": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid principal in policy"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid principal in policy"),
    (r#"{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid principal in policy"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#, "Invalid policy syntax."),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Conditions": {}}}"#, "Unknown field Conditions"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}}"#, "Action does not apply to any resource(s) in statement"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b/*"}}"#, "Action does not apply to any resource(s) in statement"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddres": {"aws:SourceIp": "10.0.0.0/8"}}}}"#, "Invalid Condition type : IpAddres"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIP2": "10.0.0.0/8"}}}}"#, "Policy has an invalid condition key"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:Referer": "a", "aws:referer": "b"}}}}"#, "Policy has an invalid condition key"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:prefix": "a"}}}}"#, "Conditions do not apply to combination of actions and resources in statement"),
    (r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}}"#, "Invalid IP address in Conditions"),
];

#[test]
fn bucket_policies_are_refused_with_s3s_texts() {
    for (document, text) in BUCKET_TEXTS {
        let errors = refused(document, ParseOptions::bucket("b"));
        assert_eq!((errors.code, errors.message.as_str()), ("MalformedPolicy", text), "{document}");
    }
}

#[test]
fn c01_a_condition_is_never_dropped_silently() {
    let statement = |extra: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", {extra}}}}}"#
        )
    };
    for extra in [
        r#""Conditions": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
        r#""condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
        r#""Condition": {"ipAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
        r#""Condition": {"IpAddress": {"SourceIp": "10.0.0.0/8"}}"#,
        r#""Condition": {"IpAddress": "10.0.0.0/8"}"#,
        r#""Condition": [{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}]"#,
        r#""Condition": null"#,
        r#""Condition": {"NullIfExists": {"aws:SourceIp": "true"}}"#,
        r#""Condition": {"IpAddress": {"aws:SourceIp": {"a": "b"}}}"#,
        r#""Condition": {"IpAddress": {"aws:SourceIp": [null]}}"#,
    ] {
        refused(&statement(extra), ParseOptions::bucket("b"));
        // Only the unknown key is taken for a simulation, where it stays absent.
        let grammar = parse(statement(extra).as_bytes(), ParseOptions::grammar(PolicyKind::Bucket));
        assert_eq!(grammar.is_ok(), extra.contains("\"SourceIp\""), "{extra}");
    }
}

#[test]
fn identity_policies_keep_other_services_and_refuse_unknown_s3_names() {
    let with = |action: &str, resource: &str, condition: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": {action}, "Resource": {resource}, "Condition": {condition}}}]}}"#
        )
    };
    for document in [
        with(r#"["s3:*", "kms:Decrypt"]"#, "\"*\"", "{}"),
        with(
            r#""kms:Decrypt""#,
            r#""arn:aws:kms:us-east-1:123456789012:key/1""#,
            r#"{"StringEquals": {"kms:ViaService": "s3"}}"#,
        ),
        with(r#""*""#, r#""arn:aws:s3:::a/*""#, "{}"),
        with(r#""s3:ListBucket""#, r#""arn:aws:s3:::a/*""#, r#"{"StringEquals": {"s3:x-amz-acl": "private"}}"#),
        with(r#""s3:GetObject""#, r#""arn:aws-cn:s3:::a/*""#, "{}"),
    ] {
        parse(document.as_bytes(), ParseOptions::identity()).unwrap_or_else(|errors| panic!("{document}\n{errors:?}"));
    }
    for document in [
        with(r#""s3:PuObject""#, "\"*\"", "{}"),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"s3:prefx": "a"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"aws:nothing": "a"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"kms:ViaService": "a"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"s3:ExistingObjectTag": "a"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"s3:ExistingObjectTag/": "a"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"NumericEquals": {"s3:max-keys": "ten"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"DateLessThan": {"aws:CurrentTime": "tomorrow"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"Bool": {"aws:SecureTransport": "yes"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"Null": {"aws:Referer": "maybe"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"s3:prefix": "${aws:username"}}"#),
        with(r#""s3:*""#, "\"*\"", r#"{"StringEquals": {"s3:prefix": "${}"}}"#),
        with(r#""s3:*""#, r#""arn:aws:s3:::${ aws:username }/*""#, "{}"),
        with(r#""s3:*""#, r#""arn:aws:${aws:username}:::b/*""#, "{}"),
        with(r#""s3:*""#, r#""arn:aws:s3:us-east-1::b/*""#, "{}"),
        with(r#""s3:*""#, r#""datalake""#, "{}"),
    ] {
        let errors = refused(&document, ParseOptions::identity());
        assert_eq!(errors.code, "MalformedPolicyDocument", "{document}");
        // All of these are storage rules: a simulation takes them.
        assert!(parse(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity)).is_ok(), "{document}");
    }
    let principal = GRANT.replace("arn:aws:s3:::b/*", "*");
    assert_eq!(
        refused(&principal, ParseOptions::identity()).message,
        "Policy document should not specify a principal."
    );
    refused(&principal, ParseOptions::session());
}

#[test]
fn sids_and_ids_follow_the_rules_of_their_kind() {
    let identity = |id: &str, sid: &str| {
        let statement = format!(r#"{{"Sid": {sid}, "Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#);
        let other = r#"{"Sid": "Other", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#;
        format!(r#"{{{id} "Version": "2012-10-17", "Statement": [{statement}, {other}]}}"#)
    };
    let is = |document: String, options| parse(document.as_bytes(), options).is_ok();
    assert!(is(identity("", "\"Sid1\""), ParseOptions::identity()));
    assert!(
        !is(identity("", "\"Sid-1\""), ParseOptions::identity()) && is(identity("", "\"Sid-1\""), ParseOptions::lyve())
    );
    assert!(
        !is(identity("\"Id\": \"x\",", "\"a\""), ParseOptions::identity())
            && is(identity("\"Id\": \"x\",", "\"a\""), ParseOptions::lyve())
    );
    for options in [ParseOptions::identity(), ParseOptions::lyve()] {
        assert!(!is(identity("", "\"Other\""), options), "duplicate");
        assert!(!is(identity("", "7"), options));
        assert!(!is(identity("", &format!("\"{}\"", "a".repeat(257))), options));
        assert!(is(identity("", &format!("\"{}\"", "a".repeat(256))), options));
    }
    assert!(!is(identity("", "\"a\\u0007\""), ParseOptions::lyve()));
    assert!(
        !is(identity("", "\"日本\""), ParseOptions::identity()) && is(identity("", "\"日本\""), ParseOptions::lyve())
    );
}

#[test]
fn documents_at_their_limits() {
    let padded = |length: usize| {
        let document = GRANT.replace("\"b/*\"", "");
        format!("{}{}", document, " ".repeat(length - document.len()))
    };
    assert!(parse(padded(20 * 1024).as_bytes(), ParseOptions::bucket("b")).is_ok());
    let errors = refused(&padded(20 * 1024 + 1), ParseOptions::bucket("b"));
    assert_eq!(errors.message, "Normalized policy document exceeds the maximum allowed size of 20480 bytes");
    let identity = |keys: usize| {
        let resources: Vec<String> = (0..keys).map(|index| format!("\"arn:aws:s3:::b/{index:0>50}\"")).collect();
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": [{}]}}}}"#,
            resources.join(", \n\t")
        )
    };
    assert!(parse(identity(85).as_bytes(), ParseOptions::identity()).is_ok());
    refused(&identity(95), ParseOptions::identity());
    assert!(parse(identity(95).as_bytes(), ParseOptions { level: Level::Grammar, ..ParseOptions::identity() }).is_ok());
    refused(&" ".repeat(2 << 20), ParseOptions::grammar(PolicyKind::Identity));
    refused(&format!("{{\"Statement\": {}", "[".repeat(500_000)), ParseOptions::identity());
}

#[test]
fn every_error_has_its_place_and_its_suggestion() {
    let document = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": [\"s3:GetObject\",\n      \"s3:PuObject\"],\n     \"Resource\": \"mybucket/*\",\n     \"Conditon\": {\"StringLik\": {\"s3:prefix\": \"a\"}}}\n  ]\n}";
    let errors = refused(document, ParseOptions::identity()).errors;
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.code, error.pointer.as_str(), error.line, error.column, error.suggestion.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("Invalid action", "/Statement/0/Action/1", 5, 7, Some("s3:PutObject")),
            ("Invalid ARN resource", "/Statement/0/Resource", 6, 18, Some("arn:aws:s3:::mybucket/*")),
            ("Invalid policy element", "/Statement/0/Conditon", 7, 6, Some("Condition")),
        ]
    );
}

#[test]
fn large_documents_of_any_shape_are_judged_in_bounded_time() {
    let repeat = |item: &dyn Fn(usize) -> String| (0..5_000).map(item).collect::<Vec<_>>().join(",");
    let statement =
        |rest: String| format!(r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", {rest}}}}}"#);
    let grant = r#""Action": "s3:*", "Resource": "*""#;
    let shapes = [
        format!(
            "{{\"Statement\": [{}]}}",
            repeat(&|index| format!("{{\"Effect\": \"Deny\", \"Sid\": \"s{index}\",\n\"Action\": \"s3:*\"}}"))
        ),
        format!("{{{}}}", repeat(&|index| format!("\"Statemen{index}\": 1"))),
        statement(format!(r#""Resource": "*", "Action": [{}]"#, repeat(&|index| format!("\"s3:PuObject{index}\"")))),
        statement(format!(
            r#""Action": "*", "Resource": [{}]"#,
            repeat(&|index| format!("\"arn:aws:s3:::b{index}/${{a\""))
        )),
        statement(format!("{grant}, {}", repeat(&|index| format!("\"Condtion{index}\": 1")))),
        statement(format!(
            "{grant}, \"Condition\": {{{}}}",
            repeat(&|index| format!("\"StringLik{index}\": {{\"s3:prefix\": 1}}"))
        )),
        statement(format!(
            "{grant}, \"Condition\": {{\"StringLike\": {{{}}}}}",
            repeat(&|index| format!("\"s3:prefx{index}\": \"${{a\""))
        )),
        statement(format!(
            "{grant}, \"Condition\": {{\"IpAddress\": {{\"aws:SourceIp\": [{}]}}}}",
            repeat(&|_| "\"10.0.0.0/8\"".to_owned())
        )),
        "[".repeat(1_000_000),
        "{\"a\":".repeat(150_000),
        format!("{{\"Statement\": \"{}\"}}", "\\u0041".repeat(150_000)),
    ];
    let start = std::time::Instant::now();
    for shape in &shapes {
        policy::fuzz::documents(shape.as_bytes());
    }
    // Each takes milliseconds; what is quadratic takes minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn an_error_is_reported_once() {
    let document = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*", 7]}, "Action": ["s3:GetObject", 7], "Resource": ["arn:aws:s3:::b/*", {}]}}"#;
    let errors = refused(document, ParseOptions::bucket("b")).errors;
    let mut pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/Statement/Action/1", "/Statement/Principal/AWS/1", "/Statement/Resource/1"]);
}

#[test]
fn wrapped_and_encoded_documents_are_recognised() {
    let wrapped = [
        format!(r#"{{"PolicyVersion": {{"Document": {GRANT}, "VersionId": "v1"}}}}"#),
        format!(r#"{{"RoleName": "r", "PolicyName": "p", "PolicyDocument": {GRANT}}}"#),
        format!(r#"{{"Policy": {GRANT}}}"#),
        format!(r#"{{"Policy": "{}"}}"#, GRANT.replace('"', "\\\"")),
        r#"{"PolicyVersion": {"Document": "%7B%22Version%22%3A%222012-10-17%22%7D"}}"#.to_owned(),
    ];
    for (document, inner) in
        wrapped.iter().zip(["PolicyVersion.Document", "PolicyDocument", "Policy", "Policy", "PolicyVersion.Document"])
    {
        let errors = refused(document, ParseOptions::lyve());
        assert_eq!(errors.message, "File Import Failed: Statement is required.");
        assert_eq!(errors.errors.len(), 1);
        assert_eq!(errors.errors[0].resolution, format!("Import the object under {inner}."));
    }
    let encoded = refused("%7B%22Version%22%3A%222012-10-17%22%7D", ParseOptions::lyve());
    assert_eq!(encoded.message, "File Import Failed: Invalid JSON file.");
    assert!(encoded.errors[0].message.contains("URL-encoded"));
    let utf16: Vec<u8> = GRANT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let errors = parse(&utf16, ParseOptions::lyve()).unwrap_err();
    assert!(errors.errors[0].message.contains("UTF-16"), "{errors:?}");
    assert!(parse(b"{\"\xff\"", ParseOptions::lyve()).unwrap_err().errors[0].message.contains("UTF-8"));
    assert!(parse(format!("\u{feff}{GRANT}").as_bytes(), ParseOptions::bucket("b")).is_ok());
}

#[test]
fn a_broken_variable_is_named() {
    for (variable, told) in [
        ("${aws:user name}", "has a variable with a space in its key"),
        ("${aws:username }", "has a variable with a space in its key"),
        ("${aws:PrincipalTag/a }", "has a variable with a space in its key"),
        ("${}", "has an empty variable"),
        ("${aws:username", "has a variable without a closing brace"),
        ("${aws:username, 'x}", "has a variable whose default value lacks its closing quote"),
        ("${aws:username, x}", "has a variable whose default value is not in single quotes"),
        ("${aws:username, 'x' y}", "has a variable without a closing brace"),
        ("${aws:${aws:userid}}", "has a variable inside another one"),
        ("${aws:nothing}", "has a variable of an unknown key"),
        ("${aws:TagKeys}", "has a variable of a key with several values"),
        ("${aws:PrincipalTag/}", "has a variable of a tag without a name"),
    ] {
        for statement in [
            format!(r#""Resource": "arn:aws:s3:::b/{variable}""#),
            format!(r#""Resource": "*", "Condition": {{"StringLike": {{"s3:prefix": ["a", "{variable}"]}}}}"#),
            format!(
                r#""Resource": "*", "Condition": {{"ArnLike": {{"aws:PrincipalArn": "arn:aws:iam::*:{variable}"}}}}"#
            ),
        ] {
            let document = format!(
                r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:*", {statement}}}}}"#
            );
            let errors = refused(&document, ParseOptions::identity()).errors;
            assert!(errors.len() == 1 && errors[0].message.contains(told), "{document}\n{errors:?}");
        }
    }
    let tag = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/cost center}"}}"#;
    assert!(parse(tag.as_bytes(), ParseOptions::identity()).is_ok(), "names of tags have spaces");
}

#[test]
fn what_a_bucket_policy_names_must_be_in_its_bucket() {
    let with = |action: &str, resource: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "{action}", "Resource": "{resource}"}}}}"#
        )
    };
    let unknown = ParseOptions { bucket: None, ..ParseOptions::bucket("b") };
    for (resource, own, any) in [
        ("arn:aws:s3:::b/*", true, true),
        ("arn:aws:s3:::b*", true, true),
        ("arn:aws:s3:::b?*", true, true),
        ("arn:aws:s3:::b/${aws:username}/*", true, true),
        ("arn:aws:s3:::c/*", false, true),
        ("arn:aws:s3:::bc/*", false, true),
        ("arn:aws:s3:::a*", false, true),
        ("arn:aws:s3:::*", false, false),
        ("arn:aws:s3:::*/b", false, false),
        ("arn:aws:s3:::${aws:username}/*", false, false),
        ("*", false, false),
        ("arn:aws-cn:s3:::b/*", false, false),
        ("arn:aws:s3:::", false, false),
    ] {
        let document = with("s3:GetObject", resource);
        assert_eq!(parse(document.as_bytes(), ParseOptions::bucket("b")).is_ok(), own, "{resource}");
        assert_eq!(parse(document.as_bytes(), unknown).is_ok(), any, "{resource}");
    }
    // Wildcards reach what the action is asked on.
    for (action, resource, fits) in [
        ("s3:ListBucket", "arn:aws:s3:::b", true),
        ("s3:ListBucket", "arn:aws:s3:::b*", true),
        ("s3:ListBucket", "arn:aws:s3:::b/*", false),
        ("s3:GetObject", "arn:aws:s3:::b", false),
        ("s3:GetObject", "arn:aws:s3:::b*", true),
        ("s3:GetObject", "arn:aws:s3:::b/x", true),
        ("s3:*", "arn:aws:s3:::b", true),
        ("s3:ListAllMyBuckets", "arn:aws:s3:::b*", false),
    ] {
        let parsed = parse(with(action, resource).as_bytes(), ParseOptions::bucket("b"));
        assert_eq!(parsed.is_ok(), fits, "{action} {resource}");
    }
}

#[test]
fn documents_at_every_limit_are_read_and_one_step_beyond_are_refused() {
    let is = |document: &str| parse(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity)).is_ok();
    let statement =
        |rest: &str| format!(r#"{{"Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": {rest}}}}}"#);
    // Bytes.
    let fill = |length: usize| {
        let document = statement("\"*\"");
        format!("{document}{}", " ".repeat(length - document.len()))
    };
    assert!(is(&fill(policy::DOCUMENT_BYTES_MAX)) && !is(&fill(policy::DOCUMENT_BYTES_MAX + 1)));
    // Values: those of a document of one resource, and one for each more.
    let list = |count: usize| statement(&format!("[{}\"*\"]", "\"\",".repeat(count - 1)));
    assert!(is(&list(100_000 - 5)) && !is(&list(100_000 - 4)));
    // Levels: too deep is another error than the wrong type.
    let deep = |levels: usize| statement(&format!("{}\"*\"{}", "[".repeat(levels), "]".repeat(levels)));
    let code = |document: &str| refused(document, ParseOptions::grammar(PolicyKind::Identity)).errors[0].code;
    assert_eq!(code(&deep(30)), "Data type mismatch");
    assert_eq!(code(&deep(31)), "Nested too deeply");
    // Errors.
    let wrong = statement(&format!("[{}]", vec!["7"; 5_000].join(",")));
    assert_eq!(refused(&wrong, ParseOptions::grammar(PolicyKind::Identity)).errors.len(), policy::ERRORS_MAX);
    // Each of these shapes goes through every body that a fuzzer drives.
    for document in [fill(policy::DOCUMENT_BYTES_MAX), list(10_000), deep(31), wrong] {
        policy::fuzz::documents(document.as_bytes());
        policy::fuzz::decisions(&format!("arn:aws:s3:::a/b\ns3:prefix\na\nalice\n{document}"));
    }
}

#[test]
fn texts_that_are_no_actions_resources_or_principals_are_told_apart() {
    let identity = |action: &str, resource: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}}}"#
        )
    };
    for action in [
        "s3:",
        ":GetObject",
        "s3:Get Object",
        "s3:Get/Object",
        "s3:Get:Object",
        "strongroom:CreateUser",
        "strongroom:*",
    ] {
        for options in [ParseOptions::identity(), ParseOptions::session(), ParseOptions::lyve()] {
            let errors = refused(&identity(action, "*"), options).errors;
            assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["Invalid action"], "{action}");
        }
    }
    for resource in ["urn:aws:s3:::b", "arn::s3:::b", "arn:aws::::b", "arn:aws:s3:::", "arn:aws:s3:*", "b", "**"] {
        let accepted = parse(identity("s3:*", resource).as_bytes(), ParseOptions::identity()).is_ok();
        assert!(!accepted, "{resource}");
    }
    let bucket = |principal: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {{"Like": {{}}}}}}}}"#
        )
    };
    for (principal, told) in [
        (r#"{"AWS": "arn:aws:iam::123456789012:user/*"}"#, "a wildcard stands alone or not at all"),
        (r#"{"AWS": "alice"}"#, "is no principal of this kind"),
        (r#"{"Aws": "*"}"#, "is no kind of principal"),
        ("\"alice\"", "name its kind"),
    ] {
        let errors = refused(&bucket(principal), ParseOptions::bucket("b"));
        assert_eq!(errors.message, "Invalid principal in policy", "{principal}");
        assert!(errors.errors[0].message.contains(told), "{errors:?}");
    }
    let key = "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::b/*\",\n\"Condition\": {\"StringEquals\": {\"aws:Referer\": \"a\",\n \"s3:prefix\": \"a\"}}}}";
    let error = &refused(key, ParseOptions::bucket("b")).errors[0];
    assert_eq!(
        (error.pointer.as_str(), error.line, error.column),
        ("/Statement/Condition/StringEquals/s3:prefix", 3, 2)
    );
}

#[test]
fn a_value_that_the_key_never_holds_is_refused_under_every_operator() {
    for (condition, why) in [
        (r#"{"StringEquals": {"aws:SourceIp": "x"}}"#, "not an IP address"),
        (r#"{"NumericEquals": {"aws:SourceIp": 5}}"#, "not an IP address"),
        (r#"{"Bool": {"aws:SourceIp": true}}"#, "not an IP address"),
        (r#"{"DateEquals": {"aws:SourceIp": ["2020-01-01"]}}"#, "not an IP address"),
        (r#"{"StringLike": {"s3:max-keys": ["*", "x"]}}"#, "not a number"),
        (r#"{"IpAddress": {"s3:max-keys": "1.1.1.1"}}"#, "not a number"),
        (r#"{"StringNotEquals": {"s3:TlsVersion": "TLSv1.2"}}"#, "not a number"),
        (r#"{"StringEquals": {"aws:CurrentTime": "today"}}"#, "not a date"),
        (r#"{"NumericLessThan": {"aws:EpochTime": "1e300"}}"#, "not a date"),
        (r#"{"StringEquals": {"aws:SecureTransport": "yes"}}"#, "neither true nor false"),
    ] {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {condition}}}}}"#
        );
        for options in [ParseOptions::identity(), ParseOptions::lyve()] {
            let errors = refused(&document, options).errors;
            assert!(errors.len() == 1 && errors[0].message.contains(why), "{document}\n{errors:?}");
        }
    }
    for condition in [
        r#"{"StringLike": {"aws:SourceIp": "10.*"}}"#,
        r#"{"StringEquals": {"s3:max-keys": "${s3:max-keys}", "aws:SourceIp": "10.0.0.1"}}"#,
        r#"{"NumericLessThan": {"aws:EpochTime": 1795295820}, "Null": {"aws:CurrentTime": "false"}}"#,
    ] {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {condition}}}}}"#
        );
        assert!(parse(document.as_bytes(), ParseOptions::identity()).is_ok(), "{document}");
    }
}

#[test]
fn a_character_that_an_identity_policy_may_not_have_is_pointed_at() {
    for (document, pointer) in [
        (
            r#"{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": ["*", "arn:aws:s3:::b/日"]}]}"#,
            "/Statement/0/Resource/1",
        ),
        (
            r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": "日"}}}}"#,
            "/Statement/Condition/StringLike/s3:prefix",
        ),
    ] {
        let errors = refused(document, ParseOptions::identity()).errors;
        let found = errors.iter().find(|error| error.code == "Unsupported character").expect("the character is named");
        assert_eq!(found.pointer, pointer, "{document}");
    }
}
