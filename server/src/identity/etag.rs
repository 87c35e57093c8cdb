//! Entity tags of identities: what `If-Match` compares, so that of two people who edit one thing the second is told.

use super::rows::Record;

impl Record {
    /// A strong entity tag with its quotes ([RFC 9110 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)): another one whenever a field of the record is, also a secret one, of which it tells nothing.
    pub fn etag(&self) -> String {
        let mut hash = blake3::Hasher::new_derive_key("strongroom 2026-11 entity tag of an identity");
        match self {
            Record::Permission(it) => hash.update(&it.to_row()),
            Record::Account(it) => hash.update(format!("{it:?}").as_bytes()),
            Record::Root(it) => hash.update(it.access_key.as_str().as_bytes()).update(it.secret.fingerprint()),
            // Their Debug forms have every field, and secrets redacted.
            Record::ServiceAccount(it) => hash.update(format!("{it:?}").as_bytes()).update(it.secret.fingerprint()),
            Record::User(it) => hash.update(format!("{it:?}").as_bytes()).update(it.password.as_phc().as_bytes()),
        };
        format!("\"{}\"", &hash.finalize().to_hex()[..32])
    }
}
