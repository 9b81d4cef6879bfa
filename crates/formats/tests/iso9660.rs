//! ISO 9660: xorriso, isoinfo, bsdtar and 7-Zip read what we write, we read what xorriso and mkisofs write.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::fat::{self, Fat};
use bootwright_formats::gpt::{Attributes, Gpt, Guid, kinds};
use bootwright_formats::iso9660::{
    BiosBoot, Boot, BootInfo, Content, Hybrid, HybridPartition, Image, Iso, IsoError, Kind, NewEntry, Plan,
    Platform, SECTOR, WriteError,
};
use bootwright_formats::mbr::{Mbr, Scheme};
use bootwright_formats::{ExtentKind, FileBytes, Mosaic, ReadAt, Shared, Window};

const EPOCH: u64 = 1_790_000_000;

/// Runs a judge (a package of xtask/src/packages.rs) and gives what it said.
fn judge(program: &str, arguments: &[&str]) -> String {
    let path = format!("/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap());
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} ended with {}: {said}", output.status);
    said
}

fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| seed ^ (at as u8) ^ (at >> 8) as u8 ^ (at >> 16) as u8).collect()
}

fn file(path: &str, bytes: Vec<u8>) -> NewEntry {
    NewEntry { path: path.to_owned(), content: Content::File(Arc::new(bytes)) }
}

fn store(image: &Mosaic, path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(image.size()).unwrap();
    let mut at = 0;
    while at < image.size() {
        let extent = image.extent(at).unwrap();
        if extent.kind == ExtentKind::Data {
            let mut bytes = vec![0; (extent.range.end - at) as usize];
            image.read_exact_at(at, &mut bytes).unwrap();
            file.write_all_at(&bytes, at).unwrap();
        }
        at = extent.range.end;
    }
}

fn read(content: impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; content.size() as usize];
    content.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn open(path: &Path) -> Iso {
    Iso::open(Arc::new(FileBytes::new(File::open(path).unwrap()).unwrap())).unwrap()
}

/// A UKI of 300 000 bytes whose kernel is at 8192 and whose initrd at 200 704.
fn uki() -> Vec<u8> {
    content(1, 300_000)
}

/// The whole thing: the UKI lies in the ESP alone, kernel and initrd in the UKI alone.
fn plan() -> Plan {
    let long = "a name that is much longer than what ISO 9660 has room for, so that Rock Ridge has to go on elsewhere, and longer still, until a directory entry is full, which takes more than two hundred bytes, even when Joliet cuts it off.text";
    let esp_files = vec![fat::NewFile { path: "EFI/BOOT/BOOTX64.EFI".into(), content: Arc::new(uki()) }];
    let esp = fat::Plan {
        label: "ESP".into(),
        serial: 1,
        epoch: EPOCH,
        size: None,
        hidden_sectors: 0,
        files: esp_files,
    };
    let esp = esp.lay_out().unwrap();
    let at = esp.placed["EFI/BOOT/BOOTX64.EFI"];
    let part = |path: &str, range| NewEntry {
        path: path.to_owned(),
        content: Content::Part { of: "efi.img".to_owned(), range },
    };
    let entries = vec![
        file("boot/grub/eltorito.img", content(7, 4096)),
        NewEntry { path: "efi.img".into(), content: Content::File(Arc::new(esp.image)) },
        part("EFI/BOOT/BOOTX64.EFI", at..at + 300_000),
        part("linux", at + 8192..at + 200_000),
        part("initrd", at + 200_704..at + 300_000),
        file("root.img", content(3, 10_001)),
        file("Größe.txt", content(4, 1)),
        file("empty", vec![]),
        file(long, content(5, 2048)),
        NewEntry { path: "links/up".into(), content: Content::Symlink("../root.img".into()) },
        NewEntry {
            path: "links/far".into(),
            content: Content::Symlink(format!("/{}/./{}", "x".repeat(255), "y".repeat(200))),
        },
    ];
    let partition = |path: &str, kind, number, name: &str| HybridPartition {
        path: path.to_owned(),
        kind,
        guid: Guid::seeded([number; 16]),
        attributes: Attributes::default(),
        name: name.to_owned(),
    };
    let hybrid = Hybrid {
        disk_guid: Guid::seeded([9; 16]),
        boot_code: vec![0x90; 400],
        grub_core: Some("boot/grub/eltorito.img".into()),
        partitions: vec![
            partition("efi.img", kinds::ESP, 1, "esp"),
            partition("root.img", kinds::X86_64.root, 2, "root"),
        ],
    };
    let bios = BiosBoot { path: "boot/grub/eltorito.img".into(), info: BootInfo::Grub2 };
    let boot = Boot { bios: Some(bios), uefi: Some("efi.img".into()) };
    Plan { volume_id: "WORKER_2026".into(), epoch: EPOCH, entries, boot, hybrid: Some(hybrid) }
}

/// What a reader has to find: path and content.
fn expected(plan: &Plan, image: &Image) -> Vec<(String, Vec<u8>)> {
    let files = plan.entries.iter().filter(|entry| !matches!(entry.content, Content::Symlink(_)));
    let bytes = |entry: &NewEntry| read(Window::new(&image.image, image.placed[&entry.path].clone()));
    files.map(|entry| (entry.path.clone(), bytes(entry))).collect()
}

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
