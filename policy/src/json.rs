//! A bounded JSON reader that keeps what a policy needs and common readers drop: duplicate keys and positions.
//!
//! serde_json keeps the last of two equal keys silently, so that a statement could carry two conditions of which one is
//! never judged. This reader refuses that, caps nesting before it descends, and never recurses deeper than the cap.

/// Deepest nesting of arrays and objects. A policy needs seven levels, wrapped command output a few more.
const DEPTH_MAX: usize = 32;
/// Most values in one document, so that a small document cannot become a large tree.
const VALUES_MAX: usize = 100_000;

/// A value and the byte offset where it starts in the document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: JsonValue,
    pub(crate) offset: usize,
}

/// What a [`Node`] holds. Numbers stay text, because policies compare them as decimals.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JsonValue {
    Null,
    Boolean(bool),
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// One `"key": value` of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_offset: usize,
    pub(crate) value: Node,
}

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) offset: usize,
    pub(crate) kind: JsonErrorKind,
}

/// The kinds of refusal that callers tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonErrorKind {
    /// Not JSON; the text says what was expected.
    Syntax(&'static str),
    /// The same key twice in one object.
    DuplicateKey(String),
    /// Nested deeper than [`DEPTH_MAX`] or larger than [`VALUES_MAX`].
    TooDeep,
}

impl std::fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JsonErrorKind::Syntax(expected) => f.write_str(expected),
            JsonErrorKind::DuplicateKey(key) => write!(f, "the key {key:?} stands twice"),
            JsonErrorKind::TooDeep => write!(f, "more than {DEPTH_MAX} levels or {VALUES_MAX} values"),
        }
    }
}

impl Node {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            JsonValue::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&[Member]> {
        match &self.value {
            JsonValue::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn member(&self, key: &str) -> Option<&Node> {
        self.as_object()?.iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// A short form for messages: strings bare, other scalars as JSON, containers by their kind.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            JsonValue::Null => "null".to_owned(),
            JsonValue::Boolean(value) => value.to_string(),
            JsonValue::Number(text) | JsonValue::String(text) => text.clone(),
            JsonValue::Array(_) => "[...]".to_owned(),
            JsonValue::Object(_) => "{...}".to_owned(),
        }
    }
}

/// Reads one JSON value that fills the whole text; white space may surround it.
pub(crate) fn read(text: &str) -> Result<Node, JsonError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, values: 0 };
    reader.skip_space();
    let node = reader.value(0)?;
    reader.skip_space();
    if reader.at < reader.bytes.len() {
        return Err(reader.syntax("nothing may follow the end of the document"));
    }
    Ok(node)
}

/// One-based line and column (in characters) of a byte offset.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().filter(|c| *c != '\u{feff}').count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn syntax(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, kind: JsonErrorKind::Syntax(expected) }
    }

    fn value(&mut self, depth: usize) -> Result<Node, JsonError> {
        self.values += 1;
        if self.values > VALUES_MAX || depth > DEPTH_MAX {
            return Err(JsonError { offset: self.at, kind: JsonErrorKind::TooDeep });
        }
        let offset = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => JsonValue::String(self.string()?),
            Some(b't') => self.word("true", JsonValue::Boolean(true))?,
            Some(b'f') => self.word("false", JsonValue::Boolean(false))?,
            Some(b'n') => self.word("null", JsonValue::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => {
                return Err(self.syntax("a value was expected: an object, an array, a string, a number or a word"));
            }
            None => return Err(self.syntax("the document ends where a value was expected")),
        };
        Ok(Node { value, offset })
    }

    fn object(&mut self, depth: usize) -> Result<JsonValue, JsonError> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(JsonValue::Object(members));
        }
        // Keys already seen, so that a document with very many keys is not compared pair by pair.
        let mut seen = std::collections::HashSet::new();
        loop {
            self.skip_space();
            let key_offset = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in double quotes was expected"));
            }
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                return Err(JsonError { offset: key_offset, kind: JsonErrorKind::DuplicateKey(key) });
            }
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.syntax("a colon was expected after the key"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth + 1)?;
            members.push(Member { key, key_offset, value });
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(JsonValue::Object(members));
                }
                _ => return Err(self.syntax("a comma or a closing brace was expected")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<JsonValue, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(JsonValue::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(JsonValue::Array(items));
                }
                _ => return Err(self.syntax("a comma or a closing bracket was expected")),
            }
        }
    }

    fn word(&mut self, word: &'static str, value: JsonValue) -> Result<JsonValue, JsonError> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.syntax("a value was expected; only true, false and null stand without quotes"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<JsonValue, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let integer_digits = self.digits();
        if integer_digits == 0 || (leading_zero && integer_digits > 1) {
            return Err(self.syntax("a number was expected"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.syntax("a digit was expected after the decimal point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.syntax("a digit was expected in the exponent"));
            }
        }
        Ok(JsonValue::Number(self.text.get(start..self.at).unwrap_or_default().to_owned()))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while let Some(byte) = self.peek() {
                if byte == b'"' || byte == b'\\' || byte < 0x20 {
                    break;
                }
                self.at += 1;
            }
            // The run ends before an ASCII byte, so it starts and ends on character boundaries.
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.syntax("a control character must be escaped in a string")),
                None => return Err(self.syntax("the document ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex4()?;
                let code = if (0xd800..0xdc00).contains(&high) {
                    if self.bytes.get(self.at..self.at + 2) != Some(b"\\u".as_slice()) {
                        return Err(self.syntax("the second half of a surrogate pair was expected"));
                    }
                    self.at += 2;
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(self.syntax("the second half of a surrogate pair was expected"));
                    }
                    0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    high
                };
                char::from_u32(code).ok_or_else(|| self.syntax("an escape names no character"))?
            }
            _ => return Err(JsonError { offset: self.at - 1, kind: JsonErrorKind::Syntax("an unknown escape") }),
        })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let text = digits.and_then(|d| std::str::from_utf8(d).ok());
        let code = text.and_then(|t| u32::from_str_radix(t, 16).ok());
        let code = code.ok_or_else(|| self.syntax("four hexadecimal digits were expected"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> JsonErrorKind {
        read(text).unwrap_err().kind
    }

    #[test]
    fn values_carry_their_offsets() {
        let node = read(" {\"a\": [1, \"b\"]}").unwrap();
        let array = node.member("a").unwrap();
        assert_eq!((node.offset, array.offset), (1, 7));
        assert_eq!(line_and_column("a\n  b", 4), (2, 3));
    }

    #[test]
    fn duplicate_keys_are_refused_also_when_escaped() {
        assert_eq!(kind("{\"a\":1,\"\\u0061\":2}"), JsonErrorKind::DuplicateKey("a".to_owned()));
    }

    #[test]
    fn nesting_beyond_the_cap_is_refused_without_recursion() {
        assert_eq!(kind(&"[".repeat(1_000_000)), JsonErrorKind::TooDeep);
        assert!(read(&format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX))).is_ok());
    }

    #[test]
    fn texts_that_only_look_like_json_are_refused() {
        for text in [
            "",
            " ",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "01",
            "1.",
            "1e",
            "-",
            "tru",
            "nul",
            "'a'",
            "{a:1}",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "\"a",
            "1 2",
            "{} {}",
            "NaN",
            "+1",
            "\u{feff}{}",
        ] {
            assert!(matches!(kind(text), JsonErrorKind::Syntax(_)), "{text}");
        }
    }

    #[test]
    fn escapes_and_numbers_are_read_exactly() {
        assert_eq!(read("\"\\ud83d\\ude00\\n\\/\"").unwrap().as_str(), Some("\u{1f600}\n/"));
        assert_eq!(read("-1.50e+3").unwrap().value, JsonValue::Number("-1.50e+3".to_owned()));
    }
}
