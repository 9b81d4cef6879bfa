//! The image on a disk, stick or CD of this machine.
//!
//! Nothing is mounted and no driver of a file system is needed: the partition table and FAT are read by our
//! own readers, on the whole device, so that a hybrid ISO is the same thing in a drive and on a stick. Nothing
//! that is found is trusted: the pin says which root manifest is the right one, and that which root.

mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootwright_formats::{FileBytes, ReadAt as _, Shared};
use bootwright_image::{Pin, RootManifest, Verified};
use tokio::time::sleep;
use tracing::debug;

/// From one look at the devices to the next: USB disks take seconds to appear.
const INTERVAL: Duration = Duration::from_millis(300);

/// Devices that are no medium: memory, and what is made out of other devices.
const NO_MEDIA: &[&str] = &["loop", "ram", "zram", "nbd", "dm-", "md", "mtdblock", "fd"];

/// A root that lies on a medium.
pub struct Found {
    /// What it has to be, verified against the pin.
    pub manifest: Verified<RootManifest>,
    /// Its bytes, of which nothing is known yet.
    pub root: Shared,
    /// Where it is, for people: `sda, partition 2`.
    pub place: String,
}

/// The media of this machine, and what was found on each.
#[derive(Default)]
pub struct Media {
    looked_at: BTreeSet<(String, u64)>,
    seen: BTreeMap<String, String>,
}

impl Media {
    /// Looks at one device alone, whose name is that below /dev.
    pub async fn find_on(&mut self, device: &str, pin: &Pin) -> Option<Found> {
        self.look_at(device, pin).await
    }

    /// Looks until a medium has the image; media that come late are seen when they come.
    pub async fn find(&mut self, pin: &Pin) -> Found {
        loop {
            for name in devices(Path::new("/sys/block")) {
                if let Some(found) = self.look_at(&name, pin).await {
                    return found;
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// What was looked at, for a failure.
    pub fn evidence(&self) -> Vec<String> {
        if self.seen.is_empty() {
            return vec![
                "no disk, stick or CD was seen: does the initrd have its driver (profile generic)?".into(),
            ];
        }
        self.seen.iter().map(|(name, seen)| format!("{name}: {seen}")).collect()
    }

    async fn look_at(&mut self, name: &str, pin: &Pin) -> Option<Found> {
        let opened = File::open(Path::new("/dev").join(name)).and_then(FileBytes::new);
        let disk: Shared = match opened {
            Ok(bytes) if bytes.size() > 0 => Arc::new(bytes),
            Ok(_) => {
                self.seen.insert(name.to_owned(), "no medium in it".to_owned());
                return None;
            }
            Err(error) => {
                self.seen.insert(name.to_owned(), error.to_string());
                return None;
            }
        };
        // A medium that is changed for another one has another size, as good as always.
        if !self.looked_at.insert((name.to_owned(), disk.size())) {
            return None;
        }
        let (of, pin) = (name.to_owned(), pin.clone());
        // Reading from a CD takes its time, and the network shall not wait for it.
        let looked = tokio::task::spawn_blocking(move || volumes::search(&disk, &of, &pin)).await;
        match looked {
            Ok(Ok(found)) => Some(found),
            Ok(Err(why)) => {
                debug!("{name}: {why}");
                self.seen.insert(name.to_owned(), why);
                None
            }
            Err(error) => {
                self.seen.insert(name.to_owned(), error.to_string());
                None
            }
        }
    }
}

/// The names of whole devices that may hold a cache: disks and sticks.
pub fn disks() -> Vec<String> {
    let names = devices(Path::new("/sys/block")).into_iter();
    names.filter(|name| !name.starts_with("sr")).collect()
}

/// The names of whole devices that may be media, CDs last: they are slow.
fn devices(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        names.filter(|name| !NO_MEDIA.iter().any(|prefix| name.starts_with(prefix))).collect();
    names.sort_by_key(|name| (name.starts_with("sr"), name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_come_before_cds_and_what_is_no_medium_is_left_out() {
        let sys = tempfile::tempdir().unwrap();
        for name in ["sr0", "vda", "loop0", "dm-0", "nvme0n1", "zram0", "sda"] {
            fs::create_dir(sys.path().join(name)).unwrap();
        }
        assert_eq!(devices(sys.path()), ["nvme0n1", "sda", "vda", "sr0"]);
    }
}
