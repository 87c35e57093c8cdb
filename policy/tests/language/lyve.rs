//! Lyve Cloud's permission files: its texts to the letter, in its order.

use policy::{ParseOptions, PolicyErrors, parse};

fn refused(document: &str) -> PolicyErrors {
    match parse(document.as_bytes(), ParseOptions::lyve()) {
        Ok(_) => panic!("accepted: {document}"),
        Err(errors) => errors,
    }
}

fn document(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#)
}

const STATEMENT: &str = r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#;

#[test]
fn every_text_of_the_table_is_said_to_the_letter() {
    let with = |element: &str| STATEMENT.replace('}', &format!(", {element}}}"));
    let cases = [
        ("not json".to_owned(), "Invalid JSON file."),
        (document(&STATEMENT.replace(r#""Effect": "Allow", "#, "")), "Effect field is required."),
        (document(&STATEMENT.replace(r#", "Resource": "arn:aws:s3:::b/*""#, "")), "Resource field is required."),
        (document(&STATEMENT.replace(r#""Action": "s3:GetObject", "#, "")), "Action field is required."),
        (r#"{"Version": "2012-10-17"}"#.to_owned(), "Statement is required."),
        (document(""), "Statement is required."),
        (format!(r#"{{"Version": "", "Statement": {STATEMENT}}}"#), "Version field value is empty."),
        (document(&STATEMENT.replace("\"s3:GetObject\"", "\"\"")), "Action canot be empty."),
        (document(&STATEMENT.replace("\"s3:GetObject\"", "[]")), "Action canot be empty."),
        (document(&STATEMENT.replace("\"arn:aws:s3:::b/*\"", "[]")), "Resource canot be empty."),
        (document(&STATEMENT.replace("\"arn:aws:s3:::b/*\"", "[\"\"]")), "Resource canot be empty."),
        (document(&with(r#""Condition": {}"#).replace("{}}", "{ } }")), "Condition canot be empty."),
        (document(&STATEMENT.replace("\"Allow\"", "\"allow\"")), "Effect value is invalid."),
        (document(&STATEMENT.replace("\"Allow\"", "7")), "Effect value is invalid."),
        (document(&STATEMENT.replace("s3:GetObject", "s3:PuObject")), "Action value s3:PuObject is not valid."),
        (document(&STATEMENT.replace("s3:GetObject", "kms:Decrypt")), "Action value kms:Decrypt is not valid."),
        (document(&STATEMENT.replace("\"s3:GetObject\"", "[\"s3:GetObject\", 7]")), "Action value 7 is not valid."),
        (document(&STATEMENT.replace("arn:aws:s3:::b/*", "mybucket")), "Resource value mybucket is not valid."),
        (
            document(&STATEMENT.replace("arn:aws:s3:::b/*", "arn:aws:sns:::t")),
            "Resource value arn:aws:sns:::t is not valid.",
        ),
        (format!(r#"{{"Statement": {STATEMENT}}}"#), "Version field is required."),
        (format!(r#"{{"Version": "2012-10-18", "Statement": {STATEMENT}}}"#), "Version field value is invalid."),
        (format!(r#"{{"Version": 2012, "Statement": {STATEMENT}}}"#), "Version field value is invalid."),
        (
            format!(r#"{{"Version": "2012-10-17", "Tags": [], "Statement": {STATEMENT}}}"#),
            "Tags element is not allowed.",
        ),
        (document(&with(r#""Principal": "*""#)), "Principal element is not allowed."),
        (document(&with(r#""NotPrincipal": "*""#)), "NotPrincipal element is not allowed."),
        (document(&with(r#""NotAction": "s3:Get*""#)), "NotAction element is not allowed."),
        (document(&with(r#""NotResource": "*""#)), "NotResource element is not allowed."),
        (document(&with(r#""Conditions": 7"#)), "Conditions element is not allowed."),
    ];
    for (document, text) in cases {
        assert_eq!(refused(&document).message, format!("File Import Failed: {text}"), "{document}");
    }
    let condition = |block: &str| {
        document(&format!(r#"{{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {block}}}"#))
    };
    for (block, text) in [
        ("{}", "Condition canot be empty."),
        (r#"{"StringLike": {}}"#, "Condition canot be empty."),
        (r#"{"StringLike": {"s3:prefix": []}}"#, "Condition canot be empty."),
        (r#"{"StringLik": {"s3:prefix": "a"}}"#, "Condition name is not valid: StringLik."),
        (r#"{"StringLike": {"s3:prefx": "a"}}"#, "Condition key is not valid: s3:prefx."),
        (r#"{"IpAddress": {"aws:SourceIp": "300.0.0.1"}}"#, "Condition key is not valid: aws:SourceIp."),
        (r#"{"StringLike": {"s3:prefix": [null]}}"#, "Condition key is not valid: s3:prefix."),
        (r#"{"StringLike": {"s3:prefix": "a", "S3:prefix": "b"}}"#, "Condition key is not valid: S3:prefix."),
        (
            r#"{"StringLike": {"s3:prefix": "a", "S3:prefix": "b"}, "Like": {"s3:prefix": "a"}}"#,
            "Condition name is not valid: Like.",
        ),
        ("[]", "Condition canot be empty."),
        ("\"\"", "Condition canot be empty."),
        ("null", "Condition canot be empty."),
    ] {
        assert_eq!(refused(&condition(block)).message, format!("File Import Failed: {text}"), "{block}");
    }
    let twice = STATEMENT.replace('{', r#"{"Sid": "s", "#);
    assert_eq!(refused(&document(&format!("{twice}, {twice}"))).message, "File Import Failed: Sid s is not unique.");
}

#[test]
fn the_first_error_follows_the_order_of_the_dialect() {
    // One document with every kind of error; each step removes the one that was reported.
    let steps = [
        ("Version field value is empty.", r#""Version": """#, r#""Version": "2012-10-17""#),
        (
            "Action field is required.",
            r#""Effect": "allow", "#,
            r#""Effect": "allow", "Action": ["s3:PuObject", ""], "#,
        ),
        ("Action canot be empty.", r#", ""]"#, "]"),
        ("Effect value is invalid.", "\"allow\"", "\"Allow\""),
        ("Action value s3:PuObject is not valid.", "s3:PuObject", "s3:PutObject"),
        ("Resource value b is not valid.", "\"b\"", "\"*\""),
        ("Condition name is not valid: Like.", "\"Like\"", "\"StringLike\""),
        ("Condition key is not valid: s3:prefx.", "s3:prefx", "s3:prefix"),
        ("NotAction element is not allowed.", r#", "NotAction": "s3:Get*""#, ""),
        (
            "Effect field is required.",
            r#"{"Sid": "s", "Action": "s3:*""#,
            r#"{"Sid": "s", "Effect": "Allow", "Action": "s3:*""#,
        ),
        ("Tags element is not allowed.", r#""Tags": {}, "#, ""),
        (
            "Sid s is not unique.",
            r#"{"Sid": "s", "Effect": "Allow", "Action": "s3:*""#,
            r#"{"Sid": "t", "Effect": "Allow", "Action": "s3:*""#,
        ),
    ];
    let mut document = r#"{"Tags": {}, "Version": "", "Statement": [
        {"Sid": "s", "Effect": "allow", "Resource": "b", "Condition": {"Like": {"s3:prefix": "a"}, "StringEquals": {"s3:prefx": "a"}}, "NotAction": "s3:Get*"},
        {"Sid": "s", "Action": "s3:*", "Resource": "*"}]}"#
        .to_owned();
    for (text, wrong, right) in steps {
        assert_eq!(refused(&document).message, format!("File Import Failed: {text}"), "{document}");
        assert!(document.contains(wrong), "{wrong}\n{document}");
        document = document.replacen(wrong, right, 1);
    }
    assert!(parse(document.as_bytes(), ParseOptions::lyve()).is_ok(), "{document}");
}

#[test]
fn details_are_in_english_with_a_resolution_and_a_suggestion() {
    let errors = refused(&document(&STATEMENT.replace("s3:GetObject", "s3:PuObject")));
    let error = &errors.errors[0];
    assert_eq!(error.suggestion.as_deref(), Some("s3:PutObject"));
    assert!(error.message.contains("Did you mean s3:PutObject?"), "{}", error.message);
    assert_eq!(error.resolution, "Add a valid value to this element.");
    for (element, resolution) in [
        (r#""NotAction": "s3:Get*""#, "Use Action instead of NotAction."),
        (r#""NotResource": "*""#, "Use Resource instead of NotResource."),
        (
            r#""Principal": "*""#,
            "Remove Principal: the permission applies to the service accounts that it is attached to.",
        ),
        (r#""Tags": []"#, "Remove Tags: a permission file has none."),
    ] {
        let errors = refused(&document(&STATEMENT.replace('}', &format!(", {element}}}"))));
        assert_eq!(errors.errors[0].resolution, resolution);
    }
    assert_eq!(refused("{").errors[0].resolution, "Check the JSON file structure.");
    assert_eq!(refused(&document("")).errors[0].resolution, "Add a value to this element.");
    let missing = refused(&document(&STATEMENT.replace(r#""Effect": "Allow", "#, "")));
    assert_eq!(missing.errors[0].resolution, "Add this element to the policy permission file.");
}

/// Every kind of error as an edit of a right document, in the order in which the first is reported: the text, and the resolution of
/// its detail.
#[rustfmt::skip]
const KINDS: [(&str, &str, &str, &str); 19] = [
    (r#""Statement": [{"#, r#""NoStatement": [{"#, "Statement is required.", "Add this element to the policy permission file."),
    (r#""Version": "2012-10-17", "#, "", "Version field is required.", "Add this element to the policy permission file."),
    (r#""2012-10-17""#, r#""""#, "Version field value is empty.", "Add a value to this element."),
    (r#""2012-10-17""#, r#""2012-10-18""#, "Version field value is invalid.", "Add a valid value to this element."),
    (r#""Effect": "Allow", "#, "", "Effect field is required.", "Add this element to the policy permission file."),
    (r#""Action": ["s3:GetObject", "s3:PutObject"], "#, "", "Action field is required.", "Add this element to the policy permission file."),
    (r#""Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"], "#, "", "Resource field is required.", "Add this element to the policy permission file."),
    (r#""s3:PutObject"]"#, r#"""]"#, "Action canot be empty.", "Add a value to this element."),
    (r#""arn:aws:s3:::c/*"]"#, r#"""]"#, "Resource canot be empty.", "Add a value to this element."),
    (r#""Bool": {"aws:SecureTransport": "true"}"#, r#""Bool": {}"#, "Condition canot be empty.", "Add a value to this element."),
    (r#""Allow""#, r#""allow""#, "Effect value is invalid.", "Add a valid value to this element."),
    (r#""s3:GetObject""#, r#""s3:GtObject""#, "Action value s3:GtObject is not valid.", "Add a valid value to this element."),
    (r#""arn:aws:s3:::b/*""#, r#""b""#, "Resource value b is not valid.", "Add a valid value to this element."),
    (r#""StringLike""#, r#""Like""#, "Condition name is not valid: Like.", "Choose a valid condition name, such as StringLike."),
    (r#""s3:x-amz-acl""#, r#""s3:x-amz-alc""#, "Condition key is not valid: s3:x-amz-alc.", "Choose a valid condition key, such as s3:prefix."),
    (r#""Sid": "a", "#, r#""Sid": "a", "Principal": "*", "#, "Principal element is not allowed.", "Remove Principal: the permission applies to the service accounts that it is attached to."),
    (r#""Id": "x", "#, r#""Id": "x", "Tags": [], "#, "Tags element is not allowed.", "Remove Tags: a permission file has none."),
    (r#""Statement": [{"#, r#""Note": 1, "Statement": [{"#, "Note element is not allowed.", "Remove Note."),
    (r#""Sid": "b""#, r#""Sid": "a""#, "Sid a is not unique.", "Give each statement its own Sid."),
];

const RIGHT: &str = r#"{"Version": "2012-10-17", "Id": "x", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"], "Condition": {"Bool": {"aws:SecureTransport": "true"}, "StringLike": {"s3:x-amz-acl": "private"}}}, {"Sid": "b", "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}]}"#;

#[test]
fn of_every_two_errors_the_earlier_kind_is_the_first() {
    assert!(parse(RIGHT.as_bytes(), ParseOptions::lyve()).is_ok());
    let edit = |document: &str, kind: usize| {
        let (right, wrong, ..) = KINDS[kind];
        document.contains(right).then(|| document.replacen(right, wrong, 1))
    };
    let mut pairs = 0;
    for (first, (.., text, resolution)) in KINDS.into_iter().enumerate() {
        let one = edit(RIGHT, first).unwrap_or_else(|| panic!("{text}"));
        let errors = refused(&one);
        assert_eq!(errors.message, format!("File Import Failed: {text}"), "{one}");
        assert_eq!(errors.code, "FileImportFailed");
        let stem = errors.errors[0].resolution.strip_suffix(" Import it as an AWS policy to keep it as it is.");
        assert_eq!(stem.unwrap_or(&errors.errors[0].resolution), resolution, "{one}");
        for second in first + 1..KINDS.len() {
            // Two edits of one place are one error.
            let Some(both) = edit(&one, second).filter(|both| edit(RIGHT, second).is_some() && *both != one) else {
                continue;
            };
            assert_eq!(refused(&both).message, format!("File Import Failed: {text}"), "{both}");
            pairs += 1;
        }
    }
    assert!(pairs > 150, "{pairs}");
    // And before all of them the JSON.
    for kind in 0..KINDS.len() {
        let broken = edit(RIGHT, kind).expect("each edit applies").replace("]}", "]");
        assert_eq!(refused(&broken).message, "File Import Failed: Invalid JSON file.", "{broken}");
        assert_eq!(refused(&broken).errors[0].resolution, "Check the JSON file structure.");
    }
}

#[test]
fn statements_are_reported_in_document_order_whatever_their_errors_are() {
    let early = STATEMENT.replace("\"s3:GetObject\"", "\"s3:PuObject\"");
    let late = STATEMENT.replace(r#""Effect": "Allow", "#, "");
    let message = |first: &str, second: &str| refused(&document(&format!("{first}, {second}"))).message;
    assert_eq!(message(&early, &late), "File Import Failed: Action value s3:PuObject is not valid.");
    assert_eq!(message(&late, &early), "File Import Failed: Effect field is required.");
    let errors = refused(&document(&format!("{early}, {late}"))).errors;
    let places: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(places, ["/Statement/0/Action", "/Statement/1"]);
}

#[test]
fn a_file_that_only_aws_takes_says_how_to_keep_it() {
    let hint = policy::IMPORT_AS_AWS;
    assert_eq!(hint, "Import it as an AWS policy to keep it as it is.");
    let with = |element: &str| document(&STATEMENT.replace('}', &format!(", {element}}}")));
    for (file, hinted) in [
        (document(&STATEMENT.replace("\"Action\"", "\"NotAction\"")), true),
        (document(&STATEMENT.replace("\"Resource\"", "\"NotResource\"")), true),
        (document(&STATEMENT.replace("arn:aws:s3:::b/*", "arn:aws:sns:us-east-1:123456789012:t")), true),
        (with(r#""NotAction": "s3:Get*""#), false),
        (format!(r#"{{"Version": "", "Statement": {STATEMENT}}}"#), false),
        (format!(r#"{{"Statement": {STATEMENT}}}"#), true),
        (document(&STATEMENT.replace("\"s3:GetObject\"", "[]")), true),
        (with(r#""Condition": {}"#), true),
        (document(&STATEMENT.replace("s3:GetObject", "kms:Decrypt")), true),
        (document(&STATEMENT.replace("s3:GetObject", "s3:PuObject")), false),
        (with(r#""Principal": "*""#), false),
        (with(r#""Tags": []"#), false),
        (with(r#""NotAction": "s3:Get*", "Principal": "*""#), false),
        // What AWS's has, beside an error in both.
        (document(&STATEMENT.replace("\"Action\"", "\"NotAction\"").replace("s3:GetObject", "s3:PuObject")), false),
    ] {
        let errors = refused(&file);
        let found = errors.errors.iter().any(|error| error.resolution.contains(hint));
        assert_eq!(found, hinted, "{file}\n{errors:?}");
        if hinted {
            // The hint is true.
            let aws = parse(file.as_bytes(), ParseOptions::identity());
            assert!(aws.is_ok(), "{file}\n{aws:?}");
        }
    }
}

#[test]
fn files_of_other_tools_and_encodings_are_recognised() {
    let file = document(STATEMENT);
    let quoted = serde_json::to_string(&file).unwrap();
    let encoded: String = file.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (text, inner) in [
        (
            format!(r#"{{"PolicyVersion": {{"Document": {file}, "VersionId": "v3", "IsDefaultVersion": true}}}}"#),
            "PolicyVersion.Document",
        ),
        (format!(r#"{{"RoleName": "r", "PolicyName": "p", "PolicyDocument": {file}}}"#), "PolicyDocument"),
        (format!(r#"{{"UserName": "u", "PolicyName": "p", "PolicyDocument": "{encoded}"}}"#), "PolicyDocument"),
        (format!(r#"{{"PolicyName": "p", "Policy": {file}, "CreateDate": "x"}}"#), "Policy"),
        (format!(r#"{{"Policy": {quoted}}}"#), "Policy"),
        (format!(r#"{{"policy": {file}}}"#), "policy"),
    ] {
        let errors = refused(&text);
        assert_eq!(errors.message, "File Import Failed: Statement is required.", "{text}");
        assert_eq!(errors.errors.len(), 1);
        assert_eq!(errors.errors[0].resolution, format!("Import the object under {inner}."));
    }
    for text in [encoded.clone(), format!("\"{encoded}\""), format!("\n {}", encoded.to_lowercase())] {
        let errors = refused(&text);
        assert_eq!(errors.message, "File Import Failed: Invalid JSON file.");
        assert!(errors.errors[0].message.contains("URL-encoded"), "{errors:?}");
    }
    for (marked, big) in [(true, true), (true, false), (false, true), (false, false)] {
        let units = marked.then_some(0xfeff).into_iter().chain(file.encode_utf16());
        let bytes: Vec<u8> = units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
        let errors = parse(&bytes, ParseOptions::lyve()).expect_err("it is UTF-16");
        assert_eq!(errors.message, "File Import Failed: Invalid JSON file.");
        assert!(errors.errors[0].message.contains("UTF-16"));
        assert_eq!(errors.errors[0].resolution, "Save the file as UTF-8.");
    }
    assert!(parse(format!("\u{feff}{file}").as_bytes(), ParseOptions::lyve()).is_ok());
    let marked = format!("\u{feff}{}", document(&STATEMENT.replace("s3:Get", "s3:Gt")));
    let column = u32::try_from(marked.chars().position(|c| c == 'G').expect("the action")).expect("small") - 4;
    assert_eq!((refused(&marked).errors[0].line, refused(&marked).errors[0].column), (1, column));
}

#[test]
fn ids_are_judged_last() {
    let with =
        |id: &str, statement: &str| format!(r#"{{"Version": "2012-10-17", "Id": {id}, "Statement": [{statement}]}}"#);
    let long = format!("\"{}\"", "i".repeat(257));
    for id in [long.as_str(), "7", "\"a\\u0000\""] {
        assert_eq!(refused(&with(id, STATEMENT)).message, "File Import Failed: Invalid JSON file.", "{id}");
        let wrong = STATEMENT.replace("s3:Get", "s3:Gt");
        assert_eq!(refused(&with(id, &wrong)).message, "File Import Failed: Action value s3:GtObject is not valid.");
    }
}
