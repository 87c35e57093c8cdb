//! The code map made checkable: one-way imports, and one place for each danger.
//!
//! A layer that is only written down decays with the first convenient import; this keeps README's map true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// README's code map: the modules of a directory, bottom to top. A module imports only from those before it.
const ROWS: &[(&str, &str)] = &[
    (
        "engine/src",
        "name codec clock sync vfs bucket object error multipart meta commit list report space freed wakeup progress bugs format doubt record gate segment bulk row request memtable index view apply effects footer reserve superblock spare queue core checkup log worker found settle sorter backup replay compact sim fuzz vacuum maintain prepare rebuild recover store examine scrub verify",
    ),
    (
        "policy/src",
        "error pattern effect json key value action variable request resource scope principal condition statement index policy decide public parse explain lower check cases fuzz",
    ),
    (
        "server/src",
        "config clock bucket_name metrics audit http identity identity_rows backup auth protocol maintenance bucket_policy quota sign_in usage state access s3 sts health declare app admin console node",
    ),
    ("server/src/s3", "receive object bucket multipart handle"),
    (
        "tools/src",
        "text failure broken ended input size references ready notify inherit output http socket settings args configure documents policy logging config refusal remote health apply job examine maintain backup serve test",
    ),
    (
        "benches/src",
        "arguments failure sign content process machine bare http load target fact limits work report shape decide engine node callers identities upkeep run",
    ),
];

/// Names that may appear in code only below these paths, and why.
const DANGERS: &[(&str, &str, &[&str])] = &[
    ("redb", "the index is disposable, so nothing else may lean on it", &["engine/src/index"]),
    ("unsafe", "no code of ours needs it", &[]),
];

/// Ways to the file system that the engine may use only in its implementation of `Vfs`, where a simulator can stand in for them.
const FILE_SYSTEM: &[&str] = &["std::fs", "rustix::fs", "File::open", "File::create", "OpenOptions"];

/// The engine's files that implement `Vfs` over the real file system.
const VFS: &[&str] = &["engine/src/vfs"];

#[test]
fn modules_import_only_from_those_below_them() {
    let mut faults = Vec::new();
    for (directory, row) in ROWS {
        let order: Vec<&str> = row.split_whitespace().collect();
        let present: BTreeSet<String> = children(&root().join(directory)).into_iter().map(|(name, _)| name).collect();
        let listed: BTreeSet<String> = order.iter().map(|&name| name.to_owned()).collect();
        for name in present.difference(&listed) {
            faults.push(format!("{directory}: module {name} has no place in the map"));
        }
        for name in listed.difference(&present) {
            faults.push(format!("{directory}: the map lists {name}, which is not there"));
        }
        for (name, path) in children(&root().join(directory)) {
            let Some(place) = order.iter().position(|&n| n == name) else { continue };
            for file in rust_files(&path).into_iter().filter(|file| !is_for_tests(file)) {
                for import in imports(&file, directory) {
                    if import == "*" {
                        faults.push(format!("{}: imports the crate's root by a glob", relative(&file)));
                    }
                    if order.iter().position(|&n| n == import).is_some_and(|other| other > place) {
                        faults
                            .push(format!("{}: {name} imports from {import}, which stands above it", relative(&file)));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_danger_has_one_place() {
    let mut faults = Vec::new();
    for file in rust_files(&root()) {
        let code = code(&file);
        let path = relative(&file);
        for (word, why, places) in DANGERS {
            if has_word(&code, word) && !places.iter().any(|place| path.starts_with(place)) {
                faults.push(format!("{path}: names {word}; {why}"));
            }
        }
        let vfs = VFS.iter().any(|place| path.starts_with(place));
        if path.starts_with("engine/src") && !vfs && !is_for_tests(&file) {
            for way in FILE_SYSTEM {
                if has_word(&without_tests(&code), way) {
                    faults.push(format!("{path}: reaches the file system by {way}, not through Vfs"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_test_is_ignored() {
    let ignored: Vec<String> =
        rust_files(&root()).iter().filter(|f| code(f).contains("#[ignore")).map(|f| relative(f)).collect();
    assert!(ignored.is_empty(), "ignored tests in {ignored:?}");
}

#[test]
fn policy_and_engine_know_nothing_of_each_other_or_of_the_network() {
    for (directory, strangers) in
        [("engine", ["policy", "server", "tokio", "hyper"]), ("policy", ["engine", "server", "tokio", "hyper"])]
    {
        for file in rust_files(&root().join(directory).join("src")) {
            let code = code(&file);
            for stranger in strangers {
                assert!(!has_word(&code, &format!("{stranger}::")), "{} uses {stranger}", relative(&file));
            }
        }
    }
}

/// Modules directly below a directory, with the file or directory of each; those of unit tests aside.
fn children(directory: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
        let path = entry.expect("a readable directory").path();
        let stem = stem(&path);
        let is_module = path.is_dir() || path.extension().is_some_and(|e| e == "rs");
        if is_module && !is_for_tests(&path) && !matches!(stem.as_str(), "lib" | "main" | "mod") {
            found.push((stem, path));
        }
    }
    found.sort();
    found
}

/// Whether the module of this file, or one that it lies in, is declared `#[cfg(test)]`.
fn is_for_tests(path: &Path) -> bool {
    let Some(directory) = path.parent().filter(|directory| directory.starts_with(root())) else { return false };
    let parents = ["lib.rs", "main.rs", "mod.rs"].map(|name| directory.join(name));
    let declaration = format!("#[cfg(test)]\nmod {};", stem(path));
    parents.iter().any(|parent| parent.is_file() && code(parent).contains(&declaration)) || is_for_tests(directory)
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("an entry has a name").to_string_lossy().into_owned()
}

/// Names of modules of `directory` that a file refers to by `crate::` or `super::`, outside its unit tests.
fn imports(file: &Path, directory: &str) -> BTreeSet<String> {
    let code = without_tests(&code(file));
    let base: Vec<String> = module_path(&root().join(directory).join("mod.rs"));
    let own = module_path(file);
    let mut found = BTreeSet::new();
    for (start, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        // Not the tail of another path, such as the second of `super::super::` or `my_crate::`.
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let mut rest = &code[start..];
        let mut scope = if let Some(tail) = rest.strip_prefix("crate::") {
            rest = tail;
            Vec::new()
        } else {
            own.clone()
        };
        while let Some(tail) = rest.strip_prefix("super::") {
            rest = tail;
            scope.pop();
        }
        for path in paths(rest) {
            let full: Vec<String> = scope.iter().cloned().chain(path).collect();
            if full.len() > base.len() && full.starts_with(&base) {
                found.insert(full[base.len()].clone());
            }
        }
    }
    found
}

/// The paths that a use tree or an expression begins with: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    fn walk(text: &str, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
        let mut path = prefix.to_vec();
        let mut at = 0;
        loop {
            let rest = &text[at..];
            let space = rest.len() - rest.trim_start().len();
            at += space;
            let rest = &text[at..];
            if rest.starts_with('{') {
                at += 1;
                while at < text.len() && !text[at..].starts_with('}') {
                    at += walk(&text[at..], &path, found);
                    let rest = &text[at..];
                    at += rest.find([',', '}']).unwrap_or(rest.len());
                    at += usize::from(text[at..].starts_with(','));
                    at += text[at..].len() - text[at..].trim_start().len();
                }
                return (at + 1).min(text.len());
            }
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(rest.len());
            if end == 0 {
                break;
            }
            path.push(rest[..end].to_owned());
            at += end;
            match text[at..].strip_prefix("::") {
                Some(_) => at += 2,
                None => break,
            }
        }
        found.push(path);
        at
    }
    let mut found = Vec::new();
    walk(text, &[], &mut found);
    found
}

/// `engine/src/index/mod.rs` is `[index]`, `engine/src/index/objects.rs` is `[index, objects]`, `engine/src/lib.rs` is `[]`.
fn module_path(file: &Path) -> Vec<String> {
    let path = relative(file);
    let below = path.split_once("src/").map_or(path.as_str(), |(_, below)| below);
    let mut parts: Vec<String> = below.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// Every Rust file below a path, or the path itself.
fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return if path.extension().is_some_and(|e| e == "rs") { vec![path.to_owned()] } else { Vec::new() };
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
        let entry = entry.expect("a readable directory").path();
        let name = entry.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if name != "target" && !name.starts_with('.') {
            found.extend(rust_files(&entry));
        }
    }
    found.sort();
    found
}

/// A file's text without comments and without what stands in string and character literals.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    strip(&text)
}

/// Removes comments and the contents of literals.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let raw = (!word).then(|| raw_string(rest)).flatten();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw {
            out.push_str("\"\"");
            length
        } else if c == '"' {
            out.push_str("\"\"");
            quoted(rest, '"')
        } else if let Some(length) = character(rest) {
            out.push_str("' '");
            length
        } else {
            out.push(c);
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    out
}

/// Length of a raw string literal at the start of a text.
fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let body_start = text.len() - body.len() + hashes + 1;
    if !body[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text[body_start..].find(&end).map_or(text.len(), |at| body_start + at + end.len()))
}

/// Length of a literal that ends with an unescaped `quote`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Length of a character literal at the start of a text; none for a lifetime.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let mut characters = body.chars();
    let first = characters.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    (characters.next() == Some('\'')).then(|| 2 + first.len_utf8())
}

/// What comes before a file's unit tests, which may import from anywhere.
fn without_tests(code: &str) -> String {
    let tests = code.match_indices("#[cfg(test)]\nmod ").find(|(at, marker)| {
        let rest = &code[at + marker.len()..];
        rest.find(['{', ';']).is_some_and(|end| rest[end..].starts_with('{'))
    });
    tests.map_or(code, |(at, _)| &code[..at]).to_owned()
}

/// Whether a name stands in code as a whole word.
fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(part);
        let after = word.ends_with(part) && code[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).expect("files of the workspace").to_string_lossy().into_owned()
}

#[test]
fn use_trees_are_taken_apart() {
    let paths: Vec<String> = paths("{a::{self, b}, c::d::E,\n f};").iter().map(|p| p.join("::")).collect();
    assert_eq!(paths, ["a::self", "a::b", "c::d::E", "f"]);
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "let a = \"unsafe \\\" redb\"; // redb\nlet b = r#\"unsafe\"#; /* redb */ let c: &'static str = '\"'; d";
    let stripped = strip(text);
    assert!(!has_word(&stripped, "redb") && !has_word(&stripped, "unsafe"), "{stripped}");
    assert!(stripped.contains("&'static str") && stripped.ends_with(" d"), "{stripped}");
}
