//! What a node says when it is ready: one JSON line for programs, and a page for the person at a terminal.
//!
//! Both are made from plain values, so that every line of them can be tested without a node.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use server::http::self_signed::CERTIFICATE_FILE;

/// The one line on standard output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready<'a> {
    pub(crate) event: &'static str,
    pub(crate) s3: &'a str,
    pub(crate) s3_virtual: &'a str,
    pub(crate) console: &'a str,
    pub(crate) data: String,
    #[serde(flatten)]
    pub(crate) test: Option<TestReady<'a>>,
}

/// What `strongroom test` adds to it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestReady<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret_access_key: &'a str,
    pub(crate) region: &'a str,
    pub(crate) durability: &'static str,
}

/// What the page for a terminal shows.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) data: &'a Path,
    pub(crate) s3_urls: &'a [String],
    pub(crate) s3_virtual: &'a str,
    pub(crate) console: &'a str,
    pub(crate) region: &'a str,
    /// Access key and secret when they are new; else they are read from their file.
    pub(crate) credentials: Option<(&'a str, &'a str)>,
    /// Where root's credentials are kept.
    pub(crate) credentials_file: &'a Path,
    /// Whether the operator gave them, so that they are in no file of the node's, or other ones are.
    pub(crate) root_is_given: bool,
    /// One-time link to the console, of a node that has no user yet.
    pub(crate) link: Option<&'a str>,
    /// Whether nobody but this machine reaches the node.
    pub(crate) loopback_only: bool,
    /// Whether clients don't know who signed the certificate.
    pub(crate) self_signed: bool,
}

impl Page<'_> {
    /// The page, each line of the last part to be pasted into a shell as it is.
    pub(crate) fn text(&self) -> String {
        let mut page = String::new();
        self.write(&mut page).expect("a String takes every text");
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let url = self.s3_urls.first().map_or("", String::as_str);
        writeln!(page, "\nStrongroom {} serves {}", env!("CARGO_PKG_VERSION"), self.data.display())?;
        writeln!(
            page,
            "  S3       {}  (buckets as hosts: {})",
            self.s3_urls.join("  "),
            virtual_form(self.s3_virtual)
        )?;
        writeln!(page, "  console  {}  (admin API, health, metrics)", self.console)?;
        if let Some((access_key, _)) = self.credentials {
            let file = match self.root_is_given {
                false => format!(" and in {}", self.credentials_file.display()),
                true => String::new(),
            };
            writeln!(page, "  root     access key {access_key}; its secret is in the lines below{file}")?;
        }
        if let Some(link) = self.link {
            writeln!(page, "  admin    choose the password of the user admin, once and within 15 minutes: {link}")?;
        }
        if self.self_signed {
            let certificate = self.data.join(CERTIFICATE_FILE);
            writeln!(
                page,
                "  TLS      clients trust it by {} (aws --ca-bundle, curl --cacert)",
                certificate.display()
            )?;
        }
        if self.loopback_only {
            let data = quoted(&self.data.to_string_lossy());
            writeln!(page, "\nOnly this machine reaches it. For the network, start it so:")?;
            writeln!(page, "  strongroom serve {data} --listen '[::]:9000' --console '[::]:9001' --tls-self-signed")?;
        }
        writeln!(page, "\nTo use it, paste:")?;
        let (access_key, secret_key) = match self.credentials {
            Some((access_key, secret_key)) => (quoted(access_key), quoted(secret_key)),
            None => (self.read_from_file("accessKey"), self.read_from_file("secretKey")),
        };
        writeln!(
            page,
            "  export AWS_ACCESS_KEY_ID={access_key} AWS_SECRET_ACCESS_KEY={secret_key} AWS_REGION={} AWS_DEFAULT_REGION={}",
            self.region, self.region
        )?;
        let aws = if self.self_signed { " --no-verify-ssl" } else { "" };
        let rclone = if self.self_signed { " --no-check-certificate" } else { "" };
        let curl = if self.self_signed { " --insecure" } else { "" };
        writeln!(page, "  aws{aws} --endpoint-url {url} s3 mb s3://first-bucket")?;
        writeln!(
            page,
            "  rclone{rclone} lsd ':s3,provider=Other,env_auth=true,region={},endpoint=\"{url}\":'",
            self.region
        )?;
        // Before version 8, curl signs without this header and S3 refuses that.
        writeln!(
            page,
            "  curl{curl} --aws-sigv4 aws:amz:{}:s3 --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' {url}/",
            self.region
        )?;
        writeln!(page)
    }

    /// A shell word that reads one field of `root-credentials.json`, so that a known secret isn't shown a second time.
    fn read_from_file(&self, field: &str) -> String {
        let file = quoted(&self.credentials_file.to_string_lossy());
        format!("\"$(sed -n 's/.*\"{field}\": *\"\\([^\"]*\\)\".*/\\1/p' {file})\"")
    }
}

/// `export` lines for a shell, for `strongroom test --env`.
pub(crate) fn exports(url: &str, region: &str, access_key: &str, secret_key: &str) -> String {
    let mut lines = String::new();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ENDPOINT_URL_S3", url),
    ] {
        lines.push_str(&format!("export {name}={}\n", quoted(value)));
    }
    lines
}

/// One word of a POSIX shell. Words that need no quotes get none.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '+' | ',' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// `http://BUCKET.localhost:9000` for `http://localhost:9000`.
fn virtual_form(url: &str) -> String {
    url.replacen("://", "://BUCKET.", 1)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sh(script: &str) -> String {
        let output = Command::new("sh").args(["-euc", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_ready_line_has_the_documented_members_in_their_order() {
        let mut ready = Ready { event: "ready", s3: "a", s3_virtual: "b", console: "c", data: "d".into(), test: None };
        let line = serde_json::to_string(&ready).unwrap();
        assert_eq!(line, r#"{"event":"ready","s3":"a","s3Virtual":"b","console":"c","data":"d"}"#);
        ready.test = Some(TestReady { access_key_id: "e", secret_access_key: "f", region: "g", durability: "relaxed" });
        let line = serde_json::to_string(&ready).unwrap();
        let added = r#","accessKeyId":"e","secretAccessKey":"f","region":"g","durability":"relaxed"}"#;
        assert!(line.ends_with(added), "{line}");
    }

    #[test]
    fn exported_values_survive_a_shell() {
        let secret = "a'b \"$HOME\" `id` \\ /+=";
        let script =
            format!("{}printf %s \"$AWS_SECRET_ACCESS_KEY\"", exports("http://127.0.0.1:1", "us-east-1", "AK", secret));
        assert_eq!(sh(&script), secret);
    }

    #[test]
    fn the_page_shows_a_secret_only_when_it_is_new_and_else_reads_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("it's root.json");
        std::fs::write(&file, "{\n  \"accessKey\": \"AKFILE\",\n  \"secretKey\": \"s/e+c\"\n}\n").unwrap();
        let urls = ["http://127.0.0.1:9000".to_owned()];
        let mut page = Page {
            data: directory.path(),
            s3_urls: &urls,
            s3_virtual: "http://localhost:9000",
            console: "http://127.0.0.1:9001",
            region: "us-east-1",
            credentials: Some(("AKNEW", "new/secret")),
            credentials_file: &file,
            root_is_given: false,
            link: Some("http://127.0.0.1:9001/#link=once"),
            loopback_only: true,
            self_signed: false,
        };
        let export = |page: &Page<'_>| {
            let text = page.text();
            let line = text.lines().find(|line| line.contains("export")).unwrap().to_owned();
            sh(&format!("{line}; printf %s \"$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY\""))
        };
        assert_eq!(export(&page), "AKNEW new/secret");
        assert!(page.text().contains("and in "));
        page.root_is_given = true;
        assert!(!page.text().contains("and in "), "the file may hold what root had before");
        assert!(page.text().contains("http://BUCKET.localhost:9000") && page.text().contains("--listen '[::]:9000'"));
        assert!(page.text().contains("within 15 minutes: http://127.0.0.1:9001/#link=once\n"));
        (page.credentials, page.link) = (None, None);
        assert!(!page.text().contains("admin    choose"));
        page.loopback_only = false;
        assert_eq!(export(&page), "AKFILE s/e+c");
        assert!(!page.text().contains("s/e+c") && !page.text().contains("--listen"));
    }
}
