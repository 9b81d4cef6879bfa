//! When a time server is asked, and which.
//!
//! The answer is not authenticated: whoever sends it can bring a certificate that has run out back to life, though
//! not by setting the clock before the build of the image. So a server is asked only where it is needed: when the
//! clock cannot be right, or when something is fetched by TLS and the line itself names the server.

use std::net::IpAddr;

use bootwright_image::cmdline::TimeServers;

use crate::Instructions;
use crate::network::Plan;

/// Before this program existed (2026-01-01), in seconds since 1970: what surely is over where nothing is pinned.
const OLDEST: u64 = 1_767_225_600;

/// How long after its build an image may still be booted, in seconds: ten years. A clock that shows more is wrong.
const LIFE_OF_AN_IMAGE: u64 = 10 * 365 * 24 * 3600;

/// The time that is surely over, in seconds since 1970: that of the build.
pub fn lower_bound(instructions: &Instructions) -> u64 {
    instructions.pin.as_ref().map_or(OLDEST, |pin| pin.built.max(OLDEST))
}

/// Whether a clock that shows `now` cannot be right.
pub fn is_implausible(now: u64, lower: u64) -> bool {
    now < lower || now > lower.saturating_add(LIFE_OF_AN_IMAGE)
}

/// The time servers to ask, in order.
///
/// `told` are those that DHCP names; `implausible` says that the clock cannot be right, `tls` that certificates
/// will be looked at.
pub fn servers(instructions: &Instructions, told: &[IpAddr], implausible: bool, tls: bool) -> Vec<String> {
    let mut servers = named(instructions);
    if instructions.options.ntp == TimeServers::Off || !(implausible || tls && !servers.is_empty()) {
        return Vec::new();
    }
    if implausible {
        servers.extend(told.iter().map(ToString::to_string));
    }
    servers
}

/// Those that the line names: `bootwright.ntp=`, else the field of the kernel's `ip=` and the keys of other systems.
pub fn named(instructions: &Instructions) -> Vec<String> {
    match &instructions.options.ntp {
        TimeServers::Off => Vec::new(),
        TimeServers::Named(servers) => servers.clone(),
        TimeServers::Told => {
            let line = &instructions.line;
            let plan = Plan::read(line);
            let mut servers: Vec<String> = plan.time_servers.iter().map(ToString::to_string).collect();
            for value in KEYS.iter().flat_map(|key| line.all(key)) {
                if let Ok(TimeServers::Named(more)) = value.parse() {
                    servers.extend(more);
                }
            }
            servers
        }
    }
}

/// Keys by which other systems name time servers.
const KEYS: [&str; 3] = ["rd.ntp", "ntp", "ntpserver"];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, implausible: bool, tls: bool) -> Vec<String> {
        let told = ["10.0.0.9".parse().unwrap()];
        servers(&Instructions::combine(None, line), &told, implausible, tls)
    }

    #[test]
    fn whom_dhcp_names_is_asked_only_when_the_clock_cannot_be_right() {
        assert_eq!(asked("", false, true), [""; 0]);
        assert_eq!(asked("", true, false), ["10.0.0.9"]);
        assert_eq!(asked("bootwright.ntp=off", true, true), [""; 0]);
    }

    #[test]
    fn whom_the_line_names_is_asked_for_tls_too() {
        assert_eq!(asked("bootwright.ntp=a,b", false, true), ["a", "b"]);
        assert_eq!(asked("bootwright.ntp=a", false, false), [""; 0]);
        assert_eq!(asked("ntp=a bootwright.ntp=b", true, false), ["b", "10.0.0.9"]);
        assert_eq!(
            asked("ip=10.0.0.2::::n:eth0:off:10.0.0.3::10.0.0.4 ntpserver=c", true, true),
            ["10.0.0.4", "c", "10.0.0.9"]
        );
    }

    #[test]
    fn a_clock_before_the_build_or_ten_years_after_it_cannot_be_right() {
        assert!(is_implausible(0, OLDEST));
        assert!(!is_implausible(OLDEST + 86_400 * 700, OLDEST));
        assert!(is_implausible(3_976_214_400, OLDEST)); // 2096
    }
}
