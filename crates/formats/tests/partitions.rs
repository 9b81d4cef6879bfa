//! GPT and MBR: sgdisk, sfdisk and parted read what we write, we read what they write, and damage is named.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::path::Path;
use std::process::Command;

use bootwright_formats::gpt::{
    Attributes, Gpt, GptError, Guid, Partition, SectorSize, Side, Table, TableError, kinds,
};
use bootwright_formats::mbr::{self, Entry, Mbr, MbrError, Record, Scheme};
use bootwright_formats::{FileBytes, Mosaic, ReadAt};

const MIB: u64 = 1 << 20;

/// Runs a judge (a package of xtask/src/packages.rs) and gives what it said.
fn judge(program: &str, arguments: &[&str], file: &Path) -> String {
    let path = format!("/usr/local/sbin:/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap());
    let output =
        Command::new(program).args(arguments).arg(file).env("PATH", path).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} ended with {}: {said}", output.status);
    said
}

fn store(disk: &impl ReadAt, file: &Path) {
    let out = File::create(file).unwrap();
    out.set_len(disk.size()).unwrap();
    let mut bytes = vec![0; disk.size() as usize];
    disk.read_exact_at(0, &mut bytes).unwrap();
    std::fs::write(file, bytes).unwrap();
}

fn partitions() -> Vec<Partition> {
    let partition = |number, kind, range, attributes, name: &str| Partition {
        number,
        kind,
        guid: Guid::seeded([number as u8; 16]),
        range,
        attributes: Attributes(attributes),
        name: name.to_owned(),
    };
    vec![
        partition(1, kinds::ESP, MIB..5 * MIB, 0, "esp"),
        partition(2, kinds::X86_64.root, 5 * MIB..9 * MIB, Attributes::READ_ONLY, "Wurzel-ä"),
        partition(4, kinds::LINUX, 10 * MIB..12 * MIB, Attributes::GROW, "data"),
    ]
}

fn disk(sector: SectorSize) -> Mosaic {
    let size = 16 * MIB;
    let mut disk = Mosaic::new(size);
    disk.bytes(0, Record::protective(size, sector.bytes()));
    let disk_guid = Guid::seeded(*b"a disk's own nam");
    Table { sector, disk_size: size, disk_guid, partitions: partitions() }.write(&mut disk).unwrap();
    disk
}

fn bytes(disk: &impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; disk.size() as usize];
    disk.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn sgdisk_sfdisk_and_parted_find_no_fault_in_what_we_write() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("disk");
    store(&disk(SectorSize::B512), &file);
    assert!(judge("sgdisk", &["--verify"], &file).contains("No problems found"));
    let said = judge("sgdisk", &["--info=2"], &file);
    assert!(said.contains("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), "{said}");
    assert!(said.contains("Partition name: 'Wurzel-ä'"), "{said}");
    assert!(said.contains("Attribute flags: 1000000000000000"), "{said}");
    let said = judge("sfdisk", &["--verify"], &file);
    assert!(said.contains("No errors detected."), "{said}");
    let said = judge("sfdisk", &["--dump"], &file);
    assert!(said.contains("start=       10240, size=        8192"), "{said}");
    let said = judge("parted", &["--script", "--machine", "--list"], &file);
    assert!(!said.contains("Warning"), "{said}");
}

#[test]
fn our_reader_agrees_with_sfdisk_on_a_table_that_sfdisk_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let (file, plan) = (directory.path().join("disk"), directory.path().join("plan"));
    File::create(&file).unwrap().set_len(16 * MIB).unwrap();
    let script = "label: gpt\nstart=1MiB, size=2MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=boot\n\
                  start=4MiB, size=1MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, attrs=\"GUID:59\"\n";
    std::fs::write(&plan, script).unwrap();
    judge("sh", &["-c", "sfdisk --quiet \"$1\" < \"$0\"", plan.to_str().unwrap()], &file);
    let gpt = Gpt::read(&FileBytes::new(File::open(&file).unwrap()).unwrap()).unwrap();
    assert_eq!((gpt.sector, gpt.damage.as_slice()), (SectorSize::B512, &[][..]));
    let [esp, root] = gpt.partitions.as_slice() else { panic!("{:?}", gpt.partitions) };
    assert_eq!((esp.kind, esp.range.clone(), esp.name.as_str()), (kinds::ESP, MIB..3 * MIB, "boot"));
    assert_eq!((root.range.clone(), root.attributes.0), (4 * MIB..5 * MIB, Attributes::GROW));
}

#[test]
fn parted_agrees_on_sectors_of_4096_bytes_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("disk");
    let parted = |script: &str| {
        let command = format!("PARTED_SECTOR_SIZE=4096 parted --script --machine \"$0\" {script}");
        judge("sh", &["-c", &command], &file)
    };
    store(&disk(SectorSize::B4096), &file);
    let said = parted("unit B print");
    assert!(said.contains(":file:4096:4096:gpt::;"), "{said}");
    assert!(said.contains("\n2:5242880B:9437183B:4194304B:"), "{said}");
    File::create(&file).unwrap().set_len(16 * MIB).unwrap();
    parted("mklabel gpt mkpart boot fat32 1MiB 3MiB set 1 esp on");
    let gpt = Gpt::read(&FileBytes::new(File::open(&file).unwrap()).unwrap()).unwrap();
    assert_eq!((gpt.sector, gpt.damage.as_slice()), (SectorSize::B4096, &[][..]));
    let esp = gpt.of_kind(kinds::ESP).unwrap();
    assert_eq!((esp.range.clone(), esp.name.as_str()), (MIB..3 * MIB, "boot"));
}

#[test]
fn both_sector_sizes_are_read_back() {
    for sector in [SectorSize::B512, SectorSize::B4096] {
        let gpt = Gpt::read(&disk(sector)).unwrap();
        assert_eq!((gpt.sector, gpt.damage.as_slice()), (sector, &[][..]));
        assert_eq!(gpt.partitions, partitions());
    }
}

#[test]
fn a_damaged_copy_is_named_with_its_offset_and_the_other_one_is_taken() {
    let good = bytes(&disk(SectorSize::B512));
    for (at, side, place) in [
        (512 + 40, Side::Primary, 512),
        (1024 + 3, Side::Primary, 1024),
        (good.len() - 512 + 20, Side::Backup, good.len() - 512),
        (good.len() - 33 * 512, Side::Backup, good.len() - 33 * 512),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let gpt = Gpt::read(&bad).unwrap();
        assert_eq!(gpt.partitions, partitions());
        let [damage] = gpt.damage.as_slice() else { panic!("{:?}", gpt.damage) };
        assert_eq!((damage.side, damage.offset), (side, place as u64), "{damage}");
    }
    let mut bad = good;
    bad[520] ^= 1;
    let end = bad.len() - 500;
    bad[end] ^= 1;
    assert!(matches!(Gpt::read(&bad), Err(GptError::Damaged { .. })));
}

/// A disk with a part that cannot be read, as of an image that lost blocks.
struct Scratched(Vec<u8>, std::ops::Range<u64>);

impl ReadAt for Scratched {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        if offset < self.1.end && offset + buffer.len() as u64 > self.1.start {
            return Err(std::io::Error::other("a scratch"));
        }
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn a_copy_that_cannot_be_read_is_named_and_the_other_one_is_taken() {
    let sector = SectorSize::B512;
    let (all, whole) = (bytes(&disk(sector)), Gpt::read(&disk(sector)).unwrap());
    let size = 16 * MIB;
    for (lost, side) in
        [(0..1024, Side::Primary), (size - 512..size, Side::Backup), (size - 4096..size - 512, Side::Backup)]
    {
        let gpt = Gpt::read(&Scratched(all.clone(), lost.clone())).unwrap();
        assert_eq!(gpt.partitions, whole.partitions, "{lost:?}");
        assert!(
            gpt.damage[0].side == side && gpt.damage[0].problem.contains("a scratch"),
            "{:?}",
            gpt.damage
        );
    }
    let none = Gpt::read(&Scratched(all, 0..size));
    assert!(matches!(none, Err(GptError::Read { offset: 512, .. })), "{none:?}");
}

#[test]
fn a_disk_that_grew_is_told_and_a_cut_one_has_its_primary() {
    let mut grown = bytes(&disk(SectorSize::B512));
    grown.resize(20 << 20, 0);
    let gpt = Gpt::read(&grown).unwrap();
    assert!(gpt.damage[0].problem.contains("made larger"), "{:?}", gpt.damage);
    grown.truncate(11 << 20);
    let gpt = Gpt::read(&grown).unwrap();
    assert_eq!(gpt.partitions, partitions());
    assert!(gpt.damage.iter().any(|damage| damage.side == Side::Backup), "{:?}", gpt.damage);
}

#[test]
fn what_does_not_fit_is_not_written() {
    let write = |partitions| {
        let disk_guid = Guid::NIL;
        let table = Table { sector: SectorSize::B512, disk_size: 16 * MIB, disk_guid, partitions };
        table.write(&mut Mosaic::new(16 * MIB)).unwrap_err()
    };
    let mut list = partitions();
    list[1].range = 4 * MIB..6 * MIB;
    assert_eq!(write(list), TableError::Overlap(1, 2));
    let mut list = partitions();
    list[0].range = 512..MIB;
    assert!(matches!(write(list), TableError::Outside { number: 1, .. }));
    let mut list = partitions();
    list[2].range.end = 16 * MIB;
    assert!(matches!(write(list), TableError::Outside { number: 4, .. }));
    let mut list = partitions();
    list[2].name = "x".repeat(37);
    assert!(matches!(write(list), TableError::Name(_)));
    let small = Table { sector: SectorSize::B512, disk_size: 1024, disk_guid: Guid::NIL, partitions: vec![] };
    assert_eq!(small.write(&mut Mosaic::new(1024)), Err(TableError::Small(1024)));
}

#[test]
fn the_types_are_those_that_sfdisk_knows() {
    let output = Command::new("sh")
        .args(["-c", "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C sfdisk --label gpt --list-types"])
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&output.stdout).to_lowercase();
    let line = |guid: Guid| {
        list.lines().find(|line| line.contains(&guid.to_string())).unwrap_or_default().to_owned()
    };
    for of in kinds::ARCHITECTURES {
        let name = of
            .architecture
            .replace("arm64", "arm-64")
            .replace("riscv64", "risc-v-64")
            .replace("loongarch64", "loongarch-64");
        for (guid, what) in [
            (of.root, format!("linux root ({name})")),
            (of.root_verity, format!("linux root verity ({name})")),
            (of.root_verity_sig, format!("linux root verity sign. ({name})")),
            (of.usr, format!("linux /usr ({name})")),
            (of.usr_verity, format!("linux /usr verity ({name})")),
            (of.usr_verity_sig, format!("linux /usr verity sign. ({name})")),
        ] {
            assert!(line(guid).ends_with(&what), "{guid} is {:?}, not {what}", line(guid));
        }
    }
    assert!(line(kinds::ESP).ends_with("efi system"));
    assert!(line(kinds::XBOOTLDR).ends_with("linux extended boot"));
    assert!(line(kinds::SWAP).ends_with("linux swap"));
    assert!(line(kinds::BIOS_BOOT).ends_with("bios boot"));
}

fn plain() -> (Mosaic, Vec<Entry>) {
    let entry = |kind, range| Entry { kind, active: false, range };
    let logical =
        vec![entry(mbr::types::LINUX, 6 * MIB..7 * MIB), entry(mbr::types::SWAP, 8 * MIB..10 * MIB)];
    let mut record = Record::new(vec![0x90; 440], 0x1234_5678);
    record.entries[0] = Some(Entry { active: true, ..entry(mbr::types::FAT32, MIB..3 * MIB) });
    record.entries[2] = Some(entry(mbr::types::EXTENDED_LBA, 5 * MIB..12 * MIB));
    let mut disk = Mosaic::new(16 * MIB);
    disk.bytes(0, record.to_bytes().unwrap());
    Record::chain(&mut disk, &(5 * MIB..12 * MIB), &logical).unwrap();
    (disk, logical)
}

#[test]
fn sfdisk_reads_our_plain_record_with_logical_partitions() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("disk");
    let (disk, logical) = plain();
    store(&disk, &file);
    let said = judge("sfdisk", &["--verify"], &file);
    assert!(said.contains("No errors detected."), "{said}");
    let said = judge("sfdisk", &["--json"], &file);
    for (number, start, size) in [(1, 2048, 4096), (5, 12288, 2048), (6, 16384, 4096)] {
        let row = format!("disk{number}\",\n            \"start\": {start},\n            \"size\": {size},");
        assert!(said.contains(&row), "{said}");
    }
    let mbr = Mbr::read(&disk, 512).unwrap();
    assert_eq!((mbr.scheme, mbr.signature, mbr.boot_code), (Scheme::Plain, 0x1234_5678, true));
    assert!(mbr.damage.is_empty() && mbr.partitions[0].active);
    let found: Vec<_> = mbr.partitions.iter().filter(|p| p.number > 4).map(|p| p.range.clone()).collect();
    assert_eq!(found, logical.iter().map(|entry| entry.range.clone()).collect::<Vec<_>>());
}

#[test]
fn a_chain_that_comes_back_to_itself_ends() {
    let mut bad = bytes(&plain().0);
    // The second record's link leads to the first.
    let second = (8 * MIB - 512) as usize;
    bad[second + 462 + 4] = mbr::types::EXTENDED;
    bad[second + 462 + 12] = 1;
    let mbr = Mbr::read(&bad, 512).unwrap();
    assert!(mbr.damage[0].contains(&format!("comes back to byte {}", 5 * MIB)), "{:?}", mbr.damage);
    assert_eq!(mbr.partitions.len(), 4);
}

#[test]
fn protective_hybrid_and_no_records_are_told_apart() {
    assert_eq!(Mbr::read(&disk(SectorSize::B512), 512).unwrap().scheme, Scheme::Protective);
    let mut record = Record::new(vec![], 1);
    record.entries[0] = Some(Entry { kind: mbr::types::PROTECTIVE, active: false, range: 512..MIB });
    record.entries[1] = Some(Entry { kind: mbr::types::ESP, active: true, range: MIB..2 * MIB });
    let mut bytes = record.to_bytes().unwrap();
    bytes.resize(2 << 20, 0);
    assert_eq!(Mbr::read(&bytes, 512).unwrap().scheme, Scheme::Hybrid);
    bytes[446] = 0x33;
    assert!(matches!(Mbr::read(&bytes, 512), Err(MbrError::Absent(_))));
    assert!(matches!(Mbr::read(&vec![0; 100], 512), Err(MbrError::Absent(_))));
}
