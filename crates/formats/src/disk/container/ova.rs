//! OVA: an OVF package in one tar file.
//!
//! ```text
//!   NAME.ovf │ NAME-disk1.vmdk │ NAME.mf
//! ```
//!
//! The descriptor has to come first, and holds the size of the disk's file, which is known last. So it is
//! written with room to spare, filled up with line ends, and once more when the size is known.

use std::io::{self, Seek, Write};

use sha2::{Digest as _, Sha256};

use super::super::blocks::Watch;
use super::super::sink::Options;
use super::super::vmdk::{Description, write_stream};
use super::Machine;
use super::ovf::{self, DiskFile};
use super::tar::Archive;
use crate::ReadAt;

/// Room for the sizes to grow: they have 20 digits at most.
const SPARE: usize = 64;

/// Writes the disk and its machine. `to` must be empty.
///
/// # Errors
/// What reading and writing say; a disk that is empty, or of 2 TiB and more.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    machine: &Machine,
    options: &Options,
    watch: &dyn Watch,
) -> io::Result<()> {
    let name = &machine.name;
    let names = Names { descriptor: format!("{name}.ovf"), disk: format!("{name}-disk1.vmdk") };
    let mut archive = Archive::new(to, options.time)?;
    let members = write_members(&mut archive, source, machine, &names, (options, watch))?;
    let manifest = format!(
        "SHA256({})= {}\nSHA256({})= {}\n",
        names.descriptor,
        hex(&Sha256::digest(&members.descriptor)),
        names.disk,
        hex(&members.disk_digest)
    );
    archive.add(&format!("{name}.mf"), manifest.as_bytes())?;
    archive.finish()
}

/// What the members are called.
pub(super) struct Names {
    pub(super) descriptor: String,
    pub(super) disk: String,
}

/// What a manifest needs to know.
pub(super) struct Members {
    descriptor: Vec<u8>,
    disk_digest: [u8; 32],
}

/// The descriptor and the disk.
pub(super) fn write_members<W: Write + Seek>(
    archive: &mut Archive<'_, W>,
    source: &dyn ReadAt,
    machine: &Machine,
    names: &Names,
    (options, watch): (&Options, &dyn Watch),
) -> io::Result<Members> {
    let capacity = source.size().next_multiple_of(super::super::SECTOR);
    let mut disk = DiskFile { name: names.disk.clone(), size: 0, capacity };
    let length = ovf::descriptor(machine, &disk).len() + SPARE;
    let at = archive.add(&names.descriptor, &vec![b'\n'; length])?;
    let mut digest = Sha256::new();
    let (_, size) = archive.stream(&names.disk, |to| {
        let mut digesting = Digesting { to, digest: &mut digest };
        write_stream(source, &mut digesting, &Description::new(&names.disk), options, watch)
    })?;
    disk.size = size;
    let mut descriptor = ovf::descriptor(machine, &disk).into_bytes();
    descriptor.resize(length, b'\n');
    archive.replace(at, &descriptor)?;
    Ok(Members { descriptor, disk_digest: digest.finalize().into() })
}

struct Digesting<'a, W> {
    to: &'a mut W,
    digest: &'a mut Sha256,
}

impl<W: Write> Write for Digesting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.digest.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
