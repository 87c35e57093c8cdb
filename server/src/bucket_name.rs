//! Names that follow the rules for buckets and are refused for new ones all the same ([rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)).
//!
//! Permissions speak of buckets that aren't there yet, and requests make them: what no bucket can be called stands below both.

/// Whether a name is refused for a new bucket: kept by AWS for its own use, or no name of a host.
pub fn is_reserved(name: &str) -> bool {
    begins_none(name) || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|it| name.ends_with(it))
}

/// Whether no new bucket can have a name that begins so, whatever follows.
pub fn begins_none(prefix: &str) -> bool {
    ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|it| prefix.starts_with(it))
        || ["..", ".-", "-."].iter().any(|it| prefix.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_aws_reserves_are_known() {
        assert!(is_reserved("xn--abc") && is_reserved("abc--x-s3") && is_reserved("a.-b") && !is_reserved("datalake"));
        assert!(begins_none("sthree-") && begins_none("a..") && !begins_none("xn-") && !begins_none("a--x-s3"));
    }
}
