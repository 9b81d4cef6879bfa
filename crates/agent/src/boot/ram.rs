//! A root in memory: loop device, read-only file system, a tmpfs over it.
//!
//! ```text
//! /run/bootwright/image/root.img ─▶ /dev/loopN [─▶ dm-verity] ─▶ squashfs, erofs or ext4 ─┐
//!                                                                tmpfs (overlay=SIZE) ────┴─▶ overlay at /sysroot
//! ```
//!
//! A root with a dm-verity tree is verified once more by the kernel, block by block and for as long as the system
//! runs: by the root hash in the manifest whose digest the initrd pins.
//!
//! Once the overlay is mounted, it holds what lies under it: the two lower mounts are detached, and the
//! system sees one root. The file stays visible where it is, since /run moves into the system.

use std::ffi::CString;
use std::fs::{create_dir_all, set_permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use bootwright_image::{Digest, RootFormat};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount, unmount,
};
use tracing::{debug, info};

use super::device_mapper::{Mapper, Table};
use super::loop_device::Attachable;
use super::{BlockDevice, BootError, SYSROOT, file_error};
use crate::devices::Devices;
use crate::root::{Place, VerifiedRoot};

/// Where an image in memory lies; it moves with /run into the system.
pub const IMAGE_DIRECTORY: &str = "/run/bootwright/image";

pub(super) const LOWER: &str = "/bootwright/lower";
const LAYER: &str = "/bootwright/layer";

/// The name of the verified device; with the prefix of its UUID, `veritysetup status` knows it.
const VERITY_NAME: &str = "bootwright-root";

/// The modules of SHA-256: quick ones for two processors, and one for all others.
const HASHES: [&str; 3] = ["sha256_ssse3", "sha256_arm64", "sha256_generic"];

/// Bytes beside the root itself that its tmpfs may need: inodes and the last page.
const SLACK: u64 = 1 << 20;

/// A tmpfs at [`IMAGE_DIRECTORY`] that takes `size` bytes; the usual limit is half of the memory.
pub fn make_room(size: u64) -> Result<(), BootError> {
    create_dir_all(IMAGE_DIRECTORY).map_err(file_error(IMAGE_DIRECTORY))?;
    let size = format!("size={},mode=0755", size.saturating_add(SLACK));
    let size = CString::new(size).map_err(|error| file_error(IMAGE_DIRECTORY)(error.into()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", IMAGE_DIRECTORY, "tmpfs", flags, Some(size.as_c_str()))
        .map_err(failed("tmpfs", IMAGE_DIRECTORY))
}

/// Mounts `root` with a writable layer of at most `overlay` (tmpfs(5), half of the memory when absent)
/// at [`SYSROOT`].
pub fn mount_root(root: &VerifiedRoot, overlay: Option<&str>, devices: &Devices) -> Result<(), BootError> {
    prepare(root.format(), devices)?;
    let device = match root.place() {
        Place::File(path) => Attachable::open(path)?.attach()?,
        Place::Device(path) => BlockDevice::open(path)?,
    };
    let path = match root.verity() {
        None => device.path.clone(),
        Some(verity) => {
            let table = Table::verity(device.number, verity);
            checked_by_kernel(&device, (VERITY_NAME, &table), verity.root_hash, devices)?
        }
    };
    mount_read_only(&path, LOWER, root.format().name(), "")?;
    cover(overlay, &[LOWER.to_owned()])?;
    info!("root: {} on {path}, writable in memory", root.format().name());
    Ok(())
}

/// Mounts by `mount` at the place that it is given what is only read, a writable layer over it, and both as one at
/// [`SYSROOT`].
pub fn mount_with_layer(
    overlay: Option<&str>,
    devices: &Devices,
    mount: impl FnOnce(&str) -> Result<(), BootError>,
) -> Result<(), BootError> {
    devices.require("overlay")?;
    make_places()?;
    mount(LOWER)?;
    cover(overlay, &[LOWER.to_owned()])
}

/// Drivers and directories.
pub(super) fn prepare(format: RootFormat, devices: &Devices) -> Result<(), BootError> {
    for module in ["loop", format.name(), "overlay"] {
        devices.require(module)?;
    }
    make_places()
}

fn make_places() -> Result<(), BootError> {
    for directory in [LOWER, LAYER, SYSROOT] {
        create_dir_all(directory).map_err(file_error(directory))?;
    }
    Ok(())
}

/// Lays the writable layer over the file systems mounted at `layers`, the highest, [`LOWER`], first; the system then
/// sees one root alone.
pub(super) fn cover(overlay: Option<&str>, layers: &[String]) -> Result<(), BootError> {
    make_layer(overlay)?;
    mount_overlay(&layers.join(":"))?;
    for target in std::iter::once(LAYER).chain(layers.iter().map(String::as_str)) {
        unmount(target, UnmountFlags::DETACH).map_err(failed("the overlay's layers, detached", target))?;
    }
    Ok(())
}

/// A device that gives the data of `device` only as far as its tree says that it is right.
pub(super) fn checked_by_kernel(
    device: &BlockDevice,
    (name, table): (&'static str, &Table),
    root_hash: Digest,
    devices: &Devices,
) -> Result<String, BootError> {
    for module in ["dm_mod", "dm_verity"] {
        devices.require(module)?;
    }
    // Without them the kernel uses what it has built in, or says that it has none.
    for module in HASHES {
        if let Err(error) = devices.require(module) {
            debug!("{error}");
        }
    }
    let root_hash = root_hash.hex();
    let uuid = format!("CRYPT-VERITY-{}-{name}", root_hash.get(..32).unwrap_or_default());
    let mapped = Mapper::open()?.create(name, &uuid, table)?;
    info!(
        "{}: the kernel verifies each block of {} by the root hash {root_hash}",
        mapped.path(),
        device.path
    );
    Ok(mapped.path())
}

/// Mounts the file system `kind` of a device read-only; `options` are what the command line tells its driver.
///
/// Its journal is left as it is: one that was not written back would go into the verified file, or belongs to whoever
/// writes there.
pub fn mount_read_only(device: &str, target: &str, kind: &str, options: &str) -> Result<(), BootError> {
    let journal = match kind {
        "ext4" => "noload",
        "xfs" => "norecovery",
        "btrfs" => "rescue=nologreplay",
        _ => "",
    };
    mount_with(device, target, kind, MountFlags::RDONLY, &[journal, options])
}

/// Mounts the file system `kind` of a device; of the `options`, those that are not empty are what its driver is told.
pub fn mount_with(
    device: &str,
    target: &str,
    kind: &str,
    flags: MountFlags,
    options: &[&str],
) -> Result<(), BootError> {
    let told: Vec<&str> = options.iter().copied().filter(|options| !options.is_empty()).collect();
    let told = CString::new(told.join(",")).map_err(|error| file_error(device)(error.into()))?;
    mount(device, target, kind, flags, Some(told.as_c_str()))
        .map_err(failed(&format!("{kind} on {device}"), target))
}

/// The tmpfs with the overlay's two directories; the upper one, which becomes `/`, looks like the root's.
fn make_layer(overlay: Option<&str>) -> Result<(), BootError> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed("tmpfs", LAYER))?;
    if let Some(size) = overlay {
        fsconfig_set_string(&context, "size", size).map_err(failed(&format!("tmpfs size={size}"), LAYER))?;
    }
    fsconfig_create(&context).map_err(failed("tmpfs", LAYER))?;
    attach_mount(&context, LAYER, "tmpfs")?;
    for name in ["upper", "work"] {
        let path = format!("{LAYER}/{name}");
        create_dir_all(&path).map_err(file_error(&path))?;
    }
    let upper = format!("{LAYER}/upper");
    let lower = Path::new(LOWER).metadata().map_err(file_error(LOWER))?;
    set_permissions(&upper, std::fs::Permissions::from_mode(lower.mode() & 0o7777))
        .map_err(file_error(&upper))?;
    chown(&upper, Some(lower.uid()), Some(lower.gid())).map_err(file_error(&upper))
}

fn mount_overlay(layers: &str) -> Result<(), BootError> {
    let failed = || failed("overlay", SYSROOT);
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed())?;
    for (key, value) in [
        ("lowerdir", layers.to_owned()),
        ("upperdir", format!("{LAYER}/upper")),
        ("workdir", format!("{LAYER}/work")),
    ] {
        fsconfig_set_string(&context, key, &*value).map_err(failed())?;
    }
    // Volatile: nothing of a tmpfs survives, so nothing has to be synchronised (Linux 5.10).
    let _ = fsconfig_set_flag(&context, "volatile");
    fsconfig_set_string(&context, "source", "bootwright").map_err(failed())?;
    fsconfig_create(&context).map_err(failed())?;
    attach_mount(&context, SYSROOT, "overlay")
}

fn attach_mount(context: &std::os::fd::OwnedFd, target: &str, what: &str) -> Result<(), BootError> {
    let mounted = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
    let mounted = mounted.map_err(failed(what, target))?;
    move_mount(&mounted, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(failed(what, target))
}

pub fn failed(what: &str, target: &str) -> impl FnOnce(rustix::io::Errno) -> BootError {
    let (what, target) = (what.to_owned(), target.to_owned());
    move |source| BootError::Mount { what, target, source }
}
