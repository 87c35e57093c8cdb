//! Which statements of a long policy can be about a resource at all.
//!
//! A policy of a thousand statements names a thousand prefixes, of which one or two begin the key that is asked for. The
//! literal text in front of the first wildcard is looked up instead of compared one by one.

use std::collections::BTreeMap;

use crate::resource::Target;
use crate::statement::Statement;

/// Statements by the literal text that their resources begin with.
#[derive(Debug, Clone)]
pub(crate) struct StatementIndex {
    /// Those that can be about any resource.
    everywhere: Box<[u32]>,
    /// The others, by the length of the text.
    prefixes: Box<[Prefixes]>,
}

/// Texts of one length, sorted, each with a statement that has it.
#[derive(Debug, Clone)]
struct Prefixes {
    bytes: usize,
    entries: Box<[Entry]>,
}

/// A text and the position of a statement that has a resource with it.
type Entry = (Box<[u8]>, u32);

/// Shorter policies are read from top to bottom.
const STATEMENTS_MIN: usize = 16;
/// With more different lengths than this, looking up each costs as much as reading all statements.
const LENGTHS_MAX: usize = 16;
/// Most candidates that are put in order on the stack; with more of them all statements are read.
pub(crate) const CANDIDATES_MAX: usize = 64;

impl StatementIndex {
    /// Builds the index of a policy, when it has enough statements to be worth one.
    pub(crate) fn new(statements: &[Statement]) -> Option<StatementIndex> {
        if statements.len() < STATEMENTS_MIN {
            return None;
        }
        let mut everywhere = Vec::new();
        let mut by_length: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        for (position, statement) in statements.iter().enumerate() {
            let position = u32::try_from(position).ok()?;
            let prefixes: Option<Vec<&str>> = match statement.resources.inverted {
                true => None,
                false => statement.resources.entries.iter().filter_map(|pattern| pattern.s3_prefix()).collect(),
            };
            match prefixes {
                Some(prefixes) if prefixes.iter().all(|prefix| !prefix.is_empty()) => {
                    for prefix in prefixes {
                        by_length.entry(prefix.len()).or_default().push((prefix.as_bytes().into(), position));
                    }
                }
                _ => everywhere.push(position),
            }
        }
        if by_length.len() > LENGTHS_MAX || everywhere.len() > CANDIDATES_MAX {
            return None;
        }
        let prefixes = by_length.into_iter().map(|(bytes, mut entries)| {
            entries.sort();
            Prefixes { bytes, entries: entries.into_boxed_slice() }
        });
        Some(StatementIndex { everywhere: everywhere.into_boxed_slice(), prefixes: prefixes.collect() })
    }

    /// The positions of the statements that can be about the resource, in document order; `None` when all must be read.
    pub(crate) fn candidates<'b>(
        &self,
        target: &Target<'_>,
        buffer: &'b mut [u32; CANDIDATES_MAX],
    ) -> Option<&'b [u32]> {
        let Target::S3(tail) = target else { return None };
        let tail = tail.as_bytes();
        let mut count = 0;
        let mut push = |position: u32| {
            *buffer.get_mut(count)? = position;
            count += 1;
            Some(())
        };
        for position in &self.everywhere {
            push(*position)?;
        }
        for prefixes in &self.prefixes {
            let Some(head) = tail.get(..prefixes.bytes) else { break };
            let start = prefixes.entries.partition_point(|(prefix, _)| **prefix < *head);
            let same = prefixes.entries.iter().skip(start).take_while(|(prefix, _)| **prefix == *head);
            for (_, position) in same {
                push(*position)?;
            }
        }
        // A statement may be there by several of its resources; judging it again changes nothing.
        let found = buffer.get_mut(..count)?;
        found.sort_unstable();
        Some(found)
    }
}
