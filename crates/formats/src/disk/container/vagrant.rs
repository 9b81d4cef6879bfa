//! Vagrant boxes: a tar file with `metadata.json`, a `Vagrantfile` and the disk.
//!
//! | provider | disk |
//! |---|---|
//! | libvirt | `box.img`, a qcow2 with clusters compressed by zlib |
//! | virtualbox | `box.ovf` and `box-disk1.vmdk`, streamOptimized |
//!
//! Vagrant takes boxes with and without gzip around them; the disks are compressed already.

use std::io::{self, Seek, Write};

use super::super::blocks::Watch;
use super::super::qcow2::{self, CompressionType};
use super::super::sink::Options;
use super::ova::{Names, write_members};
use super::tar::{Archive, Member};
use super::{Firmware, Machine};
use crate::ReadAt;

/// Who runs the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// vagrant-libvirt.
    Libvirt,
    /// VirtualBox.
    VirtualBox,
}

/// Writes the disk and its machine. `to` must be empty.
///
/// # Errors
/// What reading and writing say; a disk that is empty; for VirtualBox one of 2 TiB and more.
pub fn write(
    source: &dyn ReadAt,
    to: &mut (impl Write + Seek),
    provider: Provider,
    machine: &Machine,
    how: (&Options, &dyn Watch),
) -> io::Result<()> {
    let mut archive = Archive::new(to, how.0.time)?;
    archive.add("metadata.json", metadata(provider, source.size()).as_bytes())?;
    archive.add("Vagrantfile", vagrantfile(provider, machine).as_bytes())?;
    match provider {
        Provider::Libvirt => {
            archive.stream("box.img", |to: &mut Member<'_, _>| {
                qcow2::write(source, to, Some(CompressionType::Zlib), how.0, how.1)?;
                to.end()
            })?;
        }
        Provider::VirtualBox => {
            let names = Names { descriptor: "box.ovf".to_owned(), disk: "box-disk1.vmdk".to_owned() };
            write_members(&mut archive, source, machine, &names, how)?;
        }
    }
    archive.finish()
}

fn metadata(provider: Provider, size: u64) -> String {
    match provider {
        // In GB, and at least as large as the disk.
        Provider::Libvirt => {
            let size = size.div_ceil(1 << 30);
            format!("{{\"provider\": \"libvirt\", \"format\": \"qcow2\", \"virtual_size\": {size}}}\n")
        }
        Provider::VirtualBox => "{\"provider\": \"virtualbox\"}\n".to_owned(),
    }
}

/// Firmware and sizes; an own Vagrantfile of the user wins over them.
fn vagrantfile(provider: Provider, machine: &Machine) -> String {
    let Machine { processors, memory, firmware, .. } = machine;
    let (name, settings) = match (provider, firmware) {
        (Provider::Libvirt, Firmware::Efi) => {
            ("libvirt", "    machine.loader = \"/usr/share/OVMF/OVMF_CODE_4M.fd\"\n")
        }
        (Provider::Libvirt, Firmware::Bios) => ("libvirt", ""),
        (Provider::VirtualBox, Firmware::Efi) => {
            ("virtualbox", "    machine.customize [\"modifyvm\", :id, \"--firmware\", \"efi\"]\n")
        }
        (Provider::VirtualBox, Firmware::Bios) => ("virtualbox", ""),
    };
    format!(
        "Vagrant.configure(\"2\") do |config|\n  config.vm.provider \"{name}\" do |machine|\n    \
         machine.cpus = {processors}\n    machine.memory = {memory}\n{settings}  end\nend\n"
    )
}
