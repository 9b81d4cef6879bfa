//! The names that an interface has in an installed system, where udev renames it: `ip=enp1s0:dhcp` shall
//! find the interface that the kernel calls `eth0`.
//!
//! As systemd.net-naming-scheme(7): `enoN` by the firmware's index, `ensN` by the slot, `enpBsS[fF]` by the
//! place on the PCI bus, `enxADDRESS`. Not supported: PCI domains' and ports' suffixes beyond these, USB.

use std::fs::{read, read_dir, read_to_string};
use std::path::Path;

use bootwright_netboot::Mac;

/// A place on the PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PciAddress {
    domain: u32,
    bus: u8,
    slot: u8,
    function: u8,
}

/// Every name of the interface that the kernel calls `kernel_name`, that one first.
pub fn of(kernel_name: &str, mac: Mac) -> Vec<String> {
    let device = Path::new("/sys/class/net").join(kernel_name).join("device");
    let mut names = vec![kernel_name.to_owned(), format!("enx{}", mac.to_string().replace(':', ""))];
    let Ok(path) = device.canonicalize() else { return names };
    // A virtio device hangs below its PCI device.
    let pci = path.ancestors().find_map(|directory| {
        let address = parse(directory.file_name()?.to_str()?)?;
        Some((directory, address))
    });
    let Some((directory, address)) = pci else { return names };
    let attribute = |name: &str| read_to_string(directory.join(name)).unwrap_or_default().trim().to_owned();
    let onboard = [attribute("acpi_index"), attribute("index")].into_iter().find(|index| !index.is_empty());
    names.extend(onboard.map(|index| format!("eno{index}")));
    // PCI header type (offset 14), bit 7: the device has several functions.
    let multifunction = read(directory.join("config"))
        .is_ok_and(|config| config.get(14).is_some_and(|byte| byte & 0x80 != 0));
    let suffix =
        if multifunction || address.function > 0 { format!("f{}", address.function) } else { String::new() };
    names.extend(slot(Path::new("/sys/bus/pci/slots"), address).map(|slot| format!("ens{slot}{suffix}")));
    names.push(path_name(address, &suffix));
    names
}

/// `0000:00:03.0`.
fn parse(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.split_once('.')?;
    let mut fields = rest.split(':');
    let (domain, bus, slot) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || [domain.len(), bus.len(), slot.len()] != [4, 2, 2] {
        return None;
    }
    Some(PciAddress {
        domain: u32::from_str_radix(domain, 16).ok()?,
        bus: u8::from_str_radix(bus, 16).ok()?,
        slot: u8::from_str_radix(slot, 16).ok()?,
        function: function.parse().ok()?,
    })
}

fn path_name(address: PciAddress, suffix: &str) -> String {
    let domain = if address.domain > 0 { format!("P{}", address.domain) } else { String::new() };
    format!("en{domain}p{}s{}{suffix}", address.bus, address.slot)
}

/// The number of the slot that the device sits in; slots name it without the function.
fn slot(slots: &Path, address: PciAddress) -> Option<String> {
    let wanted = format!("{:04x}:{:02x}:{:02x}", address.domain, address.bus, address.slot);
    let found = read_dir(slots)
        .ok()?
        .flatten()
        .find(|slot| read_to_string(slot.path().join("address")).is_ok_and(|text| text.trim() == wanted));
    let name = found?.file_name().into_string().ok()?;
    name.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    #[test]
    fn a_place_on_the_bus_gives_the_name_that_udev_gives() {
        let address = parse("0000:0a:1f.0").unwrap();
        assert_eq!(path_name(address, ""), "enp10s31");
        assert_eq!(path_name(parse("0001:81:00.1").unwrap(), "f1"), "enP1p129s0f1");
        for text in ["virtio0", "pci0000:00", "0000:00:03", "0000:00:03.x", "+000:00:03.0x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_slot_is_found_by_its_address() {
        let slots = tempfile::tempdir().unwrap();
        for (name, address) in [("3", "0000:00:03\n"), ("4", "0000:00:04\n")] {
            create_dir_all(slots.path().join(name)).unwrap();
            write(slots.path().join(name).join("address"), address).unwrap();
        }
        assert_eq!(slot(slots.path(), parse("0000:00:04.0").unwrap()).as_deref(), Some("4"));
        assert_eq!(slot(slots.path(), parse("0000:00:05.0").unwrap()), None);
    }

    #[test]
    fn an_interface_without_hardware_has_its_own_name_and_its_address() {
        let names = of("surely-none", Mac([0x52, 0x54, 0, 0, 0, 1]));
        assert_eq!(names, ["surely-none", "enx525400000001"]);
    }
}
