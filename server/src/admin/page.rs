//! Lists: searched, sorted and cut to pages where the things are, so that a page of thousands costs what a page shows.
//!
//! A cursor names the last thing of its page, not a number: what is made or deleted meanwhile shifts nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;
use serde::Serialize;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use crate::protocol::request::Query;

/// Things on a page when the caller doesn't say.
const LIMIT_DEFAULT: usize = 100;
/// The most things on a page.
pub(super) const LIMIT_MAX: usize = 1_000;
/// The longest search text, in characters.
const SEARCH_CHARACTERS_MAX: usize = 200;

/// What a caller wants of a list.
#[derive(Debug)]
pub(super) struct Listing {
    limit: usize,
    after: Option<(String, String)>,
    /// The field to sort by.
    pub(super) sort: &'static str,
    descending: bool,
    search: Option<String>,
    /// The exact name that is asked for.
    pub(super) name: Option<String>,
    /// What stands for the list with its order, search and name in a cursor: in another one it would be a place of nothing.
    list: String,
}

/// One thing of a list.
pub(super) struct Row<T> {
    /// What it is sorted by; texts compare as their authors mean them, in lower case.
    pub(super) key: String,
    /// What tells it from others with the same key.
    pub(super) id: String,
    /// The thing.
    pub(super) item: T,
}

impl Listing {
    /// Reads what is wanted of the list that a call asks for; the first of `sorts` is the default.
    pub(super) fn asked(call: &Call, sorts: &[&'static str]) -> Result<Listing> {
        let list = format!("{} {}", call.head.uri.path(), call.account_id()?);
        Listing::of(&call.query, sorts, &list)
    }

    /// Reads `limit`, `cursor`, `sort`, `order`, `q` and `name`.
    fn of(query: &Query, sorts: &[&'static str], list: &str) -> Result<Listing> {
        let limit = match query.value("limit") {
            None => LIMIT_DEFAULT,
            Some(text) => match text.parse() {
                Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => limit,
                _ => return Err(Refusal::invalid("limit", format!("must be a number from 1 to {LIMIT_MAX}"))),
            },
        };
        let sort = query.value("sort").unwrap_or_else(|| sorts.first().copied().unwrap_or_default());
        let sort = sorts.iter().find(|it| **it == sort).copied();
        let sort = sort.ok_or_else(|| Refusal::invalid("sort", format!("must be one of {}", sorts.join(", "))))?;
        let descending = match query.value("order") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Refusal::invalid("order", "must be asc or desc")),
        };
        let search = searched(query)?;
        let name = query.value("name").map(str::to_owned);
        let asked = serde_json::json!([list, sort, descending, search, name]).to_string();
        let list = blake3::hash(asked.as_bytes()).to_hex()[..16].to_owned();
        let after = query.value("cursor").map(|cursor| read_cursor(cursor, &list)).transpose()?;
        Ok(Listing { limit, after, sort, descending, search, name, list })
    }

    /// The same with pages of at most `limit` things, of a list whose things cost more than most to show.
    pub(super) fn at_most(self, limit: usize) -> Listing {
        Listing { limit: self.limit.min(limit), ..self }
    }

    /// Whether one of these texts has what is searched for.
    pub(super) fn finds(&self, texts: &[&str]) -> bool {
        self.finds_any(texts.iter().copied())
    }

    /// The same of texts that are costly to put into a list.
    pub(super) fn finds_any<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        self.search.as_ref().is_none_or(|search| texts.into_iter().any(|text| contains_in_any_case(text, search)))
    }

    /// The page, and beside it how many there are in all and where the next page begins.
    pub(super) fn answer<T, R: Serialize>(&self, mut rows: Vec<Row<T>>, show: impl Fn(&T) -> R) -> Result<Answer> {
        let total = rows.len();
        let order = |a: &Row<T>, b: &Row<T>| {
            let order = (&a.key, &a.id).cmp(&(&b.key, &b.id));
            if self.descending { order.reverse() } else { order }
        };
        let is_after = |row: &Row<T>| {
            self.after.as_ref().is_none_or(|(key, id)| {
                let place = (&row.key, &row.id);
                if self.descending { place < (key, id) } else { place > (key, id) }
            })
        };
        rows.retain(is_after);
        // Only what is shown is put in order: the rest is only known to come after it.
        let has_more = rows.len() > self.limit;
        if has_more {
            rows.select_nth_unstable_by(self.limit, order);
            rows.truncate(self.limit);
        }
        rows.sort_unstable_by(order);
        let shown: Vec<R> = rows.iter().map(|row| show(&row.item)).collect();
        let mut answer = Answer::ok(&shown)?.with(HeaderName::from_static("x-total-count"), total.to_string());
        if let Some(last) = rows.last().filter(|_| has_more) {
            let cursor = URL_SAFE_NO_PAD.encode(format!("{}\0{}\0{}", self.list, last.key, last.id));
            answer = answer.with(HeaderName::from_static("x-next-cursor"), cursor);
        }
        Ok(answer)
    }
}

/// Whether a text has a part in any case; the part is in lower case. Nothing is copied of a text of ASCII, of which most are: ten thousand of them are looked through for one answer.
fn contains_in_any_case(text: &str, part: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(part);
    }
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let Some((&first, rest)) = part.split_first() else { return true };
    let upper = first.to_ascii_uppercase();
    let Some(last) = text.len().checked_sub(part.len()) else { return false };
    text[..=last]
        .iter()
        .enumerate()
        .any(|(at, &byte)| (byte == first || byte == upper) && text[at + 1..at + part.len()].eq_ignore_ascii_case(rest))
}

/// What `q` looks for, in lower case.
pub(super) fn searched(query: &Query) -> Result<Option<String>> {
    let search = query.value("q").filter(|text| !text.is_empty());
    if search.is_some_and(|text| text.chars().count() > SEARCH_CHARACTERS_MAX) {
        return Err(Refusal::invalid("q", format!("is longer than {SEARCH_CHARACTERS_MAX} characters")));
    }
    Ok(search.map(str::to_lowercase))
}

fn read_cursor(text: &str, list: &str) -> Result<(String, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = bytes.as_deref().and_then(|text| text.split_once('\0'));
    let parts = parts.and_then(|(list, place)| Some((list, place.rsplit_once('\0')?)));
    let (of, (key, id)) = parts.ok_or_else(|| Refusal::invalid("cursor", "is not one that X-Next-Cursor gave"))?;
    if of != list {
        return Err(Refusal::invalid(
            "cursor",
            "is of another list, or one with another sort, order, q or name: begin without it",
        ));
    }
    Ok((key.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> (String, Option<String>) {
        let listing = Listing::of(&Query::parse(query).unwrap(), &["name", "size"], "l").unwrap();
        let rows = ["b", "a", "c", "a"].iter().enumerate().map(|(n, key)| Row {
            key: (*key).to_owned(),
            id: n.to_string(),
            item: n,
        });
        let response = listing.answer(rows.collect(), |n| *n).unwrap().into_response();
        assert_eq!(response.headers()["x-total-count"], "4");
        let cursor = response.headers().get("x-next-cursor").map(|it| it.to_str().unwrap().to_owned());
        let crate::http::body::Body::Full(bytes) = response.into_body() else { panic!("a list is sent whole") };
        (String::from_utf8(bytes.to_vec()).unwrap(), cursor)
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap_in_both_directions() {
        assert_eq!(page("").0, "[1,3,0,2]");
        let (first, cursor) = page("limit=1");
        assert_eq!(first, "[1]");
        let (second, cursor) = page(&format!("limit=2&cursor={}", cursor.unwrap()));
        assert_eq!(second, "[3,0]");
        assert_eq!(page(&format!("limit=2&cursor={}", cursor.unwrap())), ("[2]".to_owned(), None));
        let (first, cursor) = page("limit=3&order=desc");
        assert_eq!(first, "[2,0,3]");
        assert_eq!(page(&format!("order=desc&cursor={}", cursor.unwrap())).0, "[1]");
    }

    #[test]
    fn a_cursor_of_another_order_or_search_is_refused() {
        let cursor = page("limit=1&q=").1.unwrap();
        for other in ["sort=size", "order=desc", "q=a", "name=a"] {
            let query = Query::parse(&format!("{other}&cursor={cursor}")).unwrap();
            let refusal = Listing::of(&query, &["name", "size"], "l").unwrap_err();
            assert!(refusal.message.starts_with("cursor is of another list"), "{other}: {}", refusal.message);
        }
        let query = Query::parse(&format!("cursor={cursor}")).unwrap();
        let refusal = Listing::of(&query, &["name", "size"], "m").unwrap_err();
        assert!(refusal.message.starts_with("cursor is of another list"), "{}", refusal.message);
    }

    #[test]
    fn a_costly_list_has_shorter_pages_than_were_asked_for_and_a_cursor() {
        let listing = Listing::of(&Query::parse("limit=1000").unwrap(), &["name"], "l").unwrap().at_most(2);
        let rows = (0..3).map(|n| Row { key: n.to_string(), id: n.to_string(), item: n });
        let response = listing.answer(rows.collect(), |n| *n).unwrap().into_response();
        assert_eq!(response.headers()["x-total-count"], "3");
        assert!(response.headers().contains_key("x-next-cursor"));
    }

    #[test]
    fn parts_are_found_in_any_case_of_any_script() {
        for (text, part, is_there) in [
            ("Read Only", "d o", true),
            ("Read Only", "read only", true),
            ("Read Only", "read only ", false),
            ("ÄRGER", "ärg", true),
            ("arger", "ärg", false),
            ("\u{212a}elvin", "kel", true),
            ("aaab", "ab", true),
            ("", "a", false),
            ("a", "", true),
        ] {
            assert_eq!(contains_in_any_case(text, part), is_there, "{text:?} {part:?}");
            assert_eq!(text.to_lowercase().contains(part), is_there, "{text:?} {part:?}");
        }
    }

    #[test]
    fn what_a_list_can_t_do_is_refused_by_name() {
        for bad in ["limit=0", "limit=1001", "limit=x", "sort=secret", "order=up", "cursor=%21"] {
            let field = bad.split('=').next().unwrap();
            let refusal = Listing::of(&Query::parse(bad).unwrap(), &["name"], "l").unwrap_err();
            assert!(refusal.message.starts_with(field), "{bad}: {}", refusal.message);
        }
    }
}
