//! IP addresses and networks.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Reads `10.0.0.0/8`, `10.1.2.3`, `2001:db8::/32` or a bare IPv6 address, which is one address and not a /32.
///
/// Host bits are ignored, and a network inside `::ffff:0:0/96` is the IPv4 network it maps.
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    Some(unmap(network.trunc()))
}

fn unmap(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(prefix)) => Ipv4Net::new(v4, prefix).map_or(network, IpNet::V4),
        _ => network,
    }
}

/// Reads one address of a request's context, unmapped.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether no one outside a private network can have an address of this network (RFC 1918, RFC 4193, loopback, link-local).
pub(crate) fn is_private(network: &IpNet) -> bool {
    const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"];
    match network {
        IpNet::V4(_) => PRIVATE.iter().filter_map(|text| parse_network(text)).any(|private| private.contains(network)),
        IpNet::V6(v6) => {
            let address = v6.addr();
            (address == Ipv6Addr::LOCALHOST && v6.prefix_len() == 128)
                || (address.is_unique_local() && v6.prefix_len() >= 7)
                || (address.is_unicast_link_local() && v6.prefix_len() >= 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        parse_network(network).unwrap().contains(&parse_address(address).unwrap())
    }

    #[test]
    fn networks_contain_what_they_say() {
        assert!(contains("21.21.21.0/24", "21.21.21.255") && !contains("21.21.21.0/24", "21.21.22.0"));
        assert!(contains("21.21.21.77/24", "21.21.21.1"));
        assert!(contains("134.204.220.36", "134.204.220.36") && !contains("134.204.220.36", "134.204.220.37"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("2001:db8::1", "2001:db8::1") && !contains("2001:db8::1", "2001:db8::2"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3") && contains("::ffff:10.0.0.0/104", "10.1.2.3"));
    }

    #[test]
    fn private_networks_are_those_that_nobody_outside_has_an_address_of() {
        for text in [
            "10.0.0.0/8",
            "172.31.255.0/24",
            "192.168.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "::1",
            "fd00::/8",
            "fc00::/7",
            "fe80::/10",
            "fe80::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(is_private(&parse_network(text).unwrap()), "{text}");
        }
        for text in [
            "10.0.0.0/7",
            "172.32.0.0/16",
            "192.169.0.1",
            "0.0.0.0/0",
            "::/127",
            "::2",
            "fc00::/6",
            "fe80::/9",
            "fec0::/10",
            "2001:db8::1",
        ] {
            assert!(!is_private(&parse_network(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_networks() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "010.0.0.1",
            "10.0.0.0/8/8",
            "::1/129",
            "10.0.0.0-10.0.0.9",
            "*",
            "fe80::1%eth0",
            "10.0.0.*",
        ] {
            assert!(parse_network(text).is_none(), "{text}");
        }
    }
}
