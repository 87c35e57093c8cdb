//! `strongroom service-account`, `user` and `account` against the socket of a running node.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::json;
use tests::binary;

use super::terminal::{Terminal, signal, telling_its_id};
use super::{field, file, local, node, text_of};

#[test]
fn a_service_account_has_its_whole_life_on_the_command_line() {
    let node = node();
    node.client().create_bucket("lake").expect(200, "");
    node.client().put("lake", "k", "body").expect(200, "");
    for (name, actions) in [("read", "read-only"), ("write", "write-only")] {
        local(&node, &["permission", "create", name, "--all-buckets", "--actions", actions]).ok();
    }
    let made = local(&node, &["service-account", "create", "worker", "-p", "read", "--expires", "2099-01-31"]).ok();
    assert!(field(&made, "expires").starts_with("2099-01-31T"), "{made}");
    let (key, secret) = (field(&made, "access key"), field(&made, "secret"));
    let worker = node.client().with(&key, &secret);
    worker.get("lake", "k").expect(200, "");
    worker.put("lake", "new", "x").expect(403, "AccessDenied");
    local(&node, &["service-account", "edit", "worker", "--add-permission", "write", "--no-expiry"]).ok();
    worker.put("lake", "new", "x").expect(200, "");
    local(&node, &["service-account", "edit", "worker", "--remove-permission", "read"]).ok();
    worker.get("lake", "k").expect(403, "AccessDenied");
    let shown = local(&node, &["service-account", "show", "worker"]).ok();
    assert_eq!((field(&shown, "permissions"), field(&shown, "expires")), ("write".into(), "never".into()));
    assert!(!shown.contains(&secret), "the secret is shown once");
    local(&node, &["service-account", "disable", "worker"]).ok();
    worker.put("lake", "new", "x").expect(403, "InvalidAccessKeyId");
    local(&node, &["service-account", "enable", "worker"]).ok();
    let rotated = local(&node, &["service-account", "rotate", "worker"]).ok();
    worker.put("lake", "new", "x").expect(403, "SignatureDoesNotMatch");
    node.client().with(&key, &field(&rotated, "secret")).put("lake", "new", "x").expect(200, "");
    let list = local(&node, &["service-account", "list"]).ok();
    assert!(list.lines().any(|line| line.starts_with("worker") && line.contains(&key)), "{list}");
    local(&node, &["service-account", "edit", "worker", "--remove-permission", "read"])
        .fails(3, &["doesn't have", "it has: write"]);
    local(&node, &["service-account", "edit", "worker", "--add-permission", "nix"])
        .fails(3, &["nix", "permission list"]);
    local(&node, &["service-account", "edit", "worker", "--remove-permission", "write"])
        .fails(2, &["no permission left", "--add-permission"]);
    local(&node, &["service-account", "create", "worker", "-p", "read"]).fails(5, &["in use"]);
    local(&node, &["service-account", "delete", "worker", "--yes"]).ok();
    local(&node, &["service-account", "show", "worker"]).fails(3, &["service account \"worker\""]);
}

#[test]
fn a_wrong_value_is_told_by_its_flag_and_what_somebody_wrote_stays_as_it_is() {
    let node = node();
    local(&node, &["bucket", "create", "lake"]).ok();
    local(&node, &["permission", "create", "read", "--all-buckets", "--actions", "read-only"]).ok();
    let short = file(&node, "short", "abc\n");
    let long = "x".repeat(1001);
    let wrong: &[(&[&str], &str)] = &[
        (&["service-account", "create", "other", "-p", "read", "--expires", "soon"], ": --expires "),
        (&["service-account", "create", "other", "-p", "read", "--key-id", "AB"], ": --key-id "),
        (&["service-account", "create", "other", "-p", "read", "--secret-from", &short], ": --secret-from "),
        (
            &["service-account", "create", "other", "-p", "read", "-p", "read"],
            ": --permission names a permission twice",
        ),
        (
            &["permission", "create", "p", "--bucket", "lake", "--actions", "read-only", "--description", &long],
            ": --description ",
        ),
        (&["permission", "create", "p", "--prefix", "A_", "--actions", "read-only"], ": --prefix "),
        (&["account", "create", "other", "--id", "12"], ": --id "),
        (&["account", "create", "other", "--email", "nowhere"], ": --email "),
        (&["account", "create", "other", "--canonical-id", "a b"], ": --canonical-id "),
        (&["bucket", "list", "--sort", "colour"], ": --sort "),
        (&["audit", "search", "--from", "soon"], ": --from "),
        (&["usage", "monthly", "--to", "soon"], ": --to "),
        (&["usage", "monthly", "--to", "2001-01"], "Pass a --from that isn't after --to"),
    ];
    for (arguments, words) in wrong {
        local(&node, arguments).fails(2, &[words]);
    }
    // The words of a name aren't taken for those of the node.
    let name = "x: expirationDate y";
    let refused = local(&node, &["service-account", "create", name, "-p", "read"]).fails(2, &["expirationDate"]);
    assert!(!refused.contains("--expires"), "{refused}");
}

#[test]
fn a_secret_goes_to_a_file_of_mode_0600_and_no_file_is_overwritten_or_left_behind() {
    let node = node();
    local(&node, &["permission", "create", "read", "--all-buckets", "--actions", "read-only"]).ok();
    let path = node.temporary().join("worker.secret");
    let name = text_of(&path);
    let create = ["service-account", "create", "worker", "-p", "read", "--secret-file", &name, "--json"];
    let made = local(&node, &create).json();
    assert_eq!(made.get("secret"), None, "{made}");
    assert_eq!(path.metadata().expect("written").permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&path).expect("readable");
    let client = node.client().with(made["accessKey"].as_str().expect("a key"), secret.trim_end());
    node.client().create_bucket("lake").expect(200, "");
    client.list("lake", &[]).expect(200, "");
    local(&node, &create).fails(2, &[&name, "already"]);
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), secret);
    let other = node.temporary().join("other.secret");
    let other_name = text_of(&other);
    local(&node, &["service-account", "create", "worker", "-p", "read", "--secret-file", &other_name])
        .fails(5, &["in use"]);
    assert!(!other.exists(), "an empty file is left behind");
}

#[test]
fn a_secret_of_one_s_own_comes_from_a_file() {
    let node = node();
    local(&node, &["permission", "create", "read", "--all-buckets", "--actions", "read-only"]).ok();
    let own = file(&node, "own", "my-own-secret-key\nsecond line\n");
    let create = ["service-account", "create", "w", "-p", "read", "--key-id", "AKOWN", "--secret-from", &own];
    local(&node, &create).ok();
    let own = node.client().with("AKOWN", "my-own-secret-key");
    node.client().create_bucket("lake").expect(200, "");
    own.list("lake", &[]).expect(200, "");
    let empty = file(&node, "empty", "\n");
    local(&node, &["service-account", "create", "v", "-p", "read", "--secret-from", &empty]).fails(2, &["empty"]);
}

#[test]
fn a_user_is_made_with_a_link_given_a_password_and_disabled() {
    let node = node();
    let made = local(&node, &["user", "create", "eve", "--role", "auditor"]).ok();
    // Where the console really is: the settings that the command would read say another port.
    assert!(made.contains(&format!("http://{}/#link=", node.console())), "{made}");
    let link = local(&node, &["user", "link", "eve"]).ok();
    assert!(link.contains("within 15 minutes"), "{link}");
    // The line without a browser is one that the shell and the node take.
    let curl = link.lines().find_map(|line| line.strip_prefix("without a browser: ")).expect("a line for curl");
    let command = format!("{} --silent --fail", curl.replace("NEW PASSWORD", "a-password-of-eve"));
    let done = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    assert!(done.status.success(), "{command}: {done:?}");
    let password = file(&node, "password", "correct horse\n");
    let changed = local(&node, &["user", "password", "eve", "--password-file", &password]).ok();
    assert!(!changed.contains("correct horse"), "{changed}");
    local(&node, &["user", "password", "eve"]).fails(2, &["--password-file"]);
    local(&node, &["user", "edit", "eve", "--role", "storage-admin"]).ok();
    assert_eq!(field(&local(&node, &["user", "show", "eve"]).ok(), "role"), "storage-admin");
    local(&node, &["user", "disable", "eve"]).ok();
    assert_eq!(local(&node, &["user", "list", "--json"]).json()[0]["enabled"], false);
    let link = local(&node, &["user", "link", "eve"]);
    assert!(link.code == 0 && link.stderr.contains("until strongroom user enable eve"), "{link:?}");
    local(&node, &["user", "create", "eve", "--role", "auditor"]).fails(5, &["in use"]);
    local(&node, &["user", "create", "x", "--role", "king"]).fails(2, &["auditor"]);
    local(&node, &["user", "delete", "eve", "--yes"]).ok();
    local(&node, &["user", "link", "eve"]).fails(3, &["user list"]);
}

/// That a terminal, of which `stty -a` tells, shows what is typed.
#[track_caller]
fn shows_what_is_typed(told: &str) {
    assert!(!told.contains("half"), "{told}");
    let modes: Vec<&str> = told.split_whitespace().collect();
    assert!(modes.contains(&"echo") && modes.contains(&"isig"), "{told}");
}

#[test]
fn ctrl_c_at_a_hidden_question_leaves_a_terminal_that_shows_what_is_typed() {
    let node = node();
    let (binary, data) = (binary::path().display(), node.data());
    let script = format!("'{binary}' user password eve --data '{}'; echo code $?; stty -a", data.display());
    let mut terminal = Terminal::run(&script);
    terminal.until("New password of eve: ");
    terminal.type_in(b"half\x03");
    let rest = terminal.rest();
    // 128 and SIGINT, as for any program.
    assert!(rest.contains("code 130"), "{rest}");
    shows_what_is_typed(&rest);
}

#[test]
fn a_signal_at_a_hidden_question_leaves_a_terminal_that_shows_what_is_typed() {
    let node = node();
    let (binary, data, id) = (binary::path().display(), node.data(), node.temporary().join("id"));
    let program = telling_its_id(&id);
    let script = format!("{program} '{binary}' user password eve --data '{}'; echo code $?; stty -a", data.display());
    let mut terminal = Terminal::run(&script);
    terminal.until("New password of eve: ");
    signal(&id, Signal::TERM);
    let rest = terminal.rest();
    // 128 and SIGTERM.
    assert!(rest.contains("code 143"), "{rest}");
    shows_what_is_typed(&rest);
}

#[test]
fn accounts_have_nouns_of_their_own() {
    let node = node();
    let made = local(&node, &["account", "create", "research", "--email", "r@example.com", "--json"]).json();
    let root = node
        .client()
        .with(made["root"]["accessKey"].as_str().expect("a key"), made["root"]["secret"].as_str().expect("a secret"));
    root.create_bucket("theirs").expect(200, "");
    let create = ["permission", "create", "read", "--bucket", "theirs", "--actions", "read-only"];
    local(&node, &[&create[..], &["--account", "research"]].concat()).ok();
    assert_eq!(local(&node, &["permission", "list"]).ok(), "none\n");
    local(&node, &create).fails(3, &["theirs"]);
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(local(&node, &["permission", "list", "--account", &id, "--json"]).json()[0]["name"], "read");
    local(&node, &["permission", "list", "--account", "nix"]).fails(3, &["account"]);
    local(&node, &["account", "edit", "research", "--email", ""]).ok();
    assert_eq!(local(&node, &["account", "show", &id, "--json"]).json()["email"], json!(null));
    local(&node, &["account", "delete", "research", "--yes"]).fails(5, &["theirs"]);
    root.send(root.target("DELETE", "/theirs")).expect(204, "");
    local(&node, &["account", "delete", "research", "--yes"]).ok();
    assert_eq!(local(&node, &["account", "list", "--json"]).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn versions_of_a_service_account_are_listed_and_gone_back_to() {
    let node = node();
    for (name, actions) in [("read", "read-only"), ("write", "write-only")] {
        local(&node, &["permission", "create", name, "--all-buckets", "--actions", actions]).ok();
    }
    let own = file(&node, "own", "my-own-secret-key\n");
    local(&node, &["service-account", "create", "worker", "-p", "read", "--key-id", "AKOWN", "--secret-from", &own])
        .ok();
    local(&node, &["service-account", "edit", "worker", "--permission", "write", "--description", "writes"]).ok();
    local(&node, &["service-account", "rotate", "worker"]).ok();
    let history = local(&node, &["service-account", "history", "worker"]).ok();
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines[0].starts_with("VERSION") && lines.len() == 4, "{history}");
    assert!(lines[1].starts_with("3 ") && lines[1].ends_with("secretKey"), "{history}");
    assert!(lines[3].starts_with("1 ") && lines[3].ends_with("created"), "{history}");
    let shown = local(&node, &["service-account", "history", "worker", "--diff"]).ok();
    for line in
        ["  - permissions: read", "  + permissions: write", "  + description: writes", "  + secretKey: (another one)"]
    {
        assert!(shown.lines().any(|it| it == line), "no {line} in {shown}");
    }
    assert!(!shown.contains("my-own-secret-key"), "{shown}");
    let json = local(&node, &["service-account", "history", "worker", "--json"]).json();
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    let done = local(&node, &["service-account", "revert", "worker", "1"]).ok();
    assert!(done.contains("as it was in version 1"), "{done}");
    let now = local(&node, &["service-account", "show", "worker"]).ok();
    assert_eq!((field(&now, "permissions"), field(&now, "access key")), ("read".into(), "AKOWN".into()));
    local(&node, &["service-account", "revert", "worker", "77"]).fails(3, &["worker", "service-account history"]);
    local(&node, &["service-account", "history", "nix"]).fails(3, &["service-account list"]);
}

#[test]
fn versions_of_a_user_are_listed_and_gone_back_to() {
    let node = node();
    let password = file(&node, "password", "correct horse\n");
    local(&node, &["user", "create", "eve", "--role", "auditor", "--password-file", &password]).ok();
    local(&node, &["user", "edit", "eve", "--role", "admin"]).ok();
    local(&node, &["user", "disable", "eve"]).ok();
    let history = local(&node, &["user", "history", "eve", "--diff"]).ok();
    for line in ["  - role: auditor", "  + role: admin", "  - enabled: true", "  + enabled: false"] {
        assert!(history.lines().any(|it| it == line), "no {line} in {history}");
    }
    assert!(!history.contains("horse"), "{history}");
    assert_eq!(local(&node, &["user", "history", "eve", "--json"]).json().as_array().map(Vec::len), Some(3));
    let done = local(&node, &["user", "revert", "eve", "1"]).ok();
    assert!(done.contains("as it was in version 1; the password stays"), "{done}");
    let now = local(&node, &["user", "show", "eve"]).ok();
    assert_eq!((field(&now, "role"), field(&now, "status")), ("auditor".into(), "enabled".into()));
    local(&node, &["user", "revert", "eve", "77"]).fails(3, &["eve", "user history"]);
}

#[test]
fn a_secret_that_nobody_reads_is_no_success() {
    let node = node();
    local(&node, &["user", "create", "eve", "--role", "auditor"]).ok();
    local(&node, &["permission", "create", "p", "--all-buckets", "--actions", "read-only"]).ok();
    for (arguments, words) in [
        (&["service-account", "create", "worker", "-p", "p"][..], "service-account rotate"),
        (&["service-account", "rotate", "worker", "--json"], "service-account rotate"),
        (&["account", "create", "two"], "strongroom apply"),
        (&["user", "link", "eve"], "user link"),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = tests::binary::command();
        command.args(arguments).arg("--data").arg(node.data()).stdout(writer).stderr(std::process::Stdio::piped());
        let output = command.spawn().and_then(std::process::Child::wait_with_output).expect("the binary starts");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("not shown again") && told.contains(words) && told.lines().count() == 1, "{told}");
    }
    // What goes to a file is there, whoever reads.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = tests::binary::command();
    let secret = node.temporary().join("rotated");
    command.args(["service-account", "rotate", "worker", "--secret-file"]).arg(&secret).arg("--data").arg(node.data());
    assert!(command.stdout(writer).status().expect("the binary starts").success());
    assert_eq!(std::fs::read_to_string(secret).expect("it is there").trim_end().len(), 40);
}

#[test]
fn a_command_about_the_node_takes_no_account() {
    let node = node();
    let state = node.data().join("empty.json");
    std::fs::write(&state, r#"{"accounts": [{"name": "main"}]}"#).expect("a file is written");
    local(&node, &["account", "create", "research"]).ok();
    let file = state.to_str().expect("UTF-8");
    for command in [
        &["apply", "-f", file, "--prune"][..],
        &["state"],
        &["status"],
        &["account", "list"],
        &["account", "delete", "research"],
        &["audit", "settings"],
    ] {
        local(&node, &[command, &["--account", "research"]].concat()).fails(2, &["--account", "leave it out"]);
    }
    assert!(local(&node, &["account", "list"]).ok().contains("research"));
    // Of these one says where the console is, which is the node's.
    local(&node, &["user", "create", "ida", "--role", "auditor", "--account", "research"]).ok();
    local(&node, &["audit", "search", "--account", "research"]).ok();
}
