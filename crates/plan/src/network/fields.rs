//! Fields between colons, where an IPv6 address stands in brackets.

use std::net::{IpAddr, Ipv4Addr};

use bootwright_netboot::Mac;

/// Cuts at colons outside of brackets, which go away.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let (mut fields, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                fields.push(bare(text.get(start..at).unwrap_or_default()));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(bare(text.get(start..).unwrap_or_default()));
    fields
}

/// Without its brackets. A prefix may stand inside or behind them: `[fd00::/64]`, `[fd00::]/64`.
fn bare(field: &str) -> &str {
    match field.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(rest),
        None => field,
    }
}

pub(crate) fn address(text: &str, what: &str) -> Result<IpAddr, String> {
    bare(text).parse().map_err(|_| format!("{text:?} is no IP {what}"))
}

/// `10.0.0.0/8`, `fd00::/64`; the prefix may stand behind the brackets.
pub(crate) fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let (network, length) = text.split_once('/').ok_or_else(|| format!("{text:?} has no prefix length"))?;
    let destination = address(network.trim_end_matches(']'), "network")?;
    Ok((destination, prefix(length.trim_end_matches(']'), destination)?))
}

/// A dotted mask, a prefix length, or, when absent, that of the IPv4 address's class, as the kernel has it, and 64.
pub(crate) fn prefix(text: &str, of: IpAddr) -> Result<u8, String> {
    let most = if of.is_ipv4() { 32 } else { 128 };
    if text.is_empty() {
        return Ok(match of {
            IpAddr::V4(address) => match address.octets() {
                [0..=127, ..] => 8,
                [128..=191, ..] => 16,
                _ => 24,
            },
            IpAddr::V6(_) => 64,
        });
    }
    if let Ok(prefix) = text.parse()
        && prefix <= most
    {
        return Ok(prefix);
    }
    let mask: Ipv4Addr = text.parse().map_err(|_| format!("{text:?} is no netmask"))?;
    let ones = mask.to_bits().leading_ones();
    match mask.to_bits().count_ones() == ones && of.is_ipv4() {
        true => Ok(ones as u8),
        false => Err(format!("{text} is no netmask: its ones are not in one piece")),
    }
}

/// RFC 791: every link carries 68 bytes; the total length field ends at 65535.
pub(crate) fn mtu(text: &str) -> Result<Option<u32>, String> {
    match text {
        "" => Ok(None),
        number => match number.parse() {
            Ok(mtu @ 68..=65535) => Ok(Some(mtu)),
            _ => Err(format!("{number:?} is no MTU")),
        },
    }
}

pub(crate) fn mac(text: &str) -> Result<Option<Mac>, String> {
    match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(mac) => Ok(Some(mac)),
            Err(_) => Err(format!("{text:?} is no Ethernet address")),
        },
    }
}

/// What an interface may be called: the kernel's `dev_valid_name`.
pub(crate) fn interface(text: &str) -> Result<String, String> {
    /// `IFNAMSIZ`, with its NUL.
    const MOST: usize = 15;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':');
    match text {
        "" | "." | ".." => Err(format!("{text:?} is no name of an interface")),
        text if text.len() > MOST || text.contains(odd) => {
            Err(format!("{text:?} is no name of an interface"))
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_in_brackets_do_not_cut() {
        assert_eq!(
            split("[fd00::2]::[fd00::1]:64::eth0:none"),
            ["fd00::2", "", "fd00::1", "64", "", "eth0", "none"]
        );
        assert_eq!(split("a"), ["a"]);
        assert_eq!(split("[a:b"), ["a:b"]);
        assert_eq!(split("]:["), ["]", ""]);
    }

    #[test]
    fn a_network_has_its_prefix_in_or_behind_the_brackets() {
        let fd00 = "fd00::".parse().unwrap();
        assert_eq!(network("fd00::/64"), Ok((fd00, 64)));
        assert_eq!(network("[fd00::]/64"), Ok((fd00, 64)));
        assert_eq!(network("10.0.0.0/255.0.0.0"), Ok(("10.0.0.0".parse().unwrap(), 8)));
        assert!(network("10.0.0.0").is_err());
        assert!(network("10.0.0.0/33").is_err());
        assert!(network("fd00::/255.255.0.0").is_err());
    }

    #[test]
    fn a_name_that_leads_out_of_sysfs_is_none() {
        for name in ["", "..", "a/b", "a name", "averylongname-of16", "a:b"] {
            assert!(interface(name).is_err(), "{name}");
        }
        assert_eq!(interface("eth0.5"), Ok("eth0.5".to_owned()));
    }
}
