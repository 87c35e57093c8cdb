//! Which statements of a policy can be about an action and a resource at all.
//!
//! A policy of a thousand statements names a thousand prefixes, of which one or two begin the key that is asked for. The
//! literal text in front of the first wildcard, or, where a resource begins with one, behind the last, is looked up instead of
//! compared one by one. Statements that name everything, a variable's value or only a text between two wildcards are kept
//! apart by the actions that they name; those that remain are read from top to bottom.

use crate::action::{Action, ActionSet};
use crate::resource::Target;
use crate::scope::Start;
use crate::statement::Statement;

/// Statements by their actions and by the literal text that their resources begin or end with.
#[derive(Debug, Clone)]
pub(crate) struct StatementIndex {
    /// The actions of all statements together: most policies that say nothing of an action are passed over by this alone.
    actions: ActionSet,
    /// Those that can be about any resource.
    everywhere: Groups,
    prefixes: Affixes,
    /// By texts read backwards.
    suffixes: Affixes,
}

/// Positions of statements in document order, by the actions that they name.
type Groups = Box<[(ActionSet, Box<[u32]>)]>;

/// Distinct texts, sorted, from which all those that begin a given one are found by one search: the greatest text that isn't
/// behind it, and then the longest other text that begins that one, and so on.
#[derive(Debug, Clone, Default)]
struct Affixes {
    /// What all of them begin with, in place: policies of other buckets and prefixes are passed over without a look at other
    /// memory.
    common: Start,
    nodes: Box<[Node]>,
}

/// A text behind the common one.
#[derive(Debug, Clone)]
struct Node {
    /// Its first eight bytes as a number, so that most comparisons touch nothing else.
    head: u64,
    text: Box<[u8]>,
    /// The longest other text that it begins with.
    parent: Option<u32>,
    groups: Groups,
}

/// Most candidates that are put in order on the stack; with more of them all statements are read.
pub(crate) const CANDIDATES_MAX: usize = 64;

impl StatementIndex {
    /// Builds the index of a policy.
    pub(crate) fn new(statements: &[Statement]) -> StatementIndex {
        let mut actions = ActionSet::default();
        let mut everywhere = Vec::new();
        let mut prefixes = Vec::new();
        let mut suffixes = Vec::new();
        for (position, statement) in statements.iter().enumerate() {
            // A document has far fewer statements than a u32 counts: each takes bytes of its at most one MiB.
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            actions.union(&statement.action_set);
            let entry = |text: Vec<u8>| (text, statement.action_set, position);
            let mut places = Vec::new();
            let anywhere = statement.resources.inverted
                || statement.resources.entries.iter().any(|pattern| match pattern.s3_affixes() {
                    None => false,
                    Some(("", "")) => true,
                    Some(affixes) => {
                        places.push(affixes);
                        false
                    }
                });
            if anywhere {
                everywhere.push((statement.action_set, position));
                continue;
            }
            for (prefix, suffix) in places {
                match prefix {
                    "" => suffixes.push(entry(suffix.bytes().rev().collect())),
                    prefix => prefixes.push(entry(prefix.into())),
                }
            }
        }
        StatementIndex {
            actions,
            everywhere: groups(everywhere),
            prefixes: Affixes::new(prefixes),
            suffixes: Affixes::new(suffixes),
        }
    }

    /// The actions of all statements together.
    pub(crate) fn actions(&self) -> ActionSet {
        self.actions
    }

    /// What every bucket or object that a statement can be about begins with.
    pub(crate) fn start(&self) -> Start {
        let only_prefixes = self.everywhere.is_empty() && self.suffixes.nodes.is_empty();
        if only_prefixes { self.prefixes.common } else { Start::default() }
    }

    /// The positions of the statements that can be about the action and the resource, in document order; `None` when all must be
    /// read.
    pub(crate) fn candidates<'b>(
        &self,
        action: Action,
        target: &Target<'_>,
        buffer: &'b mut [u32; CANDIDATES_MAX],
    ) -> Option<&'b [u32]> {
        if !self.actions.contains(action) {
            return Some(&[]);
        }
        let tail = target.s3_tail()?;
        let mut found = Found { action, count: 0, buffer };
        found.push(&self.everywhere)?;
        if !self.prefixes.nodes.is_empty() {
            self.prefixes.find(tail.as_bytes(), &mut found)?;
        }
        if !self.suffixes.nodes.is_empty() {
            self.suffixes.find_reversed(tail.as_bytes(), &mut found)?;
        }
        let Found { count, buffer, .. } = found;
        let found = buffer.get_mut(..count)?;
        // A statement may be there by several of its resources; judging it again changes nothing.
        if found.len() > 1 {
            found.sort_unstable();
        }
        Some(found)
    }
}

/// The candidates found so far.
struct Found<'b> {
    action: Action,
    count: usize,
    buffer: &'b mut [u32; CANDIDATES_MAX],
}

impl Found<'_> {
    /// `None` when the buffer is full.
    fn push(&mut self, groups: &Groups) -> Option<()> {
        for (actions, positions) in groups {
            if actions.contains(self.action) {
                let end = self.count + positions.len();
                self.buffer.get_mut(self.count..end)?.copy_from_slice(positions);
                self.count = end;
            }
        }
        Some(())
    }
}

impl Affixes {
    fn new(mut entries: Vec<(Vec<u8>, ActionSet, u32)>) -> Affixes {
        entries.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        let (Some((first, ..)), Some((last, ..))) = (entries.first(), entries.last()) else {
            return Affixes::default();
        };
        let common = Start::common(first, last);
        let mut nodes: Vec<Node> = Vec::new();
        for same in entries.chunk_by(|(left, ..), (right, ..)| left == right) {
            let text: Box<[u8]> =
                same.first().and_then(|(text, ..)| text.get(common.as_slice().len()..)).unwrap_or_default().into();
            // The text before it in order is the nearest that can begin it, or one that is begun by what does.
            let mut parent = nodes.len().checked_sub(1);
            while let Some(at) = parent
                && let Some(node) = nodes.get(at)
                && !text.starts_with(&node.text)
            {
                parent = node.parent.map(|at| at as usize);
            }
            nodes.push(Node {
                head: head(text.iter()),
                parent: parent.and_then(|at| u32::try_from(at).ok()),
                groups: groups(same.iter().map(|(_, actions, position)| (*actions, *position)).collect()),
                text,
            });
        }
        Affixes { common, nodes: nodes.into_boxed_slice() }
    }

    /// Collects the statements of every text that begins `tail`.
    fn find(&self, tail: &[u8], found: &mut Found<'_>) -> Option<()> {
        let Some(rest) = tail.strip_prefix(self.common.as_slice()) else { return Some(()) };
        let head = head(rest.iter());
        let is_before = |node: &Node| node.head < head || (node.head == head && *node.text <= *rest);
        self.collect(is_before, (head, rest.len()), |text| rest.starts_with(text), found)
    }

    /// The same, of every text that begins `tail` read backwards.
    fn find_reversed(&self, tail: &[u8], found: &mut Found<'_>) -> Option<()> {
        let common = self.common.as_slice();
        let Some(length) = tail.len().checked_sub(common.len()) else { return Some(()) };
        if !tail.iter().rev().take(common.len()).eq(common) {
            return Some(());
        }
        let rest = || tail.iter().rev().skip(common.len());
        let head = head(rest());
        let is_before = |node: &Node| node.head < head || (node.head == head && node.text.iter().le(rest()));
        self.collect(is_before, (head, length), |text| rest().take(text.len()).eq(text.iter()), found)
    }

    /// Collects what begins a text: `is_before` says whether a node isn't behind it, `begins` compares more bytes than the head has.
    fn collect(
        &self,
        is_before: impl Fn(&Node) -> bool,
        (head, length): (u64, usize),
        begins: impl Fn(&[u8]) -> bool,
        found: &mut Found<'_>,
    ) -> Option<()> {
        let mut at = self.nodes.partition_point(is_before).checked_sub(1);
        while let Some(node) = at.and_then(|at| self.nodes.get(at)) {
            let is_short = node.text.len() <= HEAD_BYTES;
            let bits_behind = if is_short { 8 * (HEAD_BYTES - node.text.len()) } else { 0 };
            let same_head = bits_behind == 64 || (node.head ^ head) >> bits_behind == 0;
            if node.text.len() <= length && same_head && (is_short || begins(&node.text)) {
                found.push(&node.groups)?;
            }
            at = node.parent.map(|at| at as usize);
        }
        Some(())
    }
}

const HEAD_BYTES: usize = 8;

/// The first eight bytes as a number that is ordered like them.
fn head<'t>(bytes: impl Iterator<Item = &'t u8>) -> u64 {
    let mut first = [0; HEAD_BYTES];
    for (slot, byte) in first.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    u64::from_be_bytes(first)
}

fn groups(entries: Vec<(ActionSet, u32)>) -> Groups {
    let mut groups: Vec<(ActionSet, Vec<u32>)> = Vec::new();
    let mut by_actions: std::collections::HashMap<ActionSet, usize> = std::collections::HashMap::new();
    for (actions, position) in entries {
        let at = *by_actions.entry(actions).or_insert_with(|| {
            groups.push((actions, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, positions)) = groups.get_mut(at)
            && positions.last() != Some(&position)
        {
            positions.push(position);
        }
    }
    groups.into_iter().map(|(actions, positions)| (actions, positions.into_boxed_slice())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse};
    use crate::policy::PolicyKind;

    fn index(resources: &[&str]) -> StatementIndex {
        let statements: Vec<String> = resources
            .iter()
            .map(|text| format!(r#"{{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::{text}"}}"#))
            .collect();
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
        StatementIndex::new(
            &parse(document.as_bytes(), ParseOptions::grammar(PolicyKind::Identity)).unwrap().statements,
        )
    }

    fn found(index: &StatementIndex, tail: &str) -> Vec<u32> {
        let mut buffer = [0; CANDIDATES_MAX];
        index
            .candidates(Action::GetObject, &Target::new(&format!("arn:aws:s3:::{tail}")), &mut buffer)
            .unwrap()
            .to_vec()
    }

    #[test]
    fn every_text_that_begins_or_ends_the_resource_is_found() {
        let index = index(&[
            "b/*",
            "b/aa*",
            "b/a*",
            "b/ab/c",
            "b/aaaaaaaaaaaa/*",
            "b/siblings/left*",
            "b/siblings/right*",
            "*",
            "*/x",
            "*.jpg",
            "*/y/x",
            "b/\\u0000*",
            "?/*/z",
        ]);
        assert_eq!(found(&index, "b/aaaaaaaaaaaa/x"), [0, 1, 2, 4, 7, 8]);
        assert_eq!(found(&index, "b/aab/y/x"), [0, 1, 2, 7, 8, 10]);
        assert_eq!(found(&index, "b/ab/c"), [0, 2, 3, 7]);
        assert_eq!(found(&index, "b/ab/cd.jpg"), [0, 2, 3, 7, 9]);
        assert_eq!(found(&index, "b/\u{0}"), [0, 7, 11]);
        assert_eq!(found(&index, "b/"), [0, 7]);
        assert_eq!(found(&index, "c"), [7]);
        assert_eq!(found(&index, ""), [7]);
        assert_eq!(found(&index, "q/z"), [7, 12]);
        // Of two texts whose first bytes are the same, the one behind what is asked for is no start to search from.
        assert_eq!(found(&index, "b/siblings/left/x"), [0, 5, 7, 8]);
        assert_eq!(found(&index, "b/siblings/right/y"), [0, 6, 7]);
    }

    #[test]
    fn other_actions_have_no_candidates_and_other_services_are_read_through() {
        let index = index(&["b/*", "*"]);
        let mut buffer = [0; CANDIDATES_MAX];
        let none = index.candidates(Action::PutObject, &Target::new("arn:aws:s3:::b/x"), &mut buffer);
        assert_eq!(none, Some([].as_slice()));
        assert!(index.candidates(Action::GetObject, &Target::new("arn:aws:kms:::x"), &mut buffer).is_none());
    }

    #[test]
    fn more_candidates_than_fit_are_all_statements() {
        let mut buffer = [0; CANDIDATES_MAX];
        let full = index(&["b/*"; CANDIDATES_MAX]);
        assert_eq!(found(&full, "b/x").len(), CANDIDATES_MAX);
        let over = index(&["b/*"; CANDIDATES_MAX + 1]);
        assert!(over.candidates(Action::GetObject, &Target::new("arn:aws:s3:::b/x"), &mut buffer).is_none());
        assert_eq!(found(&over, "c/x"), [] as [u32; 0]);
    }
}
