//! The top level of a document.

use std::collections::HashSet;

use super::fault::Fault;
use super::{
    BUCKET_POLICY_BYTES_MAX, Dialect, Faults, IDENTITY_POLICY_CHARACTERS_MAX, Level, Phase, Rank, pointer_part,
    statement, suggest, wrapped,
};
use crate::index::StatementIndex;
use crate::json::{JsonValue, Node};
use crate::policy::{Policy, PolicyKind};
use crate::statement::Statement;

/// Longest Sid or Id, in characters.
const NAME_CHARACTERS_MAX: usize = 256;

const ELEMENTS: [&str; 3] = ["Version", "Id", "Statement"];

pub(crate) fn read(root: &Node, source: &str, faults: &mut Faults<'_, '_>) -> Option<Policy> {
    let Some(members) = root.as_object() else {
        faults.document(Fault::NotAnObject, root.offset);
        return None;
    };
    if root.member("Statement").is_none()
        && let Some(fault) = wrapped::find(root)
    {
        faults.add(Rank::Statement, fault, String::new(), root.offset);
        return None;
    }
    if !fits(root, source, faults) {
        return None;
    }
    let variables = check_version(root, faults);
    for member in members {
        let pointer = format!("/{}", pointer_part(&member.key));
        match member.key.as_str() {
            "Version" | "Statement" => {}
            "Id" => check_id(&member.value, member.key_offset, faults),
            element => {
                let suggestion = suggest::nearest(element, ELEMENTS.into_iter()).map(str::to_owned);
                let fault = Fault::Unknown { element: element.to_owned(), suggestion };
                faults.add(Rank::Elements, fault, pointer, member.key_offset);
            }
        }
    }
    let statements = read_statements(root, variables, faults);
    check_sids(root, faults);
    let asks_for_object_tags = statements.iter().any(|statement| statement.asks_for_object_tags);
    Some(Policy {
        kind: faults.options.kind,
        id: root.member("Id").and_then(Node::as_str).map(Into::into),
        index: StatementIndex::new(&statements),
        statements: statements.into_boxed_slice(),
        source: source.into(),
        asks_for_object_tags,
    })
}

/// Whether the document is small enough to be read on; what is too large to be stored isn't worth more errors.
fn fits(root: &Node, source: &str, faults: &mut Faults<'_, '_>) -> bool {
    if faults.options.level == Level::Grammar {
        return true;
    }
    if faults.options.kind == PolicyKind::Bucket {
        let fits = source.len() <= BUCKET_POLICY_BYTES_MAX;
        if !fits {
            let fault = Fault::TooLarge { size: source.len(), limit: BUCKET_POLICY_BYTES_MAX, unit: "bytes" };
            faults.document(fault, 0);
        }
        return fits;
    }
    let size = stored_characters(source);
    if size > IDENTITY_POLICY_CHARACTERS_MAX {
        let unit = "characters without white space";
        faults.document(Fault::TooLarge { size, limit: IDENTITY_POLICY_CHARACTERS_MAX, unit }, 0);
        return false;
    }
    if faults.options.dialect == Dialect::Aws {
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}' | '\u{feff}');
        if let Some((offset, character)) = source.char_indices().find(|(_, c)| !allowed(*c)) {
            faults.add(Rank::Document, Fault::Characters { character }, pointer_at(root, offset), offset);
        }
    }
    true
}

/// The pointer to the smallest value whose text, or whose name, contains an offset.
fn pointer_at(root: &Node, offset: usize) -> String {
    let mut pointer = String::new();
    let mut node = root;
    loop {
        let (part, inner) = match &node.value {
            JsonValue::Object(members) => match members.iter().rfind(|member| member.key_offset <= offset) {
                Some(member) => (pointer_part(&member.key), &member.value),
                None => return pointer,
            },
            JsonValue::Array(items) => match items.iter().enumerate().rfind(|(_, item)| item.offset <= offset) {
                Some((at, item)) => (at.to_string(), item),
                None => return pointer,
            },
            _ => return pointer,
        };
        pointer = format!("{pointer}/{part}");
        node = inner;
    }
}

/// What counts against the limit of identity and session policies: characters that are no white space.
pub(crate) fn stored_characters(source: &str) -> usize {
    source.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').count()
}

/// Checks the version and says whether variables live.
fn check_version(root: &Node, faults: &mut Faults<'_, '_>) -> bool {
    let Some(version) = root.member("Version") else {
        if faults.options.dialect == Dialect::Lyve {
            faults.add(Rank::Version, Fault::MissingVersion, String::new(), root.offset);
        }
        return false;
    };
    let fault = match &version.value {
        JsonValue::String(text) if text == "2012-10-17" => return true,
        JsonValue::String(text) if text == "2008-10-17" => return false,
        JsonValue::String(text) if text.is_empty() => Fault::EmptyVersion,
        JsonValue::Null => Fault::EmptyVersion,
        JsonValue::String(text) => Fault::Version(text.clone()),
        _ => Fault::Type { element: "Version", found: version.describe(), expected: "a string" },
    };
    faults.add(Rank::Version, fault, "/Version".to_owned(), version.offset);
    false
}

fn check_id(id: &Node, key_offset: usize, faults: &mut Faults<'_, '_>) {
    let pointer = "/Id".to_owned();
    let Some(text) = id.as_str() else {
        let fault = Fault::Type { element: "Id", found: id.describe(), expected: "a string" };
        faults.add(Rank::Sid, fault, pointer, id.offset);
        return;
    };
    if faults.options.dialect == Dialect::Aws && faults.options.kind != PolicyKind::Bucket {
        faults.add(Rank::Sid, Fault::Id { why: "is not allowed in an identity policy" }, pointer, key_offset);
    } else if let Some(why) = wrong_name(text) {
        faults.add(Rank::Sid, Fault::Id { why }, pointer, id.offset);
    }
}

fn wrong_name(text: &str) -> Option<&'static str> {
    if text.chars().count() > NAME_CHARACTERS_MAX {
        Some("has more than 256 characters")
    } else if text.chars().any(char::is_control) {
        Some("has a control character")
    } else {
        None
    }
}

/// The statements with their pointers.
fn statement_nodes(root: &Node) -> Vec<(&Node, String)> {
    match root.member("Statement") {
        Some(Node { value: JsonValue::Array(items), .. }) => {
            items.iter().enumerate().map(|(index, item)| (item, format!("/Statement/{index}"))).collect()
        }
        Some(node) => vec![(node, "/Statement".to_owned())],
        None => Vec::new(),
    }
}

fn read_statements(root: &Node, variables: bool, faults: &mut Faults<'_, '_>) -> Vec<Statement> {
    let fault = match root.member("Statement").map(|node| (&node.value, node.offset)) {
        None => Some((Fault::MissingStatement, String::new(), root.offset)),
        Some((JsonValue::Array(items), offset)) if items.is_empty() => {
            Some((Fault::EmptyStatement, "/Statement".to_owned(), offset))
        }
        Some((JsonValue::Array(_) | JsonValue::Object(_), _)) => None,
        Some((_, offset)) => Some((Fault::StatementType, "/Statement".to_owned(), offset)),
    };
    if let Some((fault, pointer, offset)) = fault {
        faults.add(Rank::Statement, fault, pointer, offset);
        return Vec::new();
    }
    let nodes = statement_nodes(root);
    let statements = nodes.into_iter().enumerate().filter_map(|(index, (node, pointer))| {
        if node.as_object().is_none() {
            faults.add(Rank::InStatement(index, Phase::Required), Fault::StatementType, pointer, node.offset);
            return None;
        }
        statement::read(node, index, pointer, variables, faults)
    });
    statements.collect()
}

/// Sids are checked last, because their uniqueness is a fact about the whole document.
fn check_sids(root: &Node, faults: &mut Faults<'_, '_>) {
    let mut seen: HashSet<&str> = HashSet::new();
    for (node, pointer) in statement_nodes(root) {
        let Some(sid) = node.member("Sid") else { continue };
        let pointer = format!("{pointer}/Sid");
        let Some(text) = sid.as_str() else {
            let fault = Fault::Type { element: "Sid", found: sid.describe(), expected: "a string" };
            faults.add(Rank::Sid, fault, pointer, sid.offset);
            continue;
        };
        let identity = faults.options.dialect == Dialect::Aws && faults.options.kind != PolicyKind::Bucket;
        let why = wrong_name(text).or_else(|| {
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            (identity && !plain).then_some("may have letters and digits only")
        });
        if let Some(why) = why {
            faults.add(Rank::Sid, Fault::Sid { sid: text.to_owned(), why }, pointer.clone(), sid.offset);
        }
        // An empty Sid names nothing, so it can't name two statements.
        if !text.is_empty() && !seen.insert(text) {
            faults.add(Rank::Sid, Fault::SidNotUnique { sid: text.to_owned() }, pointer, sid.offset);
        }
    }
}
