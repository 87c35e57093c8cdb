//! Lists of resources, page by page.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::node::{Call, Node, parse};
use super::table;
use crate::args::Listing;
use crate::failure::Failure;
use crate::output;
use crate::refusal::{Flags, text_of};

/// The largest page that the API answers.
const PAGE_MAX: u64 = 1_000;
/// The flags by which a list is asked for.
const FLAGS: Flags = &[("q", "--search"), ("sort", "--sort"), ("limit", "--limit")];

/// Prints all that a listing finds: as the API's array, or as a table.
///
/// # Errors
/// The node refuses, for example an order that it doesn't have.
pub(super) fn list<T: DeserializeOwned>(
    node: &Node,
    collection: &str,
    listing: &Listing,
    json: bool,
    columns: &[&str],
    row: fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    let (items, total) = pages(node, collection, listing)?;
    if json {
        let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
        return output::print(&format!("[{}]", items.join(",")));
    }
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| parse(item.get()).map(|item| row(&item))).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return output::print("none");
    }
    output::print(&table::table(columns, &rows))?;
    if total > rows.len() as u64 {
        output::print(&format!("{} of {total}", rows.len()))?;
    }
    Ok(())
}

/// The items as the node spells them, and how many there are without the limit.
fn pages(node: &Node, collection: &str, listing: &Listing) -> Result<(Vec<Box<RawValue>>, u64), Failure> {
    let limit = listing.limit.unwrap_or(u64::MAX);
    let about = collection.trim_start_matches('/').to_owned();
    let mut items: Vec<Box<RawValue>> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = (limit - items.len() as u64).min(PAGE_MAX);
        let mut call = Call::new("GET", collection, &about).query("limit", page.to_string());
        call = call.by_flags(FLAGS);
        for (name, value) in [("q", &listing.search), ("sort", &listing.sort), ("cursor", &cursor)] {
            if let Some(value) = value {
                call = call.query(name, value);
            }
        }
        if listing.descending {
            call = call.query("order", "desc");
        }
        let answer = node.answer(call)?;
        let total = answer.header("x-total-count").and_then(|total| total.parse().ok()).unwrap_or(0);
        cursor = answer.header("x-next-cursor").map(str::to_owned);
        let got: Vec<Box<RawValue>> = parse(&text_of(answer)?)?;
        let is_last = got.is_empty() || cursor.is_none();
        items.extend(got);
        if is_last || items.len() as u64 >= limit {
            return Ok((items, total));
        }
    }
}
