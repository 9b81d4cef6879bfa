//! What would be lost: partitions, and file systems by their magic, with their labels.

use std::ops::Range;

use bootwright_formats::disk::SECTOR;
use bootwright_formats::gpt::Gpt;
use bootwright_formats::mbr::Mbr;
use bootwright_formats::{ReadAt, Window};
use indicatif::HumanBytes;

/// A file system: where its magic is, and where its label.
struct Signature {
    name: &'static str,
    magic: (u64, &'static [u8]),
    label: Option<(u64, usize)>,
}

/// More specific ones first: NTFS and exFAT begin as FAT does.
const SIGNATURES: &[Signature] = &[
    Signature { name: "LUKS", magic: (0, b"LUKS\xba\xbe"), label: Some((24, 48)) },
    Signature { name: "XFS", magic: (0, b"XFSB"), label: Some((108, 12)) },
    Signature { name: "squashfs", magic: (0, b"hsqs"), label: None },
    Signature { name: "NTFS", magic: (3, b"NTFS    "), label: None },
    Signature { name: "exFAT", magic: (3, b"EXFAT   "), label: None },
    Signature { name: "FAT32", magic: (82, b"FAT32   "), label: Some((71, 11)) },
    Signature { name: "FAT16", magic: (54, b"FAT16   "), label: Some((43, 11)) },
    Signature { name: "FAT12", magic: (54, b"FAT12   "), label: Some((43, 11)) },
    Signature { name: "LVM physical volume", magic: (512, b"LABELONE"), label: None },
    Signature { name: "EROFS", magic: (1024, b"\xe2\xe1\xf5\xe0"), label: Some((1024 + 64, 16)) },
    Signature { name: "ext2/3/4", magic: (1080, b"\x53\xef"), label: Some((1024 + 120, 16)) },
    Signature { name: "swap", magic: (4086, b"SWAPSPACE2"), label: Some((1052, 16)) },
    Signature { name: "RAID member", magic: (4096, b"\xfc\x4e\x2b\xa9"), label: Some((4096 + 32, 32)) },
    Signature { name: "ISO 9660", magic: (32769, b"CD001"), label: Some((32808, 32)) },
    Signature { name: "Btrfs", magic: (65600, b"_BHRfS_M"), label: Some((65536 + 0x12b, 256)) },
];

/// A line for the table and for each partition or file system.
pub fn describe(disk: &dyn ReadAt) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(gpt) = Gpt::read(disk) {
        lines.push(format!("GPT, {} partitions", gpt.partitions.len()));
        for partition in &gpt.partitions {
            let name = format!("{} {:?}", partition.kind_name(), partition.name);
            lines.push(line(disk, partition.number, &name, &partition.range));
        }
    } else if let Ok(mbr) = Mbr::read(disk, SECTOR) {
        lines.push(format!("MBR, {} partitions", mbr.partitions.len()));
        for partition in &mbr.partitions {
            let name = bootwright_formats::mbr::types::name(partition.kind).unwrap_or("unknown type");
            lines.push(line(disk, partition.number, name, &partition.range));
        }
    }
    lines.extend(file_system(disk));
    lines
}

fn line(disk: &dyn ReadAt, number: u32, name: &str, range: &Range<u64>) -> String {
    let inside = file_system(&Window::new(disk, range.clone())).unwrap_or_else(|| "nothing known".to_owned());
    let size = HumanBytes(range.end.saturating_sub(range.start));
    format!("partition {number}: {size}, {name}: {inside}")
}

fn file_system(bytes: &dyn ReadAt) -> Option<String> {
    let at = |offset: u64, length: usize| {
        let mut buffer = vec![0; length];
        bytes.read_exact_at(offset, &mut buffer).ok().map(|()| buffer)
    };
    let found = SIGNATURES.iter().find(|signature| {
        let (offset, magic) = signature.magic;
        at(offset, magic.len()).is_some_and(|there| there == magic)
    })?;
    let label = found.label.and_then(|(offset, length)| at(offset, length)).unwrap_or_default();
    let label =
        String::from_utf8_lossy(label.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
    // What is shown on a terminal came from a stranger's disk.
    let label: String = label.trim().chars().filter(|letter| !letter.is_control()).collect();
    Some(if label.is_empty() { found.name.to_owned() } else { format!("{} {label:?}", found.name) })
}
