//! The command line of `strongroom policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Connection;

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check policy documents: every error and finding with its place
    #[command(after_help = CHECK_HELP)]
    Check(PolicyCheck),
    /// Evaluate an array of requests against policies; prints JSON
    #[command(after_help = EVAL_HELP)]
    Eval(PolicyEval),
    /// Explain one decision: which statement decided, which nearly matched
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Box<PolicyExplain>),
}

const CHECK_HELP: &str = "\
Colours are for terminals; NO_COLOR=1 switches them off, CLICOLOR_FORCE=1 on. With --json one file makes {valid, message, errors, findings}, several an array of those with their file.

A batch is answered by an array of {id, valid, message, errors, findings}, in order; a case that is no such object by {id, error}.

Exit codes: 0 all documents are valid, findings or not; 1 one has errors; 2 wrong usage or a file that can't be read. A batch that is answered exits 0 whatever the answers.

Example: strongroom policy check permission.json --dialect lyve
         strongroom policy check --kind bucket --bucket datalake policies/*.json
         aws iam get-role-policy ... --query PolicyDocument | strongroom policy check -
         strongroom policy check --batch cases.json";

const EVAL_HELP: &str = "\
The context of a request is complete: no key is added. Its bucket belongs to account 123456789012. The answer is an array of {id, decision, policy, sid}, in order, with decision Allow, ExplicitDeny or ImplicitDeny; a case that is malformed, or has a document that is refused, is answered by {id, error}.

Exit codes: 0 every case is answered, whatever the answers; 2 wrong usage, or a file that can't be read or is no array.

Example: strongroom policy eval cases.json > answers.json
         strongroom policy eval - < cases.json";

const EXPLAIN_HELP: &str = "\
The request is judged as policy eval judges it: with the given context and no other, on a bucket of account 123456789012. With --as the node judges it by the permissions and bucket policies that it has; what follows from caller, bucket and time is in the context then.

Exit codes: 0 the decision is explained, whatever it is; 2 wrong usage, or a file that can't be read or judged; with --as also 3 no such service account or user, 4 denied.

Example: strongroom policy explain case.json
         strongroom policy explain --as worker --action s3:GetObject --resource arn:aws:s3:::datalake/a.jpg --context aws:SourceIp=21.21.21.7
         strongroom policy explain --policy lightly.json --action s3:GetObject --resource arn:aws:s3:::datalake/a.jpg --context aws:SourceIp=21.21.21.7";

#[derive(Debug, Args)]
pub(crate) struct PolicyCheck {
    /// Policy documents; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "batch", conflicts_with = "batch")]
    pub(crate) files: Vec<PathBuf>,
    /// What the documents are attached to
    #[arg(long, value_name = "KIND", default_value = "identity", conflicts_with = "batch")]
    pub(crate) kind: PolicyKind,
    /// Rules that the documents must follow; permission create takes lyve unless it is told otherwise [default: aws]
    #[arg(long, value_name = "DIALECT", conflicts_with = "batch")]
    pub(crate) dialect: Option<PolicyDialect>,
    /// Bucket of the documents, with --kind bucket or --batch: resources of others are refused
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// Check an array of {id, document_text, dialect, kind, bucket?}; prints JSON; - is standard input
    #[arg(long, value_name = "CASES")]
    pub(crate) batch: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyKind {
    /// Of users and service accounts
    Identity,
    /// Of a bucket
    Bucket,
    /// Passed when a session is made
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyDialect {
    /// AWS's policy language, as S3 uses it
    Aws,
    /// Permission files of Lyve Cloud
    Lyve,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyEval {
    /// Array of {id, policies: [{kind, document}], request}; - is standard input
    #[arg(value_name = "CASES")]
    pub(crate) cases: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyExplain {
    /// Ask a running node what would become of a request of this service account or user (name, id or ARN), of root, or of anonymous
    #[arg(long = "as", value_name = "NAME", conflicts_with_all = ["case", "policy", "bucket_policy", "session_policy", "principal"])]
    pub(crate) caller: Option<String>,
    /// One {policies: [{kind, document}], request}, or an array of one; - is standard input. Without it, the flags say the request
    #[arg(value_name = "CASE", conflicts_with_all = ["policy", "bucket_policy", "session_policy", "action", "resource", "context", "principal"])]
    pub(crate) case: Option<PathBuf>,
    /// Identity policy of the caller; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Policy of the bucket; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) bucket_policy: Vec<PathBuf>,
    /// Session policy of the caller; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) session_policy: Vec<PathBuf>,
    /// ARN of the caller, or anonymous
    #[arg(long, value_name = "ARN", default_value = "arn:aws:iam::123456789012:user/someone")]
    pub(crate) principal: String,
    /// Action, such as s3:GetObject
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// ARN of the bucket or object
    #[arg(long, value_name = "ARN")]
    pub(crate) resource: Option<String>,
    /// Fact about the request, such as aws:SourceIp=21.21.21.7; repeatable, also for several values of a key
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) context: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
