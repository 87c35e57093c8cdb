//! The policy corpus, `policy/corpus/*.json`: what must be decided and what must be refused, as data.
//!
//! Its answers were written from the language's tables and AWS's pages, not from the evaluator, so that the two check each other.
//! Every case runs in process and through the binary; a decision that a real request can carry is also asked of a node ([`http`]).

mod carry;
mod http;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

/// Every operator of the language, without suffix and qualifier.
const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

/// One file of the corpus.
struct CaseFile {
    path: PathBuf,
    text: String,
    cases: Vec<Value>,
}

impl CaseFile {
    /// Whether the file holds decisions; the others hold documents.
    fn is_decisions(&self) -> bool {
        self.cases.iter().all(|case| case.get("request").is_some())
    }

    fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// All files, in the order of their names.
fn files() -> Vec<CaseFile> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policy/corpus");
    let entries = std::fs::read_dir(&directory).expect("the corpus is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let cases = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: no array: {error}", path.display()));
        CaseFile { path, text, cases }
    };
    paths.into_iter().map(read).collect()
}

fn decision_files() -> Vec<CaseFile> {
    files().into_iter().filter(CaseFile::is_decisions).collect()
}

fn document_files() -> Vec<CaseFile> {
    files().into_iter().filter(|file| !file.is_decisions()).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn is_decided(case: &Value, decision: &str) -> bool {
    case["expect"]["decision"] == decision
}

/// Whether a simulation doesn't take the case's documents.
fn is_refused(case: &Value) -> bool {
    case["expect"]["refused"] == true
}

/// Fails unless every case of every file is answered as expected; names all that are not.
#[track_caller]
fn compare(files: &[CaseFile], answer: impl Fn(&CaseFile) -> String, differs: impl Fn(&Value, &Value) -> bool) {
    let mut faults = Vec::new();
    for file in files {
        let answers: Vec<Value> = serde_json::from_str(&answer(file)).expect("an array of answers");
        assert_eq!(answers.len(), file.cases.len(), "{}", file.name());
        for (case, answer) in file.cases.iter().zip(&answers) {
            assert_eq!(case["id"], answer["id"], "{}", file.name());
            if differs(case, answer) {
                faults.push(format!("{} {}: expected {}, got {answer}", file.name(), case["id"], case["expect"]));
            }
        }
    }
    assert!(faults.is_empty(), "{} cases differ:\n{}", faults.len(), faults.join("\n"));
}

/// Whether decision, policy or Sid is another one; what a case leaves open may be anything. A document that breaks the grammar is no
/// decision but an error.
fn decision_differs(case: &Value, answer: &Value) -> bool {
    if is_refused(case) {
        return !answer["error"].is_string();
    }
    let expected = case["expect"].as_object().expect("an expectation");
    expected.iter().any(|(name, value)| answer[name] != *value)
}

/// The same for documents: code, pointer and line are those of the first error; findings that are listed must be there, those that are
/// absent may not, and an empty list means that there is none.
fn document_differs(case: &Value, answer: &Value) -> bool {
    let expected = case["expect"].as_object().expect("an expectation");
    let codes: Vec<&Value> = answer["findings"].as_array().into_iter().flatten().map(|f| &f["code"]).collect();
    expected.iter().any(|(name, value)| match name.as_str() {
        "absent" => value.as_array().expect("a list of findings").iter().any(|code| codes.contains(&code)),
        "findings" => {
            let listed = value.as_array().expect("a list of findings");
            if listed.is_empty() { !codes.is_empty() } else { listed.iter().any(|code| !codes.contains(&code)) }
        }
        "valid" | "message" => answer[name] != *value,
        _ => answer["errors"][0][name] != *value,
    })
}

/// Runs the binary, which must succeed.
#[track_caller]
fn output(arguments: &[&str]) -> String {
    let output = tests::binary::run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_decision_of_the_corpus_is_made_in_process() {
    compare(&decision_files(), |file| policy::eval_cases(&file.text).expect("an array of cases"), decision_differs);
}

#[test]
fn every_decision_of_the_corpus_is_made_on_the_command_line() {
    let eval = |file: &CaseFile| output(&["policy", "eval", file.path.to_str().expect("UTF-8")]);
    compare(&decision_files(), eval, decision_differs);
}

/// An explanation is of the decision that is made, and names the same statement.
#[test]
fn every_decision_of_the_corpus_is_explained_as_it_is_made() {
    for file in decision_files() {
        for case in file.cases.iter().filter(|case| !is_refused(case)) {
            let explanation = policy::explain_case(&case.to_string())
                .unwrap_or_else(|error| panic!("{} isn't explained: {error}", case["id"]));
            assert!(is_decided(case, &format!("{:?}", explanation.decision)), "{}: {explanation}", case["id"]);
            let sid = case["expect"]["sid"].as_str().unwrap_or_default();
            assert!(explanation.to_string().contains(sid), "{} doesn't name {sid}: {explanation}", case["id"]);
        }
    }
}

/// Of every policy, the one that speaks for its caller and the one that speaks of the same user must agree.
#[test]
fn statements_decide_alike_in_an_identity_policy_and_in_a_bucket_policy_for_the_user() {
    let mut count = 0;
    for file in decision_files() {
        for case in file.cases.iter().filter_map(carry::in_a_bucket_policy) {
            assert_eq!(carry::decide(&case), case["expect"]["decision"], "{}", case["id"]);
            count += 1;
        }
    }
    assert!(count >= 800, "only {count} cases were moved");
}

/// Neither the order of policies nor that of statements means anything.
#[test]
fn decisions_of_the_corpus_stay_when_everything_is_turned_around() {
    for file in decision_files() {
        for mut case in file.cases.into_iter().filter(|case| !is_refused(case)) {
            let policies = case["policies"].as_array_mut().expect("policies");
            policies.reverse();
            for statements in policies.iter_mut().filter_map(|policy| policy["document"]["Statement"].as_array_mut()) {
                statements.reverse();
            }
            assert_eq!(carry::decide(&case), case["expect"]["decision"], "{} turned around", case["id"]);
        }
    }
}

#[test]
fn every_document_of_the_corpus_is_checked_in_process() {
    let check = |file: &CaseFile| policy::check_batch(&file.text, None).expect("an array of documents");
    compare(&document_files(), check, document_differs);
}

#[test]
fn every_document_of_the_corpus_is_checked_on_the_command_line() {
    let check = |file: &CaseFile| output(&["policy", "check", "--batch", file.path.to_str().expect("UTF-8")]);
    compare(&document_files(), check, document_differs);
}

/// A corpus that shrinks, repeats itself or expects nothing would pass without testing.
#[test]
fn the_corpus_is_large_and_every_case_says_what_it_expects() {
    let mut ids = BTreeSet::new();
    let mut decisions: BTreeMap<String, usize> = BTreeMap::new();
    let (mut refused, mut accepted, mut simulations_refused) = (0, 0, 0);
    for file in files() {
        assert!(!file.cases.is_empty(), "{} is empty", file.name());
        for case in &file.cases {
            let id = text(case, "id");
            let is_word = |word: &str| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            assert!(id.split('-').all(is_word), "{id} is no sentence in kebab case");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(!text(case, "note").is_empty(), "{id} has no note");
            if is_refused(case) {
                assert!(file.is_decisions(), "{id} is a document");
                simulations_refused += 1;
            } else if file.is_decisions() {
                *decisions.entry(text(&case["expect"], "decision").to_owned()).or_default() += 1;
            } else {
                match case["expect"]["valid"].as_bool().expect("valid or not") {
                    true => accepted += 1,
                    false => refused += 1,
                }
            }
        }
    }
    println!(
        "{decisions:?}, {simulations_refused} simulations refused, {refused} documents refused, {accepted} accepted"
    );
    assert!(refused >= 200 && accepted >= 60, "{refused} refused, {accepted} accepted");
    let kinds: Vec<&str> = decisions.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["Allow", "ExplicitDeny", "ImplicitDeny"]);
    assert!(decisions.values().sum::<usize>() >= 1_000, "{decisions:?}");
    assert!(decisions.values().all(|&count| count >= 50), "{decisions:?}");
}

#[test]
fn every_operator_allows_in_one_case_and_does_not_in_another() {
    let (mut allowing, mut others) = (BTreeSet::new(), BTreeSet::new());
    for file in decision_files() {
        for case in &file.cases {
            let set = if is_decided(case, "Allow") { &mut allowing } else { &mut others };
            for policy in case["policies"].as_array().expect("policies") {
                carry::conditions(&policy["document"], &mut |operator, _| {
                    set.insert(operator.to_owned());
                });
            }
        }
    }
    for operator in OPERATORS {
        let forms = [
            (*operator).to_owned(),
            format!("{operator}IfExists"),
            format!("ForAllValues:{operator}"),
            format!("ForAnyValue:{operator}"),
        ];
        // Null takes no IfExists; every other form of every operator occurs somewhere, its plain form on both sides.
        assert!(allowing.contains(&forms[0]), "{operator} allows nowhere");
        assert!(others.contains(&forms[0]), "{operator} denies nowhere");
        for form in forms.iter().filter(|form| *form != "NullIfExists") {
            assert!(allowing.contains(form) || others.contains(form), "{form} occurs nowhere");
        }
    }
}
