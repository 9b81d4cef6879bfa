use bootwright_image::cmdline::CommandLine;

use super::*;

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const OTHER: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn plan(line: &str) -> Plan {
    Plan::read(&CommandLine::parse(line))
}

fn candidate(name: &str, mac: Mac) -> Candidate {
    Candidate { names: vec![name.to_owned()], mac }
}

fn purpose(line: &str, name: &str, mac: Mac) -> Purpose {
    plan(line).purpose(&candidate(name, mac))
}

fn dhcp(mtu: Option<u32>) -> Purpose {
    Purpose::Use(Setting { mtu, ..Setting::plain(Method::Dhcp4) })
}

fn automatic() -> Purpose {
    Purpose::Use(Setting::plain(Method::Automatic))
}

#[test]
fn without_a_word_every_interface_comes_up_by_itself() {
    assert_eq!(purpose("quiet", "eth0", MAC), automatic());
}

#[test]
fn an_interface_that_is_named_is_the_only_one() {
    assert_eq!(purpose("ip=eth1:dhcp:9000", "eth0", MAC), Purpose::None);
    assert_eq!(purpose("ip=eth1:dhcp:9000", "eth1", MAC), dhcp(Some(9000)));
    assert_eq!(purpose("ip=eth1:off", "eth1", MAC), Purpose::None);
}

#[test]
fn bootif_in_both_forms_picks_the_interface_that_the_firmware_used() {
    for line in ["BOOTIF=01-52-54-00-12-34-56", "BOOTIF=52:54:00:12:34:56 ip=dhcp"] {
        assert_ne!(purpose(line, "eth0", MAC), Purpose::None, "{line}");
        assert_eq!(purpose(line, "eth1", OTHER), Purpose::None, "{line}");
    }
    assert_eq!(purpose("BOOTIF=01-52-54-00-12-34-56 ip=eth1:dhcp", "eth1", OTHER), dhcp(None));
    assert_eq!(purpose("BOOTIF=01-52-54-00-12-34-56 rd.bootif=0", "eth1", OTHER), automatic());
}

#[test]
fn a_name_of_the_line_finds_the_interface_by_its_address() {
    let line = "ifname=data:52:54:00:12:34:56 ip=data:dhcp";
    assert_eq!(purpose(line, "eth0", MAC), dhcp(None));
    assert_eq!(purpose(line, "eth1", OTHER), Purpose::None);
}

#[test]
fn of_several_interfaces_the_boot_device_leads_to_the_image() {
    let line = "ip=eth0:dhcp ip=eth1:dhcp bootdev=eth1";
    assert_eq!(purpose(line, "eth0", MAC), Purpose::None);
    assert_eq!(purpose(line, "eth1", OTHER), dhcp(None));
}

#[test]
fn a_vlan_takes_the_place_of_the_interface_below_it() {
    let line = "vlan=vlan5:eth0";
    assert_eq!(purpose(line, "eth0", MAC), Purpose::Below("vlan5".into()));
    assert_eq!(purpose(line, "vlan5", MAC), automatic());
    assert_eq!(purpose(line, "eth1", OTHER), Purpose::None);
    // The interface below keeps its own network when the line gives it one.
    assert_eq!(purpose("vlan=vlan5:eth0 ip=eth0:dhcp ip=vlan5:dhcp", "eth0", MAC), dhcp(None));
}

#[test]
fn a_vlan_on_a_bond_on_two_interfaces_is_what_comes_up() {
    let line = "bond=bond0:eth0,eth1:mode=active-backup:1400 vlan=bond0.7:bond0 ip=bond0.7:dhcp";
    assert_eq!(purpose(line, "eth0", MAC), Purpose::Below("bond0".into()));
    assert_eq!(purpose(line, "eth1", OTHER), Purpose::Below("bond0".into()));
    assert_eq!(purpose(line, "bond0", MAC), Purpose::Below("bond0.7".into()));
    assert_eq!(purpose(line, "bond0.7", MAC), dhcp(None));
    let bond = purpose("bond=bond0:eth0,eth1::1400", "bond0", OTHER);
    assert_eq!(bond, Purpose::Use(Setting { mtu: Some(1400), ..Setting::plain(Method::Automatic) }));
    assert_ne!(purpose("BOOTIF=02-00-00-00-00-09 bond=bond0", "bond0", OTHER), Purpose::None);
}

#[test]
fn routes_go_to_the_interface_that_they_name() {
    let plan =
        plan("rd.route=10.9.0.0/16:10.0.0.9 rd.route=[fd09::/48]:[fd00::9]:eth1 rd.route=10.8.0.0/16::eth0");
    let to = |name: &str| -> Vec<String> {
        plan.routes(&candidate(name, MAC)).map(|route| route.destination.to_string()).collect()
    };
    assert_eq!(to("eth0"), ["10.9.0.0", "10.8.0.0"]);
    assert_eq!(to("eth1"), ["10.9.0.0", "fd09::"]);
}

#[test]
fn the_lines_name_servers_come_first_or_alone() {
    let told = |line: &str| {
        let mut servers = vec![IpAddr::from([10, 0, 0, 1])];
        plan(line).name_servers(&mut servers);
        servers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told("nameserver=[fd00::53]"), ["fd00::53", "10.0.0.1"]);
    assert_eq!(told("nameserver=10.0.0.9 rd.peerdns=0"), ["10.0.0.9"]);
}

#[test]
fn waits_are_as_long_as_the_line_says() {
    let limits = plan("rd.net.timeout.dhcp=5 rd.net.timeout.carrier=7 rd.net.timeout.iflink=9").limits;
    let seconds = [limits.address, limits.carrier, limits.device].map(|limit| limit.as_secs());
    assert_eq!(seconds, [5, 7, 9]);
}

#[test]
fn the_kernels_field_of_a_time_server_is_read() {
    let plan = plan("ip=10.0.0.2::10.0.0.1:24::eth0:none:10.0.0.1::10.0.0.9");
    let told = plan.remarks[0].outcome.as_ref().unwrap();
    assert!(told.contains("time server 10.0.0.9"), "{told}");
    assert_eq!(plan.time_servers, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
}

#[test]
fn what_cannot_be_used_is_a_warning() {
    let line = "ip=nonsense BOOTIF=x nameserver=y rd.route=z vlan=blue:eth0 bond=b:c:d rd.net.timeout.dhcp=0 \
                rd.route=10.0.0.0/8 bootdev=a/b ifname=x";
    let plan = plan(line);
    assert_eq!(plan.warnings().count(), 10, "{:?}", plan.remarks);
    assert_eq!(plan.purpose(&candidate("eth0", MAC)), automatic());
}
