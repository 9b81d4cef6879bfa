use std::fs::{create_dir, read_to_string};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use bootwright_netboot::Mac;
use bootwright_plan::network::{Address, Bond, Configuration, Route, Upkeep, Vlan};

use super::*;
use crate::network::{Link, Made};

const MAC: Mac = Mac([0x52, 0x54, 0, 1, 2, 3]);

fn network(name: &str, upkeep: Upkeep, made: Made) -> Network {
    let configuration = Configuration {
        addresses: vec![Address { address: [10, 0, 2, 15].into(), prefix: 24 }],
        routes: vec![
            Route::default_via([10, 0, 2, 2].into()),
            Route { destination: [10, 9, 0, 0].into(), prefix: 16, gateway: Some([10, 0, 2, 9].into()) },
        ],
        dns: vec![[10, 0, 2, 3].into(), "fd00::53".parse().unwrap()],
        search: vec!["lab.example".into()],
        ntp: vec![[10, 0, 2, 4].into()],
        mtu: Some(1400),
    };
    let link = Link { index: 2, name: name.into(), mac: MAC, carrier: true };
    Network { link, configuration, upkeep, image: None, summary: String::new(), made }
}

fn vlan_on_bond() -> Network {
    let bond = Bond::parse("bond0:eth0,eth1:mode=1,miimon=50").unwrap();
    let members = vec![("eth0".to_owned(), MAC), ("eth1".to_owned(), Mac([2; 6]))];
    let below = Box::new(Made::Bond { bond, members });
    let vlan = Vlan::parse("vlan5:bond0").unwrap();
    network("vlan5", Upkeep::Static, Made::Vlan { vlan, parent: "bond0".into(), parent_mac: MAC, below })
}

fn text<'a>(files: &'a [File], name: &str) -> &'a str {
    match files.iter().find(|file| file.path.ends_with(name)) {
        Some(file) => &file.text,
        None => panic!("{name} is not among {files:?}"),
    }
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line} in\n{text}");
    }
}

#[test]
fn networkd_keeps_a_lease_with_the_same_identifier() {
    let files = networkd::files(&network("eth0", Upkeep::Dhcp4, Made::Card));
    let text = text(&files, "70-bootwright-eth0.network");
    has(text, &["MACAddress=52:54:00:01:02:03", "MTUBytes=1400", "DHCP=ipv4", "ClientIdentifier=mac"]);
    has(text, &["KeepConfiguration=yes"]);
    assert!(!text.contains("Address=10.0.2.15"));
    let files = networkd::files(&network("eth0", Upkeep::Dhcp6, Made::Card));
    has(&files[0].text, &["DHCP=ipv6", "DUIDType=link-layer", "IAID=66051"]);
}

#[test]
fn networkd_keeps_a_static_address_with_its_routes() {
    let files = networkd::files(&network("eth0", Upkeep::Static, Made::Card));
    has(
        &files[0].text,
        &["Address=10.0.2.15/24", "DNS=10.0.2.3", "Destination=0.0.0.0/0", "Gateway=10.0.2.2"],
    );
}

#[test]
fn networkd_finds_a_vlan_by_its_name_and_the_cards_of_its_bond_by_their_own_addresses() {
    let files = networkd::files(&vlan_on_bond());
    has(text(&files, "70-bootwright-vlan5.netdev"), &["Kind=vlan", "Id=5"]);
    has(text(&files, "70-bootwright-vlan5.network"), &["Name=vlan5", "Address=10.0.2.15/24"]);
    has(
        text(&files, "70-bootwright-bond0.netdev"),
        &["Kind=bond", "Mode=active-backup", "MIIMonitorSec=50ms"],
    );
    has(text(&files, "70-bootwright-bond0.network"), &["Name=bond0", "VLAN=vlan5"]);
    has(text(&files, "70-bootwright-eth1.network"), &["PermanentMACAddress=02:02:02:02:02:02", "Bond=bond0"]);
}

/// NetworkManager's own reader takes a connection in, and writes out what it understood.
fn understood_by_nmcli(file: &File) -> String {
    use std::process::Stdio;
    let mut nmcli = Command::new("nmcli");
    nmcli.args(["--offline", "connection", "modify", "connection.autoconnect", "yes"]);
    nmcli.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = nmcli.spawn().expect("nmcli (package network-manager)");
    child.stdin.take().unwrap().write_all(file.text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}\n{}", file.text);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn network_manager_understands_every_connection() {
    let network = network("eth0", Upkeep::Static, Made::Card);
    let files = network_manager::files(&network);
    let read = understood_by_nmcli(&files[0]);
    has(
        &read,
        &[
            "mac-address=52:54:00:01:02:03",
            "mtu=1400",
            "address1=10.0.2.15/24,10.0.2.2",
            "route1=10.9.0.0/16,10.0.2.9",
        ],
    );
    has(&read, &["dns=10.0.2.3;", "dns-search=lab.example;"]);
    for upkeep in [Upkeep::Dhcp4, Upkeep::Dhcp6, Upkeep::Auto6] {
        let files = network_manager::files(&Network { upkeep, ..self::network("eth0", upkeep, Made::Card) });
        has(&understood_by_nmcli(&files[0]), &["method=auto"]);
    }
    let files = network_manager::files(&vlan_on_bond());
    has(&understood_by_nmcli(&files[0]), &["type=vlan", "id=5", "parent=bond0"]);
    has(&understood_by_nmcli(&files[1]), &["type=bond", "mode=active-backup", "miimon=50"]);
    assert!(understood_by_nmcli(&files[3]).contains("mac-address=02:02:02:02:02:02"));
    assert!(files.iter().all(|file| file.mode == 0o600));
}

#[test]
fn a_shell_reads_klibcs_variables_whatever_a_server_called_its_domain() {
    let mut network = network("eth0", Upkeep::Dhcp4, Made::Card);
    network.configuration.search = vec!["it's; $(false)".into()];
    let files = klibc::files(&network);
    let script = format!(
        "{}\necho $DEVICE $IPV4ADDR $IPV4NETMASK $IPV4BROADCAST $IPV4GATEWAY $IPV4DNS0 $DNSDOMAIN",
        files[0].text
    );
    let output = Command::new("sh").args(["-ec", &script]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "eth0 10.0.2.15 255.255.255.0 10.0.2.255 10.0.2.2 10.0.2.3 it's; $(false)\n");
}

#[test]
fn a_file_is_written_with_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let file = File::new(directory.path().to_str().unwrap(), "a/b", "x".into()).private();
    file.write().unwrap();
    assert_eq!(metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_root_without_resolv_conf_gets_one_and_any_other_keeps_its_own() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("etc/resolv.conf");
    leave_resolv_conf(root.path(), "nameserver 1\n").unwrap();
    assert!(!path.exists());
    create_dir(root.path().join("etc")).unwrap();
    leave_resolv_conf(root.path(), "nameserver 1\n").unwrap();
    leave_resolv_conf(root.path(), "nameserver 2\n").unwrap();
    assert_eq!(read_to_string(&path).unwrap(), "nameserver 1\n");
    std::fs::remove_file(&path).unwrap();
    symlink("../run/systemd/resolve/stub-resolv.conf", &path).unwrap();
    leave_resolv_conf(root.path(), "nameserver 3\n").unwrap();
    assert!(symlink_metadata(&path).unwrap().is_symlink());
}
