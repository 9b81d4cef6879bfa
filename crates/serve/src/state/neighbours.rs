//! Which machine has an address, by the kernel's neighbour table: for machines that got their address
//! from elsewhere and that we hear of first by HTTP.

use std::net::Ipv4Addr;

use bootwright_netboot::Mac;

/// proc_net(5).
const ARP: &str = "/proc/net/arp";

/// The Ethernet address of a neighbour, if the kernel has talked with it.
pub fn mac_of(address: Ipv4Addr) -> Option<Mac> {
    find(&std::fs::read_to_string(ARP).ok()?, address)
}

/// Columns: IP address, HW type (1 is Ethernet), flags (2 is complete), HW address, mask, device.
fn find(table: &str, address: Ipv4Addr) -> Option<Mac> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let is_it = columns.next()?.parse() == Ok(address) && columns.next()? == "0x1";
        let complete = columns.next().is_some_and(|flags| flags != "0x0");
        let mac = columns.next()?.parse().ok()?;
        (is_it && complete).then_some(mac)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_entry_of_an_ethernet_is_found() {
        let table = "\
IP address       HW type     Flags       HW address            Mask     Device
10.0.0.8         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.7         0x1         0x2         52:54:00:12:34:56     *        eth0
";
        let mac = find(table, Ipv4Addr::new(10, 0, 0, 7)).unwrap();
        assert_eq!(mac.to_string(), "52:54:00:12:34:56");
        assert_eq!(find(table, Ipv4Addr::new(10, 0, 0, 8)), None);
        assert_eq!(find("", Ipv4Addr::new(10, 0, 0, 7)), None);
    }
}
