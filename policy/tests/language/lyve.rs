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
        (
            r#""NotAction": "s3:Get*""#,
            "Use Action instead of NotAction. Import it as an AWS policy to keep it as it is.",
        ),
        (
            r#""NotResource": "*""#,
            "Use Resource instead of NotResource. Import it as an AWS policy to keep it as it is.",
        ),
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
