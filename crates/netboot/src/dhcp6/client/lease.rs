//! What a server's ADVERTISE or REPLY gives.

use std::net::Ipv6Addr;
use std::time::Duration;

use crate::dhcp6::{Message, Options, code};
use crate::domains;

/// A lease that is too short to boot in counts as so long.
const MIN_LEASE: Duration = Duration::from_secs(60);
/// Section 7.7: all ones are for ever.
const FOREVER: u32 = u32::MAX;
/// Nobody's boot lasts longer: what is for ever is asked for again in a day.
const DAY: Duration = Duration::from_secs(86_400);
/// Servers of one kind that are read.
const MAX_SERVERS: usize = 8;
/// IAID, T1 and T2 stand before the options of an IA_NA.
const IA_HEAD: usize = 12;
/// Address and two lifetimes stand before the options of an address.
const ADDRESS_HEAD: usize = 24;

/// What a server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address; absent where only information was asked for.
    pub address: Option<Ipv6Addr>,
    /// Option 23.
    pub dns: Vec<Ipv6Addr>,
    /// Option 24.
    pub domains: Vec<String>,
    /// Options 56 and 31: time servers that are given by address.
    pub ntp: Vec<Ipv6Addr>,
    /// Option 2: the server's DUID.
    pub server: Vec<u8>,
    /// Option 7.
    pub preference: u8,
    /// T1: when to ask the server for more.
    pub renewal: Duration,
    /// T2: when to ask anybody for more.
    pub rebinding: Duration,
    /// When the address is no longer ours.
    pub valid: Duration,
}

/// The address in an IA_NA.
struct Leased {
    address: Ipv6Addr,
    renewal: Duration,
    rebinding: Duration,
    valid: Duration,
}

/// Reads an answer to a question for an address with `iaid`, or for information alone when there is none.
///
/// # Errors
/// What the server says when it refuses, or what is missing.
pub(super) fn read(message: &Message, iaid: Option<u32>) -> Result<Lease, String> {
    let options = &message.options;
    if let Some(refusal) = options.refusal() {
        return Err(refusal);
    }
    let server =
        options.get(code::SERVER_ID).filter(|id| !id.is_empty()).ok_or("an answer without a server")?;
    let leased = iaid.map(|iaid| identity(options, iaid)).transpose()?;
    let lease = Lease {
        address: leased.as_ref().map(|leased| leased.address),
        dns: servers(options.get(code::DNS).unwrap_or_default()),
        domains: domains::read(options.get(code::DOMAINS).unwrap_or_default()),
        ntp: time_servers(options),
        server: server.to_vec(),
        preference: options
            .get(code::PREFERENCE)
            .and_then(|value| value.first())
            .copied()
            .unwrap_or_default(),
        renewal: leased.as_ref().map_or(DAY, |leased| leased.renewal),
        rebinding: leased.as_ref().map_or(DAY, |leased| leased.rebinding),
        valid: leased.as_ref().map_or(DAY, |leased| leased.valid),
    };
    Ok(lease)
}

/// The first address of the identity association that is ours.
fn identity(options: &Options, iaid: u32) -> Result<Leased, String> {
    for value in options.all(code::IA_NA) {
        let Some((head, rest)) = value.split_at_checked(IA_HEAD) else { continue };
        if number(head, 0) != Some(iaid) {
            continue;
        }
        let inner = Options::parse(rest, IA_HEAD).map_err(|error| format!("its IA_NA: {error}"))?;
        if let Some(refusal) = inner.refusal() {
            return Err(refusal);
        }
        let times = (number(head, 4).unwrap_or_default(), number(head, 8).unwrap_or_default());
        if let Some(leased) = inner.all(code::IA_ADDRESS).find_map(|value| address(value, times)) {
            return Ok(leased);
        }
    }
    Err("an answer without an address".to_owned())
}

/// Section 21.6; `None` for one that no interface can have, or whose time is over.
fn address(value: &[u8], (t1, t2): (u32, u32)) -> Option<Leased> {
    let (head, rest) = value.split_at_checked(ADDRESS_HEAD)?;
    let octets: [u8; 16] = *head.first_chunk()?;
    let address = Ipv6Addr::from(octets);
    let (preferred, valid) = (number(head, 16)?, number(head, 20)?);
    let refused = Options::parse(rest, ADDRESS_HEAD).ok()?.refusal().is_some();
    let odd = address.is_multicast() || address.is_unspecified() || address.is_loopback();
    // Section 21.4: times in another order are invalid.
    if refused || odd || valid == 0 || preferred > valid || (t1 > t2 && t2 > 0) {
        return None;
    }
    let valid = seconds(valid).max(MIN_LEASE);
    let or = |told: u32, part: u32| match told {
        // Section 21.4: left to us; 0.5 and 0.8 are what is recommended.
        0 => seconds(preferred).max(MIN_LEASE) * part / 10,
        told => seconds(told),
    };
    let rebinding = or(t2, 8).min(valid);
    Some(Leased { address, renewal: or(t1, 5).min(rebinding), rebinding, valid })
}

fn seconds(value: u32) -> Duration {
    if value == FOREVER { DAY } else { Duration::from_secs(value.into()) }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|value| u32::from_be_bytes(*value))
}

/// RFC 5908 section 4: its suboption 1 is an address; names are left to the system. Else RFC 4075's list.
fn time_servers(options: &Options) -> Vec<Ipv6Addr> {
    const ADDRESS: u16 = 1;
    let inner = options.get(code::NTP).and_then(|value| Options::parse(value, 0).ok());
    let told: Vec<_> = inner.iter().flat_map(|inner| inner.all(ADDRESS)).flat_map(servers).collect();
    match told.is_empty() {
        true => servers(options.get(code::SNTP).unwrap_or_default()),
        false => told.into_iter().take(MAX_SERVERS).collect(),
    }
}

fn servers(bytes: &[u8]) -> Vec<Ipv6Addr> {
    let whole = bytes.chunks_exact(16).filter_map(|chunk| chunk.first_chunk::<16>());
    let usable = |address: &Ipv6Addr| !address.is_multicast() && !address.is_unspecified();
    whole.map(|octets| Ipv6Addr::from(*octets)).filter(usable).take(MAX_SERVERS).collect()
}
