//! What others formatted is named as blkid names it: kind, label, UUID; and damage is told.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::path::Path;

use bootwright_inspect::{Depth, Severity, Value};
use judges::{blank, blkid, look, run};

const UUID: &str = "6804180e-a974-4fd3-8aae-d24ed4f50bd8";

/// Label, UUID and kind are those of blkid.
fn agree(directory: &Path, name: &str, kind: &str, blkid_kind: &str) {
    let node = look(directory, name, Depth::Headers);
    assert_eq!((node.kind, blkid(directory, name, "TYPE").as_str()), (kind, blkid_kind), "{name}: {node:?}");
    for (fact, key) in [("label", "LABEL"), ("uuid", "UUID")] {
        let theirs = blkid(directory, name, key);
        assert_eq!(node.facts.text(fact).unwrap_or_default(), theirs, "{name}: {fact}");
    }
    assert!(node.problems.is_empty(), "{name}: {:?}", node.problems);
}

#[test]
fn file_systems_have_the_kind_label_and_uuid_that_blkid_tells() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    for kind in ["ext2", "ext3", "ext4"] {
        blank(directory, kind, 16);
        run(directory, &format!("mkfs.{kind}"), &["-q", "-L", "a label", "-U", UUID, kind]);
        agree(directory, kind, kind, kind);
    }
    blank(directory, "xfs", 320);
    run(directory, "mkfs.xfs", &["-q", "-L", "data", "-m", &format!("uuid={UUID}"), "xfs"]);
    agree(directory, "xfs", "xfs", "xfs");
    blank(directory, "btrfs", 128);
    run(directory, "mkfs.btrfs", &["-q", "-L", "bt", "-U", UUID, "btrfs"]);
    agree(directory, "btrfs", "btrfs", "btrfs");
    blank(directory, "swap", 8);
    run(directory, "mkswap", &["-q", "-L", "swp", "-U", UUID, "swap"]);
    agree(directory, "swap", "swap", "swap");
    blank(directory, "fat", 64);
    run(directory, "mkfs.fat", &["-F", "32", "-n", "ESP", "-i", "1234abcd", "fat"]);
    agree(directory, "fat", "fat", "vfat");
    std::fs::create_dir(directory.join("tree")).unwrap();
    std::fs::write(directory.join("tree/file"), "content").unwrap();
    run(directory, "mkfs.erofs", &["-U", UUID, "erofs", "tree"]);
    agree(directory, "erofs", "erofs", "erofs");
}

#[test]
fn the_label_of_ntfs_is_in_its_file_table() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "ntfs", 16);
    run(directory, "mkfs.ntfs", &["-q", "-F", "-L", "Windows disk", "ntfs"]);
    let node = look(directory, "ntfs", Depth::Headers);
    assert_eq!(node.facts.text("label"), Some("Windows disk"));
    assert_eq!(node.facts.text("serial").unwrap(), blkid(directory, "ntfs", "UUID"));
}

#[test]
fn a_squashfs_needs_its_compressor() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::write(directory.join("file"), "content").unwrap();
    for (name, option) in [("gzip", "ZLIB"), ("lzo", "LZO"), ("xz", "XZ"), ("lz4", "LZ4"), ("zstd", "ZSTD")] {
        run(directory, "mksquashfs", &["file", name, "-comp", name, "-quiet", "-no-progress"]);
        let node = look(directory, name, Depth::Headers);
        assert_eq!(node.facts.text("compressor"), Some(name));
        let said = run(directory, "unsquashfs", &["-s", name]);
        assert!(said.contains(&format!("Compression {name}")), "{said}");
        assert!(node.needs[0].contains(&format!("CONFIG_SQUASHFS_{option})")), "{:?}", node.needs);
    }
}

#[test]
fn encryption_and_integrity_are_told_as_cryptsetup_made_them() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::write(directory.join("key"), "secret").unwrap();
    let fast = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "key", "--uuid", UUID];
    for version in ["luks1", "luks2"] {
        blank(directory, version, 32);
        let label: &[&str] = if version == "luks2" { &["--label", "vault"] } else { &[] };
        let arguments = [&["luksFormat", "-q", "--type", version], &fast[..], label, &[version]].concat();
        run(directory, "cryptsetup", &arguments);
        agree(directory, version, "luks", "crypto_LUKS");
        let node = look(directory, version, Depth::Headers);
        assert_eq!(node.facts.text("cipher"), Some("aes-xts-plain64"), "{node:?}");
    }
    blank(directory, "data", 4);
    run(directory, "veritysetup", &["format", "--salt", "0102", "--uuid", UUID, "data", "hash"]);
    agree(directory, "hash", "verity", "DM_verity_hash");
    let node = look(directory, "hash", Depth::Headers);
    assert_eq!(
        (node.facts.text("salt"), node.facts.get("data size")),
        (Some("0102"), Some(&Value::Size(4 << 20)))
    );
    // The second header of LUKS2 is at 16 KiB.
    let path = directory.join("luks2");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[16384..16390].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let problem = look(directory, "luks2", Depth::Headers).problems.remove(0);
    assert_eq!((problem.severity, problem.offset), (Severity::Warning, Some(16384)));
}

#[test]
fn a_superblock_that_was_changed_does_not_match_its_checksum() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::create_dir(directory.join("tree")).unwrap();
    std::fs::write(directory.join("key"), "secret").unwrap();
    let fast = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "key", "luks"];
    let luks = [&["luksFormat", "-q", "--type", "luks2"], &fast[..]].concat();
    // A byte of the label or UUID of each.
    let made: [(&str, u64, &str, Vec<&str>, usize); 5] = [
        ("ext4", 16, "mkfs.ext4", vec!["-q", "-O", "metadata_csum", "ext4"], 1024 + 0x78),
        ("xfs", 320, "mkfs.xfs", vec!["-q", "xfs"], 108),
        ("btrfs", 128, "mkfs.btrfs", vec!["-q", "btrfs"], 0x1_012b),
        ("erofs", 0, "mkfs.erofs", vec!["-U", UUID, "erofs", "tree"], 1024 + 48),
        ("luks", 32, "cryptsetup", luks, 24),
    ];
    for (name, mib, program, arguments, byte) in made {
        blank(directory, name, mib);
        run(directory, program, &arguments);
        assert!(look(directory, name, Depth::Headers).problems.is_empty(), "{name}");
        let path = directory.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[byte] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let problems = look(directory, name, Depth::Headers).problems;
        assert!(
            problems.iter().any(|problem| problem.what.contains("damaged: its checksum")),
            "{name}: {problems:?}"
        );
    }
}

/// A physical volume as `lvm2` lays it out; blkid checks its checksum.
#[test]
fn a_volume_of_lvm_is_named_as_blkid_names_it() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let mut disk = vec![0; 4 << 20];
    disk[512..520].copy_from_slice(b"LABELONE");
    disk[520] = 1;
    disk[512 + 20] = 32;
    disk[512 + 24..512 + 32].copy_from_slice(b"LVM2 001");
    disk[544..576].copy_from_slice(b"OThSKbKcSm1Fvb2iCbrBR6BqvFcXlIWR");
    disk[576..584].copy_from_slice(&(4_u64 << 20).to_le_bytes());
    // One area of data at 1 MiB, an end, one of metadata at 4096, an end.
    disk[584..592].copy_from_slice(&(1_u64 << 20).to_le_bytes());
    disk[616..624].copy_from_slice(&4096_u64.to_le_bytes());
    disk[624..632].copy_from_slice(&(1_u64 << 19).to_le_bytes());
    disk[4096 + 4..4096 + 20].copy_from_slice(b" LVM2 x[5A%r0N*>");
    disk[4096 + 40..4096 + 48].copy_from_slice(&512_u64.to_le_bytes());
    disk[4608..4619].copy_from_slice(b"machines {\n");
    let sum = lvm_crc(&disk[512 + 20..1024]);
    disk[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(directory.join("lvm"), disk).unwrap();
    agree(directory, "lvm", "lvm", "LVM2_member");
    assert_eq!(look(directory, "lvm", Depth::Headers).facts.text("volume group"), Some("machines"));
}

/// CRC-32 without its last complement, from LVM's own start.
fn lvm_crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    bytes.iter().fold(0xf597_a6cf, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[test]
fn a_member_of_a_raid_is_found_at_its_start_and_at_its_end() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    for (version, at) in [("1.1", 0), ("1.2", 4096), ("1.0", (4 << 20) - 8192)] {
        let mut disk = vec![0; 4 << 20];
        let block = &mut disk[at..at + 4096];
        block[0..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
        block[4] = 1;
        block[16..32].copy_from_slice(&0x6804_180e_a974_4fd3_8aae_d24e_d4f5_0bd8_u128.to_be_bytes());
        block[32..37].copy_from_slice(b"box:0");
        block[72] = 5;
        block[92] = 3;
        block[144..152].copy_from_slice(&(at as u64 / 512).to_le_bytes());
        let words =
            block[..256].chunks(4).map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
        let sum: u64 = words.sum();
        block[216..220].copy_from_slice(&((sum & 0xffff_ffff) as u32 + (sum >> 32) as u32).to_le_bytes());
        std::fs::write(directory.join("md"), disk).unwrap();
        let node = look(directory, "md", Depth::Headers);
        assert_eq!(
            (node.kind, blkid(directory, "md", "TYPE").as_str()),
            ("md", "linux_raid_member"),
            "{version}"
        );
        assert_eq!(node.facts.text("uuid"), Some(UUID));
        assert_eq!(blkid(directory, "md", "UUID"), UUID);
        assert_eq!(node.facts.text("array").unwrap(), blkid(directory, "md", "LABEL"));
        assert_eq!((node.facts.text("metadata"), node.facts.text("level")), (Some(version), Some("RAID5")));
    }
}

#[test]
fn a_file_system_that_is_cut_off_is_told_with_the_offset_of_its_end() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "disk", 16);
    run(directory, "mkfs.ext4", &["-q", "disk"]);
    let file = std::fs::File::options().write(true).open(directory.join("disk")).unwrap();
    file.set_len(8 << 20).unwrap();
    let node = look(directory, "disk", Depth::Headers);
    assert_eq!((node.problems[0].severity, node.problems[0].offset), (Severity::Error, Some(8 << 20)));
    assert!(node.problems[0].what.contains("its superblock says 16777216 bytes"), "{:?}", node.problems);
}
