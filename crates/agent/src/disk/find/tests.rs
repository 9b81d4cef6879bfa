use bootwright_formats::gpt::Guid;

use super::make::node;
use super::*;

#[test]
fn partitions_are_called_as_the_kernel_calls_them() {
    assert_eq!(node("sda", 3), Path::new("/dev/sda3"));
    assert_eq!(node("nvme0n1", 3), Path::new("/dev/nvme0n1p3"));
    assert_eq!(node("mmcblk0", 1), Path::new("/dev/mmcblk0p1"));
}

fn partition(kind: Guid, name: &str) -> Partition {
    Partition {
        number: 1,
        kind,
        guid: Guid::seeded([5; 16]),
        range: 0..1,
        attributes: Default::default(),
        name: name.into(),
    }
}

#[test]
fn a_partition_is_wanted_for_its_type_its_label_or_its_guid() {
    let one = partition(kinds::LINUX, "scratch");
    assert!(!is_wanted(&one, &CachePlace::Type));
    assert!(is_wanted(&partition(kinds::CACHE, ""), &CachePlace::Type));
    assert!(is_wanted(&one, &CachePlace::Label("scratch".into())));
    assert!(is_wanted(&one, &CachePlace::Guid(one.guid.to_string())));
}

#[test]
fn what_is_of_another_type_is_touched_only_when_it_is_blank() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("partition");
    let file = File::create(&path).unwrap();
    file.set_len(32 << 20).unwrap();
    let look = |partition: &Partition, settled| cache_in(&path, partition, settled);
    let (ours, other) = (partition(kinds::CACHE, ""), partition(kinds::LINUX, "scratch"));
    assert!(look(&ours, false).unwrap().is_err_and(|why| why.contains("no cache yet")));
    let write = |at, bytes: &[u8]| std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).unwrap();
    write(5000, b"x");
    let error = look(&other, true).err().unwrap().to_string();
    assert!(error.contains("something (byte 5000) is in it; wipe it"), "{error}");
    write(0x438, &[0x53, 0xef]);
    let error = look(&ours, true).err().unwrap().to_string();
    assert!(error.contains("ext4 is in it"), "{error}");
    write(0x438, &[0, 0]);
    // Now it is a cache, whose damage is nobody's loss.
    assert!(look(&ours, true).unwrap().is_ok());
    write(100, &[1]);
    assert!(look(&other, true).unwrap().is_ok(), "made anew");
    // A newer program's is left to that.
    write(8, &2_u32.to_le_bytes());
    let mut head = vec![0; 4092];
    std::os::unix::fs::FileExt::read_exact_at(&File::open(&path).unwrap(), &mut head, 0).unwrap();
    write(4092, &crc(&head).to_le_bytes());
    let error = look(&ours, true).err().unwrap().to_string();
    assert!(error.contains("version 2"), "{error}");
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
