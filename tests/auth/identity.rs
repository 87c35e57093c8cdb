//! GetCallerIdentity of STS, on the S3 listener.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
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

/// The call as a GET.
fn query(client: &Client) -> Request {
    client.target("GET", &format!("/?{FORM}"))
}

fn code(response: &Response) -> (u16, String) {
    (response.status, response.xml("ErrorResponse/Error/Code"))
}

#[test]
fn a_get_is_taken_signed_by_header_and_presigned() {
    let node: Node = fixture::node(&["box"], &[("app", serde_json::json!([fixture::deny(&["s3:*"], &["*"])]))]);
    let client = node.client();
    let app = signer(&fixture::access_key("app"), &fixture::secret_key("app"));
    let is_app = |response: &Response| {
        let result = "GetCallerIdentityResponse/GetCallerIdentityResult";
        assert_eq!(response.status, 200, "{response}");
        assert_eq!(response.xml(&format!("{result}/Arn")), fixture::user_arn("app"));
        assert_eq!(response.xml(&format!("{result}/Account")), ACCOUNT_ID);
    };
    let mut request = query(&client);
    app.sign(&mut request);
    is_app(&client.send_as_is(&request));
    // Who presigns a call may bind it to something by a header, as aws-iam-authenticator does to a cluster.
    let mut request = query(&client).header("x-k8s-aws-id", "cluster");
    app.presign(&mut request, Duration::from_secs(60));
    is_app(&client.send_as_is(&request));
    request.set("x-k8s-aws-id", "another");
    assert_eq!(code(&client.send_as_is(&request)), (403, "SignatureDoesNotMatch".to_owned()));
    // SDKs say an hour, or nothing at all: it is fifteen minutes in either case.
    for age in [0, 890, 910] {
        let app = Signer { time: Timestamp::now() - SignedDuration::from_secs(age), ..app.clone() };
        let (mut hour, mut nothing) = (query(&client), query(&client));
        app.presign(&mut hour, Duration::from_secs(3_600));
        app.presign_without_expires(&mut nothing);
        for request in [hour, nothing] {
            let response = client.send_as_is(&request);
            match age {
                910 => assert_eq!(code(&response), (403, "AccessDenied".to_owned()), "{response}"),
                _ => is_app(&response),
            }
        }
    }
    let earlier = Signer { time: Timestamp::now() - SignedDuration::from_secs(30), ..app.clone() };
    let mut request = query(&client);
    earlier.presign(&mut request, Duration::from_secs(20));
    assert_eq!(code(&client.send_as_is(&request)), (403, "AccessDenied".to_owned()), "a shorter life is kept");
}

#[test]
fn a_get_that_is_not_signed_for_sts_is_refused_and_none_of_s3_is_taken_for_one() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let root = signer(ROOT_ACCESS_KEY, ROOT_SECRET_KEY);
    let refused = |status: u16, name: &str| (status, name.to_owned());
    let sent = |signer: Option<&Signer>, target: &str, change: &dyn Fn(&mut Request)| {
        let mut request = client.target("GET", target);
        if let Some(signer) = signer {
            signer.presign(&mut request, Duration::from_secs(60));
        }
        change(&mut request);
        client.send_as_is(&request)
    };
    let call = format!("/?{FORM}");
    assert_eq!(code(&sent(None, &call, &|_| {})), refused(403, "MissingAuthenticationToken"));
    let other = signer("AKIDNOBODY", "a-secret");
    assert_eq!(code(&sent(Some(&other), &call, &|_| {})), refused(403, "InvalidClientTokenId"));
    let wrong = signer(ROOT_ACCESS_KEY, "a-secret");
    assert_eq!(code(&sent(Some(&wrong), &call, &|_| {})), refused(403, "SignatureDoesNotMatch"));
    let s3 = Signer { service: "s3".into(), ..root.clone() };
    assert_eq!(code(&sent(Some(&s3), &call, &|_| {})), refused(403, "AuthorizationQueryParametersError"));
    // Neither what is asked nor a body can be put in afterwards.
    let another = sent(Some(&root), &call, &|it| it.target = it.target.replace("2011-06-15", "2011-06-16"));
    assert_eq!(code(&another), refused(403, "SignatureDoesNotMatch"));
    let body = sent(Some(&root), &call, &|it| it.body = b"Action=AssumeRole".to_vec());
    assert_eq!(code(&body), refused(403, "SignatureDoesNotMatch"));
    assert_eq!(
        code(&sent(Some(&root), "/?Action=AssumeRole&Version=2011-06-15", &|_| {})),
        refused(400, "InvalidAction")
    );
    let long = format!("{call}&Long={}", "a".repeat(9 << 10));
    assert_eq!(code(&sent(Some(&root), &long, &|_| {})), refused(400, "MalformedQueryString"));
    // A URL for STS opens nothing of S3, and S3's own calls stay S3's.
    let list = sent(Some(&root), "/", &|_| {});
    assert!(list.status == 400 && list.xml("Error/Code") == "AuthorizationQueryParametersError", "{list}");
    assert_eq!(client.send(client.target("GET", "/?prefix=Action%3D")).status, 200);
    let mut of_bucket = client.target("GET", "/?Action=x");
    of_bucket.set("host", format!("box.localhost:{}", node.s3().port()));
    assert!(!client.send(of_bucket).text().contains("ErrorResponse"), "a bucket's own host is a bucket's");
    let put = client.send(client.target("PUT", "/?Action=GetCallerIdentity"));
    assert!(!put.text().contains("GetCallerIdentityResult"), "{put}");
}
