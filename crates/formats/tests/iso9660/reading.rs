//! What we read, written by others, by us, and damaged.

use std::sync::Arc;

use bootwright_formats::iso9660::{Iso, IsoError, Kind, Platform};

use crate::judge::{content, expected, judge, open, plan, read};

#[test]
fn what_we_wrote_is_read_back_by_us() {
    let image = plan().lay_out().unwrap();
    let iso = Iso::open(Arc::new(image.image.clone())).unwrap();
    assert!(iso.rock_ridge && iso.joliet && !iso.udf && iso.damage.is_empty(), "{:?}", iso.damage);
    assert_eq!(iso.volume_id, "WORKER_2026");
    for (name, bytes) in expected(&plan(), &image) {
        let entry = iso.find(&name).unwrap().unwrap_or_else(|| panic!("{name} is missing"));
        assert!(read(iso.file(&entry)) == bytes, "{name}");
    }
    let link = iso.find("links/far").unwrap().unwrap();
    assert_eq!(link.kind, Kind::Symlink(format!("/{}/./{}", "x".repeat(255), "y".repeat(200))));
    let platforms: Vec<_> =
        iso.boot.iter().map(|entry| (entry.platform, entry.offset, entry.loaded)).collect();
    let (bios, esp) = (&image.placed["boot/grub/eltorito.img"], &image.placed["efi.img"]);
    assert_eq!(platforms[0], (Platform::Bios, bios.start, 2048));
    assert_eq!(platforms[1], (Platform::Uefi, esp.start, (esp.end - esp.start).next_multiple_of(512)));
}

#[test]
fn what_xorriso_and_mkisofs_wrote_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    std::fs::create_dir_all(source.join("a directory/with/depth")).unwrap();
    let long = format!("{}.text", "long".repeat(50));
    let files = [
        ("a directory/with/depth/x", content(1, 5000)),
        (long.as_str(), content(2, 3)),
        ("UPPER.TXT", content(3, 1)),
    ];
    for (name, bytes) in &files {
        std::fs::write(source.join(name), bytes).unwrap();
    }
    std::fs::write(source.join("boot.img"), content(5, 4096)).unwrap();
    std::os::unix::fs::symlink("a directory/../UPPER.TXT", source.join("link")).unwrap();
    let from = source.to_str().unwrap();
    for (program, arguments, rock_ridge) in [
        ("xorrisofs", &["-R", "-J", "-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"][..], true),
        ("genisoimage", &["-quiet", "-R", "-J", "-joliet-long", "-b", "boot.img", "-no-emul-boot"][..], true),
        ("genisoimage", &["-quiet", "-J", "-joliet-long", "-udf", "-V", "JOLIET"][..], false),
    ] {
        let path = directory.path().join("other.iso");
        judge(program, &[arguments, &["-o", path.to_str().unwrap(), from]].concat());
        let iso = open(&path);
        assert_eq!(
            (iso.rock_ridge, iso.joliet, iso.damage.as_slice()),
            (rock_ridge, true, &[][..]),
            "{program}"
        );
        assert_eq!(iso.udf, arguments.contains(&"-udf"));
        assert_eq!(iso.boot.len(), usize::from(rock_ridge));
        for (name, bytes) in &files {
            if rock_ridge || name.len() < 64 {
                let entry = iso.find(name).unwrap().unwrap_or_else(|| panic!("{program}: {name} is missing"));
                assert!(read(iso.file(&entry)) == *bytes, "{program}: {name}");
            }
        }
        if rock_ridge {
            let link = iso.find("link").unwrap().unwrap();
            assert_eq!(link.kind, Kind::Symlink("a directory/../UPPER.TXT".into()));
        }
    }
}

#[test]
fn directories_that_lead_back_and_images_that_are_cut_off_are_told() {
    let image = plan().lay_out().unwrap().image;
    let mut bytes = read(&image);
    let iso = Iso::open(Arc::new(bytes.clone())).unwrap();
    let boot = iso.find("boot").unwrap().unwrap().extents[0].start as usize;
    // The entry of boot/grub, behind `.` and `..`, leads to boot.
    let grub = bytes[boot..boot + 2048].windows(4).position(|name| name == b"GRUB").unwrap() + boot - 33;
    let own = (boot as u32 / 2048).to_le_bytes();
    let lawful: [u8; 4] = bytes[grub + 2..grub + 6].try_into().unwrap();
    bytes[grub + 2..grub + 6].copy_from_slice(&own);
    let iso = Iso::open(Arc::new(bytes.clone())).unwrap();
    assert!(matches!(iso.walk(&mut |_, _| {}), Err(IsoError::Depth(_))));
    bytes[grub + 2..grub + 6].copy_from_slice(&lawful);
    bytes[grub + 10..grub + 14].copy_from_slice(&[0xff; 4]);
    let iso = Iso::open(Arc::new(bytes.clone())).unwrap();
    assert!(matches!(iso.walk(&mut |_, _| {}), Err(IsoError::Damaged { .. })));
    bytes.truncate(200_000);
    let iso = Iso::open(Arc::new(bytes.clone())).unwrap();
    assert!(iso.damage[0].contains("cut off"), "{:?}", iso.damage);
    bytes.truncate(32768 + 2048);
    assert!(matches!(Iso::open(Arc::new(bytes)), Err(IsoError::Read { .. })));
    assert!(matches!(Iso::open(Arc::new(vec![0; 100_000])), Err(IsoError::Absent)));
}
