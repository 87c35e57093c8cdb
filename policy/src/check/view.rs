//! A compiled statement beside the text that it was compiled from.

use crate::json::{JsonValue, Node};
use crate::statement::Statement;

/// A statement and its element in the document.
pub(super) struct View<'a> {
    pub(super) statement: &'a Statement,
    pub(super) node: &'a Node,
    pub(super) pointer: String,
}

/// A text of the document and its place.
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) place: (String, usize),
}

impl<'a> View<'a> {
    pub(super) fn new(root: &'a Node, statement: &'a Statement) -> Option<View<'a>> {
        let element = root.member("Statement")?;
        match &element.value {
            JsonValue::Array(items) => {
                let node = items.get(statement.index)?;
                Some(View { statement, node, pointer: format!("/Statement/{}", statement.index) })
            }
            _ => Some(View { statement, node: element, pointer: "/Statement".to_owned() }),
        }
    }

    /// The place of the statement itself.
    pub(super) fn place(&self) -> (String, usize) {
        (self.pointer.clone(), self.node.offset)
    }

    /// The place of the first of these elements that the statement has.
    pub(super) fn place_of(&self, names: &[&str]) -> (String, usize) {
        let found = names.iter().find_map(|name| Some((name, self.node.member(name)?)));
        found.map_or_else(|| self.place(), |(name, node)| (format!("{}/{name}", self.pointer), node.offset))
    }

    /// The texts of an element, in the order in which they were compiled.
    pub(super) fn texts(&self, element: &str, negation: &str) -> Vec<Text<'a>> {
        let found = [element, negation].into_iter().find_map(|name| Some((name, self.node.member(name)?)));
        let Some((name, node)) = found else { return Vec::new() };
        let pointer = format!("{}/{name}", self.pointer);
        match &node.value {
            JsonValue::Array(items) => items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    Some(Text { text: item.as_str()?, place: (format!("{pointer}/{index}"), item.offset) })
                })
                .collect(),
            _ => node.as_str().into_iter().map(|text| Text { text, place: (pointer.clone(), node.offset) }).collect(),
        }
    }

    /// The place of a key in the Condition block.
    pub(super) fn condition_place(&self, operator: &str, key: &str) -> (String, usize) {
        let block = self.node.member("Condition").and_then(|node| node.member(operator));
        let member =
            block.and_then(Node::as_object).and_then(|members| members.iter().find(|member| member.key == key));
        let escape = crate::parse::pointer_part;
        match member {
            Some(member) => {
                (format!("{}/Condition/{}/{}", self.pointer, escape(operator), escape(key)), member.key_offset)
            }
            None => self.place(),
        }
    }
}
