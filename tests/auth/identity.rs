//! GetCallerIdentity of STS, on the S3 listener.

use tests::node::{ACCOUNT_ID, ROOT_ACCESS_KEY, ROOT_SECRET_KEY};
use tests::{Client, Credentials, Node, Request, Response, Signer};

use crate::fixture;

fn call(client: &Client, signer: Option<&Signer>, form: &str, change: impl FnOnce(&mut Request)) -> Response {
    let mut request = client
        .target("POST", "/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(form);
    if let Some(signer) = signer {
        signer.sign(&mut request);
    }
    change(&mut request);
    client.send_as_is(&request)
}

fn signer(access_key: &str, secret_key: &str) -> Signer {
    Signer { service: "sts".into(), ..Signer::new(Credentials::new(access_key, secret_key)) }
}

const FORM: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[test]
fn whoever_signs_learns_who_they_are_whatever_their_permissions_say() {
    let node: Node = fixture::node(&[], &[("app", serde_json::json!([fixture::deny(&["s3:*"], &["*"])]))]);
    let client = node.client();
    let root = call(&client, Some(&signer(ROOT_ACCESS_KEY, ROOT_SECRET_KEY)), FORM, |_| {});
    assert_eq!(root.status, 200, "{root}");
    let result = "GetCallerIdentityResponse/GetCallerIdentityResult";
    assert_eq!(root.xml(&format!("{result}/Arn")), format!("arn:aws:iam::{ACCOUNT_ID}:root"));
    assert_eq!(root.xml(&format!("{result}/Account")), ACCOUNT_ID);
    assert_eq!(root.xml(&format!("{result}/UserId")), ACCOUNT_ID);
    let app = call(&client, Some(&signer(&fixture::access_key("app"), &fixture::secret_key("app"))), FORM, |_| {});
    assert_eq!(app.xml(&format!("{result}/Arn")), fixture::user_arn("app"));
    assert!(app.xml(&format!("{result}/UserId")).starts_with("AIDA"), "{app}");
}

#[test]
fn what_is_not_signed_for_sts_is_refused_and_other_calls_are_not_there() {
    let node = fixture::node(&[], &[]);
    let client = node.client();
    let root = signer(ROOT_ACCESS_KEY, ROOT_SECRET_KEY);
    let code = |response: Response| (response.status, response.xml("ErrorResponse/Error/Code"));
    let refused = |status: u16, name: &str| (status, name.to_owned());
    assert_eq!(code(call(&client, None, FORM, |_| {})), refused(403, "MissingAuthenticationToken"));
    let s3 = Signer { service: "s3".into(), ..root.clone() };
    assert_eq!(code(call(&client, Some(&s3), FORM, |_| {})).0, 403);
    assert_eq!(
        code(call(&client, Some(&signer("AKIDNOBODY", "a-secret")), FORM, |_| {})),
        refused(403, "InvalidClientTokenId")
    );
    assert_eq!(
        code(call(&client, Some(&signer(ROOT_ACCESS_KEY, "a-secret")), FORM, |_| {})),
        refused(403, "SignatureDoesNotMatch")
    );
    let other = call(&client, Some(&root), FORM, |request| request.body = FORM.replace("Identity", "Identitx").into());
    assert_eq!(code(other), refused(403, "SignatureDoesNotMatch"));
    assert_eq!(
        code(call(&client, Some(&root), "Action=AssumeRole&Version=2011-06-15", |_| {})),
        refused(400, "InvalidAction")
    );
    // A signature for STS opens nothing of S3.
    let mut list = client.target("GET", "/");
    root.sign(&mut list);
    assert_eq!(client.send_as_is(&list).status, 400);
}
