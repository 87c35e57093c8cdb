//! What can be wrong with a document, and how each dialect says it.
//!
//! Lyve Cloud's texts are kept to the letter, typos included, and so are S3's, because scripts compare them. The plain
//! English stands beside them, never instead of them.

use super::{Dialect, ParseOptions};
use crate::policy::PolicyKind;

/// What the advice on each error ends with where a document is refused by Lyve Cloud's dialect and taken by AWS's as it is.
pub const IMPORT_AS_AWS: &str = "Import it as an AWS policy to keep it as it is.";

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    NotUtf8,
    Utf16,
    Json(&'static str),
    NotAnObject,
    DuplicateKey(String),
    TooDeep,
    TooLarge {
        size: usize,
        limit: usize,
        unit: &'static str,
    },
    /// The policy is inside another document; the text says where.
    Wrapped(&'static str),
    UrlEncoded,
    MissingStatement,
    EmptyStatement,
    StatementType,
    MissingVersion,
    EmptyVersion,
    Version(String),
    Missing(&'static str),
    Empty(&'static str),
    Effect(String),
    Type {
        element: &'static str,
        found: String,
        expected: &'static str,
    },
    Action {
        text: String,
        why: &'static str,
        suggestion: Option<String>,
    },
    Resource {
        text: String,
        why: &'static str,
        suggestion: Option<String>,
    },
    Principal {
        text: String,
        why: &'static str,
    },
    ConditionName {
        name: String,
        suggestion: Option<String>,
    },
    ConditionKey {
        key: String,
        why: &'static str,
        suggestion: Option<String>,
    },
    RepeatedKey {
        key: String,
    },
    ConditionType {
        key: String,
        value: String,
    },
    ConditionValue {
        key: String,
        value: String,
        why: &'static str,
    },
    NotAllowed {
        element: String,
    },
    Unknown {
        element: String,
        suggestion: Option<String>,
    },
    Both {
        element: &'static str,
        other: &'static str,
    },
    AllowWithNotPrincipal,
    ActionNotApplicable {
        action: String,
    },
    ConditionNotApplicable {
        key: String,
    },
    Sid {
        sid: String,
        why: &'static str,
    },
    SidNotUnique {
        sid: String,
    },
    Id {
        why: &'static str,
    },
    Characters {
        character: char,
    },
}

impl Fault {
    /// Whether it breaks the grammar itself, so that not even a simulation can take the document.
    pub(crate) fn breaks_grammar(&self) -> bool {
        !matches!(
            self,
            Fault::Action { .. }
                | Fault::Resource { .. }
                | Fault::ConditionKey { .. }
                | Fault::ConditionValue { .. }
                | Fault::ActionNotApplicable { .. }
                | Fault::ConditionNotApplicable { .. }
                | Fault::Sid { .. }
                | Fault::SidNotUnique { .. }
                | Fault::Id { .. }
                | Fault::Characters { .. }
                | Fault::TooLarge { .. }
        )
    }

    /// The name of what is wrong: Access Analyzer's where it has one.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Fault::NotUtf8 | Fault::Utf16 => "Invalid encoding",
            Fault::Json(_) | Fault::NotAnObject => "Json syntax error",
            Fault::DuplicateKey(_) => "Duplicate keys",
            Fault::TooDeep => "Nested too deeply",
            Fault::TooLarge { unit: "bytes", .. } => "Policy size exceeds resource policy quota",
            Fault::TooLarge { .. } => "Policy size exceeds identity policy quota",
            Fault::Wrapped(_) | Fault::UrlEncoded => "Policy inside another document",
            Fault::MissingStatement | Fault::EmptyStatement => "Missing statement",
            Fault::StatementType | Fault::Type { .. } | Fault::ConditionType { .. } => "Data type mismatch",
            Fault::MissingVersion => "Missing version",
            Fault::EmptyVersion | Fault::Version(_) => "Invalid version",
            Fault::Missing("Effect") => "Missing effect",
            Fault::Missing("Action") => "Missing action",
            Fault::Missing("Resource") => "Missing resource",
            Fault::Missing(_) => "Missing principal",
            Fault::Empty("Action") => "Empty array action",
            Fault::Empty("Resource") => "Empty array resource",
            Fault::Empty(_) => "Empty object condition",
            Fault::Effect(_) => "Invalid effect",
            Fault::Action { .. } => "Invalid action",
            Fault::Resource { .. } => "Invalid ARN resource",
            Fault::Principal { .. } => "Invalid principal format",
            Fault::ConditionName { .. } => "Invalid condition operator",
            Fault::ConditionKey { why, .. } if why.contains("name of a tag") => "Missing tag key in condition",
            Fault::ConditionKey { key, .. } => match key.split_once(':') {
                None => "Invalid condition key format",
                Some((service, _)) if service.eq_ignore_ascii_case("aws") => "Invalid global condition key",
                Some(_) => "Invalid service condition key",
            },
            Fault::RepeatedKey { .. } => "Duplicate keys with different case",
            Fault::ConditionValue { .. } => "Invalid condition data type",
            Fault::NotAllowed { .. } | Fault::Unknown { .. } => "Invalid policy element",
            Fault::Both { .. } => "Unsupported element combination",
            Fault::AllowWithNotPrincipal => "Allow with NotPrincipal",
            Fault::ActionNotApplicable { .. } => "Unsupported action in policy",
            Fault::ConditionNotApplicable { .. } => "Unsupported action for condition key",
            Fault::Sid { .. } => "Unsupported Sid",
            Fault::SidNotUnique { .. } => "Unique Sids required",
            Fault::Id { .. } => "Unsupported Id",
            Fault::Characters { .. } => "Unsupported character",
        }
    }

    /// The text of the dialect.
    pub(crate) fn text(&self, options: &ParseOptions<'_>) -> String {
        match options.dialect {
            Dialect::Lyve => format!("File Import Failed: {}", self.lyve_text()),
            Dialect::Aws => self.aws_text(options.kind),
        }
    }

    fn lyve_text(&self) -> String {
        match self {
            Fault::NotUtf8
            | Fault::Utf16
            | Fault::Json(_)
            | Fault::NotAnObject
            | Fault::DuplicateKey(_)
            | Fault::TooDeep
            | Fault::TooLarge { .. }
            | Fault::UrlEncoded
            | Fault::Characters { .. }
            | Fault::Sid { .. }
            | Fault::Id { .. } => "Invalid JSON file.".to_owned(),
            Fault::Wrapped(_) | Fault::MissingStatement | Fault::EmptyStatement | Fault::StatementType => {
                "Statement is required.".to_owned()
            }
            Fault::MissingVersion => "Version field is required.".to_owned(),
            Fault::EmptyVersion => "Version field value is empty.".to_owned(),
            Fault::Version(_) | Fault::Type { element: "Version", .. } => "Version field value is invalid.".to_owned(),
            Fault::Missing(element) => format!("{element} field is required."),
            Fault::Empty(element) => format!("{element} canot be empty."),
            Fault::Effect(_) | Fault::Type { element: "Effect", .. } => "Effect value is invalid.".to_owned(),
            Fault::Action { text, .. } | Fault::Type { element: "Action", found: text, .. } => {
                format!("Action value {text} is not valid.")
            }
            Fault::ActionNotApplicable { action } => format!("Action value {action} is not valid."),
            Fault::Resource { text, .. } | Fault::Type { element: "Resource", found: text, .. } => {
                format!("Resource value {text} is not valid.")
            }
            Fault::ConditionName { name, .. } | Fault::Type { element: "Condition", found: name, .. } => {
                format!("Condition name is not valid: {name}.")
            }
            Fault::ConditionKey { key, .. }
            | Fault::RepeatedKey { key }
            | Fault::ConditionValue { key, .. }
            | Fault::ConditionNotApplicable { key }
            | Fault::ConditionType { key, .. } => {
                format!("Condition key is not valid: {key}.")
            }
            Fault::NotAllowed { element } | Fault::Unknown { element, .. } => {
                format!("{element} element is not allowed.")
            }
            Fault::Both { other, .. } => format!("{other} element is not allowed."),
            Fault::Principal { .. } => "Principal element is not allowed.".to_owned(),
            Fault::AllowWithNotPrincipal => "NotPrincipal element is not allowed.".to_owned(),
            Fault::SidNotUnique { sid } => format!("Sid {sid} is not unique."),
            Fault::Type { .. } => "Invalid JSON file.".to_owned(),
        }
    }

    fn aws_text(&self, kind: PolicyKind) -> String {
        let is_bucket = kind == PolicyKind::Bucket;
        let either = |bucket: &str, identity: &str| if is_bucket { bucket } else { identity }.to_owned();
        match self {
            Fault::NotUtf8 | Fault::Utf16 | Fault::NotAnObject | Fault::UrlEncoded => {
                either("Policies must be valid JSON and the first byte must be '{'", "Syntax errors in policy.")
            }
            Fault::Json(_) | Fault::DuplicateKey(_) | Fault::TooDeep => {
                either("This policy contains invalid Json", "Syntax errors in policy.")
            }
            Fault::TooLarge { limit, .. } if is_bucket => {
                format!("Normalized policy document exceeds the maximum allowed size of {limit} bytes")
            }
            Fault::TooLarge { limit, .. } => format!("Maximum policy size of {limit} bytes exceeded"),
            Fault::MissingStatement | Fault::Wrapped(_) => "Missing required field Statement".to_owned(),
            Fault::EmptyStatement => {
                either("Could not parse the policy: Statement is empty!", "Syntax errors in policy.")
            }
            Fault::StatementType | Fault::Type { .. } | Fault::ConditionType { .. } | Fault::Empty(_) => {
                either("Invalid policy syntax.", "Syntax errors in policy.")
            }
            Fault::MissingVersion | Fault::EmptyVersion | Fault::Version(_) => either(
                "The policy must contain a valid version string",
                "The policy must contain a valid version string.",
            ),
            Fault::Missing(element) => match *element {
                "Action" if !is_bucket => "Policy statement must contain actions.".to_owned(),
                "Resource" if !is_bucket => "Policy statement must contain resources.".to_owned(),
                element => format!("Missing required field {element}"),
            },
            Fault::Effect(effect) => format!("Invalid effect: {effect}"),
            Fault::Action { text, .. } => match text.split_once(':') {
                _ if is_bucket => "Policy has invalid action".to_owned(),
                None => "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned(),
                Some((_, name)) if name.contains(':') => "Actions/Condition can contain only one colon.".to_owned(),
                Some(_) => format!("Action {text} is not valid."),
            },
            Fault::Resource { text, .. } => {
                if is_bucket {
                    "Policy has invalid resource".to_owned()
                } else {
                    format!("Resource {text} must be in ARN format or \"*\".")
                }
            }
            Fault::Principal { .. } | Fault::AllowWithNotPrincipal => "Invalid principal in policy".to_owned(),
            Fault::ConditionName { name, .. } => format!("Invalid Condition type : {name}"),
            Fault::ConditionKey { .. } | Fault::RepeatedKey { .. } => "Policy has an invalid condition key".to_owned(),
            Fault::ConditionValue { why, .. } if why.contains("address") => {
                "Invalid IP address in Conditions".to_owned()
            }
            Fault::ConditionValue { .. } => "Invalid value in Conditions".to_owned(),
            Fault::NotAllowed { element } if !is_bucket => {
                format!("Policy document should not specify a {}.", element.to_lowercase())
            }
            Fault::NotAllowed { element } | Fault::Unknown { element, .. } => format!("Unknown field {element}"),
            Fault::Both { .. } => either("Invalid policy syntax.", "Syntax errors in policy."),
            Fault::ActionNotApplicable { .. } => "Action does not apply to any resource(s) in statement".to_owned(),
            Fault::ConditionNotApplicable { .. } => {
                "Conditions do not apply to combination of actions and resources in statement".to_owned()
            }
            Fault::SidNotUnique { .. } => "Statement IDs (SID) in a single policy must be unique.".to_owned(),
            Fault::Sid { .. } if !is_bucket => {
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies \
                                               the regular expression [0-9A-Za-z]*"
                    .to_owned()
            }
            Fault::Sid { .. } | Fault::Id { .. } => either("Invalid policy syntax.", "Syntax errors in policy."),
            Fault::Characters { .. } => {
                "The specified value for policyDocument is invalid. It must contain only printable \
                                        ASCII characters."
                    .to_owned()
            }
        }
    }

    /// What is wrong, in plain English.
    pub(crate) fn message(&self, options: &ParseOptions<'_>) -> String {
        let did_you_mean = |suggestion: &Option<String>| match suggestion {
            Some(text) => format!(" Did you mean {text}?"),
            None => String::new(),
        };
        match self {
            Fault::NotUtf8 => "The document is not UTF-8 text.".to_owned(),
            Fault::Utf16 => "The document is UTF-16 text; policies are UTF-8.".to_owned(),
            Fault::Json(expected) => format!("The document is not valid JSON: {expected}."),
            Fault::NotAnObject => "The document is not a JSON object; a policy begins with {.".to_owned(),
            Fault::DuplicateKey(key) => format!("The key {key:?} stands twice in one object; only one of them would count."),
            Fault::TooDeep => "The document is nested too deeply to be a policy.".to_owned(),
            Fault::TooLarge { size, limit, unit } => format!("The document has {size} {unit}; at most {limit} are allowed."),
            Fault::Wrapped(inner) => format!("The policy is inside another document, under {inner}."),
            Fault::UrlEncoded => "The document is URL-encoded.".to_owned(),
            Fault::MissingStatement => "The document has no Statement.".to_owned(),
            Fault::EmptyStatement => "Statement is an empty list.".to_owned(),
            Fault::StatementType => "Statement must be an object or a list of objects.".to_owned(),
            Fault::MissingVersion => "The document has no Version.".to_owned(),
            Fault::EmptyVersion => "Version has no value.".to_owned(),
            Fault::Version(text) => format!("{text:?} is not a version of the policy language."),
            Fault::Missing("Principal") if options.dialect == Dialect::Aws => {
                "The statement has no Principal. This is an identity policy: create it as a permission and attach it to a \
                 service account, or add a Principal."
                    .to_owned()
            }
            Fault::Missing(element) => format!("The statement has no {element}."),
            Fault::Empty(element) => format!("{element} has no value."),
            Fault::Effect(text) => format!("Effect is Allow or Deny, not {text:?}."),
            Fault::ConditionType { value, .. } => {
                format!("A condition's value must be a string, a number, true, false, or a list of them, not {value}.")
            }
            Fault::Type { element, found, expected } => format!("{element} must be {expected}, not {found}."),
            Fault::Action { text, why, suggestion } => format!("{text:?} {why}.{}", did_you_mean(suggestion)),
            Fault::Resource { text, why, suggestion } => format!("{text:?} {why}.{}", did_you_mean(suggestion)),
            Fault::Principal { text, why } => format!("{text:?} {why}."),
            Fault::ConditionName { name, suggestion } => {
                format!("{name:?} is not a condition operator.{}", did_you_mean(suggestion))
            }
            Fault::ConditionKey { key, why, suggestion } => format!("{key:?} {why}.{}", did_you_mean(suggestion)),
            Fault::RepeatedKey { key } => format!("{key:?} stands twice under this operator, in different case."),
            Fault::ConditionValue { key, value, why } => format!("{value:?}, the value of {key}, {why}."),
            Fault::NotAllowed { element } => format!("{element} is not allowed in this kind of policy."),
            Fault::Unknown { element, suggestion } => {
                format!("{element:?} is not an element of the policy language.{}", did_you_mean(suggestion))
            }
            Fault::Both { element, other } => format!("A statement has {element} or {other}, not both."),
            Fault::AllowWithNotPrincipal => {
                "NotPrincipal with Allow would grant to everyone else, also to anonymous callers.".to_owned()
            }
            Fault::ActionNotApplicable { action } => format!("{action} applies to no resource of the statement."),
            Fault::ConditionNotApplicable { key } => format!("{key} belongs to no action of the statement."),
            Fault::Sid { sid, why } => format!("The Sid {sid:?} {why}."),
            Fault::SidNotUnique { sid } => format!("The Sid {sid:?} stands twice in the document."),
            Fault::Id { why } => format!("The Id {why}."),
            Fault::Characters { character } => format!("The character {character:?} is not allowed in an identity policy."),
        }
    }

    /// What to put in place of the wrong text.
    pub(crate) fn suggestion(&self) -> Option<String> {
        match self {
            Fault::Action { suggestion, .. }
            | Fault::Resource { suggestion, .. }
            | Fault::ConditionName { suggestion, .. }
            | Fault::ConditionKey { suggestion, .. }
            | Fault::Unknown { suggestion, .. } => suggestion.clone(),
            Fault::Effect(text) => {
                ["Allow", "Deny"].into_iter().find(|known| known.eq_ignore_ascii_case(text)).map(str::to_owned)
            }
            _ => None,
        }
    }

    /// What to do. `only_aws` says that the document is refused for nothing but what AWS's language has.
    pub(crate) fn resolution(&self, options: &ParseOptions<'_>, only_aws: bool) -> String {
        let lyve = options.dialect == Dialect::Lyve;
        let text = match self {
            Fault::Utf16 | Fault::NotUtf8 => "Save the file as UTF-8.",
            Fault::Wrapped(inner) => return format!("Import the object under {inner}."),
            Fault::UrlEncoded => "Decode the document first; it is what the AWS API returns before clients decode it.",
            Fault::Json(_) | Fault::NotAnObject | Fault::DuplicateKey(_) | Fault::TooDeep => {
                "Check the JSON file structure."
            }
            Fault::TooLarge { .. } => "Split the policy, or shorten it with wildcards.",
            Fault::MissingStatement | Fault::MissingVersion | Fault::Missing(_) => {
                "Add this element to the policy permission file."
            }
            Fault::EmptyStatement | Fault::EmptyVersion | Fault::Empty(_) => "Add a value to this element.",
            Fault::ConditionName { .. } => "Choose a valid condition name, such as StringLike.",
            Fault::ConditionKey { .. } | Fault::RepeatedKey { .. } | Fault::ConditionNotApplicable { .. } => {
                "Choose a valid condition key, such as s3:prefix."
            }
            Fault::NotAllowed { element } | Fault::Unknown { element, .. } => match element.as_str() {
                "NotAction" => "Use Action instead of NotAction.",
                "NotResource" => "Use Resource instead of NotResource.",
                "Principal" | "NotPrincipal" if lyve => {
                    return with_import_hint(
                        format!(
                            "Remove {element}: the permission applies to the service accounts that it is attached to."
                        ),
                        only_aws,
                    );
                }
                "Tags" => "Remove Tags: a permission file has none.",
                element => return with_import_hint(format!("Remove {element}."), only_aws),
            },
            Fault::Both { other, .. } => return format!("Remove {other}."),
            Fault::AllowWithNotPrincipal => "Name who is allowed under Principal.",
            Fault::SidNotUnique { .. } => "Give each statement its own Sid.",
            Fault::ActionNotApplicable { .. } => {
                "Add the bucket for bucket actions and the bucket followed by /* for object actions."
            }
            _ => "Add a valid value to this element.",
        };
        let text = if lyve { text } else { text.trim_end_matches(" to the policy permission file.") };
        let text = if text.ends_with('.') { text.to_owned() } else { format!("{text}.") };
        with_import_hint(text, only_aws)
    }
}

fn with_import_hint(text: String, only_aws: bool) -> String {
    if only_aws { format!("{text} {IMPORT_AS_AWS}") } else { text }
}
