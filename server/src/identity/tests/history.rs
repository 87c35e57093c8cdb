//! Histories: the first version in the row of what was never changed, later ones in rows of their own.

use super::*;
use crate::identity::change::Change;
use crate::identity::history::REVISIONS_MAX;
use crate::identity::permission::Permission;
use crate::identity::rows::{Record, permission_key, service_account_key, user_key};
use crate::identity::service_account::ServiceAccount;
use crate::identity::user::{Role, User};

const ACCOUNT: &str = "123456789012";

/// A version: its number, who made it, which fields it changed.
type Told = (u32, String, Vec<String>);

fn permission(store: &IdentityStore, name: &str) -> Permission {
    store.snapshot().permission(ACCOUNT, name).unwrap().permission.clone()
}

fn worker(store: &IdentityStore) -> ServiceAccount {
    store.snapshot().service_account(ACCOUNT, "worker").unwrap().as_ref().clone()
}

fn eve(store: &IdentityStore) -> User {
    store.snapshot().user(ACCOUNT, "eve").unwrap().as_ref().clone()
}

/// The versions of the permission `lightly`, of which none tells what it changed, of the service account and of the user.
fn told(store: &IdentityStore) -> [Vec<Told>; 3] {
    let permission = store.history(&permission(store, "lightly")).unwrap().into_iter();
    let service_account = store.history(&worker(store)).unwrap().into_iter();
    let user = store.history(&eve(store)).unwrap().into_iter();
    [
        permission.map(|it| (it.permission.revision, it.by, Vec::new())).collect(),
        service_account.map(|it| (it.revision, it.by, it.changed)).collect(),
        user.map(|it| (it.revision, it.by, it.changed)).collect(),
    ]
}

/// Each of the three with another value in the field that all have.
async fn switch(store: &IdentityStore, enabled: bool, by: &str) {
    let later = now() + jiff::SignedDuration::from_secs(60);
    let changes = vec![
        Change::Put(Record::Permission(Permission { enabled, updated_at: later, ..permission(store, "lightly") })),
        Change::Put(Record::ServiceAccount(ServiceAccount { enabled, updated_at: later, ..worker(store) })),
        Change::Put(Record::User(User { enabled, updated_at: later, ..eve(store) })),
    ];
    store.change(changes, by).await.unwrap();
}

/// The keys of all rows of histories.
fn history_rows(rows: &MemoryRows) -> Vec<(String, String)> {
    let rows = rows.rows.lock().unwrap();
    rows.keys().filter(|(namespace, _)| namespace.starts_with("identity.history/")).cloned().collect()
}

fn version(number: u32, by: &str, changed: &[&str]) -> Told {
    (number, by.to_owned(), changed.iter().map(|&it| it.to_owned()).collect())
}

#[tokio::test]
async fn what_was_never_changed_has_its_first_version_without_a_row_for_it() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    assert_eq!(history_rows(&rows), []);
    let store = open(&rows);
    let first = || vec![version(1, "state file state.json", &[])];
    assert_eq!(told(&store), [first(), first(), first()]);
    let [revision] = store.history(&permission(&store, "lightly")).unwrap().try_into().unwrap();
    assert_eq!((revision.at, revision.permission), (now(), permission(&store, "lightly")));
    let [revision] = store.history(&worker(&store)).unwrap().try_into().unwrap();
    assert_eq!((revision.time.as_str(), revision.access_key.as_str()), ("2026-11-21T21:17:00.000Z", "AKWORK"));
    assert_eq!(worker(&store).creator(), None, "a state file is nobody who could be asked");
}

#[tokio::test]
async fn the_first_change_writes_the_rows_of_both_versions_at_once() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let before = permission(&store, "lightly");
    let commits = rows.commits();
    switch(&store, false, "arn:eve").await;
    assert_eq!((rows.commits(), history_rows(&rows).len()), (commits + 1, 6));
    for store in [store, open(&rows)] {
        let (second, first) = (version(2, "arn:eve", &["enabled"]), version(1, "state file state.json", &[]));
        let [of_permission, of_service_account, of_user] = told(&store);
        assert_eq!(of_permission, [version(2, "arn:eve", &[]), first.clone()]);
        assert_eq!(of_service_account, [second.clone(), first.clone()]);
        assert_eq!(of_user, [second, first]);
        let kept = store.history(&permission(&store, "lightly")).unwrap().swap_remove(1);
        assert_eq!((kept.at, &kept.permission.definition), (now(), &before.definition));
        assert!(kept.permission.enabled && !permission(&store, "lightly").enabled);
    }
    switch(&open(&rows), true, "arn:eve").await;
    assert_eq!(history_rows(&rows).len(), 9, "each later change writes one row more");
}

/// How a row ends that was written once.
const NOW: &str = r#""createTime":"2026-11-21T21:17:00Z"}"#;

/// The rows as they were stored before the first version was told from the row itself.
async fn older(rows: &Arc<MemoryRows>) {
    let store = open(rows);
    bootstrap(&store, STATE).await;
    // What such a program wrote at once is what is written here with the first change.
    let copy = Arc::new(MemoryRows { rows: Mutex::new(rows.rows.lock().unwrap().clone()), ..MemoryRows::default() });
    switch(&open(&copy), false, "arn:eve").await;
    let first = history_rows(&copy).into_iter().filter(|(_, key)| key == "0000000001");
    let first: Vec<_> = first.map(|key| (key.clone(), copy.rows.lock().unwrap()[&key].clone())).collect();
    assert_eq!(first.len(), 3);
    let mut rows = rows.rows.lock().unwrap();
    for (key, value) in first {
        let text = String::from_utf8(value).unwrap();
        rows.insert(key, text.replace("state file state.json", "arn:older").into_bytes());
    }
    for ((namespace, _), value) in rows.iter_mut() {
        if ["identity.permission", "identity.service-account", "identity.user"].contains(&namespace.as_str()) {
            let text = String::from_utf8(value.clone()).unwrap();
            let text = text.replace(r#""createdBy":"state file state.json","#, r#""revision":1,"#);
            *value =
                text.replace(NOW, r#""createTime":"2026-11-21T21:17:00Z","updateTime":"2026-11-21T21:17:00Z"}"#).into();
        }
    }
}

#[tokio::test]
async fn first_versions_that_have_rows_are_read_and_kept() {
    let rows = Arc::new(MemoryRows::default());
    older(&rows).await;
    let dump = rows.dump();
    assert!(!dump.contains("createdBy") && !dump.contains("state file"), "{dump}");
    // Four permissions, a service account and a user.
    assert_eq!(dump.matches(r#""revision":1,"createTime":"#).count(), 6 + 1, "the permission's history has one more");
    let store = open(&rows);
    let first = || vec![version(1, "arn:older", &[])];
    assert_eq!(told(&store), [first(), first(), first()]);
    switch(&store, false, "arn:eve").await;
    let second = |changed: &[&str]| vec![version(2, "arn:eve", changed), version(1, "arn:older", &[])];
    assert_eq!(told(&store), [second(&[]), second(&["enabled"]), second(&["enabled"])]);
    assert_eq!(told(&open(&rows)), told(&store));
}

#[tokio::test]
async fn all_rows_of_a_history_go_with_what_it_is_of() {
    for changes in [0, 1, 3] {
        for is_older in [false, true] {
            let rows = Arc::new(MemoryRows::default());
            match is_older {
                true => older(&rows).await,
                false => drop(bootstrap(&open(&rows), STATE).await),
            }
            let store = open(&rows);
            for change in 0..changes {
                switch(&store, change % 2 == 1, "arn:eve").await;
            }
            let expected = 3 * if changes == 0 { usize::from(is_older) } else { changes + 1 };
            assert_eq!(history_rows(&rows).len(), expected);
            let gone = vec![
                Change::Delete(service_account_key(&worker(&store))),
                Change::Delete(permission_key(&permission(&store, "lightly"))),
                Change::Delete(user_key(&eve(&store))),
            ];
            store.change(gone, "arn:eve").await.unwrap();
            assert_eq!(history_rows(&rows), [], "{changes} changes, older: {is_older}");
        }
    }
}

#[tokio::test]
async fn the_first_version_is_the_first_to_go_when_there_are_too_many() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let most = usize::try_from(REVISIONS_MAX).unwrap();
    for change in 2..=REVISIONS_MAX {
        switch(&store, change % 2 == 1, "arn:eve").await;
    }
    assert!(told(&store).iter().all(|it| it.len() == most && it.last().unwrap().1 == "state file state.json"));
    switch(&store, true, "arn:eve").await;
    assert!(told(&store).iter().all(|it| it.len() == most && it.last().unwrap().0 == 2), "{:?}", told(&store));
    assert_eq!(history_rows(&rows).len(), 3 * most);
}

#[tokio::test]
async fn a_damaged_row_of_a_history_hides_no_other() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    switch(&store, false, "arn:eve").await;
    switch(&store, true, "arn:eve").await;
    let damage = |number: &str| {
        let mut rows = rows.rows.lock().unwrap();
        let of_history = |namespace: &str, key: &str| namespace.starts_with("identity.history/") && key == number;
        rows.iter_mut().filter(|((n, k), _)| of_history(n, k)).for_each(|(_, value)| value.truncate(9));
    };
    let numbers = |it: Vec<Told>| it.into_iter().map(|(number, by, _)| (number, by)).collect::<Vec<_>>();
    damage("0000000001");
    for history in told(&store) {
        assert_eq!(numbers(history), [(3, "arn:eve".to_owned()), (2, "arn:eve".to_owned())]);
    }
    damage("0000000003");
    for history in told(&store) {
        assert_eq!(numbers(history), [(3, String::new()), (2, "arn:eve".to_owned())], "the current one is there");
    }
}

#[tokio::test]
async fn what_takes_the_place_of_a_damaged_one_begins_a_history_of_its_own() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    switch(&store, false, "arn:eve").await;
    switch(&store, true, "arn:eve").await;
    rows.damage("identity.permission", "lightly", |value| value.truncate(20));
    rows.damage("identity.user", "eve", |value| value.truncate(20));
    let store = open(&rows);
    assert!(store.snapshot().permission(ACCOUNT, "lightly").is_none());
    apply(&store, &state_with("eve-password-value", "eve-other-password")).await;
    let first = || vec![version(1, "state file state.json", &[])];
    let [of_permission, _, of_user] = told(&store);
    assert_eq!((of_permission, of_user), (first(), first()));
    switch(&store, false, "arn:other").await;
    let [of_permission, _, of_user] = told(&open(&rows));
    assert_eq!(of_permission, [version(2, "arn:other", &[]), first().remove(0)]);
    assert_eq!(of_user, [version(2, "arn:other", &["enabled"]), first().remove(0)]);
}

#[tokio::test]
async fn a_change_cut_between_its_batches_leaves_the_version_that_holds() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let before = told(&store);
    let whole = rows.rows.lock().unwrap().clone();
    switch(&store, false, "arn:eve").await;
    let after = rows.rows.lock().unwrap().clone();
    // Rows of histories are written first: here they are all that was.
    let mut cut = whole;
    cut.extend(after.into_iter().filter(|((namespace, _), _)| namespace.starts_with("identity.history/")));
    let reopened = open(&Arc::new(MemoryRows { rows: Mutex::new(cut), ..MemoryRows::default() }));
    assert_eq!(told(&reopened), before);
    switch(&reopened, false, "arn:else").await;
    let [_, of_service_account, _] = told(&reopened);
    assert_eq!(of_service_account[0], version(2, "arn:else", &["enabled"]));
    assert_eq!(of_service_account[1..], before[1]);
}

#[tokio::test]
async fn who_made_it_stays_whoever_changes_it() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let claimed = Some("arn:aws:iam::123456789012:root".to_owned());
    let role = Role::Admin;
    let changes = vec![
        Change::Put(Record::ServiceAccount(ServiceAccount { created_by: claimed.clone(), ..worker(&store) })),
        Change::Put(Record::User(User { created_by: claimed, role, ..eve(&store) })),
    ];
    store.change(changes, "arn:eve").await.unwrap();
    assert_eq!(worker(&store).created_by.as_deref(), Some("state file state.json"));
    assert_eq!(eve(&store).created_by.as_deref(), Some("state file state.json"));
}
