//! What all listings share: their parameters, their encoding, and opaque continuation tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::protocol::error::{Code, S3Result, invalid_argument};
use crate::protocol::name::encode_url;
use crate::protocol::request::Query;
use crate::protocol::xml_write::Xml;

/// The most keys of a page, and how many there are when the client doesn't say.
pub const PAGE_KEYS_MAX: u64 = 1000;

/// The parameters that the listings of keys, versions and uploads have in common.
pub struct Paging<'a> {
    /// Only names that begin so.
    pub prefix: &'a str,
    /// Rolls names up; never empty.
    pub delimiter: Option<&'a str>,
    /// The most entries.
    pub max: usize,
    /// `encoding-type=url`.
    pub url: bool,
}

impl<'a> Paging<'a> {
    /// Reads them; `max_name` is `max-keys` or `max-uploads`.
    pub fn of(query: &'a Query, max_name: &'static str) -> S3Result<Paging<'a>> {
        let url = match query.value("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(other) => {
                return Err(invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", other));
            }
        };
        // AWS takes any number up to 2^31 - 1 and gives at most 1,000.
        let max = match query.value(max_name) {
            None | Some("") => PAGE_KEYS_MAX,
            Some(_) => query.number(max_name, i32::MAX as u64)?.unwrap_or(PAGE_KEYS_MAX).min(PAGE_KEYS_MAX),
        };
        Ok(Paging {
            prefix: query.value("prefix").unwrap_or_default(),
            delimiter: query.value("delimiter").filter(|d| !d.is_empty()),
            max: usize::try_from(max).unwrap_or(0),
            url,
        })
    }

    /// Writes the parameters back, and whether more follows; `max_element` is `MaxKeys` or `MaxUploads`.
    pub fn write(&self, xml: &mut Xml, max_element: &str, truncated: bool) {
        xml.value(max_element, self.max);
        if let Some(delimiter) = self.delimiter {
            xml.text("Delimiter", &self.name(delimiter));
        }
        if self.url {
            xml.value("EncodingType", "url");
        }
        xml.value("IsTruncated", truncated);
    }

    /// Writes the common prefixes of a page.
    pub fn write_common_prefixes(&self, xml: &mut Xml, prefixes: &[String]) {
        for prefix in prefixes {
            xml.open("CommonPrefixes");
            xml.text("Prefix", &self.name(prefix));
            xml.close("CommonPrefixes");
        }
    }

    /// A name as the client wants it encoded.
    pub fn name(&self, name: &str) -> String {
        if self.url { encode_url(name) } else { name.to_owned() }
    }
}

/// A continuation token for what follows `name`.
pub fn write_token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{name}"))
}

/// The name in a continuation token.
pub fn read_token(token: &str) -> S3Result<String> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref().and_then(|text| text.strip_prefix('1')).map(ToOwned::to_owned).ok_or_else(|| {
        Code::InvalidArgument
            .with("The continuation token provided is incorrect")
            .field("ArgumentName", "continuation-token")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_what_they_were_written_for() {
        for name in ["a", "", "ä/ö\u{1}"] {
            assert_eq!(read_token(&write_token(name)).unwrap(), name);
        }
        for token in ["", "!", "YQ", "%%"] {
            assert!(read_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn parameters_are_read_within_bounds() {
        let paging = |raw: &str| Paging::of(&Query::parse(raw).unwrap(), "max-keys").map(|p| (p.max, p.url));
        assert_eq!(paging("").unwrap(), (1000, false));
        assert_eq!(paging("max-keys=5000&encoding-type=url").unwrap(), (1000, true));
        assert_eq!(paging("max-keys=0").unwrap(), (0, false));
        for raw in ["max-keys=-1", "max-keys=x", "max-keys=99999999999", "encoding-type=x"] {
            assert!(paging(raw).is_err(), "{raw}");
        }
    }
}
