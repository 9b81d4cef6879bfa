//! The partition with the cache: found, or made where that is allowed.
//!
//! Whole disks are looked at by our own reader of GPT, as in [`crate::medium`]; what is opened to be written is the
//! partition that the kernel made of it. Nothing is written before the disks have had time to appear: a cache on one
//! that comes late is better than a new one.

mod make;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bootwright_formats::cache::HeaderError;
use bootwright_formats::gpt::{Gpt, GptError, Partition, kinds};
use bootwright_formats::{FileBytes, ReadAt as _};
use bootwright_image::cmdline::{self, CachePlace};
use tracing::{debug, info, warn};

use super::cache::Cache;
use super::create::{self, CreateError};
use super::device::{Device, DeviceError};
use super::occupied;
use crate::medium;
use crate::signature::signature;
use make::{create_on, node, random_guid};

/// How long a cache is looked for. The network takes about as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long disks may take to appear before one is written to that has no cache yet.
const SETTLE: Duration = Duration::from_secs(4);

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(250);

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
        signature(&*device).map_err(unread)?.map(str::to_owned)
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

#[cfg(test)]
mod tests;
