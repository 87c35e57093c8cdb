//! The verbs that all nouns have: list, show, create, change, enable, disable, delete. Each is one call, answered alike.
//!
//! A noun's own file says what its resources look like and which verbs it has beyond these.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::node::{Call, Node, parse, path_of};
use super::table::fields;
use super::{ask, list};
use crate::args::{Listing, Named, NamedList};
use crate::failure::Failure;
use crate::output;
use crate::refusal::{Flags, lines_of};
use crate::text::clip;

/// Most characters of a name that a message repeats.
const NAME_CHARACTERS_MAX: usize = 200;

/// A resource of the API as far as it is shown.
pub(super) trait Resource: DeserializeOwned {
    /// What messages call it.
    const NOUN: &'static str;
    /// Path of the collection, below `/api/v1`.
    const COLLECTION: &'static str;
    /// Heads of a table of them.
    const COLUMNS: &'static [&'static str];
    /// The flags by which its fields are given.
    const FLAGS: Flags;

    /// A line of that table.
    fn row(&self) -> Vec<String>;

    /// All that is shown of one, with names.
    fn fields(&self) -> Vec<(&'static str, String)>;

    /// What stands below the fields.
    fn text_below(&self) -> String {
        String::new()
    }
}

/// The resources of one noun on a node, and how answers are printed.
pub(super) struct Noun<'a, R> {
    pub(super) node: &'a Node,
    pub(super) json: bool,
    resource: PhantomData<R>,
}

impl<'a, R: Resource> Noun<'a, R> {
    pub(super) fn of(node: &'a Node, json: bool) -> Noun<'a, R> {
        Noun { node, json, resource: PhantomData }
    }

    /// A resource as messages name it. What is longer than any name is cut.
    pub(super) fn about(&self, name: &str) -> String {
        format!("{} {:?}", R::NOUN, clip(name, NAME_CHARACTERS_MAX))
    }

    /// A call about one resource, or about what is `below` it: its answer's body.
    ///
    /// # Errors
    /// The node refuses.
    pub(super) fn ask(&self, method: &'static str, name: &str, below: &str) -> Result<String, Failure> {
        self.ask_with(method, name, below, |call| call)
    }

    /// As [`Noun::ask`], of a call with a body or more of a query.
    ///
    /// # Errors
    /// The node refuses.
    pub(super) fn ask_with(
        &self,
        method: &'static str,
        name: &str,
        below: &str,
        with: impl FnOnce(Call) -> Call,
    ) -> Result<String, Failure> {
        let path = format!("{}{below}", path_of(R::COLLECTION, name));
        self.node.text(with(Call::new(method, path, self.about(name)).by_flags(R::FLAGS)))
    }

    pub(super) fn list(&self, listing: &Listing) -> Result<(), Failure> {
        list::list(self.node, R::COLLECTION, listing, self.json, R::COLUMNS, R::row)
    }

    pub(super) fn show(&self, named: &Named) -> Result<(), Failure> {
        let body = self.ask("GET", &named.name, "")?;
        self.print(&body)
    }

    /// Creates a resource: what the node answers. Errors of a document in the body are told with the lines of this file.
    ///
    /// # Errors
    /// The node refuses.
    pub(super) fn create(&self, name: &str, body: &Value, file: Option<&str>) -> Result<String, Failure> {
        let call = Call::new("POST", R::COLLECTION, self.about(name)).json(body).of_file(file);
        self.node.text(call.by_flags(R::FLAGS))
    }

    /// Changes a resource and shows it.
    pub(super) fn change(&self, name: &str, body: &Value, file: Option<&str>) -> Result<(), Failure> {
        let body = self.ask_with("PUT", name, "", |call| call.json(body).of_file(file))?;
        self.tell(&body, &format!("changed {}; it holds for the next request", self.about(name)))
    }

    pub(super) fn enable(&self, named: &Named) -> Result<(), Failure> {
        let body = self.ask("PUT", &named.name, "/enabled")?;
        self.done(&body, &format!("{} is enabled", self.about(&named.name)))
    }

    /// Disables a resource, and says what that means.
    pub(super) fn disable(&self, named: &Named, meaning: &str) -> Result<(), Failure> {
        let body = self.ask("DELETE", &named.name, "/enabled")?;
        self.done(&body, &format!("{} is disabled: {meaning}", self.about(&named.name)))
    }

    /// Deletes what is named, after asking.
    ///
    /// # Errors
    /// Nobody agrees, or the node refuses one of them; those before it are gone then.
    pub(super) fn delete(&self, list: &NamedList) -> Result<(), Failure> {
        let names: Vec<String> = list.names.iter().map(|name| format!("{name:?}")).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let question = format!("Delete {}{plural} {}? This can't be undone.", R::NOUN, names.join(", "));
        ask::confirm(list.yes, &question)?;
        for name in &list.names {
            let body = self.ask("DELETE", name, "")?;
            self.done(&body, &format!("deleted {}", self.about(name)))?;
        }
        Ok(())
    }

    /// Says what was done and shows the resource that came of it, or prints what the node answered.
    pub(super) fn tell(&self, body: &str, sentence: &str) -> Result<(), Failure> {
        if !self.json {
            output::print(sentence)?;
            warn_of_findings(body);
        }
        self.print(body)
    }

    /// Says what was done, or prints what the node answered, if anything.
    pub(super) fn done(&self, body: &str, sentence: &str) -> Result<(), Failure> {
        match (self.json, body) {
            (false, _) => {
                warn_of_findings(body);
                output::print(sentence)
            }
            (true, "") => Ok(()),
            (true, body) => output::print(body),
        }
    }

    /// Shows a resource.
    fn print(&self, body: &str) -> Result<(), Failure> {
        if self.json {
            return output::print(body);
        }
        let it: R = parse(body)?;
        output::print(&format!("{}{}", fields(&it.fields()), it.text_below()))
    }
}

/// What a policy that was saved does otherwise than its author may think, which the node answers beside it. Mere suggestions are for who asks for a check.
fn warn_of_findings(body: &str) {
    #[derive(Default, Deserialize)]
    struct Saved {
        #[serde(default)]
        findings: Value,
    }
    let saved: Saved = serde_json::from_str(body).unwrap_or_default();
    let findings = saved.findings.as_array().into_iter().flatten().filter(|it| it["severity"] != "suggestion");
    for line in lines_of(&findings.cloned().collect(), "policy") {
        output::warn(&line);
    }
}

/// The status of what can only be on or off.
pub(super) fn status(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

pub(super) fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
