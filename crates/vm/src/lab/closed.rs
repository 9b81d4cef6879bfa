//! What to set where unprivileged namespaces are closed.

use std::fs;
use std::path::Path;

/// What tells why a host makes no namespaces for us.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Host {
    /// Ubuntu since 23.10: AppArmor takes the capabilities away.
    apparmor_restricts: bool,
    /// Debian before 11 and hardened kernels: a switch of their own.
    clone_switched_off: bool,
    /// The kernel's own limit stands at zero.
    limit_is_zero: bool,
    /// Inside a container, whose seccomp filter or masked /proc forbids it.
    container: bool,
}

impl Host {
    /// Looks at this host.
    pub(super) fn look() -> Self {
        let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
        let markers = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];
        Self {
            apparmor_restricts: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            clone_switched_off: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            limit_is_zero: is("/proc/sys/user/max_user_namespaces", "0"),
            container: markers.iter().any(|marker| Path::new(marker).exists()),
        }
    }
}

/// The one thing to do first.
pub(super) fn advice(host: &Host) -> &'static str {
    if host.limit_is_zero {
        "set the limit: sysctl user.max_user_namespaces=10000"
    } else if host.clone_switched_off {
        "allow them: sysctl kernel.unprivileged_userns_clone=1"
    } else if host.container {
        "a container's filter forbids it: run it with --privileged, or with \
         --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
    } else if host.apparmor_restricts {
        "allow them: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
    } else {
        "the kernel needs CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS, and no filter may forbid unshare(2)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_closed_door_is_told_with_its_key() {
        let zero = Host { limit_is_zero: true, ..Host::default() };
        assert!(advice(&zero).contains("user.max_user_namespaces"));
        let debian = Host { clone_switched_off: true, ..Host::default() };
        assert!(advice(&debian).contains("unprivileged_userns_clone=1"));
        let ubuntu = Host { apparmor_restricts: true, ..Host::default() };
        assert!(advice(&ubuntu).contains("apparmor_restrict_unprivileged_userns=0"));
        let docker = Host { container: true, apparmor_restricts: true, ..Host::default() };
        assert!(advice(&docker).contains("seccomp=unconfined"));
        assert!(advice(&Host::default()).contains("CONFIG_USER_NS"));
    }
}
