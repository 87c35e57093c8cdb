//! The decision rule: who decides when several policies speak.

use policy::{
    Action, AttachedPolicy, MapContext, Outcome, Policy, PolicyKind, Principal, Reason, Request, Resource,
    denial_message,
};

use crate::support::{ALICE, OTHER, OWNER, context, decide, identity, of_kind, outcome, request};

const ROOT: Principal<'static> = Principal::Root { account: OWNER };
const CAROL: Principal<'static> =
    Principal::User { account: OTHER, name: "carol", arn: "arn:aws:iam::999999999999:user/carol" };
const SESSION: Principal<'static> = Principal::Session {
    account: OWNER,
    role_arn: "arn:aws:iam::123456789012:role/reader",
    session_arn: "arn:aws:sts::123456789012:assumed-role/reader/one",
};
const OBJECT: &str = "arn:aws:s3:::b/k";

fn plain(kind: PolicyKind, effect: &str) -> Policy {
    of_kind(kind, &format!(r#"{{"Statement": {{"Effect": "{effect}", "Action": "s3:*", "Resource": "*"}}}}"#))
}

fn bucket(effect: &str, principal: &str) -> Policy {
    bucket_with(effect, &format!(r#""Principal": {principal}"#))
}

fn bucket_with(effect: &str, principal: &str) -> Policy {
    let document = format!(
        r#"{{"Statement": {{"Effect": "{effect}", {principal}, "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}}}}"#
    );
    of_kind(PolicyKind::Bucket, &document)
}

fn ask(principal: Principal<'_>, policies: &[Policy]) -> Outcome {
    decide(policies, &request(principal, Action::GetObject, OBJECT, &MapContext::new())).outcome
}

#[test]
fn c05_a_user_without_any_policy_is_denied() {
    assert_eq!(ask(ALICE, &[]), Outcome::ImplicitDeny);
    assert_eq!(ask(SESSION, &[]), Outcome::ImplicitDeny);
    assert_eq!(ask(Principal::Anonymous, &[]), Outcome::ImplicitDeny);
}

#[test]
fn c02_an_identity_deny_beats_a_bucket_allow() {
    let policies = [bucket("Allow", "\"*\""), plain(PolicyKind::Identity, "Deny")];
    assert_eq!(ask(ALICE, &policies), Outcome::ExplicitDeny);
}

#[test]
fn c03_a_bucket_deny_beats_an_identity_allow() {
    for principal in ["\"*\"", r#"{"AWS": "123456789012"}"#, r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#] {
        let policies = [plain(PolicyKind::Identity, "Allow"), bucket("Deny", principal)];
        assert_eq!(ask(ALICE, &policies), Outcome::ExplicitDeny, "{principal}");
    }
    let other = [plain(PolicyKind::Identity, "Allow"), bucket("Deny", r#"{"AWS": "999999999999"}"#)];
    assert_eq!(ask(ALICE, &other), Outcome::Allow);
}

#[test]
fn c04_the_order_of_statements_changes_nothing() {
    for (first, second) in [("Allow", "Deny"), ("Deny", "Allow")] {
        let document = format!(
            r#"{{"Statement": [{{"Effect": "{first}", "Action": "*", "Resource": "*"}}, {{"Effect": "{second}", "Action": "*", "Resource": "*"}}]}}"#
        );
        assert_eq!(ask(ALICE, &[of_kind(PolicyKind::Identity, &document)]), Outcome::ExplicitDeny);
    }
}

#[test]
fn root_owns_its_account_but_a_deny_holds_for_it_except_for_the_policy_itself() {
    assert_eq!(ask(ROOT, &[]), Outcome::Allow);
    let deny = [bucket("Deny", "\"*\"")];
    assert_eq!(ask(ROOT, &deny), Outcome::ExplicitDeny);
    let nothing = MapContext::new();
    for action in [Action::GetBucketPolicy, Action::PutBucketPolicy, Action::DeleteBucketPolicy] {
        let decision = decide(&deny, &request(ROOT, action, "arn:aws:s3:::b", &nothing));
        assert_eq!((decision.outcome, decision.reason), (Outcome::Allow, Reason::RootKeepsBucketPolicy), "{action}");
        assert_eq!(decide(&deny, &request(ALICE, action, "arn:aws:s3:::b", &nothing)).outcome, Outcome::ExplicitDeny);
    }
    let foreign = Principal::Root { account: OTHER };
    assert_eq!(ask(foreign, &[]), Outcome::ImplicitDeny);
    assert_eq!(ask(foreign, &[bucket("Allow", r#"{"AWS": "999999999999"}"#)]), Outcome::Allow);
    let decision = decide(&deny, &request(foreign, Action::GetBucketPolicy, "arn:aws:s3:::b", &nothing));
    assert_eq!(decision.outcome, Outcome::ExplicitDeny);
}

#[test]
fn a_bucket_allow_reaches_whom_it_names() {
    for (principal, expected) in [
        ("\"*\"", Outcome::Allow),
        (r#"{"AWS": "*"}"#, Outcome::Allow),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#, Outcome::Allow),
        (r#"{"AWS": ["arn:aws:iam::123456789012:user/bob", "arn:aws:iam::123456789012:user/alice"]}"#, Outcome::Allow),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/bob"}"#, Outcome::ImplicitDeny),
        // The account alone adds nothing within itself.
        (r#"{"AWS": "123456789012"}"#, Outcome::ImplicitDeny),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, Outcome::ImplicitDeny),
        (r#"{"Service": "cloudtrail.amazonaws.com"}"#, Outcome::ImplicitDeny),
        (r#"{"AWS": []}"#, Outcome::ImplicitDeny),
        ("{}", Outcome::ImplicitDeny),
    ] {
        assert_eq!(ask(ALICE, &[bucket("Allow", principal)]), expected, "{principal}");
    }
}

#[test]
fn the_stronger_of_two_grants_counts_in_either_order() {
    let account = || bucket("Allow", r#"{"AWS": "123456789012"}"#);
    let user = || bucket("Allow", r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#);
    assert_eq!(ask(ALICE, &[account(), user()]), Outcome::Allow);
    assert_eq!(ask(ALICE, &[user(), account()]), Outcome::Allow);
}

#[test]
fn the_first_applicable_statement_decides_in_a_long_document_too() {
    let mut statements: Vec<String> = (0..200)
        .map(|index| format!(r#"{{"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::b/p{index:03}/*", "arn:aws:s3:::b/q{index:03}*"]}}"#))
        .collect();
    statements.push(r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/p*"}"#.to_owned());
    statements.push(r#"{"Sid": "Last", "Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b/p007/x", "arn:aws:s3:::b/p007/x*"]}"#.to_owned());
    let policies = [of_kind(PolicyKind::Identity, &format!(r#"{{"Statement": [{}]}}"#, statements.join(",")))];
    let nothing = MapContext::new();
    for (key, expected) in [
        ("p042/x", Some("#43")),
        ("p999/x", Some("#201")),
        ("q199", Some("#200")),
        ("q19", None),
        ("p", Some("#201")),
        ("r", None),
        ("p007/xy", Some("Last")),
    ] {
        let arn = format!("arn:aws:s3:::b/{key}");
        let decision = decide(&policies, &request(ALICE, Action::GetObject, &arn, &nothing));
        let deciding = decision.deciding.map(|deciding| deciding.statement.name());
        assert_eq!(deciding.as_deref(), expected, "{key}");
    }
}

#[test]
fn another_accounts_caller_needs_both_halves_when_only_its_account_is_named() {
    let account = bucket("Allow", r#"{"AWS": "999999999999"}"#);
    let own = plain(PolicyKind::Identity, "Allow");
    assert_eq!(ask(CAROL, std::slice::from_ref(&account)), Outcome::ImplicitDeny);
    assert_eq!(ask(CAROL, std::slice::from_ref(&own)), Outcome::ImplicitDeny);
    let nothing = MapContext::new();
    let policies = [account, own];
    let decision = decide(&policies, &request(CAROL, Action::GetObject, OBJECT, &nothing));
    assert_eq!((decision.outcome, decision.reason), (Outcome::Allow, Reason::CrossAccount));
    assert_eq!(ask(CAROL, &[bucket("Allow", r#"{"AWS": "arn:aws:iam::999999999999:user/carol"}"#)]), Outcome::Allow);
}

#[test]
fn anonymous_callers_have_the_bucket_policy_only() {
    assert_eq!(ask(Principal::Anonymous, &[bucket("Allow", "\"*\"")]), Outcome::Allow);
    assert_eq!(ask(Principal::Anonymous, &[bucket("Allow", r#"{"AWS": "*"}"#)]), Outcome::Allow);
    assert_eq!(ask(Principal::Anonymous, &[bucket("Allow", r#"{"AWS": "123456789012"}"#)]), Outcome::ImplicitDeny);
    assert_eq!(ask(Principal::Anonymous, &[bucket("Allow", "\"*\""), bucket("Deny", "\"*\"")]), Outcome::ExplicitDeny);
}

#[test]
fn sessions_are_limited_by_their_policy_unless_the_bucket_names_them() {
    let identity = || plain(PolicyKind::Identity, "Allow");
    let narrow = || {
        of_kind(PolicyKind::Session, r#"{"Statement": {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#)
    };
    let role = || bucket("Allow", r#"{"AWS": "arn:aws:iam::123456789012:role/reader"}"#);
    let session = || bucket("Allow", r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/reader/one"}"#);
    assert_eq!(ask(SESSION, &[identity()]), Outcome::Allow);
    assert_eq!(ask(SESSION, &[identity(), narrow()]), Outcome::ImplicitDeny);
    assert_eq!(ask(SESSION, &[identity(), plain(PolicyKind::Session, "Allow")]), Outcome::Allow);
    assert_eq!(ask(SESSION, &[plain(PolicyKind::Session, "Allow")]), Outcome::ImplicitDeny);
    assert_eq!(ask(SESSION, &[identity(), plain(PolicyKind::Session, "Deny")]), Outcome::ExplicitDeny);
    // Named by its role: like an identity Allow.
    assert_eq!(ask(SESSION, &[role()]), Outcome::Allow);
    assert_eq!(ask(SESSION, &[role(), narrow()]), Outcome::ImplicitDeny);
    // Named itself, or everyone: the bucket's word is enough.
    assert_eq!(ask(SESSION, &[session(), narrow()]), Outcome::Allow);
    assert_eq!(ask(SESSION, &[bucket("Allow", "\"*\""), narrow()]), Outcome::Allow);
    assert_eq!(
        ask(SESSION, &[identity(), bucket("Deny", r#"{"AWS": "arn:aws:iam::123456789012:role/reader"}"#)]),
        Outcome::ExplicitDeny
    );
}

#[test]
fn c10_not_elements_select_what_they_leave_out() {
    let is = |statement: &str, action, arn: &str| {
        let document = format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*"}}, {{"Effect": "Deny", {statement}}}]}}"#
        );
        outcome(&of_kind(PolicyKind::Identity, &document), action, arn, &MapContext::new()) == Outcome::ExplicitDeny
    };
    let all_but_get = r#""NotAction": "s3:Get*", "Resource": "*""#;
    assert!(!is(all_but_get, Action::GetObject, OBJECT) && is(all_but_get, Action::PutObject, OBJECT));
    // What leaves out S3's actions says nothing of the console's, unless it leaves out some of those as well.
    let console = Action::StrongroomListUsers;
    assert!(!is(all_but_get, console, "arn:aws:s3:::*"));
    let all_but_both = r#""NotAction": ["s3:Get*", "strongroom:GetUser"], "Resource": "*""#;
    assert!(is(all_but_both, console, "arn:aws:s3:::*"));
    assert!(!is(all_but_both, Action::StrongroomGetUser, "arn:aws:s3:::*"));
    let all_but_public = r#""Action": "*", "NotResource": ["arn:aws:s3:::b", "arn:aws:s3:::b/public/*"]"#;
    assert!(
        is(all_but_public, Action::GetObject, OBJECT)
            && !is(all_but_public, Action::GetObject, "arn:aws:s3:::b/public/x")
    );
    // Two statements that differ in NotResource alone both count.
    let two = r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::b/x"}, {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::b/y"}]}"#;
    for key in ["arn:aws:s3:::b/x", "arn:aws:s3:::b/y"] {
        assert_eq!(
            outcome(&of_kind(PolicyKind::Identity, two), Action::GetObject, key, &MapContext::new()),
            Outcome::ExplicitDeny
        );
    }
    let not_alice = bucket_with("Deny", r#""NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/alice"}"#);
    let allow = plain(PolicyKind::Identity, "Allow");
    let policies = [not_alice, allow];
    assert_eq!(ask(ALICE, &policies), Outcome::Allow);
    assert_eq!(ask(CAROL, &policies), Outcome::ExplicitDeny);
    assert_eq!(ask(Principal::Anonymous, &policies), Outcome::ExplicitDeny);
    let not_account =
        [bucket_with("Deny", r#""NotPrincipal": {"AWS": "123456789012"}"#), plain(PolicyKind::Identity, "Allow")];
    assert_eq!(ask(ALICE, &not_account), Outcome::Allow);
}

#[test]
fn an_unresolved_variable_in_notresource_fails_closed() {
    let with = |effect: &str| {
        identity(&format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/${{aws:username}}/*"}}}}"#
        ))
    };
    let nobody = MapContext::new();
    assert_eq!(outcome(&with("Allow"), Action::GetObject, OBJECT, &nobody), Outcome::ImplicitDeny);
    assert_eq!(outcome(&with("Deny"), Action::GetObject, OBJECT, &nobody), Outcome::ExplicitDeny);
    let alice = context(&[("aws:username", "alice")]);
    assert_eq!(outcome(&with("Allow"), Action::GetObject, OBJECT, &alice), Outcome::Allow);
    assert_eq!(outcome(&with("Deny"), Action::GetObject, "arn:aws:s3:::b/alice/x", &alice), Outcome::ImplicitDeny);
}

#[test]
fn a_tag_that_could_not_be_read_makes_a_deny_apply_to_what_it_could_name() {
    let statement =
        r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${s3:ExistingObjectTag/team}/*"}"#;
    let mut unreadable = MapContext::new();
    unreadable.insert_unreadable("s3:ExistingObjectTag/team");
    // A short policy is read through, a long one is looked up; they must agree.
    for copies in [1, 40] {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, vec![statement; copies].join(","));
        let policy = of_kind(PolicyKind::Identity, &document);
        assert_eq!(outcome(&policy, Action::GetObject, OBJECT, &unreadable), Outcome::ExplicitDeny);
        assert_eq!(outcome(&policy, Action::GetObject, "arn:aws:s3:::c/k", &unreadable), Outcome::ImplicitDeny);
    }
}

#[test]
fn variables_live_only_in_the_newer_version() {
    let home = |version: &str| {
        identity(&format!(
            r#"{{{version} "Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${{aws:username}}/*"}}}}"#
        ))
    };
    let alice = context(&[("aws:username", "alice")]);
    let is = |version: &str, arn: &str| outcome(&home(version), Action::GetObject, arn, &alice) == Outcome::Allow;
    assert!(is(r#""Version": "2012-10-17","#, "arn:aws:s3:::b/alice/x"));
    for version in ["", r#""Version": "2008-10-17","#] {
        assert!(!is(version, "arn:aws:s3:::b/alice/x") && is(version, "arn:aws:s3:::b/${aws:username}/x"), "{version}");
    }
}

#[test]
fn a_disabled_permission_grants_nothing_and_its_denies_stay() {
    let request = request(ALICE, Action::GetObject, OBJECT, &policy::EmptyContext);
    let disabled = |policy| AttachedPolicy { enabled: false, ..AttachedPolicy::new(policy, "off") };
    let (allow, deny) = (plain(PolicyKind::Identity, "Allow"), plain(PolicyKind::Identity, "Deny"));
    assert_eq!(policy::decide([disabled(&allow)], &request).outcome, Outcome::ImplicitDeny);
    assert_eq!(
        policy::decide([AttachedPolicy::new(&allow, "on"), disabled(&deny)], &request).outcome,
        Outcome::ExplicitDeny
    );
}

#[test]
fn an_identity_policy_in_a_buckets_place_grants_nothing() {
    let policy = plain(PolicyKind::Identity, "Allow");
    let attached = AttachedPolicy { role: PolicyKind::Bucket, ..AttachedPolicy::new(&policy, "bucket policy") };
    for principal in [ALICE, CAROL, Principal::Anonymous] {
        let request = request(principal, Action::GetObject, OBJECT, &policy::EmptyContext);
        assert_eq!(policy::decide([attached], &request).outcome, Outcome::ImplicitDeny);
    }
}

#[test]
fn list_buckets_is_judged_on_the_service() {
    let all = identity(
        r#"{"Statement": {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "arn:aws:s3:::*"}}"#,
    );
    let one = of_kind(
        PolicyKind::Identity,
        r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b*"}}"#,
    );
    let nothing = MapContext::new();
    let ask = |policy: &Policy| {
        let resource = Resource::Service { account: OWNER };
        let request = Request {
            principal: ALICE,
            action: Action::ListAllMyBuckets,
            resource,
            context: &nothing,
            canonical_user: None,
        };
        decide(std::slice::from_ref(policy), &request).outcome
    };
    assert_eq!((ask(&all), ask(&one)), (Outcome::Allow, Outcome::ImplicitDeny));
}

#[test]
fn every_decision_names_its_statement_and_denials_have_awss_text() {
    let document = "{\"Statement\": [\n{\"Effect\": \"Allow\", \"Action\": \"s3:GetObject\", \"Resource\": \"*\"},\n{\"Sid\": \"NoAcl\", \"Effect\": \"Deny\", \"Action\": \"s3:GetObjectAcl\", \"Resource\": \"*\"}]}";
    let policies = [identity(document)];
    let nothing = MapContext::new();
    let ask = |action| {
        let request = request(ALICE, action, OBJECT, &nothing);
        let decision = decide(&policies, &request);
        let deciding = decision.deciding.map(|deciding| (deciding.statement.name(), deciding.statement.line()));
        (decision.outcome, deciding, denial_message(&request, &decision))
    };
    let (outcome, deciding, _) = ask(Action::GetObject);
    assert_eq!((outcome, deciding), (Outcome::Allow, Some(("#1".to_owned(), 2))));
    let (outcome, deciding, text) = ask(Action::GetObjectAcl);
    assert_eq!((outcome, deciding), (Outcome::ExplicitDeny, Some(("NoAcl".to_owned(), 3))));
    assert_eq!(
        text,
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: s3:GetObjectAcl on resource: \
         \"arn:aws:s3:::b/k\" with an explicit deny in an identity-based policy"
    );
    let (outcome, deciding, text) = ask(Action::PutObject);
    assert_eq!((outcome, deciding), (Outcome::ImplicitDeny, None));
    assert!(text.ends_with("because no identity-based policy allows the s3:PutObject action"), "{text}");
    let deny = [bucket("Deny", "\"*\"")];
    let request = request(ALICE, Action::GetObject, OBJECT, &nothing);
    assert!(
        denial_message(&request, &decide(&deny, &request))
            .ends_with("with an explicit deny in a resource-based policy")
    );
    let anonymous = Request { principal: Principal::Anonymous, ..request };
    assert_eq!(denial_message(&anonymous, &decide(&deny, &anonymous)), "Access Denied");
}

#[test]
fn object_tags_are_asked_for_only_by_statements_that_could_apply() {
    let tagged = of_kind(
        PolicyKind::Identity,
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "a"}}}]}"#,
    );
    let variable = of_kind(
        PolicyKind::Identity,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${s3:ExistingObjectTag/team}"}}"#,
    );
    let asks = |policy: &Policy, action| {
        policy::asks_for_object_tags(
            [AttachedPolicy::new(policy, "p")],
            &request(ALICE, action, OBJECT, &policy::EmptyContext),
        )
    };
    assert!(asks(&tagged, Action::GetObject) && !asks(&tagged, Action::PutObject));
    assert!(asks(&variable, Action::PutObject));
    // Nor for what another bucket's objects, or keys with another ending, are tagged with.
    for (resource, expected) in [
        ("arn:aws:s3:::c/${s3:ExistingObjectTag/team}", false),
        ("arn:aws:s3:::b/${s3:ExistingObjectTag/team}/x", false),
        ("arn:aws:s3:::${s3:ExistingObjectTag/team}/k", true),
        ("arn:aws:s3:::b/${s3:ExistingObjectTag/team}k", true),
    ] {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": "{resource}"}}}}"#
        );
        assert_eq!(asks(&of_kind(PolicyKind::Identity, &document), Action::GetObject), expected, "{resource}");
        let inverted = document.replace("\"Resource\"", "\"NotResource\"");
        assert!(asks(&of_kind(PolicyKind::Identity, &inverted), Action::GetObject), "{resource}");
    }
    assert!(!asks(&plain(PolicyKind::Identity, "Allow"), Action::GetObject));
    // One of several resources is enough.
    let several = of_kind(
        PolicyKind::Identity,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::c/*", "arn:aws:s3:::b/*"],
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "a"}}}}"#,
    );
    assert!(asks(&several, Action::GetObject));
}

#[test]
fn canonical_users_are_their_account() {
    let policies = [bucket("Deny", r#"{"CanonicalUser": "79a5"}"#), plain(PolicyKind::Identity, "Allow")];
    let nothing = MapContext::new();
    let known = Request { canonical_user: Some("79a5"), ..request(ALICE, Action::GetObject, OBJECT, &nothing) };
    assert_eq!(decide(&policies, &known).outcome, Outcome::ExplicitDeny);
    assert_eq!(ask(ALICE, &policies), Outcome::Allow);
    // Another account's root is the account itself; its users need their own Allow as well.
    let shared = [bucket("Allow", r#"{"CanonicalUser": "79a5"}"#)];
    for (principal, expected) in [(Principal::Root { account: OTHER }, Outcome::Allow), (CAROL, Outcome::ImplicitDeny)]
    {
        let asked = Request { principal, ..known };
        assert_eq!(decide(&shared, &asked).outcome, expected, "{principal}");
    }
}

#[test]
fn an_action_that_no_table_has_is_compared_with_every_pattern() {
    let ask = |element: &str, action: &str| {
        let case = format!(
            r#"[{{"policies": [{{"kind": "identity", "document": {{"Version": "2012-10-17", "Statement":
            {{"Effect": "Allow", "{element}": ["s3:GetObject", "glue:Get*"], "Resource": "*"}}}}}}],
            "request": {{"principal": "arn:aws:iam::{OWNER}:user/alice", "action": "{action}", "resource": "{OBJECT}"}}}}]"#
        );
        let text = policy::eval_cases(&case).expect("an array is judged");
        let answers: serde_json::Value = serde_json::from_str(&text).expect("answers are JSON");
        answers[0]["decision"] == "Allow"
    };
    assert!(ask("Action", "glue:GetTable") && !ask("Action", "glue:PutTable"));
    assert!(!ask("NotAction", "glue:GetTable") && ask("NotAction", "glue:PutTable"));
}
