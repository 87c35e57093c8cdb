//! Signatures of calls to a distant node (Signature Version 4, service `strongroom`): they prove a secret that is never sent.

use std::fmt;

use jiff::Timestamp;
use server::auth::SigningKey;
use server::identity::sealed::SecretKey;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

const SERVICE: &str = "strongroom";
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// An access key that signs.
pub(super) struct Signer {
    access_key: String,
    secret: SecretKey,
    region: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl Signer {
    /// # Errors
    /// The secret has not 8 to 128 characters.
    pub(super) fn new(access_key: String, secret: &str, region: String) -> Result<Signer, Failure> {
        let secret = SecretKey::parse(secret).map_err(|_| {
            Failure::usage(format!("access key {access_key}: its secret must have 8 to 128 characters"))
        })?;
        Ok(Signer { access_key, secret, region })
    }

    /// The headers that go with a request. Path and query are as they are sent, the query's parts in order.
    pub(super) fn sign(
        &self,
        method: &str,
        path: &str,
        query: &str,
        host: &str,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = date.get(..8).unwrap_or_default();
        let hash = hex(&Sha256::digest(body));
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{date}\n\n{SIGNED}\n{hash}"
        );
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let signature = hex(&SigningKey::derive(&self.secret, day, &self.region, SERVICE).sign(text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={SIGNED}, Signature={signature}",
            self.access_key
        );
        vec![("authorization", authorization), ("x-amz-date", date), ("x-amz-content-sha256", hash)]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
