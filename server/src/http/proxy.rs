//! Who the client is: the socket's peer, unless that is a proxy which the operator trusts.
//!
//! `X-Forwarded-For` is written by anyone who can send a header, so its right-most address that isn't a trusted proxy is believed, and only when the connection comes from one (CVE-2026-21862 elsewhere).

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The longest chain of proxies that is followed.
const HOPS_MAX: usize = 16;

/// The verified client address, in canonical form (an IPv4-mapped address is IPv4).
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(peer, trusted) {
        return peer;
    }
    let mut client = peer;
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    let hops = values.iter().rev().flat_map(|value| value.rsplit(',')).map(str::trim);
    for hop in hops.take(HOPS_MAX) {
        // What can't be read ends the chain: the last verified hop is the client.
        let Some(address) = parse_hop(hop) else { break };
        client = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    client
}

/// Whether a trusted proxy says that the client came to it over TLS (`X-Forwarded-Proto: https`).
pub fn is_secure_before(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    is_trusted(peer.to_canonical(), trusted)
        && headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Whether the connection's peer is a trusted proxy.
pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&peer))
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|h| h.split_once(']')).map_or(hop, |(address, _)| address);
    let address = bare.parse::<IpAddr>().or_else(|_| bare.split_once(':').map_or(bare, |(a, _)| a).parse::<IpAddr>());
    address.ok().map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_that_its_client_came_over_tls() {
        let trusted: Vec<IpNet> = vec!["192.0.2.0/24".parse().unwrap()];
        let is_secure = |peer: &str, value: &'static str| {
            let headers = HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), value.parse().unwrap())]);
            is_secure_before(peer.parse().unwrap(), &headers, &trusted)
        };
        assert!(is_secure("192.0.2.1", "https") && is_secure("::ffff:192.0.2.1", "HTTPS"));
        assert!(!is_secure("192.0.2.1", "http") && !is_secure("192.0.3.1", "https"));
        assert!(!is_secure_before("192.0.2.1".parse().unwrap(), &HeaderMap::new(), &trusted));
    }

    #[test]
    fn c8_forwarded_addresses_of_untrusted_peers_are_ignored() {
        assert_eq!(client("192.0.2.1", &["10.0.0.1"], &[]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["10.0.0.1"], &["192.0.3.0/24"]), "192.0.2.1");
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        let trusted = ["192.0.2.0/24"];
        assert_eq!(client("192.0.2.1", &["10.0.0.1"], &trusted), "10.0.0.1");
        assert_eq!(client("192.0.2.1", &["6.6.6.6, 10.0.0.1, 192.0.2.7"], &trusted), "10.0.0.1");
        assert_eq!(client("192.0.2.1", &["6.6.6.6", "10.0.0.1:4711"], &trusted), "10.0.0.1");
        assert_eq!(client("192.0.2.1", &["6.6.6.6, garbage"], &trusted), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["[2001:db8::1]:80"], &trusted), "2001:db8::1");
        assert_eq!(client("::ffff:192.0.2.1", &["10.0.0.1"], &trusted), "10.0.0.1");
        assert_eq!(client("192.0.2.1", &[], &trusted), "192.0.2.1");
    }
}
