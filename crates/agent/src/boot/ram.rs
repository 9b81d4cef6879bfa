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

use std::fs::{File, create_dir_all, set_permissions};
use std::io::Read as _;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use bootwright_image::{Digest, RootFormat};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount, unmount,
};
use tracing::{debug, info};

use super::device_mapper::{Mapper, Table};
use super::loop_device::Attachable;
use super::{BlockDevice, BootError, SYSROOT, file_error};
use crate::devices::Devices;
use crate::foreign::find::{Found, HashTree};
use crate::root::{Place, VerifiedRoot};

/// Where an image in memory lies; it moves with /run into the system.
pub const IMAGE_DIRECTORY: &str = "/run/bootwright/image";

const LOWER: &str = "/bootwright/lower";
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
    let size = std::ffi::CString::new(size).map_err(|error| file_error(IMAGE_DIRECTORY)(error.into()))?;
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
            checked_by_kernel(&device, &table, verity.root_hash, devices)?
        }
    };
    mount_lower(&path, root.format())?;
    cover(overlay)?;
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
    cover(overlay)
}

/// Mounts what was `found` in the file at `path`, as [`mount_root`].
pub fn mount_found(
    path: &Path,
    found: &Found,
    overlay: Option<&str>,
    devices: &Devices,
) -> Result<(), BootError> {
    prepare(found.format, devices)?;
    let attach = |range: &Range<u64>| Attachable::open(path)?.part(range.clone()).attach();
    let device = attach(&found.range)?;
    let (mounted, _tree) = match found.verity.as_deref() {
        None => (device.path.clone(), None),
        Some(HashTree { range, superblock, root_hash }) => {
            let tree = attach(range)?;
            let table = Table::verity_beside(device.number, tree.number, superblock, *root_hash);
            (checked_by_kernel(&device, &table, *root_hash, devices)?, Some(tree))
        }
    };
    mount_lower(&mounted, found.format)?;
    let inner = if found.live { mount_inner(devices)? } else { None };
    cover(overlay)?;
    if inner.is_some() {
        unmount(LOWER, UnmountFlags::DETACH).map_err(failed("the live root's medium, detached", LOWER))?;
    }
    let inside = inner.map(|inner| format!(", {inner} in it")).unwrap_or_default();
    info!("root: {} on {mounted}{inside}, writable in memory", found.format.name());
    Ok(())
}

/// Drivers and directories.
fn prepare(format: RootFormat, devices: &Devices) -> Result<(), BootError> {
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

/// Lays the writable layer over [`LOWER`]; the system then sees one root alone.
fn cover(overlay: Option<&str>) -> Result<(), BootError> {
    make_layer(overlay)?;
    mount_overlay()?;
    for target in [LAYER, LOWER] {
        unmount(target, UnmountFlags::DETACH).map_err(failed("the overlay's layers, detached", target))?;
    }
    Ok(())
}

/// Where dracut's live systems keep their root inside the squashfs (dmsquash-live-root); newer ones are the squashfs.
const INNER: &[&str] = &["LiveOS/rootfs.img", "LiveOS/ext3fs.img"];

/// Mounts the file system in a file of the one at [`LOWER`] over that, when there is such a file.
fn mount_inner(devices: &Devices) -> Result<Option<&'static str>, BootError> {
    let lower = File::open(LOWER).map_err(file_error(LOWER))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |name: &str| openat2(&lower, name, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let Some((name, file)) = INNER.iter().find_map(|name| Some((*name, open(name).ok()?))) else {
        return Ok(None);
    };
    let file = File::from(file);
    let mut head = Vec::new();
    (&file).take(4096).read_to_end(&mut head).map_err(file_error(name))?;
    let unknown = || std::io::Error::other("it is neither squashfs, EROFS nor ext4");
    let format = RootFormat::detect(&head).ok_or_else(|| file_error(name)(unknown()))?;
    devices.require(format.name())?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let device = Attachable::open(Path::new(&path))?.attach()?;
    mount_lower(&device.path, format)?;
    Ok(Some(name))
}

/// A device that gives the data of `device` only as far as its tree says that it is right.
fn checked_by_kernel(
    device: &BlockDevice,
    table: &Table,
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
    let uuid = format!("CRYPT-VERITY-{}-{VERITY_NAME}", root_hash.get(..32).unwrap_or_default());
    let mapped = Mapper::open()?.create(VERITY_NAME, &uuid, table)?;
    info!(
        "{}: the kernel verifies each block of {} by the root hash {root_hash}",
        mapped.path(),
        device.path
    );
    Ok(mapped.path())
}

fn mount_lower(device: &str, format: RootFormat) -> Result<(), BootError> {
    // An ext4 that was not unmounted would want to write its journal into the verified file.
    let options = matches!(format, RootFormat::Ext4).then_some(c"noload");
    mount(device, LOWER, format.name(), MountFlags::RDONLY, options).map_err(failed(format.name(), LOWER))
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

fn mount_overlay() -> Result<(), BootError> {
    let failed = || failed("overlay", SYSROOT);
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed())?;
    for (key, value) in [
        ("lowerdir", LOWER.to_owned()),
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
