//! What a denial tells, and to whom: AWS's text to the caller, the statements and the compared values to the operator.

use std::borrow::Cow;

use policy::{Decision, Explanation, Outcome, Reason};

use super::context::RequestContext;
use super::question::Question;
use crate::protocol::error::{Code, Denial, S3Error};

/// The reasons of a denial.
#[derive(Default)]
pub(super) struct Told {
    /// AWS's text.
    message: String,
    trace: String,
    nearly: Option<String>,
}

impl Told {
    /// AWS's text, and the reasons where they are wanted.
    pub(super) fn new(message: String, explanation: Option<&Explanation>) -> Told {
        let nearly = explanation.filter(|it| !it.nearly.is_empty()).map(Explanation::header_value);
        Told { message, trace: explanation.map(Explanation::one_line).unwrap_or_default(), nearly }
    }
}

impl RequestContext {
    /// The answer to a request that was denied. Callers of other accounts and anonymous ones learn nothing but that.
    pub(super) fn refusal(&self, question: &Question<'_>, decision: &Decision<'_>, told: Option<Told>) -> S3Error {
        let Told { message, trace, nearly } = told.unwrap_or_default();
        let same_account = self.caller.account_id() == Some(question.resource.account());
        let text = if same_account { message } else { Code::AccessDenied.message().to_owned() };
        let mut refusal = Code::AccessDenied.with(text);
        refusal.denial = Some(Denial {
            explicit: decision.outcome == Outcome::ExplicitDeny,
            asked: format!("{} on {}", question.action, question.resource),
            by: decided_by(decision).into_owned(),
            nearly,
            trace,
        });
        refusal
    }
}

/// `POLICY/SID` of the deciding statement, or why there is none.
pub(super) fn decided_by(decision: &Decision<'_>) -> Cow<'static, str> {
    let text = match (&decision.deciding, decision.outcome) {
        (Some(deciding), _) => return Cow::Owned([deciding.policy, "/", &deciding.statement.name()].concat()),
        (None, Outcome::Allow) => "root",
        (None, _) => match decision.reason {
            Reason::NoBucketPolicy => "no bucket policy statement allows it",
            Reason::NoSessionPolicy => "no session policy statement allows it",
            _ => "no permission's statement allows it",
        },
    };
    Cow::Borrowed(text)
}
