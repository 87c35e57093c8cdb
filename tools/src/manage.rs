//! The verbs of administration: each is one call of the admin API, and its answer as a table for people or as JSON for programs.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::input;
use crate::node::{Node, encoded, secret_of};
use crate::nouns::{
    AccountFields, AccountVerb, BucketFields, BucketVerb, List, Named, PermissionFields, PermissionVerb,
    ServiceAccountFields, ServiceAccountVerb, Target, UserFields, UserVerb,
};
use crate::output::{self, visible, visible_line};

/// The longest policy file that is sent; what is too long for a permission is the node's to say.
const POLICY_FILE_BYTES_MAX: u64 = 256 << 10;
/// Things on a page of a list.
const PAGE: &str = "1000";

/// A kind of thing: where it is, what it is called, and what of it a list shows.
struct Noun {
    path: &'static str,
    name: &'static str,
    columns: &'static [Column],
}

/// The head of a column, and what stands below it.
type Column = (&'static str, fn(&Value) -> String);

const PERMISSION: Noun = Noun {
    path: "/permissions",
    name: "permission",
    columns: &[
        ("NAME", |it| text(&it["name"])),
        ("TYPE", |it| text(&it["type"])),
        ("ENABLED", |it| yes(&it["enabled"])),
        ("SERVICE ACCOUNTS", |it| text(&it["serviceAccounts"]["count"])),
        ("CREATED", |it| minute(&it["createTime"])),
        ("DESCRIPTION", |it| output::clip(&text(&it["description"]), 80)),
    ],
};

const SERVICE_ACCOUNT: Noun = Noun {
    path: "/service-accounts",
    name: "service account",
    columns: &[
        ("NAME", |it| text(&it["name"])),
        ("ACCESS KEY", |it| text(&it["accessKey"])),
        ("STATUS", |it| text(&it["status"])),
        ("EXPIRES", |it| minute(&it["expirationDate"])),
        ("PERMISSIONS", |it| output::clip(&names(&it["permissions"]), 80)),
    ],
};

const USER: Noun = Noun {
    path: "/users",
    name: "user",
    columns: &[
        ("NAME", |it| text(&it["name"])),
        ("ROLE", |it| text(&it["role"])),
        ("ENABLED", |it| yes(&it["enabled"])),
        ("CREATED", |it| minute(&it["createTime"])),
    ],
};

const ACCOUNT: Noun = Noun {
    path: "/accounts",
    name: "account",
    columns: &[
        ("NAME", |it| text(&it["name"])),
        ("ID", |it| text(&it["id"])),
        ("OPERATOR", |it| yes(&it["operator"])),
        ("EMAIL", |it| text(&it["email"])),
        ("CREATED", |it| minute(&it["createTime"])),
    ],
};

const BUCKET: Noun = Noun {
    path: "/buckets",
    name: "bucket",
    columns: &[
        ("NAME", |it| text(&it["name"])),
        ("OBJECTS", |it| text(&it["usage"]["objects"])),
        ("SIZE", |it| output::size(it["usage"]["bytes"].as_u64().unwrap_or_default())),
        ("VERSIONING", |it| text(&it["versioning"])),
        ("PUBLIC", |it| yes(&it["public"])),
        ("CREATED", |it| minute(&it["createTime"])),
    ],
};

/// `strongroom permission ...`
pub(crate) fn permission(target: &Target, verb: &PermissionVerb, as_json: bool) -> Result<ExitCode, Failure> {
    let at = Place::new(target, &PERMISSION, as_json)?;
    match verb {
        PermissionVerb::Create { named, fields } => at.create(&named.name, permission_body(fields, true)?),
        PermissionVerb::List(list) => at.list(list),
        PermissionVerb::Show(named) => at.show(named),
        PermissionVerb::Edit { named, rename, fields } => {
            at.edit(named, rename.as_ref(), permission_body(fields, false)?)
        }
        PermissionVerb::Delete(named) => at.act(named, "DELETE", "", "deleted"),
        PermissionVerb::Enable(named) => at.act(named, "PUT", "/enabled", "enabled"),
        PermissionVerb::Disable(named) => at.act(named, "DELETE", "/enabled", "disabled"),
        PermissionVerb::Policy(named) => {
            let (file, _) = at.node.call(&at.what(named), "GET", &at.path(named, "/policy"), &[], None)?;
            // Byte for byte: no newline is added.
            output::write(&[&file])?;
            Ok(ExitCode::SUCCESS)
        }
        PermissionVerb::History(named) => history(&at, named),
        PermissionVerb::Revert { named, revision } => {
            let body = json!({"revision": revision});
            let reverted = at.node.json(&at.what(named), "POST", &at.path(named, "/revert"), Some(&body))?;
            at.print(&reverted)
        }
    }
}

/// `strongroom service-account ...`
pub(crate) fn service_account(target: &Target, verb: &ServiceAccountVerb, as_json: bool) -> Result<ExitCode, Failure> {
    let at = Place::new(target, &SERVICE_ACCOUNT, as_json)?;
    match verb {
        ServiceAccountVerb::Create { named, fields } => {
            let mut body = service_account_body(fields);
            body.insert("name".into(), named.name.as_str().into());
            let made = at.node.json(&at.what(named), "POST", SERVICE_ACCOUNT.path, Some(&body.into()))?;
            at.print_key(&made)
        }
        ServiceAccountVerb::List(list) => at.list(list),
        ServiceAccountVerb::Show(named) => at.show(named),
        ServiceAccountVerb::Edit { named, rename, no_expiry, fields } => {
            let mut body = service_account_body(fields);
            if *no_expiry {
                body.insert("expirationDate".into(), Value::Null);
            }
            at.edit(named, rename.as_ref(), body)
        }
        ServiceAccountVerb::Delete(named) => at.act(named, "DELETE", "", "deleted"),
        ServiceAccountVerb::Enable(named) => at.act(named, "PUT", "/enabled", "enabled"),
        ServiceAccountVerb::Disable(named) => at.act(named, "DELETE", "/enabled", "disabled"),
        ServiceAccountVerb::Rotate(named) => {
            let rotated = at.node.json(&at.what(named), "POST", &at.path(named, "/rotate"), None)?;
            at.print_key(&rotated)
        }
        ServiceAccountVerb::Access(named) => {
            let access = at.node.json(&at.what(named), "GET", &at.path(named, "/access"), None)?;
            if as_json {
                return at.print(&access);
            }
            let mut text = format!("{}\n", grants(&access["grants"]));
            text.push_str(&table(
                &["BUCKET", "ALLOWED", "UNDER CONDITIONS OR ON SOME OBJECTS"],
                items(&access["buckets"])
                    .map(|it| vec![self::text(&it["bucket"]), some(&it["allowed"]), some(&it["conditional"])]),
            ));
            output::print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// `strongroom user ...`
pub(crate) fn user(target: &Target, verb: &UserVerb, as_json: bool) -> Result<ExitCode, Failure> {
    let at = Place::new(target, &USER, as_json)?;
    match verb {
        UserVerb::Create { named, fields } => {
            if fields.role.is_none() {
                return Err(Failure::usage("user create needs --role admin, storage-admin or auditor"));
            }
            at.create(&named.name, user_body(fields)?)
        }
        UserVerb::List(list) => at.list(list),
        UserVerb::Show(named) => at.show(named),
        UserVerb::Edit { named, fields } => at.edit(named, None, user_body(fields)?),
        UserVerb::Delete(named) => at.act(named, "DELETE", "", "deleted"),
        UserVerb::Enable(named) => at.edit(named, None, one("enabled", true.into())),
        UserVerb::Disable(named) => at.edit(named, None, one("enabled", false.into())),
        UserVerb::Link(named) => {
            let made = at.node.json(&at.what(named), "POST", "/auth/link", Some(&json!({"user": named.name})))?;
            if as_json {
                return at.print(&made);
            }
            output::print(&format!("{}{}", at.node.console(), text(&made["path"])))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// `strongroom account ...`
pub(crate) fn account(target: &Target, verb: &AccountVerb, as_json: bool) -> Result<ExitCode, Failure> {
    let at = Place::new(target, &ACCOUNT, as_json)?;
    match verb {
        AccountVerb::Create { named, fields } => {
            let mut body = account_body(fields);
            body.insert("name".into(), named.name.as_str().into());
            let made = at.node.json(&at.what(named), "POST", ACCOUNT.path, Some(&body.into()))?;
            if as_json { at.print(&made) } else { at.print_key(&made["root"]) }
        }
        AccountVerb::List(list) => at.list(list),
        AccountVerb::Show(named) => at.show(named),
        AccountVerb::Edit { named, rename, fields } => at.edit(named, rename.as_ref(), account_body(fields)),
        AccountVerb::Delete(named) => at.act(named, "DELETE", "", "deleted"),
    }
}

/// `strongroom bucket ...`
pub(crate) fn bucket(target: &Target, verb: &BucketVerb, as_json: bool) -> Result<ExitCode, Failure> {
    let at = Place::new(target, &BUCKET, as_json)?;
    match verb {
        BucketVerb::Create { named, fields } => at.create(&named.name, bucket_body(fields)),
        BucketVerb::List(list) => at.list(list),
        BucketVerb::Show(named) => at.show(named),
        BucketVerb::Edit { named, fields } => at.edit(named, None, bucket_body(fields)),
        BucketVerb::Delete(named) => at.act(named, "DELETE", "", "deleted"),
        BucketVerb::Access(named) => {
            let all = at.all(&at.what(named), &at.path(named, "/access"), &[])?;
            if as_json {
                return at.print(&Value::Array(all));
            }
            let rows = all
                .iter()
                .map(|it| vec![text(&it["name"]), text(&it["status"]), some(&it["allowed"]), some(&it["conditional"])]);
            let columns = ["SERVICE ACCOUNT", "STATUS", "ALLOWED", "UNDER CONDITIONS OR ON SOME OBJECTS"];
            output::print(&table(&columns, rows))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Where a verb acts.
struct Place {
    node: Node,
    noun: &'static Noun,
    as_json: bool,
}

impl Place {
    fn new(target: &Target, noun: &'static Noun, as_json: bool) -> Result<Place, Failure> {
        Ok(Place { node: Node::find(target)?, noun, as_json })
    }

    fn what(&self, named: &Named) -> String {
        format!("{} {:?}", self.noun.name, named.name)
    }

    fn path(&self, named: &Named, below: &str) -> String {
        format!("{}/{}{below}", self.noun.path, encoded(&named.name))
    }

    fn create(&self, name: &str, mut body: Map<String, Value>) -> Result<ExitCode, Failure> {
        body.insert("name".into(), name.into());
        let what = format!("{} {name:?}", self.noun.name);
        let made = self.node.json(&what, "POST", self.noun.path, Some(&body.into()))?;
        self.print(&made)
    }

    fn show(&self, named: &Named) -> Result<ExitCode, Failure> {
        let shown = self.node.json(&self.what(named), "GET", &self.path(named, ""), None)?;
        self.print(&shown)
    }

    fn edit(&self, named: &Named, rename: Option<&String>, mut body: Map<String, Value>) -> Result<ExitCode, Failure> {
        if let Some(name) = rename {
            body.insert("name".into(), name.as_str().into());
        }
        if body.is_empty() {
            return Err(Failure::usage(format!("{}: nothing to change was given; see --help", self.what(named))));
        }
        let changed = self.node.json(&self.what(named), "PUT", &self.path(named, ""), Some(&body.into()))?;
        self.print(&changed)
    }

    /// A call without a body whose success is told in a word.
    fn act(&self, named: &Named, method: &str, below: &str, done: &str) -> Result<ExitCode, Failure> {
        let answer = self.node.json(&self.what(named), method, &self.path(named, below), None)?;
        if self.as_json {
            return if answer.is_null() { Ok(ExitCode::SUCCESS) } else { self.print(&answer) };
        }
        output::print(&visible(&format!("{} {done}", self.what(named))))?;
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, list: &List) -> Result<ExitCode, Failure> {
        let mut query = vec![("sort", list.sort.as_str()), ("order", if list.reverse { "desc" } else { "asc" })];
        query.extend(list.query.as_deref().map(|text| ("q", text)));
        let all = self.all(&format!("{}s", self.noun.name), self.noun.path, &query)?;
        if self.as_json {
            return self.print(&Value::Array(all));
        }
        let rows = all.iter().map(|it| self.noun.columns.iter().map(|(_, cell)| cell(it)).collect());
        let heads: Vec<&str> = self.noun.columns.iter().map(|(head, _)| *head).collect();
        output::print(&table(&heads, rows))?;
        Ok(ExitCode::SUCCESS)
    }

    /// All pages of a list.
    fn all(&self, what: &str, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", PAGE));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let (page, next) = self.node.call(what, "GET", path, &query, None)?;
            let page: Vec<Value> =
                serde_json::from_str(&page).map_err(|error| crate::answer::not_understood(&error))?;
            all.extend(page);
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// One thing: its fields, a line each.
    fn print(&self, thing: &Value) -> Result<ExitCode, Failure> {
        if self.as_json {
            output::print_json(thing)?;
            return Ok(ExitCode::SUCCESS);
        }
        let Some(fields) = thing.as_object() else { return Ok(ExitCode::SUCCESS) };
        let shown = fields.iter().filter(|(_, value)| !value.is_null() && **value != json!([]));
        let lines: Vec<(&str, String)> = shown
            .map(|(name, value)| {
                let value = match value {
                    Value::Array(_) if value[0]["name"].is_string() => names(value),
                    Value::Array(_) => joined(value),
                    Value::Object(object) if object.contains_key("names") => {
                        let (count, names) = (text(&object["count"]), joined(&object["names"]));
                        if names.is_empty() { count } else { format!("{count}: {names}") }
                    }
                    value => text(value),
                };
                (name.as_str(), value)
            })
            .collect();
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let text: String = lines.iter().map(|(name, value)| format!("{name:width$}  {}\n", visible(value))).collect();
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// A key that was just made, and a word on its secret.
    fn print_key(&self, key: &Value) -> Result<ExitCode, Failure> {
        self.print(key)?;
        if !self.as_json {
            output::warn("the secret is shown here only: keep it now");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn history(at: &Place, named: &Named) -> Result<ExitCode, Failure> {
    let versions = at.node.json(&at.what(named), "GET", &at.path(named, "/history"), None)?;
    if at.as_json {
        return at.print(&versions);
    }
    let mut text = String::new();
    for it in items(&versions) {
        let by = self::text(&it["by"]);
        text.push_str(&format!(
            "revision {}  {}  {by}  {}\n",
            it["revision"],
            minute(&it["time"]),
            joined(&it["changed"])
        ));
        for line in self::text(&it["diff"]).lines() {
            text.push_str(&format!("    {}\n", visible_line(line)));
        }
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn permission_body(fields: &PermissionFields, is_new: bool) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    let type_name = match fields {
        PermissionFields { policy: Some(_), .. } => Some("policy"),
        PermissionFields { prefix: Some(_), .. } => Some("bucket-prefix"),
        PermissionFields { all_buckets: true, .. } => Some("all-buckets"),
        PermissionFields { bucket, .. } if !bucket.is_empty() => Some("bucket-names"),
        _ if is_new => {
            return Err(Failure::usage("say what it applies to: --bucket, --prefix, --all-buckets or --policy"));
        }
        _ => None,
    };
    if is_new && fields.policy.is_none() && fields.actions.is_none() {
        return Err(Failure::usage("say what may be done: --actions all-operations, read-only or write-only"));
    }
    body.extend(type_name.map(|name| ("type".to_owned(), name.into())));
    body.extend(fields.actions.as_ref().map(|it| ("actions".to_owned(), word(it).into())));
    body.extend(fields.dialect.as_ref().map(|it| ("dialect".to_owned(), word(it).into())));
    body.extend(fields.prefix.as_ref().map(|it| ("prefix".to_owned(), it.as_str().into())));
    if !fields.bucket.is_empty() {
        body.insert("buckets".into(), fields.bucket.clone().into());
    }
    if let Some(path) = &fields.policy {
        let file = input::read_text(path, POLICY_FILE_BYTES_MAX);
        let file = file.map_err(|error| Failure::usage(format!("policy file {}: {error}", path.display())))?;
        body.insert("policy".into(), file.into());
    }
    body.extend(fields.description.as_ref().map(|it| ("description".to_owned(), or_null(it))));
    Ok(body)
}

fn service_account_body(fields: &ServiceAccountFields) -> Map<String, Value> {
    let mut body = Map::new();
    if !fields.permission.is_empty() {
        body.insert("permissions".into(), fields.permission.clone().into());
    }
    body.extend(fields.expires.as_ref().map(|it| ("expirationDate".to_owned(), it.as_str().into())));
    body.extend(fields.description.as_ref().map(|it| ("description".to_owned(), or_null(it))));
    body
}

fn user_body(fields: &UserFields) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    body.extend(fields.role.as_ref().map(|it| ("role".to_owned(), word(it).into())));
    if let Some(path) = &fields.password_file {
        body.insert("password".into(), secret_of(path)?.into());
    }
    Ok(body)
}

fn account_body(fields: &AccountFields) -> Map<String, Value> {
    let mut body = Map::new();
    body.extend(fields.display_name.as_ref().map(|it| ("displayName".to_owned(), it.as_str().into())));
    body.extend(fields.email.as_ref().map(|it| ("email".to_owned(), or_null(it))));
    body
}

fn bucket_body(fields: &BucketFields) -> Map<String, Value> {
    fields.versioning.as_ref().map(|it| ("versioning".to_owned(), word(it).into())).into_iter().collect()
}

fn one(field: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(field.to_owned(), value)])
}

/// An empty text removes.
fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// A choice as the API spells it, which is as the command line does.
fn word(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn yes(value: &Value) -> String {
    if value == &Value::Bool(true) { "yes" } else { "no" }.to_owned()
}

/// `2026-11-22 05:18` of a time in RFC 3339 form.
fn minute(value: &Value) -> String {
    match value.as_str() {
        Some(time) if time.len() >= 16 => time[..16].replace('T', " "),
        _ => text(value),
    }
}

fn names(list: &Value) -> String {
    items(list).map(|it| text(&it["name"])).collect::<Vec<_>>().join(", ")
}

fn joined(list: &Value) -> String {
    items(list).map(text).collect::<Vec<_>>().join(", ")
}

/// The first actions of a list and how many more there are; --json has them all.
fn some(list: &Value) -> String {
    let all: Vec<String> = items(list).map(text).collect();
    match all.len() {
        0 => "-".to_owned(),
        1..=4 => all.join(", "),
        count => format!("{} and {} more", all[..3].join(", "), count - 3),
    }
}

/// The statements of policies, a line each.
fn grants(list: &Value) -> String {
    let lines = items(list).map(|it| {
        let force = if it["inForce"] == true { "" } else { " (disabled)" };
        let condition = if it["condition"].is_null() { String::new() } else { format!(" if {}", it["condition"]) };
        let resource = if it["resource"].is_array() { joined(&it["resource"]) } else { text(&it["resource"]) };
        let actions = some(&it["actions"]);
        format!(
            "{}/{}{force}: {} {actions} on {resource}{condition}\n",
            text(&it["policy"]),
            text(&it["sid"]),
            text(&it["effect"])
        )
    });
    lines.map(|line| visible(&line)).collect()
}

/// Rows under their heads, each column as wide as its widest cell.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    use unicode_width::UnicodeWidthStr;
    let rows: Vec<Vec<String>> = std::iter::once(heads.iter().map(|head| (*head).to_owned()).collect())
        .chain(rows.map(|row| row.iter().map(|cell| visible_line(cell)).collect()))
        .collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..heads.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_s_columns_are_as_wide_as_their_cells_and_hide_nothing() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["lang\u{1b}[2J".to_owned(), "2".to_owned()]];
        assert_eq!(table(&["NAME", "N"], rows.into_iter()), "NAME           N\na              1\nlang\\u{1b}[2J  2\n");
    }

    #[test]
    fn a_permission_s_type_follows_from_what_it_applies_to() {
        let fields = || PermissionFields {
            actions: Some(crate::nouns::Actions::ReadOnly),
            bucket: Vec::new(),
            prefix: None,
            all_buckets: false,
            policy: None,
            dialect: None,
            description: None,
        };
        let body =
            |fields: &PermissionFields| permission_body(fields, true).map(|body| Value::Object(body).to_string());
        assert_eq!(
            body(&PermissionFields { bucket: vec!["b".into()], ..fields() }).unwrap(),
            r#"{"type":"bucket-names","actions":"read-only","buckets":["b"]}"#
        );
        assert_eq!(
            body(&PermissionFields { prefix: Some("p".into()), ..fields() }).unwrap(),
            r#"{"type":"bucket-prefix","actions":"read-only","prefix":"p"}"#
        );
        assert!(body(&fields()).is_err());
        assert_eq!(Value::Object(permission_body(&fields(), false).unwrap()).to_string(), r#"{"actions":"read-only"}"#);
    }
}
