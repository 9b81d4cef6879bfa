//! A network of IPv6 alone: who gives addresses and names, and who has the image.

use bootwright_vm::Service;

use crate::{Scenario, done};

/// Where [`dnsmasq_of_ipv6`](Scenario::dnsmasq_of_ipv6) is.
const DNSMASQ: &str = "fd00:77::2";

/// The address of [`nginx_of_ipv6`](Scenario::nginx_of_ipv6).
const MIRROR: &str = "fd00:77::3";
/// The name that dnsmasq knows the mirror by.
pub const MIRROR_NAME: &str = "mirror.lab.example";

impl Scenario {
    /// A real dnsmasq on a host of its own that advertises itself as router of IPv6, gives what `range` says, and
    /// knows the mirror's name. Nobody gives addresses of IPv4.
    pub fn dnsmasq_of_ipv6(mut self, range: &str) -> Self {
        let host = done("making a host", self.lab.host("10.77.0.2"));
        let own = format!("addr add {DNSMASQ}/64 dev eth0 nodad");
        self.configure(&host, &own);
        let leases = self.directory.path().join("dnsmasq6.leases");
        let mut command = host.command(&self.lab, "dnsmasq");
        command
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--interface=eth0"])
            .args(["--enable-ra", &format!("--dhcp-range={range}"), "--domain=lab.example"])
            .arg(format!("--dhcp-option=option6:dns-server,[{DNSMASQ}]"))
            .arg(format!("--host-record={MIRROR_NAME},{MIRROR}"))
            .arg(format!("--dhcp-leasefile={}", leases.display()));
        let service = done("starting dnsmasq", Service::start(&mut command, None));
        self.others.push(("dnsmasq".to_owned(), service));
        self.hosts.push(host);
        self
    }

    /// A real nginx that has the image's directory at `/images/`, reached by IPv6 alone.
    pub fn nginx_of_ipv6(self) -> Self {
        self.nginx_with("listen [::]:80 ipv6only=on;", &format!("addr add {MIRROR}/64 dev eth0 nodad"))
    }
}
