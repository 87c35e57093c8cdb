//! The certificate of `--tls-self-signed`: made once, kept beside the data, and made again only when it has to be.
//!
//! Nobody vouches for it, so each client has to be given it, once: a certificate that changed at every start, or that didn't name the machine as its clients do, could never be trusted.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

/// The certificate's file in the data directory, which clients are given.
pub const CERTIFICATE_FILE: &str = "tls-self-signed.pem";
/// Its private key's file there, mode 0600.
pub const KEY_FILE: &str = "tls-self-signed.key";

/// How long it is valid: the most that clients accept of what their owner trusts (<https://support.apple.com/103769>).
const VALID_DAYS: i64 = 820;
/// It is made anew at a start so long before its end.
const RENEWED_BEFORE_DAYS: i64 = 60;
/// What stands before the names, in a line before the certificate, which readers of PEM pass over (RFC 7468, 2).
const NAMES: &str = "names: ";
/// Likewise before its last day.
const UNTIL: &str = "until: ";

/// Certificate and key files of a data directory that hold for all `names`; made when they are missing, end soon or lack one.
///
/// # Errors
/// They can't be made or written.
pub(super) fn files(data: &Path, names: &BTreeSet<String>) -> Result<(PathBuf, PathBuf), String> {
    let (certificate, key) = (data.join(CERTIFICATE_FILE), data.join(KEY_FILE));
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    if !(holds(&certificate, names, today) && key.is_file()) {
        let (pem, private) = make(names, today).map_err(|error| format!("no certificate could be made: {error}"))?;
        for (path, text, mode) in [(&key, private, 0o600), (&certificate, pem, 0o644)] {
            write(path, &text, mode).map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        }
    }
    Ok((certificate, key))
}

/// The names under which clients reach this machine: those of the loopback, its host name, the addresses that are listened on, and `more`.
pub(super) fn names(listened: &[IpAddr], more: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        ["localhost", "*.localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned).collect();
    names.extend(more);
    for address in listened.iter().filter(|address| !address.is_unspecified()) {
        names.insert(address.to_string());
    }
    if listened.iter().any(|address| !address.is_loopback()) {
        if let Some(host) = host_name() {
            names.insert(format!("{host}.local"));
            names.insert(host);
        }
        names.extend(own_address().map(|address| address.to_string()));
    }
    names
}

fn holds(certificate: &Path, names: &BTreeSet<String>, today: Date) -> bool {
    let Ok(text) = fs::read_to_string(certificate) else { return false };
    let told = |what: &str| text.lines().find_map(|line| line.strip_prefix(what));
    let has: BTreeSet<&str> = told(NAMES).unwrap_or_default().split(' ').collect();
    let until: Option<Date> = told(UNTIL).and_then(|text| text.parse().ok());
    names.iter().all(|name| has.contains(name.as_str()))
        && until.is_some_and(|until| until > today.saturating_add(RENEWED_BEFORE_DAYS.days()))
}

/// Certificate and key as PEM.
fn make(names: &BTreeSet<String>, today: Date) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Strongroom, self-signed");
    // Clocks of clients may be a little behind.
    let (from, until) = (today.saturating_sub(1.days()), today.saturating_add(VALID_DAYS.days()));
    let day = |date: Date| rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    (params.not_before, params.not_after) = (day(from), day(until));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    let pem = format!("{NAMES}{}\n{UNTIL}{until}\n{}", listed.join(" "), certificate.pem());
    Ok((pem, key.serialize_pem()))
}

/// Writes a file whole, or not at all.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_ascii_lowercase();
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (!name.is_empty() && name.len() <= 253 && name != "localhost" && name.chars().all(fit)).then_some(name)
}

/// The address from which this machine reaches others; none without a network. Connecting a datagram socket sends nothing (RFC 5737 for the address).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified() && !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_stays_until_a_name_is_missing_or_its_end_is_near() {
        let directory = tempfile::tempdir().unwrap();
        let read = |names: &[&str]| {
            let (certificate, key) = files(directory.path(), &set(names)).unwrap();
            assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            fs::read_to_string(certificate).unwrap()
        };
        let first = read(&["localhost", "10.0.0.1"]);
        assert_eq!(read(&["localhost", "10.0.0.1"]), first);
        assert_eq!(read(&["localhost"]), first, "a name too many does no harm");
        let second = read(&["localhost", "nas.local"]);
        assert!(second != first && second.contains("nas.local"));
        let path = directory.path().join(CERTIFICATE_FILE);
        let until = second.lines().find(|line| line.starts_with(UNTIL)).unwrap();
        fs::write(&path, second.replace(until, "until: 2020-01-01")).unwrap();
        assert_ne!(read(&["localhost", "nas.local"]), second);
        fs::write(&path, "garbage").unwrap();
        assert!(read(&["localhost"]).contains("BEGIN CERTIFICATE"));
    }

    #[test]
    fn the_machine_is_named_as_its_clients_name_it() {
        let loopback = names(&["127.0.0.1".parse().unwrap()], []);
        assert_eq!(loopback, set(&["localhost", "*.localhost", "127.0.0.1", "::1"]));
        let all = names(&["::".parse().unwrap()], ["s3.example.com".to_owned()]);
        assert!(all.contains("s3.example.com") && !all.contains("::"), "{all:?}");
        assert!(host_name().is_none_or(|host| all.contains(&host)), "{all:?}");
        assert!(own_address().is_none_or(|address| all.contains(&address.to_string())), "{all:?}");
    }
}
