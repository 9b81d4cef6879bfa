//! The disk: a GPT with an EFI system partition and the root.

use std::sync::Arc;

use bootwright_formats::Mosaic;
use bootwright_formats::gpt::{Attributes, Guid, Partition, SectorSize, Table, kinds};
use bootwright_formats::mbr::Record;

use super::esp::{Esp, Loader, esp};
use super::{Grub, MIB, Material, MediaError, whole_mib};

/// Where GRUB's core image lies: behind the table, in front of the first MiB.
const CORE: u64 = 20480;

/// The EFI system partition is a whole number of these: room for a second UKI, which an update puts beside
/// the first.
const ESP_UNIT: u64 = 64 * MIB;

/// How a disk is made.
#[derive(Debug, Clone, Default)]
pub struct DiskOptions {
    /// Bytes of the disk; without it as large as its content.
    pub size: Option<u64>,
    /// What a BIOS boots with; `None`: it is not booted by one.
    pub bios: Option<Grub>,
}

/// Lays the disk out:
///
/// ```text
/// 0        boot record, GPT
/// 20 KiB   BIOS boot partition (3), with GRUB's core image
/// 1 MiB    EFI system partition (1)
/// …        root (2); none in mode embed
/// …        nothing, up to `size`; backup GPT
/// ```
///
/// # Errors
/// [`MediaError`] when something does not fit, or GRUB fails.
pub fn disk(material: &Material, options: &DiskOptions) -> Result<Mosaic, MediaError> {
    let esp_size = (2 * material.uki.size() + MIB).next_multiple_of(ESP_UNIT);
    let loader = Loader::find(&material.manifest.architecture)?;
    let esp = esp(material, loader, (MIB, Some(esp_size)))?;
    let mut end = MIB + esp_size;
    let guid = |purpose| material.guid(purpose);
    let mut partitions = vec![partition(1, (kinds::ESP, guid("disk esp")), (MIB, end), 0, "esp")];
    let root_at = end;
    if let Some(root) = &material.root {
        end += whole_mib(root.size());
        let flags = Attributes::READ_ONLY;
        let types = (material.kinds.root, material.root_guid());
        partitions.push(partition(2, types, (root_at, end), flags, "root"));
    }
    if options.bios.is_some() {
        partitions.push(partition(3, (kinds::BIOS_BOOT, guid("disk bios")), (CORE, MIB), 0, "bios"));
    }
    let needed = end + MIB;
    let disk_size = options.size.unwrap_or(needed);
    if disk_size < needed {
        return Err(MediaError::DiskSize { needed, size: disk_size });
    }
    let mut disk = Mosaic::new(disk_size);
    disk.put(MIB, esp.image());
    if let Some(root) = &material.root {
        disk.put(root_at, Arc::clone(root));
    }
    let disk_guid = guid("disk");
    Table { sector: SectorSize::B512, disk_size, disk_guid, partitions }.write(&mut disk)?;
    match &options.bios {
        None => disk.bytes(0, Record::protective(disk_size, SectorSize::B512.bytes())),
        Some(grub) => bios(&mut disk, material, grub, &esp)?,
    }
    Ok(disk)
}

fn partition(
    number: u32,
    (kind, guid): (Guid, Guid),
    (start, end): (u64, u64),
    attributes: u64,
    name: &str,
) -> Partition {
    Partition {
        number,
        kind,
        guid,
        range: start..end,
        attributes: Attributes(attributes),
        name: name.to_owned(),
    }
}

/// GRUB loads kernel and initrd by block lists: they are ranges of the UKI, which lies in one piece.
fn bios(disk: &mut Mosaic, material: &Material, grub: &Grub, esp: &Esp) -> Result<(), MediaError> {
    use bootwright_formats::ReadAt as _;
    let blocks = |range: &std::ops::Range<u64>| {
        let start = (MIB + esp.uki + range.start) / 512;
        format!("($root){start}+{}", (range.end - range.start).div_ceil(512))
    };
    let files = (blocks(&material.boot.linux), blocks(&material.boot.initrd));
    let sector = CORE / 512;
    let core = grub.disk_core((&files.0, &files.1), &material.bios_cmdline(), sector)?;
    if CORE + core.len() as u64 > MIB {
        let problem = format!("the core image has {} bytes, there is room for {}", core.len(), MIB - CORE);
        return Err(MediaError::Grub { path: "core.img".into(), problem });
    }
    let [a, b, c, d, ..] = material.seed("disk signature");
    let record = grub.disk_record(sector, disk.size(), u32::from_le_bytes([a, b, c, d]))?;
    disk.bytes(CORE, core);
    disk.bytes(0, record);
    Ok(())
}
