//! A snapshot that was changed in place is the one that would be made anew.

use super::*;
use crate::identity::change::{Change, Refused};
use crate::identity::name::{AccessKey, AccountId, Id, Name, PermissionName};
use crate::identity::permission::{Actions, Definition, Permission, Scope};
use crate::identity::records::Touched;
use crate::identity::rows::{Record, permission_key, service_account_key};
use crate::identity::sealed::SecretKey;
use crate::identity::service_account::ServiceAccount;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn account_id() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

fn permission(numbers: &mut Numbers) -> Permission {
    Permission {
        id: Id::parse(&format!("APER{:016}", numbers.below(4))).unwrap(),
        account_id: account_id(),
        name: PermissionName::parse(&format!("permission {}", numbers.below(4))).unwrap(),
        description: None,
        definition: Definition::Bucket {
            scope: Scope::Prefix(format!("team-{}", numbers.below(3))),
            actions: Actions::ReadOnly,
        },
        enabled: numbers.below(2) == 0,
        created_by: None,
        revision: 1,
        created_at: now(),
        updated_at: now(),
    }
}

fn service_account(numbers: &mut Numbers) -> ServiceAccount {
    let first = numbers.below(5);
    let mut permissions = vec![Id::parse(&format!("APER{first:016}")).unwrap()];
    if numbers.below(2) == 0 {
        permissions.push(Id::parse(&format!("APER{:016}", (first + 1) % 4)).unwrap());
    }
    let keys = ["AKROOT", "AK0", "AK1", "AK2", "AK3", "AK4"];
    ServiceAccount {
        id: Id::parse(&format!("AIDA{:016}", numbers.below(5))).unwrap(),
        account_id: account_id(),
        name: Name::parse(&format!("worker-{}", numbers.below(4))).unwrap(),
        access_key: AccessKey::parse(keys[usize::try_from(numbers.below(6)).unwrap()]).unwrap(),
        secret: SecretKey::parse("a-secret-value").unwrap(),
        description: None,
        permissions,
        enabled: numbers.below(3) > 0,
        expires_at: None,
        created_by: None,
        revision: 1,
        created_at: now(),
        updated_at: now(),
    }
}

fn change(numbers: &mut Numbers, snapshot: &Snapshot) -> Change {
    let pick = |count: usize, numbers: &mut Numbers| usize::try_from(numbers.below(count.max(1) as u64)).unwrap();
    match numbers.below(6) {
        0 | 1 => Change::Put(Record::Permission(permission(numbers))),
        2 | 3 => Change::Put(Record::ServiceAccount(service_account(numbers))),
        4 => {
            let all: Vec<_> = snapshot.permissions("123456789012").map(|it| permission_key(&it.permission)).collect();
            let picked = pick(all.len(), numbers);
            all.get(picked)
                .cloned()
                .map_or_else(|| Change::Put(Record::Permission(permission(numbers))), Change::Delete)
        }
        _ => {
            let all: Vec<_> = snapshot.service_accounts("123456789012").map(|it| service_account_key(it)).collect();
            let picked = pick(all.len(), numbers);
            all.get(picked)
                .cloned()
                .map_or_else(|| Change::Put(Record::ServiceAccount(service_account(numbers))), Change::Delete)
        }
    }
}

/// The change as it is made without what was there before.
fn anew(base: &Snapshot, changes: &[Change]) -> Result<Snapshot, Refused> {
    let mut records = base.records.clone();
    for change in changes {
        records.apply(change.clone(), &key(), "nobody", &mut Vec::new())?;
    }
    let broken = records.violations(None);
    let before = base.records.violations(None);
    match broken.into_iter().find(|it| !before.contains(it)) {
        Some(refused) => Err(refused),
        None => Ok(Snapshot::new(records, None)),
    }
}

#[tokio::test]
async fn changes_in_place_come_to_what_all_records_come_to() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let mut numbers = Numbers(7);
    let (mut made, mut refused, mut in_place) = (0, 0, 0);
    for _ in 0..4_000 {
        let base = store.snapshot().clone();
        let changes: Vec<Change> = (0..=numbers.below(3)).map(|_| change(&mut numbers, &base)).collect();
        let expected = anew(&base, &changes);
        match (store.prepare(&base, changes.clone(), "nobody"), expected) {
            (Err(found), Err(expected)) => {
                assert_eq!(found, expected);
                refused += 1;
            }
            (Ok(prepared), Ok(expected)) => {
                assert_eq!(prepared.snapshot().shown(), expected.shown(), "{changes:?}");
                let touched = Touched::by(&changes, &base.records);
                in_place += usize::from(base.changed(&prepared.snapshot().records, &touched).is_some());
                store.commit(prepared).await.unwrap();
                made += 1;
            }
            (found, expected) => panic!("{found:?} but {:?}: {changes:?}", expected.map(|_| ())),
        }
    }
    assert!(made > 500 && refused > 500 && in_place == made, "{made} made, {refused} refused, {in_place} in place");
    assert_eq!(open(&rows).snapshot().shown(), store.snapshot().shown());
}
