//! The credential scope of a version 4 signature: who, on which day, for which region and service.
//!
//! The scope is what stops a signature made for another region or service from being used here, so it is compared
//! before any secret is looked up.

use super::date;

/// `<access key>/<yyyymmdd>/<region>/<service>/aws4_request`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The access key id that claims to have signed.
    pub access_key: String,
    /// Day of the signature in UTC, `yyyymmdd`.
    pub day: String,
    /// Region the signature is for.
    pub region: String,
    /// Service the signature is for: `s3`.
    pub service: String,
}

/// What is wrong with a credential, in AWS's words, and the region to name in a `Region` element.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CredentialFault {
    pub(super) message: String,
    pub(super) region: Option<String>,
}

impl Credential {
    /// Parses a credential and compares its scope with what this endpoint is.
    ///
    /// The order of the checks is S3's: parts, day, region, service, terminal.
    pub(super) fn parse(text: &str, region: &str, service: &str) -> Result<Self, CredentialFault> {
        let fault = |message: String| Err(CredentialFault { message, region: None });
        let parts: Vec<&str> = text.splitn(6, '/').collect();
        let &[access_key, day, claimed_region, claimed_service, terminal] = parts.as_slice() else {
            return fault(
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".".into(),
            );
        };
        if !date::is_day(day) {
            return fault(format!(
                "incorrect date format \"{day}\". This date in the credential must be in the format \"yyyyMMdd\"."
            ));
        }
        if claimed_region.is_empty() {
            return fault("a non-empty region must be provided in the credential.".into());
        }
        if claimed_region != region {
            return Err(CredentialFault {
                message: format!("the region '{claimed_region}' is wrong; expecting '{region}'"),
                region: Some(region.to_owned()),
            });
        }
        if claimed_service != service {
            return fault(format!("incorrect service \"{claimed_service}\". This endpoint belongs to \"{service}\"."));
        }
        if terminal != "aws4_request" {
            return fault(format!("incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\"."));
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            day: day.to_owned(),
            region: claimed_region.to_owned(),
            service: claimed_service.to_owned(),
        })
    }

    /// The scope that is signed: everything but the access key.
    pub fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_credential_is_taken_apart() {
        let credential = Credential::parse("AK/20130524/us-east-1/s3/aws4_request", "us-east-1", "s3").unwrap();
        assert_eq!(credential.access_key, "AK");
        assert_eq!(credential.scope(), "20130524/us-east-1/s3/aws4_request");
    }

    #[test]
    fn each_part_is_refused_in_its_own_words() {
        let message = |text| Credential::parse(text, "us-east-1", "s3").unwrap_err().message;
        assert!(message("AK").contains("mal-formed"));
        assert!(message("AK/b/20130524/us-east-1/s3/aws4_request").contains("mal-formed"));
        assert!(message("AK/2013052/us-east-1/s3/aws4_request").contains("incorrect date format \"2013052\""));
        assert!(message("AK/20130231/us-east-1/s3/aws4_request").contains("incorrect date format"));
        assert!(message("AK/20130524//s3/aws4_request").contains("non-empty region"));
        assert_eq!(
            message("AK/20130524/eu-west-1/s3/aws4_request"),
            "the region 'eu-west-1' is wrong; expecting 'us-east-1'"
        );
        assert!(message("AK/20130524/us-east-1/s3/aws4").contains("incorrect terminal \"aws4\""));
    }

    /// A11: a signature for another service must not open S3, nor the reverse.
    #[test]
    fn a11_another_services_scope_is_refused() {
        for service in ["s3tables", "sts", "iam", "S3", ""] {
            let fault = Credential::parse(&format!("AK/20130524/us-east-1/{service}/aws4_request"), "us-east-1", "s3")
                .unwrap_err();
            assert!(fault.message.contains(&format!("incorrect service \"{service}\"")));
        }
        assert!(Credential::parse("AK/20130524/us-east-1/s3/aws4_request", "us-east-1", "sts").is_err());
    }
}
