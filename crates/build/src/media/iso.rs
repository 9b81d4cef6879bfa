//! The ISO: a CD for UEFI and BIOS, a stick when it is written to one, and a tree that boots when it is copied
//! to a stick with FAT.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bootwright_formats::gpt::{Attributes, SectorSize, kinds};
use bootwright_formats::iso9660::{
    BiosBoot, Boot, BootInfo, Content, Hybrid, HybridPartition, NewEntry, Plan,
};
use bootwright_formats::{Mosaic, Shared};
use bootwright_image::manifest::ArtifactKind;
use bootwright_image::medium;

use super::esp::{Loader, Place, esp};
use super::{Grub, Material, MediaError, Signer};

/// The volume with `EFI/BOOT`, which firmware takes for a disk.
const ESP: &str = "boot/efi.img";
const ELTORITO: &str = "boot/grub/eltorito.img";
const LINUX: &str = "boot/linux";
const INITRD: &str = "boot/initrd";

/// What sha256sum(1) checks: `cd /mnt && sha256sum -c SHA256SUMS`.
const SUMS: &str = "SHA256SUMS";

/// How an ISO is made.
#[derive(Debug, Clone, Default)]
pub struct IsoOptions {
    /// The volume's name; without it the image's name in capitals.
    pub volume_id: Option<String>,
    /// What a BIOS boots with; `None`: it is not booted by one.
    pub bios: Option<Grub>,
    /// Who signs the root hash; `None`: nobody does.
    pub signer: Option<Signer>,
}

/// Lays the ISO out. UKI and root manifest lie in the EFI system partition, which is a file; kernel and initrd lie in
/// the UKI.
///
/// # Errors
/// [`MediaError`] when something does not fit, or GRUB fails.
pub fn iso(material: &Material, options: &IsoOptions) -> Result<Mosaic, MediaError> {
    let volume_id = options.volume_id.clone().unwrap_or_else(|| volume_id(material.name()));
    let esp = esp(material, Loader::Uki, Place { start: 0, size: None, sector: SectorSize::B512 })?;
    let part = |path: String, range: Range<u64>| NewEntry {
        path,
        content: Content::Part { of: ESP.to_owned(), range },
    };
    let file = |path: String, content: Shared| NewEntry { path, content: Content::File(content) };
    let within = |range: &Range<u64>| esp.uki + range.start..esp.uki + range.end;
    let manifest = medium::root_manifest(material.name());
    let manifest_at = esp.volume.placed.get(&manifest).copied().unwrap_or(0);
    let manifest_end = manifest_at + material.root_manifest_bytes.len() as u64;
    let mut entries = vec![
        file(ESP.to_owned(), esp.image()),
        part(material.default_path(), within(&(0..material.uki.size()))),
        part(manifest, manifest_at..manifest_end),
        part(LINUX.to_owned(), within(&material.boot.linux)),
        part(INITRD.to_owned(), within(&material.boot.initrd)),
        file(SUMS.to_owned(), Arc::new(sums(material).into_bytes())),
    ];
    if let Some(content) = &material.root {
        entries.push(file(medium::root(material.name()), Arc::clone(content)));
    }
    if let (Some(signer), Some(verity)) = (&options.signer, &material.root_manifest.verity) {
        let content = signer.partition(&verity.root_hash)?;
        entries.push(file(medium::root_signature(material.name()), Arc::new(content)));
    }
    if let Some(grub) = &options.bios {
        let image = grub.eltorito(&format!("/{LINUX}"), &format!("/{INITRD}"), &material.bios_cmdline())?;
        entries.push(file(ELTORITO.to_owned(), Arc::new(image)));
    }
    let boot = Boot {
        bios: options.bios.as_ref().map(|_| BiosBoot { path: ELTORITO.to_owned(), info: BootInfo::Grub2 }),
        uefi: Some(ESP.to_owned()),
    };
    let hybrid = Some(hybrid(material, options)?);
    let plan = Plan { volume_id, epoch: material.manifest.created, entries, boot, hybrid };
    Ok(plan.lay_out()?.image)
}

/// The EFI system partition, the root's file system and dm-verity tree, and the signature of its root hash: all of them
/// files, or parts of one.
fn hybrid(material: &Material, options: &IsoOptions) -> Result<Hybrid, MediaError> {
    let name = material.name();
    let mut partitions = vec![HybridPartition {
        path: ESP.to_owned(),
        part: None,
        kind: kinds::ESP,
        guid: material.guid("iso esp"),
        attributes: Attributes::default(),
        name: "esp".to_owned(),
    }];
    partitions.extend(material.root_parts().into_iter().map(|part| HybridPartition {
        path: medium::root(name),
        part: Some(part.range),
        kind: part.kind,
        guid: part.guid,
        attributes: Attributes(Attributes::READ_ONLY),
        name: part.name.to_owned(),
    }));
    if options.signer.is_some() && material.root_manifest.verity.is_some() {
        partitions.push(HybridPartition {
            path: medium::root_signature(name),
            part: None,
            kind: material.kinds.root_verity_sig,
            guid: material.guid("iso verity signature"),
            attributes: Attributes(Attributes::READ_ONLY),
            name: "root-verity-sig".to_owned(),
        });
    }
    Ok(Hybrid {
        disk_guid: material.guid("iso"),
        boot_code: options.bios.as_ref().map(Grub::hybrid_code).transpose()?.unwrap_or_default(),
        grub_core: options.bios.as_ref().map(|_| ELTORITO.to_owned()),
        partitions,
    })
}

/// The files that matter, as sha256sum(1) wants them.
fn sums(material: &Material) -> String {
    let name = material.name();
    let mut files = vec![
        (ArtifactKind::Uki, material.default_path()),
        (ArtifactKind::RootManifest, medium::root_manifest(name)),
    ];
    if material.root.is_some() {
        files.push((ArtifactKind::Root, medium::root(name)));
    }
    files.iter().fold(String::new(), |mut text, (kind, path)| {
        let _ = writeln!(text, "{}  {path}", material.artifact_digest(*kind).hex());
        text
    })
}

/// The image's name as far as a volume can have it.
fn volume_id(name: &str) -> String {
    let lawful = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().take(32).map(lawful).collect()
}
