//! Who uses a device: mounts, swap, and whatever lies on top of it (LVM, RAID, LUKS, multipath).

use std::path::{Path, PathBuf};

use super::attribute;
use super::device::Device;
use crate::failure::{Failure, Kind};

/// Who uses the device or one of its partitions; `None` when nobody does.
pub fn of(device: &Device) -> Result<Option<String>, Failure> {
    let Some(sysfs) = &device.sysfs else { return Ok(of_file(&device.path)) };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| {
        let what = format!("/proc/self/mountinfo: {error}: it is not known what is mounted");
        Failure::message(Kind::Environment, what)
    })?;
    let swaps = attribute("/proc/swaps");
    for part in parts(sysfs) {
        let name = part.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number = attribute(part.join("dev"));
        if let Some(point) = mounted(&mounts, &number) {
            return Ok(Some(format!("{name} is mounted at {point}")));
        }
        if swaps.lines().any(|line| is_swap(line, &name)) {
            return Ok(Some(format!("{name} is swap space")));
        }
        if let Some(holder) = first_name(&part.join("holders")) {
            return Ok(Some(format!("{name} is part of {holder}{}", role(&holder))));
        }
    }
    Ok(None)
}

/// The device and its partitions.
fn parts(sysfs: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(sysfs).into_iter().flatten().flatten().map(|entry| entry.path());
    let partitions = inside.filter(|path| path.join("partition").exists());
    std::iter::once(sysfs.to_owned()).chain(partitions).collect()
}

/// Where the device of that number is mounted, by proc_pid_mountinfo(5).
fn mounted<'a>(mounts: &'a str, number: &str) -> Option<&'a str> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(2);
        (words.next() == Some(number)).then(|| words.nth(1)).flatten()
    })
}

fn is_swap(line: &str, name: &str) -> bool {
    let path = line.split_whitespace().next().unwrap_or_default();
    let path = Path::new(path).canonicalize().unwrap_or_default();
    path.file_name().is_some_and(|file| file == name)
}

fn first_name(directory: &Path) -> Option<String> {
    let entry = std::fs::read_dir(directory).ok()?.flatten().next()?;
    Some(entry.file_name().to_string_lossy().into_owned())
}

/// What a holder is for: a device-mapper device has a name and a UUID that begins with its kind.
fn role(holder: &str) -> String {
    let sysfs = Path::new("/sys/class/block").join(holder).join("dm");
    let (name, uuid) = (attribute(sysfs.join("name")), attribute(sysfs.join("uuid")));
    let kind = uuid.split('-').next().unwrap_or_default();
    if name.is_empty() { String::new() } else { format!(" ({kind} {name})") }
}

/// A file may be the swap space or the disk of a loop device.
fn of_file(path: &Path) -> Option<String> {
    let swaps = attribute("/proc/swaps");
    if swaps.lines().any(|line| line.split_whitespace().next().is_some_and(|swap| Path::new(swap) == path)) {
        return Some("it is swap space".to_owned());
    }
    let loops = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let user = loops.map(|entry| entry.path()).find(|device| {
        let backing = attribute(device.join("loop/backing_file"));
        !backing.is_empty() && Path::new(&backing) == path
    })?;
    Some(format!("it is the disk of {}", user.file_name()?.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_device_number() {
        let mounts = "22 28 0:21 / /proc rw shared:5 - proc proc rw\n\
                      28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n\
                      31 28 8:17 /sub /mnt/a\\040b rw - vfat /dev/sdb1 rw\n";
        assert_eq!(mounted(mounts, "8:17"), Some("/mnt/a\\040b"));
        assert_eq!(mounted(mounts, "259:2"), Some("/"));
        assert_eq!(mounted(mounts, "8:1"), None);
    }
}
