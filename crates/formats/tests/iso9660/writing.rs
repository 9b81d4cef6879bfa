//! What we write, read by others.

use std::fs::File;
use std::sync::Arc;

use bootwright_formats::fat::Fat;
use bootwright_formats::gpt::{Gpt, kinds};
use bootwright_formats::iso9660::{
    BiosBoot, Boot, BootInfo, Content, Iso, NewEntry, Plan, Platform, SECTOR, WriteError,
};
use bootwright_formats::mbr::{Mbr, Scheme};
use bootwright_formats::{FileBytes, Mosaic, ReadAt as _, Shared, Window};

use crate::judge::{expected, file, judge, open, plan, read, store, uki};

#[test]
fn xorriso_finds_no_fault_and_reads_every_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, out) = (directory.path().join("image.iso"), directory.path().join("out"));
    let image = plan().lay_out().unwrap();
    store(&image.image, &path);
    let iso = path.to_str().unwrap();
    let said = judge(
        "xorriso",
        &[
            "-indev",
            iso,
            "-check_media",
            "--",
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
            "-toc",
        ],
    );
    for words in [
        "Volume id    : 'WORKER_2026'",
        "El Torito catalog  : ",
        "El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4",
        "El Torito boot img :   2  UEFI  y   none",
        "El Torito img path :   1  /boot/grub/eltorito.img",
        "El Torito img path :   2  /efi.img",
        "El Torito img opts :   1  boot-info-table grub2-boot-info",
        "System area summary: MBR protective-msdos-label grub2-mbr cyl-align-off GPT",
        "GPT partition name :   1  650073007000",
        "GPT partition path :   2  /root.img",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("WARNING") && !said.contains("FAILURE") && !said.contains("SORRY"), "{said}");
    judge("xorriso", &["-osirrox", "on", "-indev", iso, "-extract", "/", out.to_str().unwrap()]);
    for (name, bytes) in expected(&plan(), &image) {
        assert!(std::fs::read(out.join(&name)).unwrap() == bytes, "{name}");
    }
    assert_eq!(std::fs::read_link(out.join("links/up")).unwrap().to_str(), Some("../root.img"));
    let far = std::fs::read_link(out.join("links/far")).unwrap();
    assert_eq!(far.to_str().unwrap(), format!("/{}/./{}", "x".repeat(255), "y".repeat(200)));
}

#[test]
fn bsdtar_and_7_zip_read_both_trees() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.iso");
    let image = plan().lay_out().unwrap();
    store(&image.image, &path);
    for (name, arguments) in [
        ("bsdtar", vec!["-x", "-f"]),
        // Without Rock Ridge libarchive takes Joliet's names.
        ("bsdtar", vec!["--options", "!rockridge", "-x", "-f"]),
        ("7zz", vec!["x", "-y"]),
    ] {
        let out = directory.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let output =
            if name == "7zz" { format!("-o{}", out.display()) } else { format!("-C{}", out.display()) };
        judge(name, &[&arguments[..], &[path.to_str().unwrap(), &output]].concat());
        for (file, bytes) in expected(&plan(), &image) {
            // A name that Joliet cuts off is judged by Rock Ridge alone.
            if file.len() < 64 {
                assert!(std::fs::read(out.join(&file)).unwrap() == bytes, "{name} {arguments:?}: {file}");
            }
        }
        judge("chmod", &["-R", "u+w", out.to_str().unwrap()]);
        std::fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn isoinfo_shows_names_modes_and_dates() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.iso");
    store(&plan().lay_out().unwrap().image, &path);
    let iso = path.to_str().unwrap();
    let said = judge("isoinfo", &["-d", "-i", iso]);
    assert!(
        said.contains("Joliet with UCS level 3 found")
            && said.contains("Rock Ridge signatures version 1 found"),
        "{said}"
    );
    assert!(said.contains("Eltorito validation header:"), "{said}");
    let said = judge("isoinfo", &["-l", "-R", "-i", iso]);
    assert!(said.contains("Größe.txt") && said.contains("-r--r--r--"), "{said}");
    assert!(said.contains("Sep 21 2026") && said.contains("up -> ../root.img"), "{said}");
    let said = judge("isoinfo", &["-l", "-i", iso]);
    assert!(said.contains("BOOTX64.EFI;1"), "{said}");
    judge("isoinfo", &["-p", "-i", iso]);
}

#[test]
fn the_same_file_is_a_stick_with_a_gpt_that_sgdisk_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.iso");
    let image = plan().lay_out().unwrap();
    store(&image.image, &path);
    let said = judge("sgdisk", &["--verify", path.to_str().unwrap()]);
    assert!(said.contains("No problems found"), "{said}");
    let disk: Shared = Arc::new(FileBytes::new(File::open(&path).unwrap()).unwrap());
    assert_eq!(Mbr::read(&disk, 512).unwrap().scheme, Scheme::Protective);
    let gpt = Gpt::read(&disk).unwrap();
    assert!(gpt.damage.is_empty(), "{:?}", gpt.damage);
    let esp = gpt.of_kind(kinds::ESP).unwrap().range.clone();
    let fat = Fat::open(Arc::new(Window::new(disk, esp))).unwrap();
    let entry = fat.find("EFI/BOOT/BOOTX64.EFI").unwrap().unwrap();
    assert!(read(fat.file(&entry).unwrap()) == uki());
    let mbr = read(Window::new(&image.image, 432..440));
    let core = image.placed["boot/grub/eltorito.img"].start;
    assert_eq!(mbr, (core / 512 + 4).to_le_bytes());
    // Nothing is there twice: ESP, root, boot image and one sector for each small thing are all there is.
    assert!(image.image.size() < 300_000 + 10_001 + 350_000 + 150 * SECTOR, "{}", image.image.size());
}

#[test]
fn a_file_over_4_gib_is_read_by_xorriso_and_by_us() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.iso");
    let mut large = Mosaic::new((9 << 30) + 5);
    large.bytes(0, b"first".to_vec());
    large.bytes((4 << 30) - 2048, b"around four gibibytes".to_vec());
    large.bytes(9 << 30, b"last!".to_vec());
    let entry = NewEntry { path: "large.img".into(), content: Content::File(Arc::new(large)) };
    let plan =
        Plan { entries: vec![entry, file("small", vec![1])], boot: Boot::default(), hybrid: None, ..plan() };
    let image = plan.lay_out().unwrap();
    store(&image.image, &path);
    let said =
        judge("xorriso", &["-indev", path.to_str().unwrap(), "-find", "/large.img", "-exec", "report_lba"]);
    assert!(said.contains("File data lba:  0 ,") && said.contains("File data lba:  2 ,"), "{said}");
    let said = judge("xorriso", &["-indev", path.to_str().unwrap(), "-lsl", "/large.img"]);
    assert!(said.contains("9663676421"), "{said}");
    let iso = open(&path);
    let entry = iso.find("large.img").unwrap().unwrap();
    assert_eq!((entry.size(), entry.extents.len()), ((9 << 30) + 5, 3));
    let tail = read(Window::new(iso.file(&entry), 9 << 30..(9 << 30) + 5));
    assert_eq!(tail, b"last!");
    assert_eq!(iso.find("small").unwrap().unwrap().size(), 1);
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let bytes = || read(plan().lay_out().unwrap().image);
    assert!(bytes() == bytes());
}

#[test]
fn an_image_for_one_firmware_has_one_entry() {
    for (boot, platform) in [
        (Boot { uefi: None, ..plan().boot }, Platform::Bios),
        (Boot { bios: None, ..plan().boot }, Platform::Uefi),
    ] {
        let image = Plan { boot, hybrid: None, ..plan() }.lay_out().unwrap();
        let iso = Iso::open(Arc::new(image.image)).unwrap();
        assert_eq!(iso.boot.iter().map(|entry| entry.platform).collect::<Vec<_>>(), [platform]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let with = |entry: NewEntry| {
        let mut plan = plan();
        plan.entries.push(entry);
        plan.lay_out().unwrap_err()
    };
    assert!(matches!(with(file("root.img", vec![])), WriteError::Twice(_)));
    assert!(matches!(with(file("root.img/x", vec![])), WriteError::Twice(_)));
    for path in ["", "/x", "a//b", "../x", "1/2/3/4/5/6/7/8/9", &"x".repeat(256)] {
        assert!(matches!(with(file(path, vec![])), WriteError::Path(..)), "{path}");
    }
    let part =
        |of: &str, range| NewEntry { path: "p".into(), content: Content::Part { of: of.into(), range } };
    assert!(matches!(with(part("nothing", 0..1)), WriteError::Missing { .. }));
    assert!(matches!(with(part("root.img", 512..1024)), WriteError::Part { .. }));
    assert!(matches!(with(part("root.img", 0..10_002)), WriteError::Part { .. }));
    let refused = Plan { volume_id: "lower case".into(), ..plan() }.lay_out().unwrap_err();
    assert!(matches!(refused, WriteError::VolumeId(_)));
    let boot = Boot { bios: Some(BiosBoot { path: "empty".into(), info: BootInfo::Table }), uefi: None };
    assert!(matches!(Plan { boot, ..plan() }.lay_out(), Err(WriteError::BootImage { .. })));
}
