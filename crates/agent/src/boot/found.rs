//! A root that others made, in a file in memory: one file system, two with a `/usr` of its own, or that alone.
//!
//! ```text
//!   root.img ─┬▶ /dev/loopN [─▶ dm-verity] ─▶ root, layers under it, a tmpfs over it ─▶ overlay at /sysroot
//!             │                         no root: a tmpfs with the links into /usr ─▶ /sysroot
//!             └▶ /dev/loopM [─▶ dm-verity] ─▶ /sysroot/usr, read-only
//! ```

use std::ffi::CString;
use std::fs::{File, create_dir_all, set_permissions};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use bootwright_image::RootFormat;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use tracing::info;

use super::device_mapper::Table;
use super::loop_device::Attachable;
use super::ram::{LOWER, checked_by_kernel, cover, failed, mount_read_only, prepare};
use super::{BlockDevice, BootError, SYSROOT, file_error};
use crate::devices::Devices;
use crate::foreign::find::{Found, HashTree, Layout};

/// The names of the verified devices; with the prefix of its UUID, `veritysetup status` knows each.
const ROOT: &str = "bootwright-root";
const USR: &str = "bootwright-usr";

/// Where `/usr` is mounted.
const USR_MOUNT: &str = "/sysroot/usr";

/// Directories that are there before the init of a system runs that keeps all of itself in `/usr`. The rest it makes
/// itself (tmpfiles.d(5), sysusers.d(5)); this is what systemd's own initrd makes for it (file-hierarchy(7)).
const BARE: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o750),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];

/// Links into `/usr`, as far as there is something to link to.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Where dracut's live systems keep their root inside the squashfs (dmsquash-live-root); newer ones are the squashfs.
const INNER: &[&str] = &["LiveOS/rootfs.img", "LiveOS/ext3fs.img"];

/// Mounts what was found in the file at `path` at [`SYSROOT`], with a writable layer of at most `overlay` (tmpfs(5),
/// half of the memory when absent) over the root, or of that size in its place.
pub fn mount(
    path: &Path,
    layout: &Layout,
    overlay: Option<&str>,
    devices: &Devices,
) -> Result<(), BootError> {
    match &layout.root {
        Some(root) => mount_root(path, (root, layout), overlay, devices)?,
        None => make_bare(overlay)?,
    }
    let Some(usr) = &layout.usr else { return Ok(()) };
    let (mounted, _held) = attached(path, usr, USR, devices)?;
    create_dir_all(USR_MOUNT).map_err(file_error(USR_MOUNT))?;
    mount_read_only(&mounted, USR_MOUNT, usr.format.name(), "")?;
    if layout.root.is_none() {
        link_into_usr()?;
    }
    info!("/usr: {} on {mounted}, read-only", usr.format.name());
    Ok(())
}

/// Mounts `root`, and the layers below it.
fn mount_root(
    path: &Path,
    (root, layout): (&Found, &Layout),
    overlay: Option<&str>,
    devices: &Devices,
) -> Result<(), BootError> {
    let (mounted, _held) = attached(path, root, ROOT, devices)?;
    // Around a live root there is squashfs or EROFS, which is not what the options are meant for.
    let around = root.live && matches!(root.format, RootFormat::Squashfs | RootFormat::Erofs);
    let options = if around { "" } else { &layout.options };
    mount_read_only(&mounted, LOWER, root.format.name(), options)?;
    let inner = if root.live { mount_inner(&layout.options, devices)? } else { None };
    let mut layers = vec![LOWER.to_owned()];
    for (number, layer) in layout.below.iter().enumerate() {
        let target = format!("{LOWER}-{number}");
        create_dir_all(&target).map_err(file_error(&target))?;
        mount_read_only(&attached(path, layer, ROOT, devices)?.0, &target, layer.format.name(), "")?;
        layers.push(target);
    }
    cover(overlay, &layers)?;
    if inner.is_some() {
        unmount(LOWER, UnmountFlags::DETACH).map_err(failed("the live root's medium, detached", LOWER))?;
    }
    let inside = inner.map(|inner| format!(", {inner} in it")).unwrap_or_default();
    info!("root: {} on {mounted}{inside}, writable in memory", root.format.name());
    Ok(())
}

/// The device to be mounted, and what has to be held until it is.
fn attached(
    path: &Path,
    found: &Found,
    name: &'static str,
    devices: &Devices,
) -> Result<(String, BlockDevice), BootError> {
    prepare(found.format, devices)?;
    let attach = |range: &std::ops::Range<u64>| Attachable::open(path)?.part(range.clone()).attach();
    let device = attach(&found.range)?;
    let Some(HashTree { range, superblock, root_hash }) = found.verity.as_deref() else {
        return Ok((device.path.clone(), device));
    };
    let tree = attach(range)?;
    let table = Table::verity_beside(device.number, tree.number, superblock, *root_hash);
    Ok((checked_by_kernel(&device, (name, &table), *root_hash, devices)?, tree))
}

/// An empty root in memory.
fn make_bare(overlay: Option<&str>) -> Result<(), BootError> {
    create_dir_all(SYSROOT).map_err(file_error(SYSROOT))?;
    let size = overlay.map(|size| format!(",size={size}")).unwrap_or_default();
    let options = CString::new(format!("mode=0755{size}"));
    let options = options.map_err(|error| file_error(SYSROOT)(error.into()))?;
    rustix::mount::mount("tmpfs", SYSROOT, "tmpfs", MountFlags::empty(), Some(options.as_c_str()))
        .map_err(failed("tmpfs", SYSROOT))?;
    for (name, mode) in BARE {
        let path = format!("{SYSROOT}/{name}");
        create_dir_all(&path).map_err(file_error(&path))?;
        set_permissions(&path, std::fs::Permissions::from_mode(*mode)).map_err(file_error(&path))?;
    }
    info!("root: empty, in memory");
    Ok(())
}

fn link_into_usr() -> Result<(), BootError> {
    for name in MERGED {
        let link = format!("{SYSROOT}/{name}");
        if Path::new(USR_MOUNT).join(name).symlink_metadata().is_ok() {
            symlink(format!("usr/{name}"), &link).map_err(file_error(&link))?;
        }
    }
    Ok(())
}

/// Mounts the file system in a file of the one at [`LOWER`] over that, when there is such a file.
fn mount_inner(options: &str, devices: &Devices) -> Result<Option<&'static str>, BootError> {
    let lower = File::open(LOWER).map_err(file_error(LOWER))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |name: &str| openat2(&lower, name, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let Some((name, file)) = INNER.iter().find_map(|name| Some((*name, open(name).ok()?))) else {
        return Ok(None);
    };
    let file = File::from(file);
    let mut head = Vec::new();
    (&file).take(RootFormat::HEAD as u64).read_to_end(&mut head).map_err(file_error(name))?;
    let unknown = || std::io::Error::other("it is no file system that the agent mounts");
    let format = RootFormat::detect(&head).ok_or_else(|| file_error(name)(unknown()))?;
    devices.require(format.name())?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let device = Attachable::open(Path::new(&path))?.attach()?;
    mount_read_only(&device.path, LOWER, format.name(), options)?;
    Ok(Some(name))
}
