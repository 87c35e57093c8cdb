//! Operator names and what they mean.

/// A condition operator with its qualifier and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) family: Family,
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
    pub(crate) qualifier: Qualifier,
    name: &'static str,
}

/// What an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    String { like: bool, ignore_case: bool },
    Number(Comparison),
    Date(Comparison),
    Boolean,
    Binary,
    Address,
    Arn,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How the values of a multi-valued key are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qualifier {
    None,
    ForAllValues,
    ForAnyValue,
}

const STRING: Family = Family::String { like: false, ignore_case: false };
const STRING_IGNORING_CASE: Family = Family::String { like: false, ignore_case: true };
const STRING_LIKE: Family = Family::String { like: true, ignore_case: false };

/// Every operator: name, family, whether it is negated.
const OPERATORS: [(&str, Family, bool); 27] = [
    ("StringEquals", STRING, false),
    ("StringNotEquals", STRING, true),
    ("StringEqualsIgnoreCase", STRING_IGNORING_CASE, false),
    ("StringNotEqualsIgnoreCase", STRING_IGNORING_CASE, true),
    ("StringLike", STRING_LIKE, false),
    ("StringNotLike", STRING_LIKE, true),
    ("NumericEquals", Family::Number(Comparison::Equal), false),
    ("NumericNotEquals", Family::Number(Comparison::Equal), true),
    ("NumericLessThan", Family::Number(Comparison::Less), false),
    ("NumericLessThanEquals", Family::Number(Comparison::LessOrEqual), false),
    ("NumericGreaterThan", Family::Number(Comparison::Greater), false),
    ("NumericGreaterThanEquals", Family::Number(Comparison::GreaterOrEqual), false),
    ("DateEquals", Family::Date(Comparison::Equal), false),
    ("DateNotEquals", Family::Date(Comparison::Equal), true),
    ("DateLessThan", Family::Date(Comparison::Less), false),
    ("DateLessThanEquals", Family::Date(Comparison::LessOrEqual), false),
    ("DateGreaterThan", Family::Date(Comparison::Greater), false),
    ("DateGreaterThanEquals", Family::Date(Comparison::GreaterOrEqual), false),
    ("Bool", Family::Boolean, false),
    ("BinaryEquals", Family::Binary, false),
    ("IpAddress", Family::Address, false),
    ("NotIpAddress", Family::Address, true),
    ("ArnEquals", Family::Arn, false),
    ("ArnLike", Family::Arn, false),
    ("ArnNotEquals", Family::Arn, true),
    ("ArnNotLike", Family::Arn, true),
    ("Null", Family::Null, false),
];

impl Operator {
    /// Reads an operator's name exactly as the language writes it.
    pub(crate) fn parse(text: &str) -> Option<Operator> {
        let (qualifier, rest) = if let Some(rest) = text.strip_prefix("ForAllValues:") {
            (Qualifier::ForAllValues, rest)
        } else if let Some(rest) = text.strip_prefix("ForAnyValue:") {
            (Qualifier::ForAnyValue, rest)
        } else {
            (Qualifier::None, text)
        };
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (name, family, negated) = OPERATORS.iter().find(|(name, ..)| *name == base)?;
        if if_exists && *family == Family::Null {
            return None;
        }
        Some(Operator { family: *family, negated: *negated, if_exists, qualifier, name })
    }

    /// Whether `${...}` in its values is a variable.
    pub(crate) fn takes_variables(&self) -> bool {
        matches!(self.family, Family::String { .. } | Family::Arn)
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.qualifier {
            Qualifier::None => "",
            Qualifier::ForAllValues => "ForAllValues:",
            Qualifier::ForAnyValue => "ForAnyValue:",
        })?;
        f.write_str(self.name)?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

/// The names of all operators, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_takes_the_suffix_and_both_qualifiers() {
        for (name, ..) in OPERATORS {
            for text in [name.to_owned(), format!("ForAllValues:{name}"), format!("ForAnyValue:{name}")] {
                assert_eq!(Operator::parse(&text).unwrap().to_string(), text);
                let suffixed = format!("{text}IfExists");
                let parsed = Operator::parse(&suffixed);
                assert_eq!(parsed.is_some(), name != "Null", "{suffixed}");
                if let Some(operator) = parsed {
                    assert_eq!(operator.to_string(), suffixed);
                }
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "stringEquals",
            "StringEqual",
            "ForAllValues:",
            "foranyvalue:StringLike",
            "StringEqualsIfExistsIfExists",
            "IfExists",
            "Bool ",
            "NullIfExists",
            "BinaryNotEquals",
        ] {
            assert_eq!(Operator::parse(text), None, "{text}");
        }
    }
}
