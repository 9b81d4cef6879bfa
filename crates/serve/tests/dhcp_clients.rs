//! The DHCP server as clients that are not ours see it, each in a network of its own.
//!
//! Needs the packages busybox, isc-dhcp-client, kea-admin and dnsmasq, and user namespaces.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is how they fail")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bootwright_vm::{Lab, Service};
use regex_lite::Regex;

const PATIENCE: Duration = Duration::from_secs(15);

/// The example of this crate that runs both servers and nothing else.
fn boot_server() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples/boot-server");
    assert!(path.exists(), "{} is built by cargo test --examples", path.display());
    path
}

fn serve(lab: &Lab, mode: &[&str]) -> Service {
    let mut command = lab.command(boot_server());
    command.args(["br0", "10.77.0.1", "/nonexistent"]).args(mode);
    let service = Service::start(&mut command, None).unwrap();
    expect(&service, "^ready$");
    service
}

/// What the server said of other servers, before it was ready.
fn word(server: &Service) -> String {
    server.transcript().tail(2).concat()
}

fn expect(service: &Service, pattern: &str) {
    let seen = service.transcript().expect(&Regex::new(pattern).unwrap(), PATIENCE);
    seen.unwrap_or_else(|error| panic!("{error}\n{}", service.transcript().tail(20).join("\n")));
}

/// Runs a client to its end and gives what it said.
fn run(command: &mut Command, package: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("install the package {package}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("No such file or directory"), "install the package {package}: {said}");
    said
}

fn full<'a>(state: &'a Path, last: &'a str) -> [&'a str; 5] {
    ["full", "10.77.0.50", last, "24", state.to_str().unwrap()]
}

#[test]
fn udhcpc_and_dhclient_get_a_lease_and_the_same_one_after_the_server_was_killed() {
    let (lab, state) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let host = lab.host("10.77.0.9").unwrap();
    let mode = full(state.path(), "10.77.0.60");
    let server = serve(&lab, &mode);
    let udhcpc = || {
        let options = ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", "/bin/true"];
        run(host.command(&lab, "busybox").args(options), "busybox")
    };
    let said = udhcpc();
    assert!(said.contains("lease of 10.77.0.50 obtained from 10.77.0.1, lease time 3600"), "{said}");
    server.kill().unwrap();
    let server = serve(&lab, &mode);
    let said = udhcpc();
    assert!(said.contains("lease of 10.77.0.50 obtained"), "{said}");

    let leases = state.path().join("dhclient.leases");
    let mut dhclient = host.command(&lab, "dhclient");
    dhclient
        .args(["-v", "-1", "-sf", "/bin/true", "-pf", "/dev/null", "-lf"])
        .arg(&leases)
        .args(["-d", "eth0"]);
    let dhclient = Service::start(&mut dhclient, None).unwrap();
    expect(&dhclient, r"DHCPACK of 10\.77\.0\.50 from 10\.77\.0\.1");
    expect(&server, r#"DHCP client: leased 10\.77\.0\.50$"#);
}

#[test]
fn perfdhcp_loses_nothing_and_every_lease_is_on_disk() {
    let (lab, state) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let host = lab.host("10.77.0.9").unwrap();
    let _server = serve(&lab, &full(state.path(), "10.77.0.250"));
    let options = ["-4", "-l", "eth0", "-r", "100", "-n", "150", "-R", "150", "-W", "2000000", "10.77.0.1"];
    let said = run(host.command(&lab, "perfdhcp").args(options), "kea-admin");
    assert_eq!(said.matches("drops: 0\n").count(), 2, "{said}");
    let leases = std::fs::read_to_string(state.path().join("leases")).unwrap();
    let acks = said.lines().filter_map(|line| line.strip_prefix("received packets: ")).next_back();
    assert_eq!(acks.and_then(|count| count.parse().ok()), Some(leases.lines().count() - 1), "{said}");
}

#[test]
fn a_proxy_sees_the_dhcp_server_beside_it_and_a_full_server_warns_of_it() {
    let (lab, state) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let alone = serve(&lab, &["proxy"]);
    assert!(word(&alone).starts_with("no DHCP server answers on br0: machines will get no address"));
    alone.kill().unwrap();

    let host = lab.host("10.77.0.2").unwrap();
    let leases = state.path().join("dnsmasq.leases");
    let mut dnsmasq = host.command(&lab, "dnsmasq");
    dnsmasq
        .args(["-d", "--user=root", "--port=0", "--interface=eth0", "--bind-interfaces"])
        .args(["--dhcp-range=10.77.0.100,10.77.0.150,1h", "--conf-file=/dev/null"])
        .arg(format!("--dhcp-leasefile={}", leases.display()));
    let dnsmasq = Service::start(&mut dnsmasq, None).unwrap();
    expect(&dnsmasq, "sockets bound exclusively");
    let proxy = serve(&lab, &["proxy"]);
    assert!(word(&proxy).starts_with("DHCP server 10.77.0.2 gives the addresses on br0"), "{}", word(&proxy));
    proxy.kill().unwrap();
    let full = serve(&lab, &full(state.path(), "10.77.0.60"));
    assert!(word(&full).starts_with("another DHCP server answers on br0: 10.77.0.2"), "{}", word(&full));
}
