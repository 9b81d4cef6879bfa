//! Who this machine is: what SMBIOS and the network cards say.

use std::fs::{read_dir, read_to_string};
use std::path::Path;

use bootwright_image::timeline::MachineId;
use bootwright_netboot::Uuid;

const DMI: &str = "/sys/class/dmi/id";
const NET: &str = "/sys/class/net";

/// What makers write who have nothing to write.
const NO_SERIALS: &[&str] =
    &["", "none", "not specified", "to be filled by o.e.m.", "default string", "system serial number", "0"];

/// The SMBIOS UUID.
pub fn uuid() -> Option<Uuid> {
    attribute(Path::new(DMI), "product_uuid")?.parse().ok()
}

/// The machine as it tells of itself before its network works: the address is that of its first card.
pub fn machine() -> MachineId {
    let serial = attribute(Path::new(DMI), "product_serial");
    MachineId {
        mac: first_mac(Path::new(NET)).unwrap_or_default(),
        uuid: uuid().map(|uuid| uuid.to_string()),
        serial: serial.filter(|serial| !NO_SERIALS.contains(&serial.to_lowercase().as_str())),
    }
}

fn first_mac(net: &Path) -> Option<String> {
    let mut cards: Vec<_> = read_dir(net).ok()?.flatten().map(|entry| entry.path()).collect();
    cards.sort();
    cards.into_iter().filter(|card| card.join("device").exists()).find_map(|card| attribute(&card, "address"))
}

fn attribute(directory: &Path, name: &str) -> Option<String> {
    read_to_string(directory.join(name)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    #[test]
    fn the_first_card_with_hardware_names_the_machine() {
        let net = tempfile::tempdir().unwrap();
        for (name, mac) in [("eth1", "52:54:00:00:00:02"), ("eth0", "52:54:00:00:00:01")] {
            create_dir_all(net.path().join(name).join("device")).unwrap();
            write(net.path().join(name).join("address"), format!("{mac}\n")).unwrap();
        }
        create_dir_all(net.path().join("bond0")).unwrap();
        assert_eq!(first_mac(net.path()).as_deref(), Some("52:54:00:00:00:01"));
    }
}
