//! The devices that are there already.

use std::fs::{read_dir, read_to_string};
use std::path::Path;

/// Directories inside each other under /sys/devices; real machines have about fifteen.
const MAX_DEPTH: usize = 40;

/// Hands every `modalias` under `directory` to `found`.
pub fn modaliases(directory: &Path, found: &mut dyn FnMut(String)) {
    below(directory, MAX_DEPTH, found);
}

fn below(directory: &Path, depth: usize, found: &mut dyn FnMut(String)) {
    let Ok(entries) = read_dir(directory) else { return };
    for entry in entries.flatten() {
        // Links lead back up: only true directories are entered.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            below(&entry.path(), depth - 1, found);
        } else if kind.is_file() && entry.file_name() == "modalias" {
            let alias = read_to_string(entry.path()).unwrap_or_default();
            if !alias.trim().is_empty() {
                found(alias.trim().to_owned());
            }
        }
    }
}

/// A line for each PCI network controller (class 02) that no driver has taken.
pub fn network_controllers_without_driver(devices: &Path) -> Vec<String> {
    let Ok(entries) = read_dir(devices) else { return Vec::new() };
    let mut lines = Vec::new();
    for entry in entries.flatten() {
        let attribute = |name| read_to_string(entry.path().join(name)).unwrap_or_default().trim().to_owned();
        if attribute("class").starts_with("0x02") && !entry.path().join("driver").exists() {
            lines.push(format!(
                "network controller {} ({}:{}) has no driver in this initrd",
                entry.file_name().to_string_lossy(),
                attribute("vendor").trim_start_matches("0x"),
                attribute("device").trim_start_matches("0x"),
            ));
        }
    }
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    #[test]
    fn every_modalias_is_found_once_and_links_are_not_followed() {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("pci0000:00/0000:00:03.0");
        create_dir_all(&device).unwrap();
        write(device.join("modalias"), "pci:v1\n").unwrap();
        write(sys.path().join("pci0000:00/modalias"), "\n").unwrap();
        std::os::unix::fs::symlink(sys.path(), device.join("subsystem")).unwrap();
        let mut found = Vec::new();
        modaliases(sys.path(), &mut |alias| found.push(alias));
        assert_eq!(found, ["pci:v1"]);
    }

    #[test]
    fn a_nic_without_driver_is_named() {
        let sys = tempfile::tempdir().unwrap();
        for (name, class) in [("0000:00:03.0", "0x020000"), ("0000:00:04.0", "0x010000")] {
            let device = sys.path().join(name);
            create_dir_all(&device).unwrap();
            for (file, text) in [("class", class), ("vendor", "0x8086"), ("device", "0x100e")] {
                write(device.join(file), text).unwrap();
            }
        }
        let lines = network_controllers_without_driver(sys.path());
        assert_eq!(lines, ["network controller 0000:00:03.0 (8086:100e) has no driver in this initrd"]);
    }
}
