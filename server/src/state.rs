//! What every request shares: configuration, storage, identities and policies, each readable without a lock.

use std::sync::{Arc, OnceLock};

use engine::Store;
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::auth::{AuthConfig, SigningKeyCache};
use crate::bucket_policy::BucketPolicies;
use crate::config::Config;
use crate::identity::account::Account;
use crate::identity::store::IdentityStore;
use crate::maintenance::Maintenance;
use crate::metrics::Metrics;
use crate::protocol::request::RequestIds;
use crate::quota::BucketQuotas;
use crate::sign_in::SignIns;
use crate::usage::MonthlyUsage;

/// The most large uploads that are taken in at once; each holds two pieces of 1 MiB.
pub const LARGE_UPLOADS_MAX: usize = 256;

/// The URLs of a node's own listeners.
#[derive(Debug)]
pub struct Urls {
    /// Of S3, one an address.
    pub s3: Vec<String>,
    /// Of the console.
    pub console: String,
}

/// The state of a node.
pub struct State {
    /// What the node was told at its start.
    pub config: Config,
    /// The engine.
    pub store: Store,
    /// Accounts, permissions, service accounts.
    pub identities: IdentityStore,
    /// The bucket policies in force.
    pub bucket_policies: Arc<BucketPolicies>,
    /// How much buckets may hold.
    pub quotas: Arc<BucketQuotas>,
    /// What signatures are verified against.
    pub auth: AuthConfig,
    /// What signatures of the admin API are verified against.
    pub admin_auth: AuthConfig,
    /// Derived signing keys.
    pub signing_keys: SigningKeyCache,
    /// Scrubs, compactions, backups, and what is known of damage.
    pub maintenance: Arc<Maintenance>,
    /// Sessions, one-time links and failed sign-ins.
    pub sign_ins: SignIns,
    /// What buckets held over the months.
    pub usage: Arc<MonthlyUsage>,
    /// Held by whoever changes what is set on a bucket, or the node's settings, from the look at what they are to the change of it.
    pub settings_turn: tokio::sync::Mutex<()>,
    /// Held by whoever deletes accounts, from the look at what these own to the change, and [shared](State::keep_account) by whoever makes a bucket, so that none is anybody's who is gone. Where `settings_turn` is needed too, that comes first.
    pub owners: Arc<tokio::sync::RwLock<()>>,
    /// Who did what.
    pub audit: Audit,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// One permit a large upload.
    pub large_uploads: Arc<Semaphore>,
    /// The ids of requests on all listeners.
    pub request_ids: RequestIds,
    /// Where the node is served, once it is.
    pub urls: OnceLock<Urls>,
    /// Whether the node is ending: true from the signal on.
    pub draining: tokio::sync::watch::Receiver<bool>,
}

/// An account that isn't deleted as long as this is kept.
pub struct KeptAccount {
    account: Arc<Account>,
    _guard: tokio::sync::OwnedRwLockReadGuard<()>,
}

impl KeptAccount {
    /// Its id.
    pub fn id(&self) -> &str {
        self.account.account_id.as_str()
    }
}

impl State {
    /// Whether the node takes no new connections any more.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// A state over a data directory without listeners, background work or audit log, its store with relaxed durability.
    #[cfg(test)]
    pub(crate) fn for_tests(config: Config) -> State {
        State::for_tests_on(config, engine::Options::default())
    }

    /// Likewise, with other sizes of its store.
    #[cfg(test)]
    pub(crate) fn for_tests_on(config: Config, options: engine::Options) -> State {
        use crate::identity::sealed::MasterKey;
        let options = engine::Options { durability: engine::Durability::Relaxed, ..options };
        let store = Store::open(&config.data, options).expect("the directory is usable");
        let rows = crate::identity_rows::EngineRows::shared(&store);
        State {
            auth: AuthConfig::s3(config.region.clone()),
            identities: IdentityStore::open(rows, MasterKey::from_bytes([42; 32]), None).expect("rows are readable"),
            bucket_policies: Arc::new(BucketPolicies::load(&store)),
            quotas: Arc::new(BucketQuotas::load(&store)),
            usage: Arc::new(MonthlyUsage::load(&store)),
            maintenance: Maintenance::new(store.clone(), &config.data),
            store,
            signing_keys: SigningKeyCache::default(),
            admin_auth: AuthConfig::of_service("strongroom", config.region.clone()),
            sign_ins: SignIns::default(),
            settings_turn: tokio::sync::Mutex::default(),
            owners: Arc::default(),
            audit: Audit::off(),
            metrics: Arc::new(Metrics::default()),
            large_uploads: Arc::new(Semaphore::new(1)),
            request_ids: RequestIds::random().expect("the system has random numbers"),
            urls: OnceLock::new(),
            draining: tokio::sync::watch::channel(false).1,
            config,
        }
    }

    /// Ends the sessions of everybody who was shut out. Called after each change of identities, before it is answered; and before it, since a change can give a key more time that has expired meanwhile.
    pub fn end_stale_sessions(&self) {
        let (snapshot, now) = (self.identities.snapshot(), jiff::Timestamp::now());
        self.sign_ins.sessions.retain(|signed_in| signed_in.is_current(&snapshot, now));
    }

    /// Sees to it that an account stays as long as what is answered is kept; `None` where it is gone.
    pub async fn keep_account(&self, id: &str) -> Option<KeptAccount> {
        let guard = self.owners.clone().read_owned().await;
        self.identities.account(id).map(|account| KeptAccount { account, _guard: guard })
    }

    /// Canonical id and display name of an account, for `<Owner>`.
    pub fn owner(&self, account_id: &str) -> (String, String) {
        match self.identities.account(account_id) {
            Some(account) => (account.canonical_id.to_string(), account.display_name.clone()),
            None => (account_id.to_owned(), String::new()),
        }
    }

    /// Id and name of who began an upload: the ARN that was kept with it, or the owner when it was root or nobody.
    pub fn initiator(&self, kept: &[u8], owner: &str) -> (String, String) {
        let arn = std::str::from_utf8(kept).unwrap_or_default();
        match arn.split_once(":user/") {
            Some((_, name)) => (arn.to_owned(), name.to_owned()),
            None => self.owner(owner),
        }
    }
}
