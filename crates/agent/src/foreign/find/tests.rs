//! Judges: mkfs.ext4, mksquashfs, xorriso and veritysetup make what is found; tables that lie are our own writer's.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::gpt::{Attributes, Guid, Partition, SectorSize, Table, kinds};
use bootwright_formats::mbr::Record;
use bootwright_formats::{FileBytes, Mosaic};
use bootwright_image::Digest;
use bootwright_plan::foreign_root::Check;

use super::partition::native;
use super::*;
use crate::foreign::signers::{self, Signers};

const MIB: u64 = 1 << 20;

fn root(part: Part) -> ForeignRoot {
    let live = vec!["LiveOS/squashfs.img".to_owned()];
    ForeignRoot {
        form: None,
        part,
        live,
        layers: Vec::new(),
        check: Check::Nothing,
        root_hash: None,
        usr_hash: None,
        options: String::new(),
        on_success: None,
    }
}

/// The first bytes of an empty squashfs, as far as its superblock is looked at.
fn squashfs() -> Vec<u8> {
    [&b"hsqs"[..], &[7; 4092]].concat()
}

fn partition(number: u32, kind: Guid, start: u64) -> Partition {
    let (guid, name) = (Guid::seeded([number as u8; 16]), format!("name{number}"));
    Partition { number, kind, guid, range: start..start + MIB, attributes: Attributes::default(), name }
}

/// A disk of 8 MiB with these partitions and a squashfs in each; `size` bytes of it are there.
fn disk(partitions: Vec<Partition>, size: u64) -> Shared {
    let mut disk = Mosaic::new(8 * MIB);
    disk.bytes(0, Record::protective(8 * MIB, 512));
    for partition in &partitions {
        disk.bytes(partition.range.start, squashfs());
    }
    let table = Table { sector: SectorSize::B512, disk_size: 8 * MIB, disk_guid: Guid::NIL, partitions };
    table.write(&mut disk).unwrap();
    let mut bytes = vec![0; size as usize];
    disk.read_exact_at(0, &mut bytes).unwrap();
    Arc::new(bytes)
}

fn own() -> kinds::Kinds {
    let found = kinds::ARCHITECTURES.iter().find(|kinds| kinds.architecture.replace('-', "_") == native());
    *found.unwrap()
}

fn told(result: Result<Layout, FindError>) -> String {
    match result {
        Ok(layout) => layout.root.unwrap().place,
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_root_partition_is_found_by_its_type_or_by_the_name_that_is_given() {
    let partitions = vec![
        partition(1, kinds::ESP, MIB),
        partition(2, own().root, 3 * MIB),
        partition(5, kinds::LINUX, 5 * MIB),
    ];
    let disk = disk(partitions, 8 * MIB);
    for (part, place) in [
        (Part::Discovered, "partition 2 (name2)"),
        (Part::Number(5), "partition 5 (name5)"),
        (Part::Label("name1".into()), "partition 1 (name1)"),
        (Part::Guid(Guid::seeded([5; 16]).to_string().to_lowercase()), "partition 5 (name5)"),
    ] {
        assert_eq!(told(find(&disk, &root(part))), place);
    }
    assert_eq!(
        told(find(&disk, &root(Part::Number(3)))),
        "partition 3 is not in the image: its partitions are partition 1 (name1), partition 2 (name2), partition 5 (name5)"
    );
}

#[test]
fn of_several_roots_none_is_guessed() {
    let two = disk(vec![partition(1, own().root, MIB), partition(2, own().root, 3 * MIB)], 8 * MIB);
    let error = told(find(&two, &root(Part::Discovered)));
    assert!(
        error.starts_with("several partitions may be the root: partition 1 (name1), partition 2"),
        "{error}"
    );
    let mut hidden = partition(1, own().root, MIB);
    hidden.attributes = Attributes(Attributes::NO_AUTO);
    let one = disk(vec![hidden, partition(2, own().root, 3 * MIB)], 8 * MIB);
    assert_eq!(told(find(&one, &root(Part::Discovered))), "partition 2 (name2)");
    let plain = disk(vec![partition(1, kinds::ESP, MIB), partition(2, kinds::LINUX, 3 * MIB)], 8 * MIB);
    assert_eq!(told(find(&plain, &root(Part::Discovered))), "partition 2 (name2)");
    let other = kinds::ARCHITECTURES.iter().find(|kinds| kinds.root != own().root).unwrap();
    let foreign = disk(vec![partition(1, other.root, MIB)], 8 * MIB);
    assert!(told(find(&foreign, &root(Part::Discovered))).starts_with("a root partition for"));
}

#[test]
fn a_usr_of_its_own_is_found_beside_a_root_and_without_one() {
    let (usr, other) = (partition(3, own().usr, 3 * MIB), partition(4, kinds::LINUX, 5 * MIB));
    let both = disk(vec![partition(1, own().root, MIB), usr.clone()], 8 * MIB);
    let text = |disk: &Shared, part| match find(disk, &root(part)) {
        Ok(layout) => layout.to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        text(&both, Part::Discovered),
        "partition 1 (name1): squashfs, /usr is partition 3 (name3): squashfs"
    );
    assert_eq!(text(&both, Part::Usr), "empty, /usr is partition 3 (name3): squashfs");
    assert_eq!(text(&both, Part::Number(1)), "partition 1 (name1): squashfs");
    // A partition of data is no root because there is no other.
    let alone = disk(vec![usr.clone(), other.clone()], 8 * MIB);
    assert_eq!(text(&alone, Part::Discovered), "empty, /usr is partition 3 (name3): squashfs");
    let two = disk(vec![usr, partition(1, own().usr, MIB)], 8 * MIB);
    assert!(text(&two, Part::Discovered).ends_with("; say which one by usrhash="));
    let none = disk(vec![other], 8 * MIB);
    assert!(text(&none, Part::Usr).starts_with("a /usr partition for "), "{}", text(&none, Part::Usr));
}

#[test]
fn a_table_that_promises_more_than_there_is_is_refused() {
    let cut = disk(vec![partition(1, own().root, 5 * MIB)], 5 * MIB + 100);
    assert_eq!(
        told(find(&cut, &root(Part::Discovered))),
        "partition 1 (name1) is said to be at bytes 5242880 to 6291456, and the file ends at byte 5242980: it is cut off, or its table is wrong"
    );
    let sound = disk(vec![partition(1, own().root, MIB)], 8 * MIB);
    let mut bytes = vec![0; 8 * MIB as usize];
    sound.read_exact_at(0, &mut bytes).unwrap();
    // One bit of the table, in both copies.
    bytes[1024 + 40] ^= 1;
    let end = bytes.len();
    bytes[end - 33 * 512 + 40] ^= 1;
    let damaged: Shared = Arc::new(bytes);
    assert!(matches!(find(&damaged, &root(Part::Discovered)), Err(FindError::Gpt(_))));
}

#[test]
fn what_cannot_be_mounted_is_named() {
    let name_of = |bytes: Vec<u8>, part| told(find(&(Arc::new(bytes) as Shared), &root(part)));
    let lvm = [&b"LABELONE"[..], &[0; 100_000]].concat();
    assert!(name_of(lvm.clone(), Part::Whole).starts_with("the file holds LVM: "));
    assert!(name_of(b"<!doctype html>".to_vec(), Part::Discovered).contains("a text, perhaps a web page"));
    assert!(
        name_of(vec![0; 10], Part::Discovered).contains("unknown")
            || name_of(vec![0; 3], Part::Whole).contains("too few")
    );
    assert!(name_of(lvm, Part::Number(1)).contains("it has no table of them"));
    assert_eq!(name_of(squashfs(), Part::Whole), "all of the file");
}

fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text} {}", String::from_utf8_lossy(&output.stderr));
    text
}

fn open(path: &Path) -> Shared {
    Arc::new(FileBytes::new(std::fs::File::open(path).unwrap()).unwrap())
}

#[test]
fn a_live_root_is_found_in_an_iso_of_xorriso() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("iso/LiveOS")).unwrap();
    std::fs::create_dir_all(place.path().join("root/sbin")).unwrap();
    run("mksquashfs", &["root", "iso/LiveOS/squashfs.img", "-quiet"], place.path());
    run(
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-r", "-J", "-V", "LIVE", "-o", "live.iso", "iso"],
        place.path(),
    );
    let iso = open(&place.path().join("live.iso"));
    let found = find(&iso, &root(Part::Discovered)).unwrap().root.unwrap();
    assert_eq!(
        (found.place.as_str(), found.format),
        ("LiveOS/squashfs.img in the ISO LIVE", RootFormat::Squashfs)
    );
    let mut bytes = vec![0; (found.range.end - found.range.start) as usize];
    iso.read_exact_at(found.range.start, &mut bytes).unwrap();
    assert!(bytes == std::fs::read(place.path().join("iso/LiveOS/squashfs.img")).unwrap());
    let elsewhere = ForeignRoot { live: vec!["live/filesystem.squashfs".into()], ..root(Part::Discovered) };
    assert!(told(find(&iso, &elsewhere)).starts_with("the ISO has none of live/filesystem.squashfs"));
    let layers = |names: [&str; 2]| ForeignRoot {
        layers: names.map(str::to_owned).to_vec(),
        ..root(Part::Discovered)
    };
    let twice = find(&iso, &layers(["LiveOS/squashfs.img"; 2])).unwrap();
    assert_eq!(twice.below, [Found { live: false, ..found }]);
    assert!(!twice.root.unwrap().live);
    let missing = layers(["casper/a.squashfs", "LiveOS/squashfs.img"]);
    assert_eq!(told(find(&iso, &missing)), "the layer casper/a.squashfs is not in the ISO LIVE");
    let no_iso: Shared = Arc::new(squashfs());
    assert!(told(find(&no_iso, &missing)).contains("is one of an ISO, and the file holds squashfs"));
}

#[test]
fn a_tree_of_veritysetup_is_found_by_the_root_hash() {
    let place = tempfile::tempdir().unwrap();
    std::fs::File::create(place.path().join("data")).unwrap().set_len(MIB).unwrap();
    run("mkfs.ext4", &["-q", "data"], place.path());
    let text = run("veritysetup", &["format", "data", "tree"], place.path());
    let hash = text.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();
    let hash: Digest = format!("sha256:{hash}").parse().unwrap();
    let (data, tree) = hash.0.split_at(16);
    let mut disk = Mosaic::new(8 * MIB);
    disk.bytes(0, Record::protective(8 * MIB, 512));
    let named = |number, kind, start, guid: &[u8]| Partition {
        guid: Guid::from_ordered(guid.try_into().unwrap()),
        ..partition(number, kind, start)
    };
    let partitions = vec![
        named(1, own().root, MIB, data),
        named(2, own().root_verity, 3 * MIB, tree),
        // Another version beside it.
        partition(3, own().root, 5 * MIB),
    ];
    disk.put(MIB, open(&place.path().join("data")));
    disk.put(3 * MIB, open(&place.path().join("tree")));
    let table = Table { sector: SectorSize::B512, disk_size: 8 * MIB, disk_guid: Guid::NIL, partitions };
    table.write(&mut disk).unwrap();
    let disk: Shared = Arc::new(disk);
    let wanted = ForeignRoot { root_hash: Some(hash), ..root(Part::Discovered) };
    let found = find(&disk, &wanted).unwrap().root.unwrap();
    let verity = found.verity.unwrap();
    assert_eq!((found.range.start, verity.range.start, verity.superblock.data_blocks), (MIB, 3 * MIB, 256));
    let other = ForeignRoot { root_hash: Some(Digest::of(b"x")), ..root(Part::Discovered) };
    assert!(told(find(&disk, &other)).contains("no partition is named by its first half"));
    // The tree vouches for that partition alone, and so nothing else is used.
    let check = Check::RootHash(hash);
    let usr = ForeignRoot { check, usr_hash: Some(hash), ..root(Part::Discovered) };
    let layout = find(&disk, &usr).unwrap();
    assert_eq!((layout.root, layout.usr.unwrap().range.start), (None, MIB));
    let whole = ForeignRoot { root_hash: Some(hash), ..root(Part::Whole) };
    assert!(told(find(&open(&place.path().join("data")), &whole)).contains("no table of partitions"));
    // Nor does it of what looks like an ISO.
    let iso: Shared = Arc::new([&[0; ISO.start][..], ISO_MAGIC, &[0; 100]].concat());
    let wanted = ForeignRoot { check, root_hash: Some(hash), ..root(Part::Discovered) };
    assert!(told(find(&iso, &wanted)).contains("no table of partitions"));
}

#[test]
fn the_root_hash_is_the_one_that_is_signed_by_whom_the_initrd_knows() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("trusted")).unwrap();
    signers::tests::key(place.path(), "builder", "rsa:2048");
    let of = |hash: Digest| signers::tests::partition(place.path(), "builder", &hash.hex(), " -noattr");
    let signers = Signers::read(&place.path().join("trusted"));
    let hash = Digest::of(b"root");
    let disk = |signatures: &[(u32, Guid, Vec<u8>)]| {
        let mut disk = Mosaic::new(8 * MIB);
        disk.bytes(0, Record::protective(8 * MIB, 512));
        let start = |number: u32| u64::from(number) * MIB;
        for (number, _, bytes) in signatures {
            disk.bytes(start(*number), bytes.clone());
        }
        let partitions = signatures.iter().map(|(number, kind, _)| partition(*number, *kind, start(*number)));
        let partitions = partitions.collect();
        let table = Table { sector: SectorSize::B512, disk_size: 8 * MIB, disk_guid: Guid::NIL, partitions };
        table.write(&mut disk).unwrap();
        Arc::new(disk) as Shared
    };
    let (root_kind, usr_kind) = (own().root_verity_sig, own().usr_verity_sig);
    let wanted = root(Part::Discovered);
    let good = disk(&[(1, root_kind, of(hash))]);
    let found = signed(&good, &wanted, &signers).unwrap();
    assert_eq!((found.root_hash, found.usr_hash, found.check), (Some(hash), None, Check::RootHash(hash)));
    let told = |disk: &Shared, wanted: &ForeignRoot, signers: &Signers| match signed(disk, wanted, signers) {
        Ok(found) => format!("{found:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(told(&good, &wanted, &Signers::default()), "partition 1 (name1)", "of nobody who is known");
    assert!(told(&disk(&[(1, own().root, of(hash))]), &wanted, &signers).starts_with("nothing says which"));
    let two = disk(&[(1, root_kind, of(hash)), (2, root_kind, of(Digest::of(b"other")))]);
    assert!(told(&two, &wanted, &signers).ends_with("; say which root hash by roothash="));
    // A signature of /usr says nothing of a root.
    let usr = disk(&[(1, usr_kind, of(hash))]);
    assert_eq!(signed(&usr, &root(Part::Usr), &signers).unwrap().usr_hash, Some(hash));
    for part in [Part::Discovered, Part::Number(1)] {
        assert!(told(&usr, &root(part), &signers).starts_with("nothing says which"));
    }
    // What the line says of /usr counts.
    let other = Digest::of(b"other");
    let both = disk(&[(1, root_kind, of(hash)), (2, usr_kind, of(hash))]);
    let said = ForeignRoot { usr_hash: Some(other), ..root(Part::Number(1)) };
    let found = signed(&both, &said, &signers).unwrap();
    assert_eq!((found.root_hash, found.usr_hash), (Some(hash), Some(other)));
}
