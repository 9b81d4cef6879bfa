//! Partition tables: GPT of both sector sizes, MBR with its chain.

use bootwright_formats::gpt::{Attributes, Gpt, Guid, Partition, SectorSize, Table, kinds};
use bootwright_formats::mbr::{Entry, MAX_LOGICAL, Mbr, Record, types};
use bootwright_formats::{Mosaic, ReadAt};

/// A table that is read has no more partitions than it may, and each is named or told as damage.
pub fn target(data: &[u8]) {
    if let Ok(gpt) = Gpt::read(data) {
        for partition in &gpt.partitions {
            assert!(!partition.kind_name().is_empty() && partition.number > 0);
        }
        for damage in &gpt.damage {
            assert!(!damage.to_string().is_empty());
        }
    }
    for sector in [512, 4096] {
        if let Ok(mbr) = Mbr::read(data, sector) {
            assert!(mbr.partitions.len() <= 4 + MAX_LOGICAL);
        }
    }
}

/// A valid input: a GPT under a hybrid MBR with two logical partitions.
pub fn seed() -> Vec<u8> {
    let size = 128 << 10;
    let mut disk = Mosaic::new(size);
    let partition = Partition {
        number: 1,
        kind: kinds::ESP,
        guid: Guid::seeded([7; 16]),
        range: 40 << 10..60 << 10,
        attributes: Attributes::default(),
        name: "esp".to_owned(),
    };
    let partitions = vec![partition];
    let disk_guid = Guid::seeded([8; 16]);
    let _ = Table { sector: SectorSize::B512, disk_size: size, disk_guid, partitions }.write(&mut disk);
    let entry = |kind, range| Entry { kind, active: false, range };
    let mut record = Record::new(Vec::new(), 1);
    record.entries = [
        Some(entry(types::PROTECTIVE, 512..34 << 9)),
        Some(entry(types::EXTENDED, 64 << 10..96 << 10)),
        None,
        None,
    ];
    disk.bytes(0, record.to_bytes().unwrap_or_default());
    let logical = [entry(types::LINUX, 65 << 10..70 << 10), entry(types::SWAP, 80 << 10..90 << 10)];
    let _ = Record::chain(&mut disk, &(64 << 10..96 << 10), &logical);
    let mut bytes = vec![0; 128 << 10];
    let _ = disk.read_exact_at(0, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seed_is_a_disk_without_fault() {
        let seed = super::seed();
        assert!(super::Gpt::read(&seed).unwrap().damage.is_empty());
        let mbr = super::Mbr::read(&seed, 512).unwrap();
        assert_eq!((mbr.partitions.len(), mbr.damage.len()), (4, 0));
    }
}
