//! A root in the cache becomes a device that can be mounted.

use std::sync::Arc;

use tracing::{info, warn};

use super::cache::{Cache, Kept};
use super::mark::Note;
use crate::boot::device_mapper::{Mapper, Table};
use crate::boot::{BlockDevice, BootError};
use crate::devices::Devices;
use crate::root::{Place, VerifiedRoot};

use super::device::DeviceError;

/// The name of the mapped device, below that of dm-verity.
const NAME: &str = "bootwright-cache";

/// Why a root in the cache is not entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The disk failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// There is no device.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// Maps `kept`, and notes on the disk, before anything of it runs, that it is being tried: if nothing is heard of its
/// system, the next boot knows. The kernel checks each block of it when it is mounted ([`Place::Device`]): a root
/// without a tree is never kept.
pub fn enter(cache: &mut Cache, kept: &Kept, devices: &Devices) -> Result<VerifiedRoot, EnterError> {
    devices.require("dm_mod").map_err(BootError::from)?;
    let generation = &kept.generation;
    let digest = bootwright_image::Digest(generation.digest);
    cache.change_one(&digest, |one, sequence| {
        one.state.entered = true;
        one.entered_at = sequence;
    })?;
    let device = Arc::clone(cache.device());
    let partition = BlockDevice::open(device.path())?;
    let table = Table::part(partition.number, generation.offset, generation.root);
    let mapped = Mapper::open()?.create(NAME, "", &table)?;
    let note = Note { device: device.path().to_owned(), cache: cache.header().guid.to_string(), digest };
    if let Err(error) = note.leave() {
        warn!("the unit by which the system says that it is well: {error}: the image will not count as good");
    }
    info!("the root is {} bytes from byte {} of {}", generation.root, generation.offset, device.path());
    Ok(VerifiedRoot::of(&kept.manifest, Place::Device(mapped.path())))
}
