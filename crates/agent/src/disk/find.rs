//! The partition with the cache: found, or made where that is allowed.
//!
//! Whole disks are looked at by our own reader of GPT, as in [`crate::medium`]; what is opened to be written is the
//! partition that the kernel made of it. Nothing is written before the disks have had time to appear: a cache on one
//! that comes late is better than a new one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bootwright_formats::cache::HeaderError;
use bootwright_formats::gpt::{Gpt, GptError, Guid, Partition, SectorSize, kinds};
use bootwright_formats::{FileBytes, ReadAt as _};
use bootwright_image::cmdline::{self, CacheCreate, CachePlace};
use tracing::{debug, info, warn};

use super::cache::Cache;
use super::create::{self, CreateError};
use super::device::{Device, DeviceError};
use super::occupied;
use super::reread::reread;
use crate::medium;

/// How long a cache is looked for. The network takes about as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long disks may take to appear before one is written to that has no cache yet.
const SETTLE: Duration = Duration::from_secs(4);

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long the kernel may take to make a device of a new partition.
const NODE: Duration = Duration::from_secs(5);

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No partition is the right one.
    #[error("no disk has a partition for the cache{}", list(.0))]
    None(Vec<String>),
    /// There is one, with something in it.
    #[error(
        "{device} is not touched: {what} is in it; wipe it (wipefs --all {device}) when it shall be the cache"
    )]
    Occupied {
        /// The partition.
        device: String,
        /// What is in it.
        what: String,
    },
    /// A header that is newer than this program.
    #[error("{device} is not touched: {problem}")]
    Newer {
        /// The partition.
        device: String,
        /// What its header says.
        problem: HeaderError,
    },
    /// A partition could not be made.
    #[error("making a partition for the cache on {disk}")]
    Create {
        /// The disk.
        disk: String,
        /// Why.
        source: CreateError,
    },
    /// The kernel does not see the new partition.
    #[error("{partition} is in the table of {disk}, but the kernel does not show it: {problem}")]
    Node {
        /// The disk.
        disk: String,
        /// The partition.
        partition: String,
        /// What it said.
        problem: String,
    },
    /// A disk failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

fn list(evidence: &[String]) -> String {
    if evidence.is_empty() {
        return ": no disk was seen; does the initrd have its driver (profile generic)?".to_owned();
    }
    format!(": {}", evidence.join("; "))
}

/// Looks for the cache as `wish` says, or makes one. Blocks for [`PATIENCE`] at most, and for what the disks take.
pub fn find(wish: &cmdline::Cache) -> Result<Cache, FindError> {
    let begun = Instant::now();
    let mut looked_at = BTreeMap::new();
    loop {
        let settled = begun.elapsed() >= SETTLE;
        for disk in medium::disks() {
            match look_at(&disk, wish, settled) {
                Ok(Ok(cache)) => return Ok(cache),
                Ok(Err(why)) => {
                    if looked_at.get(&disk) != Some(&why) {
                        debug!("{disk}: {why}");
                    }
                    looked_at.insert(disk, why);
                }
                Err(error) => return Err(error),
            }
        }
        if begun.elapsed() >= PATIENCE {
            let told = looked_at.into_iter().map(|(disk, why)| format!("{disk} {why}"));
            return Err(FindError::None(told.collect()));
        }
        sleep(INTERVAL);
    }
}

/// Why a disk has no cache, in a few words.
type Without = String;

/// Looks at one disk. Once it has all `settled`, a partition without a cache gets one, and a partition is made.
fn look_at(disk: &str, wish: &cmdline::Cache, settled: bool) -> Result<Result<Cache, Without>, FindError> {
    let opened = File::open(Path::new("/dev").join(disk)).and_then(FileBytes::new);
    let bytes = match opened {
        Ok(bytes) if bytes.size() > 0 => bytes,
        Ok(_) => return Ok(Err("has no medium in it".into())),
        Err(error) => return Ok(Err(format!("cannot be read: {error}"))),
    };
    let gpt = match Gpt::read(&bytes) {
        Ok(gpt) => Some(gpt),
        Err(GptError::Absent) => None,
        Err(error) => return Ok(Err(format!("is not used: {error}"))),
    };
    let found = gpt.as_ref().and_then(|gpt| gpt.partitions.iter().find(|one| is_wanted(one, &wish.place)));
    if let Some(partition) = found {
        let node = node(disk, partition.number);
        if node.exists() {
            return cache_in(&node, partition, settled);
        }
        if gpt.as_ref().is_none_or(|gpt| !is_half_made(gpt)) {
            return Ok(Err(format!("has the partition {}, which the kernel does not show", node.display())));
        }
    }
    if !settled {
        return Ok(Err("has no partition that is a cache".into()));
    }
    // A table that was being written when power went: it has nothing but our partition.
    let gpt = gpt.filter(|gpt| !is_half_made(gpt));
    create_on(disk, &bytes, gpt.as_ref(), &wish.create)
}

fn is_wanted(partition: &Partition, place: &CachePlace) -> bool {
    match place {
        CachePlace::Type => partition.kind == kinds::CACHE,
        CachePlace::Label(label) => partition.name == *label,
        CachePlace::Guid(guid) => partition.guid.to_string() == *guid,
    }
}

fn is_half_made(gpt: &Gpt) -> bool {
    let ours = |partition: &Partition| partition.kind == kinds::CACHE && partition.name == create::LABEL;
    !gpt.damage.is_empty() && gpt.partitions.len() == 1 && gpt.partitions.iter().all(ours)
}

/// The cache in a partition. One that is damaged, or was never made, is made anew where nothing else is lost.
fn cache_in(node: &Path, partition: &Partition, settled: bool) -> Result<Result<Cache, Without>, FindError> {
    let device = Arc::new(Device::open(node)?);
    let problems = match Cache::open(Arc::clone(&device))? {
        Ok(cache) => return Ok(Ok(cache)),
        Err(problems) => problems,
    };
    let name = || device.path().to_owned();
    for problem in [&problems.0, &problems.1] {
        if let HeaderError::Version(_) = problem {
            return Err(FindError::Newer { device: name(), problem: problem.clone() });
        }
    }
    let unread = |source| DeviceError { device: name(), offset: 0, doing: "reading", source };
    let was_ours = !matches!((&problems.0, &problems.1), (HeaderError::Signature, HeaderError::Signature));
    let occupied = if was_ours {
        None
    } else if partition.kind == kinds::CACHE {
        occupied::signature(&*device).map_err(unread)?.map(str::to_owned)
    } else {
        let byte = occupied::first_byte(&*device).map_err(unread)?;
        byte.map(|byte| format!("it is not of the type of caches, and something (byte {byte})"))
    };
    if let Some(what) = occupied {
        return Err(FindError::Occupied { device: name(), what });
    }
    if !settled {
        return Ok(Err(format!("has {}, which is no cache yet", device.path())));
    }
    match was_ours {
        true => warn!("the cache {} is made anew: {}; {}", device.path(), problems.0, problems.1),
        false => info!("a new cache is made in {}", device.path()),
    }
    Ok(Ok(Cache::make(device, random_guid())?))
}

/// Makes a partition, where that is allowed and nothing is lost.
fn create_on(
    disk: &str,
    bytes: &FileBytes,
    gpt: Option<&Gpt>,
    create: &CacheCreate,
) -> Result<Result<Cache, Without>, FindError> {
    let named = |name: &String| {
        name == disk || gpt.is_some_and(|gpt| gpt.disk_guid.to_string() == name.to_ascii_lowercase())
    };
    match (create, gpt) {
        (CacheCreate::Never, _) => return Ok(Err("has no partition that is a cache".into())),
        (CacheCreate::Blank, Some(_)) => {
            return Ok(Err("has a GPT, which create alone leaves as it is".into()));
        }
        (CacheCreate::On(name), _) if !named(name) => {
            return Ok(Err("is not the disk that create: names".into()));
        }
        _ => {}
    }
    if gpt.is_none() {
        match occupied::first_byte(bytes) {
            Ok(None) => {}
            Ok(Some(byte)) => return Ok(Err(format!("is not blank: byte {byte} is not zero"))),
            Err(error) => return Ok(Err(format!("cannot be read: {error}"))),
        }
    }
    if fs::read_to_string(format!("/sys/block/{disk}/ro")).is_ok_and(|text| text.trim() == "1") {
        return Ok(Err("is read-only".into()));
    }
    let failed = |source: CreateError| FindError::Create { disk: disk.to_owned(), source };
    let whole = Device::open(&Path::new("/dev").join(disk))?;
    let (table, number) = create::plan(gpt, (bytes.size(), sector(disk)), random_guid).map_err(failed)?;
    create::write(&whole, &table, gpt.is_none()).map_err(failed)?;
    info!("a partition for the cache was made on {disk}: {}", node(disk, number).display());
    let node = shown(disk, number, &whole)?;
    // What lay there before is not looked at again: it belonged to nobody.
    Ok(Ok(Cache::make(Arc::new(Device::open(&node)?), random_guid())?))
}

/// The new partition as the kernel shows it.
fn shown(disk: &str, number: u32, whole: &Device) -> Result<PathBuf, FindError> {
    let (node, begun) = (node(disk, number), Instant::now());
    let mut problem = String::new();
    while begun.elapsed() < NODE {
        if let Err(error) = reread(whole.file()) {
            problem = error.to_string();
        }
        if node.exists() {
            return Ok(node);
        }
        sleep(INTERVAL);
    }
    Err(FindError::Node { disk: disk.to_owned(), partition: node.display().to_string(), problem })
}

/// `/dev/sda3`, `/dev/nvme0n1p3`.
fn node(disk: &str, number: u32) -> PathBuf {
    let between = if disk.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    Path::new("/dev").join(format!("{disk}{between}{number}"))
}

fn sector(disk: &str) -> SectorSize {
    let text = fs::read_to_string(format!("/sys/block/{disk}/queue/logical_block_size")).unwrap_or_default();
    if text.trim() == "4096" { SectorSize::B4096 } else { SectorSize::B512 }
}

fn random_guid() -> Guid {
    let mut seed = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed));
    if let Err(error) = read {
        debug!("/dev/urandom: {error}");
        seed = fastrand::u128(..).to_be_bytes();
    }
    Guid::seeded(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_called_as_the_kernel_calls_them() {
        assert_eq!(node("sda", 3), Path::new("/dev/sda3"));
        assert_eq!(node("nvme0n1", 3), Path::new("/dev/nvme0n1p3"));
        assert_eq!(node("mmcblk0", 1), Path::new("/dev/mmcblk0p1"));
    }

    fn partition(kind: Guid, name: &str) -> Partition {
        Partition {
            number: 1,
            kind,
            guid: Guid::seeded([5; 16]),
            range: 0..1,
            attributes: Default::default(),
            name: name.into(),
        }
    }

    #[test]
    fn a_partition_is_wanted_for_its_type_its_label_or_its_guid() {
        let one = partition(kinds::LINUX, "scratch");
        assert!(!is_wanted(&one, &CachePlace::Type));
        assert!(is_wanted(&partition(kinds::CACHE, ""), &CachePlace::Type));
        assert!(is_wanted(&one, &CachePlace::Label("scratch".into())));
        assert!(is_wanted(&one, &CachePlace::Guid(one.guid.to_string())));
    }

    #[test]
    fn what_is_of_another_type_is_touched_only_when_it_is_blank() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("partition");
        let file = File::create(&path).unwrap();
        file.set_len(32 << 20).unwrap();
        let look = |partition: &Partition, settled| cache_in(&path, partition, settled);
        let (ours, other) = (partition(kinds::CACHE, ""), partition(kinds::LINUX, "scratch"));
        assert!(look(&ours, false).unwrap().is_err_and(|why| why.contains("no cache yet")));
        let write = |at, bytes: &[u8]| std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).unwrap();
        write(5000, b"x");
        let error = look(&other, true).err().unwrap().to_string();
        assert!(error.contains("something (byte 5000) is in it; wipe it"), "{error}");
        write(0x438, &[0x53, 0xef]);
        let error = look(&ours, true).err().unwrap().to_string();
        assert!(error.contains("ext4 is in it"), "{error}");
        write(0x438, &[0, 0]);
        // Now it is a cache, whose damage is nobody's loss.
        assert!(look(&ours, true).unwrap().is_ok());
        write(100, &[1]);
        assert!(look(&other, true).unwrap().is_ok(), "made anew");
        // A newer program's is left to that.
        write(8, &2_u32.to_le_bytes());
        let mut head = vec![0; 4092];
        std::os::unix::fs::FileExt::read_exact_at(&File::open(&path).unwrap(), &mut head, 0).unwrap();
        write(4092, &crc(&head).to_le_bytes());
        let error = look(&ours, true).err().unwrap().to_string();
        assert!(error.contains("version 2"), "{error}");
    }

    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }
}
