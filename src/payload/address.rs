//! The address in a raw line, in the forms that trackers write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads `1.2.3.4`, `1.2.3.4:80`, `::1`, `fe80::1%eth0`, `[::1]` and `[::1]:80`; zone and port are dropped.
pub(super) fn parse(field: &[u8]) -> Option<IpAddr> {
    if let Some(address) = parse_ipv4(field) {
        return Some(IpAddr::V4(address));
    }
    let text = std::str::from_utf8(field).ok()?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (inside, behind) = bracketed.split_once(']')?;
        if !behind.is_empty() && !is_port(behind.strip_prefix(':')?) {
            return None;
        }
        return parse_ipv6(inside);
    }
    match text.split_once(':') {
        Some((host, port)) if host.contains('.') && is_port(port) => {
            parse_ipv4(host.as_bytes()).map(IpAddr::V4)
        }
        _ => parse_ipv6(text),
    }
}

/// Reads what `Ipv4Addr::from_str` reads, which is slower and wants UTF-8.
fn parse_ipv4(field: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet) = (0, 0);
    let (mut dots, mut digits) = (0, 0);
    for &byte in field {
        match byte {
            b'.' if dots < 3 && digits > 0 => {
                address = address << 8 | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            // Behind a zero stands an octal number to some.
            b'0'..=b'9' if octet > 0 || digits == 0 => {
                octet = octet * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            _ => return None,
        }
        if octet > 255 {
            return None;
        }
    }
    (dots == 3 && digits > 0).then(|| Ipv4Addr::from_bits(address << 8 | octet))
}

fn parse_ipv6(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((_, "")) => return None,
        Some((address, _zone)) => address,
        None => text,
    };
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(field: &str) -> Option<String> {
        parse(field.as_bytes()).map(|address| address.to_string())
    }

    #[test]
    fn addresses_lose_port_brackets_and_zone_but_stay_as_given() {
        for (field, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("::ffff:8.8.8.8", "::ffff:8.8.8.8"),
            ("[::1]", "::1"),
            ("[2a00::1]:443", "2a00::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
        ] {
            assert_eq!(address(field).as_deref(), Some(expected), "{field}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for field in [
            "unknown",
            "1.2.3",
            "256.1.1.1",
            "01.2.3.4",
            "10.0.0.1/24",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:99999",
            "1.2.3.4:+1",
            "[1.2.3.4]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "::1%",
            "::1/64",
            "evil;x=1",
            "",
            "1.2.3.4%eth0",
        ] {
            assert_eq!(address(field), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_what_the_standard_library_takes(field in "[0-9.]{0,16}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
            prop_assert_eq!(parse_ipv4(field.as_bytes()), field.parse().ok(), "{}", field);
        }
    }
}
