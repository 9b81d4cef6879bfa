//! The disk: a GPT with an EFI system partition, the root, and what the recipe wants behind it.

use std::ops::Range;
use std::sync::Arc;

use bootwright_formats::gpt::{Attributes, Guid, Partition, SectorSize, Table, kinds};
use bootwright_formats::mbr::Record;
use bootwright_formats::{Mosaic, ReadAt as _, Shared, Window};

use super::esp::{Esp, Loader, Place, esp};
use super::{DataPartition, Growth, Grub, MIB, Material, MediaError, Signer, whole_mib};

/// Where GRUB's core image lies: behind the table, in front of the first MiB.
const CORE: u64 = 20480;

/// The EFI system partition is a whole number of these: room for a second UKI, which an update puts beside
/// the first.
const ESP_UNIT: u64 = 64 * MIB;

/// The number of GRUB's partition, also where it is not there: those behind the root are counted from the next one on.
const BIOS_NUMBER: u32 = 3;

/// How a disk is made.
#[derive(Debug, Clone, Default)]
pub struct DiskOptions {
    /// Bytes of the disk; without it as large as its content.
    pub size: Option<u64>,
    /// Its sectors.
    pub sector: SectorSize,
    /// What a BIOS boots with, from sectors of 512 bytes; `None`: it is not booted by one.
    pub bios: Option<Grub>,
    /// Who signs the root hash; `None`: nobody does.
    pub signer: Option<Signer>,
    /// What lies behind the root.
    pub partitions: Vec<DataPartition>,
}

/// Lays the disk out:
///
/// ```text
/// 0        boot record, GPT
/// 20 KiB   BIOS boot partition (3), with GRUB's core image
/// 1 MiB    EFI system partition (1)
/// …        root (2); none in mode embed
/// …        with dm-verity: the tree, and the signature of the root hash (4, 5)
/// …        swap and data
/// …        nothing, up to `size`; backup GPT
/// ```
///
/// # Errors
/// [`MediaError`] when something does not fit, or GRUB, mke2fs or openssl fails.
pub fn disk(material: &Material, options: &DiskOptions) -> Result<Mosaic, MediaError> {
    let mut layout = Layout { end: MIB, ..Layout::default() };
    let esp_size = (2 * material.uki.size() + MIB).next_multiple_of(ESP_UNIT);
    let loader = Loader::find(&material.manifest.architecture)?;
    let place = Place { start: MIB, size: Some(esp_size), sector: options.sector };
    let esp = esp(material, loader, place)?;
    let guid = |purpose: &str| material.guid(purpose);
    layout.add(New::of("esp", (kinds::ESP, guid("disk esp")), esp_size, Some(esp.image())));
    add_root(&mut layout, material, options)?;
    for (index, data) in options.partitions.iter().enumerate() {
        let guid = guid(&format!("disk data {index}"));
        let content = data.lay_out((guid, material.manifest.created), layout.end, options.sector)?;
        let grows = if data.growth == Growth::Grows { Attributes::GROW } else { 0 };
        let new = New::of(&data.label, (data.purpose.kind(), guid), data.size, content);
        layout.add(New { attributes: grows, ..new });
    }
    if options.bios.is_some() {
        let new = New::of("bios", (kinds::BIOS_BOOT, guid("disk bios")), MIB - CORE, None);
        layout.partitions.push(new.entry(BIOS_NUMBER, CORE..MIB));
    }
    let needed = layout.end + MIB;
    let disk_size = options.size.unwrap_or(needed);
    if disk_size < needed {
        return Err(MediaError::DiskSize { needed, size: disk_size });
    }
    let mut disk = Mosaic::new(disk_size);
    layout.contents.into_iter().for_each(|(start, content)| disk.put(start, content));
    let (disk_guid, partitions) = (guid("disk"), layout.partitions);
    let sector = options.sector;
    Table { sector, disk_size, disk_guid, partitions }.write(&mut disk)?;
    match &options.bios {
        None => disk.bytes(0, Record::protective(disk_size, sector.bytes())),
        Some(grub) => bios(&mut disk, material, grub, &esp)?,
    }
    Ok(disk)
}

/// The root's file system, its dm-verity tree, and the signature of the root hash.
fn add_root(layout: &mut Layout, material: &Material, options: &DiskOptions) -> Result<(), MediaError> {
    let Some(root) = &material.root else { return Ok(()) };
    for part in material.root_parts() {
        let size = whole_mib(part.range.end - part.range.start);
        let content = Arc::new(Window::new(Arc::clone(root), part.range));
        let new = New::of(part.name, (part.kind, part.guid), size, Some(content));
        layout.add(New { attributes: Attributes::READ_ONLY, ..new });
    }
    if let (Some(signer), Some(verity)) = (&options.signer, &material.root_manifest.verity) {
        let content = signer.partition(&verity.root_hash)?;
        let types = (material.kinds.root_verity_sig, material.guid("disk verity signature"));
        let size = whole_mib(content.size());
        let new = New::of("root-verity-sig", types, size, Some(Arc::new(content)));
        layout.add(New { attributes: Attributes::READ_ONLY, ..new });
    }
    Ok(())
}

/// Partitions one behind the other.
#[derive(Default)]
struct Layout {
    end: u64,
    partitions: Vec<Partition>,
    contents: Vec<(u64, Shared)>,
}

/// A partition that has no place yet.
struct New {
    name: String,
    kind: Guid,
    guid: Guid,
    attributes: u64,
    /// Whole MiB.
    size: u64,
    content: Option<Shared>,
}

impl New {
    fn of(name: &str, (kind, guid): (Guid, Guid), size: u64, content: Option<Shared>) -> Self {
        Self { name: name.to_owned(), kind, guid, attributes: 0, size, content }
    }

    fn entry(&self, number: u32, range: Range<u64>) -> Partition {
        let (kind, guid, attributes) = (self.kind, self.guid, Attributes(self.attributes));
        Partition { number, kind, guid, range, attributes, name: self.name.clone() }
    }
}

impl Layout {
    /// Puts a partition behind the last one.
    fn add(&mut self, new: New) {
        let last = self.partitions.last().map_or(0, |partition| partition.number);
        let number = if last + 1 == BIOS_NUMBER { BIOS_NUMBER + 1 } else { last + 1 };
        let range = self.end..self.end + new.size;
        self.partitions.push(new.entry(number, range.clone()));
        self.contents.extend(new.content.map(|content| (range.start, content)));
        self.end = range.end;
    }
}

/// GRUB loads kernel and initrd by block lists: they are ranges of the UKI, which lies in one piece.
fn bios(disk: &mut Mosaic, material: &Material, grub: &Grub, esp: &Esp) -> Result<(), MediaError> {
    let blocks = |range: &Range<u64>| {
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
