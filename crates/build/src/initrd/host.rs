//! This machine's hardware, as the kernel names it: the modaliases of all devices.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// The longest modalias that is read; an input device's is some kilobytes.
const MAX_MODALIAS: usize = 64 << 10;

/// The modaliases below `devices`, which is `/sys/devices`, sorted, each once.
///
/// Devices come and go: what vanishes while it is read is not there.
pub fn modaliases(devices: &Path) -> io::Result<Vec<String>> {
    if !devices.is_dir() {
        let text = format!("{} is not there: is sysfs mounted?", devices.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let mut found = BTreeSet::new();
    for entry in walkdir::WalkDir::new(devices).into_iter().filter_map(Result::ok) {
        if entry.file_name() == "modalias"
            && entry.file_type().is_file()
            && let Ok(text) = std::fs::read_to_string(entry.path())
            && text.len() <= MAX_MODALIAS
            && !text.trim().is_empty()
        {
            found.insert(text.trim().to_owned());
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_modalias_below_the_devices_is_found_once() {
        let root = tempfile::tempdir().unwrap();
        for (device, alias) in
            [("pci0/a", "pci:v1\n"), ("pci0/b", "pci:v1\n"), ("virtio0", "virtio:d1\n"), ("x", "\n")]
        {
            let device = root.path().join(device);
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("modalias"), alias).unwrap();
        }
        assert_eq!(modaliases(root.path()).unwrap(), ["pci:v1", "virtio:d1"]);
        assert!(modaliases(&root.path().join("none")).is_err());
    }
}
