//! A new partition for the cache, as the kernel shows it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bootwright_formats::gpt::{Gpt, Guid, SectorSize};
use bootwright_formats::{FileBytes, ReadAt as _};
use bootwright_image::cmdline::CacheCreate;
use tracing::{debug, info};

use super::{FindError, INTERVAL, Without};
use crate::disk::cache::Cache;
use crate::disk::create::{self, CreateError};
use crate::disk::device::Device;
use crate::disk::occupied;
use crate::disk::reread::reread;

/// How long the kernel may take to make a device of a new partition.
const NODE: Duration = Duration::from_secs(5);

/// Makes a partition, where that is allowed and nothing is lost.
pub(super) fn create_on(
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
pub(super) fn node(disk: &str, number: u32) -> PathBuf {
    let between = if disk.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    Path::new("/dev").join(format!("{disk}{between}{number}"))
}

fn sector(disk: &str) -> SectorSize {
    let text = fs::read_to_string(format!("/sys/block/{disk}/queue/logical_block_size")).unwrap_or_default();
    if text.trim() == "4096" { SectorSize::B4096 } else { SectorSize::B512 }
}

pub(super) fn random_guid() -> Guid {
    let mut seed = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed));
    if let Err(error) = read {
        debug!("/dev/urandom: {error}");
        seed = fastrand::u128(..).to_be_bytes();
    }
    Guid::seeded(seed)
}
