//! A file that appears whole or not at all.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

use crate::failure::{Failure, Kind};

/// Lets `write` fill a file that has no name yet, brings it to the disk, and gives it its name. Whatever
/// ends the process before, nothing is left behind; where the file system knows no files without a name, one
/// that begins with `.bootwright-`.
pub fn atomically<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T, Failure>) -> Result<T, Failure> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: io::Error| {
        Failure::message(Kind::Environment, format!("writing {}: {error}", path.display()))
    };
    let mode = Mode::from_raw_mode(0o666);
    let Ok(unnamed) = open(directory, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) else {
        return named(path, directory, write, failed);
    };
    let mut file = File::from(unnamed);
    let value = write(&mut file)?;
    file.sync_all().map_err(failed)?;
    name(&file, directory, path).map_err(failed)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(value)
}

/// A link cannot replace a file, a rename can: the whole file gets a name beside the final one first.
fn name(file: &File, directory: &Path, path: &Path) -> io::Result<()> {
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    let beside = tempfile::Builder::new()
        .prefix(".bootwright-")
        .make_in(directory, |beside| Ok(linkat(CWD, &descriptor, CWD, beside, AtFlags::SYMLINK_FOLLOW)?))?;
    beside.persist(path).map_err(|error| error.error)
}

fn named<T>(
    path: &Path,
    directory: &Path,
    write: impl FnOnce(&mut File) -> Result<T, Failure>,
    failed: impl Fn(io::Error) -> Failure + Copy,
) -> Result<T, Failure> {
    let permissions = Permissions::from_mode(0o644);
    let file =
        tempfile::Builder::new().prefix(".bootwright-").permissions(permissions).tempfile_in(directory);
    let mut file = file.map_err(failed)?;
    let value = write(file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(value)
}
