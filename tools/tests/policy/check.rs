//! `policy check FILE...`.

use std::process::Stdio;

use serde_json::json;

use crate::{GOOD, MISSPELT, Place, ended, parsed, refused};

#[test]
fn a_valid_document_exits_0() {
    let place = Place::with(&[("p.json", GOOD)]);
    assert_eq!(place.policy(&["check", "p.json"]), (0, "p.json: valid (dialect aws)\n".into(), String::new()));
    let (code, out, _) = place.policy(&["check", "p.json", "--dialect", "lyve", "--json"]);
    assert_eq!((code, parsed(&out)), (0, json!({"valid": true, "message": null, "errors": [], "findings": []})));
}

#[test]
fn an_invalid_document_exits_1_with_place_and_suggestion() {
    let place = Place::with(&[("p.json", MISSPELT)]);
    let (code, out, error) = place.policy(&["check", "p.json", "--dialect", "lyve", "--json"]);
    let report = parsed(&out);
    assert_eq!((code, error.as_str()), (1, ""));
    assert_eq!(report["valid"], false);
    assert_eq!(report["message"], "File Import Failed: Action value s3:PuObject is not valid.");
    let first = &report["errors"][0];
    assert_eq!((&first["line"], &first["pointer"]), (&json!(2), &json!("/Statement/0/Action")));
    assert_eq!(first["suggestion"], "s3:PutObject");
    for member in ["code", "message", "column"] {
        assert!(!first[member].is_null(), "{first}");
    }
    let (code, out, _) = place.policy(&["check", "p.json", "--dialect", "lyve"]);
    assert_eq!(code, 1);
    assert_eq!(
        out,
        r#"error[Invalid action]: "s3:PuObject" is not an action of S3.
 --> p.json:2:46 (/Statement/0/Action)
  |
2 |  "Statement": [{"Effect": "Allow", "Action": "s3:PuObject",
  |                                              ^^^^^^^^^^^^^
  = help: did you mean s3:PutObject?
  = help: Add a valid value to this element.

p.json: not valid (dialect lyve, 1 error): File Import Failed: Action value s3:PuObject is not valid.
"#
    );
}

#[test]
fn findings_are_shown_with_their_severity_and_don_t_make_a_document_invalid() {
    let public = GOOD.replace("\"s3:GetObject\"", "\"s3:*\"").replace("arn:aws:s3:::datalake/*", "*");
    let place = Place::with(&[("p.json", &public)]);
    let (code, out, _) = place.policy(&["check", "p.json", "--json"]);
    let findings = parsed(&out)["findings"].clone();
    assert_eq!(code, 0);
    assert!(!findings.as_array().unwrap().is_empty(), "{out}");
    let (code, out, _) = place.policy(&["check", "p.json"]);
    assert_eq!(code, 0);
    let message = findings[0]["message"].as_str().unwrap();
    let place = format!("p.json:{}:{} ", findings[0]["line"], findings[0]["column"]);
    assert!(out.contains(message) && out.contains(&place), "{out}");
    assert!(
        out.contains("security warning[") && out.contains("\np.json: valid (dialect aws), 1 security warning"),
        "{out}"
    );
}

#[test]
fn dialects_that_judge_otherwise_are_told() {
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"}]}"#;
    let place = Place::with(&[("p.json", document), ("good.json", GOOD)]);
    let (code, out, _) = place.policy(&["check", "p.json"]);
    assert_eq!(code, 0);
    let note = "\nnote: strongroom permission create judges by dialect lyve unless it is passed --dialect aws, and refuses this: File Import Failed: Action field is required.\n";
    assert!(out.contains(note) && out.contains("\np.json: valid (dialect aws), "), "{out}");
    let (code, out, _) = place.policy(&["check", "p.json", "--dialect", "lyve"]);
    assert_eq!(code, 1);
    let note = "\nnote: pass --dialect aws to judge it as an AWS policy, and to strongroom permission create to import it so\n";
    assert!(out.contains(note) && out.contains("\np.json: not valid (dialect lyve, 2 errors): "), "{out}");
    for arguments in [&["check", "p.json", "--dialect", "aws"][..], &["check", "good.json"]] {
        let (code, out, _) = place.policy(arguments);
        assert!(code == 0 && !out.contains("note: "), "{out}");
    }
}

#[test]
fn kinds_and_buckets_are_told_apart() {
    let bucket = GOOD.replace("\"Sid\"", "\"Principal\": \"*\", \"Sid\"");
    let place = Place::with(&[("identity.json", GOOD), ("bucket.json", &bucket)]);
    let code = |arguments: &[&str]| place.policy(arguments).0;
    assert_eq!(code(&["check", "bucket.json"]), 1, "an identity policy has no Principal");
    assert_eq!(code(&["check", "identity.json", "--kind", "bucket"]), 1, "a bucket policy has one");
    assert_eq!(code(&["check", "bucket.json", "--kind", "bucket"]), 0);
    assert_eq!(code(&["check", "bucket.json", "--kind", "bucket", "--bucket", "datalake"]), 0);
    assert_eq!(code(&["check", "bucket.json", "--kind", "bucket", "--bucket", "another"]), 1);
    assert_eq!(code(&["check", "identity.json", "--kind", "session"]), 0);
    assert_eq!(code(&["check", "identity.json", "--kind", "session", "--dialect", "lyve"]), 2);
    assert_eq!(code(&["check", "identity.json", "--bucket", "datalake"]), 2);
}

#[test]
fn what_can_t_be_read_exits_2_in_one_line() {
    let place = Place::with(&[
        ("not-an-array.json", "{}"),
        ("not-json.json", "["),
        ("empty.json", ""),
        ("half.json", "[{\"id\": 1},"),
    ]);
    for arguments in [
        &["check", "absent.json"][..],
        &["check", "--batch", "absent.json"],
        &["check", "--batch", "not-an-array.json"],
        &["check", "--batch", "half.json"],
        &["check", "--batch", "empty.json"],
        &["check", "-", "-"],
        &["check", "."],
        &["check", "/dev/zero"],
        &["eval", "absent.json"],
        &["eval", "not-an-array.json"],
        &["eval", "not-json.json"],
        &["explain", "absent.json"],
        &["explain", "not-an-array.json"],
        &["explain", "--action", "s3:GetObject"],
        &["explain", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::b", "--context", "novalue"],
    ] {
        assert_ne!(refused(&place, arguments), "");
    }
}

#[test]
fn documents_of_any_bytes_are_judged_and_never_crash() {
    let place = Place::with(&[("empty", ""), ("brackets", &"[".repeat(100_000)), ("long", &" ".repeat(3 << 20))]);
    place.write("binary", &[0xff, 0xfe, 0x7b, 0x00]);
    for file in ["empty", "brackets", "long", "binary"] {
        let (code, out, error) = place.policy(&["check", file, "--json"]);
        assert_eq!((code, error.as_str()), (1, ""), "{file}");
        assert_eq!(parsed(&out)["valid"], false);
    }
}

#[test]
fn text_names_place_advice_and_verdict_to_the_letter() {
    let document = "{\"Version\": \"2012-10-17\",\n\t\"Statement\": {\"Sid\": \"Kühe 牛\", \"Effect\": \"allow\",\r\n\t\"Action\": \"s3:GetObject\", \"Resource\": \"*\"}}";
    let place = Place::with(&[("p.json", document)]);
    let (code, out, error) = place.policy(&["check", "p.json", "--dialect", "lyve"]);
    assert_eq!((code, error.as_str()), (1, ""));
    assert_eq!(
        out,
        r#"error[Invalid effect]: Effect is Allow or Deny, not "allow".
 --> p.json:2:43 (/Statement/Effect)
  |
2 |     "Statement": {"Sid": "Kühe 牛", "Effect": "allow",
  |                                               ^^^^^^^
  = help: did you mean Allow?
  = help: Add a valid value to this element.

p.json: not valid (dialect lyve, 1 error): File Import Failed: Effect value is invalid.
"#
    );
}

#[test]
fn minified_document_is_shown_around_the_place() {
    let statement = |index: usize, action: &str| json!({"Sid": format!("S{index}"), "Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::b/*"});
    let statements: Vec<_> =
        (0..60).map(|index| statement(index, if index == 30 { "s3:PuObject" } else { "s3:GetObject" })).collect();
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let place = Place::with(&[("p.json", &document)]);
    let (_, out, _) = place.policy(&["check", "p.json", "--dialect", "lyve"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[1].ends_with(" (/Statement/30/Action)"), "{out}");
    assert_eq!(
        lines[3..5],
        [
            r#"1 | ...,{"Sid":"S30","Effect":"Allow","Action":"s3:PuObject","Resource":"arn:aws:s3:::b/*"},{"Sid":"S31","Effect":"Allow","Acti..."#,
            r#"  |                                            ^^^^^^^^^^^^^"#
        ],
        "{out}"
    );
}

#[test]
fn document_can_t_drive_the_terminal() {
    let document = "{\"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:\\u001b[2J\\n\u{202e}\u{9b}x\", \"Resource\": \"*\", \"\\u001b]0;\": 1}}";
    let place = Place::with(&[("p.json", document)]);
    for dialect in ["aws", "lyve"] {
        let (code, out, error) = place.policy(&["check", "p.json", "--dialect", dialect]);
        assert_eq!((code, error.as_str()), (1, ""));
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!out.contains(steers), "{out:?}");
        assert!(out.contains("\\u{202e}\\u{9b}x"), "{out}");
    }
    let (_, _, error) = place.policy(&["check", "\u{1b}[2J.json"]);
    assert!(error.contains("\\u{1b}[2J.json") && !error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn colours_are_for_terminals_or_when_they_are_forced() {
    let place = Place::with(&[("p.json", MISSPELT)]);
    let printed =
        |variables: &[(&str, &str)]| ended(place.command(&["check", "p.json"]).envs(variables.iter().copied())).1;
    assert!(!printed(&[]).contains('\u{1b}'));
    let coloured = printed(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.starts_with("\u{1b}[31merror\u{1b}[0m\u{1b}[1m[Invalid action]: "), "{coloured}");
    let mut plain = String::new();
    for part in coloured.split('\u{1b}') {
        plain.push_str(part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, text)| text));
    }
    assert_eq!(plain, printed(&[]), "colours change nothing else");
    assert!(!printed(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!printed(&[("CLICOLOR_FORCE", "0")]).contains('\u{1b}'));
}

#[test]
fn several_documents_are_checked_and_summed_up() {
    let place = Place::with(&[("good.json", GOOD), ("bad.json", MISSPELT)]);
    let (code, out, error) = place.policy(&["check", "good.json", "good.json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(out, "good.json: valid (dialect aws)\ngood.json: valid (dialect aws)\n2 documents: 2 valid\n");
    let (code, out, error) = place.policy_reading(&["check", "bad.json", "-", "absent.json"], GOOD.as_bytes());
    assert_eq!(
        (code, error.as_str()),
        (2, "strongroom: policy document absent.json: does not exist; check the path\n")
    );
    assert!(out.ends_with("\n<stdin>: valid (dialect aws)\n3 documents: 1 valid, 1 not valid, 1 not read\n"), "{out}");
    let (code, out, _) = place.policy(&["check", "good.json", "bad.json", "--json"]);
    let reports = parsed(&out);
    assert_eq!(code, 1);
    assert_eq!((&reports[0]["file"], &reports[0]["valid"]), (&json!("good.json"), &json!(true)));
    assert_eq!((&reports[1]["file"], &reports[1]["errors"][0]["line"]), (&json!("bad.json"), &json!(2)));
    let (code, out, _) = place.policy(&["check", "good.json", "absent.json", "--json"]);
    assert_eq!((code, &parsed(&out)[1]["error"]), (2, &json!("does not exist; check the path")));
}

#[test]
fn files_that_are_no_text_are_named_as_what_they_are() {
    let place = Place::with(&[("empty", "")]);
    place.write("latin1", b"{\n\"Sid\": \"K\xfche\"}");
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    place.write("utf16", &utf16);
    place.write("large", &vec![b' '; 10_000_000]);
    for (file, expected) in [
        (
            "empty",
            "error[Json syntax error]: The document is not a JSON object; a policy begins with {.\n --> empty:1:1\n  = help: Check the JSON file structure.\n\nempty: not valid (dialect aws, 1 error): Syntax errors in policy.\n",
        ),
        (
            "latin1",
            "error[Invalid encoding]: The document is not UTF-8 text.\n --> latin1:1:1\n  = help: Save the file as UTF-8.\n\nnote: the first byte that is not UTF-8 is byte 12 of the file, in line 2\n\nlatin1: not valid (dialect aws, 1 error): Syntax errors in policy.\n",
        ),
        (
            "utf16",
            "error[Invalid encoding]: The document is UTF-16 text; policies are UTF-8.\n --> utf16:1:1\n  = help: Save the file as UTF-8.\n\nutf16: not valid (dialect aws, 1 error): Syntax errors in policy.\n",
        ),
    ] {
        assert_eq!(place.policy(&["check", file]), (1, expected.to_owned(), String::new()), "{file}");
    }
    let (code, out, error) = place.policy(&["check", "large"]);
    let told = "]: The document has 10000000 bytes; at most 1048576 are allowed.\n --> large:1:1\n  = help: ";
    assert_eq!((code, error.as_str()), (1, ""));
    assert!(out.starts_with("error[Policy size exceeds ") && out.contains(told), "{out}");
    assert_eq!(refused(&place, &["check", "."]), "policy document .: is a directory; name a file");
    assert_eq!(refused(&place, &["eval", "utf16"]), "case file utf16: is UTF-16; save it as UTF-8");
    assert_eq!(refused(&place, &["eval", "latin1"]), "case file latin1: is not UTF-8; save it as UTF-8");
}

#[test]
fn reader_that_goes_away_ends_the_command_quietly() {
    let broken = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{}]}}", vec!["{}"; 5_000].join(","));
    let place = Place::with(&[("p.json", &broken)]);
    let mut child = place
        .command(&["check", "p.json", "p.json", "p.json", "p.json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), b"".as_slice()));
}
