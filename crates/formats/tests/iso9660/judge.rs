//! The image that is judged, and those who judge.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::fat;
use bootwright_formats::gpt::{Attributes, Guid, kinds};
use bootwright_formats::iso9660::{
    BiosBoot, Boot, BootInfo, Content, Hybrid, HybridPartition, Image, Iso, NewEntry, Plan,
};
use bootwright_formats::{ExtentKind, FileBytes, Mosaic, ReadAt, Window};

pub const EPOCH: u64 = 1_790_000_000;

/// Runs a judge (a package of xtask/src/packages.rs) and gives what it said.
pub fn judge(program: &str, arguments: &[&str]) -> String {
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

pub fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| seed ^ (at as u8) ^ (at >> 8) as u8 ^ (at >> 16) as u8).collect()
}

pub fn file(path: &str, bytes: Vec<u8>) -> NewEntry {
    NewEntry { path: path.to_owned(), content: Content::File(Arc::new(bytes)) }
}

pub fn store(image: &Mosaic, path: &Path) {
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

pub fn read(content: impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; content.size() as usize];
    content.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

pub fn open(path: &Path) -> Iso {
    Iso::open(Arc::new(FileBytes::new(File::open(path).unwrap()).unwrap())).unwrap()
}

/// A UKI of 300 000 bytes whose kernel is at 8192 and whose initrd at 200 704.
pub fn uki() -> Vec<u8> {
    content(1, 300_000)
}

/// The whole thing: the UKI lies in the ESP alone, kernel and initrd in the UKI alone.
pub fn plan() -> Plan {
    let long = "a name that is much longer than what ISO 9660 has room for, so that Rock Ridge has to go on elsewhere, and longer still, until a directory entry is full, which takes more than two hundred bytes, even when Joliet cuts it off.text";
    let esp_files = vec![fat::NewFile { path: "EFI/BOOT/BOOTX64.EFI".into(), content: Arc::new(uki()) }];
    let esp = fat::Plan {
        label: "ESP".into(),
        serial: 1,
        epoch: EPOCH,
        size: None,
        start: 0,
        sector: 512,
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
        part: None,
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
pub fn expected(plan: &Plan, image: &Image) -> Vec<(String, Vec<u8>)> {
    let files = plan.entries.iter().filter(|entry| !matches!(entry.content, Content::Symlink(_)));
    let bytes = |entry: &NewEntry| read(Window::new(&image.image, image.placed[&entry.path].clone()));
    files.map(|entry| (entry.path.clone(), bytes(entry))).collect()
}
