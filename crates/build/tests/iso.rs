//! The ISO of an image, judged by xorriso and sha256sum.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "what the tests of another file use")]
mod bench;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output};

use bench::Bench;
use bootwright_formats::pe::Uki;

fn run(program: &str, arguments: &[&str], directory: &Path) -> Output {
    let output =
        Command::new(program).args(arguments).current_dir(directory).env("LC_ALL", "C.UTF-8").output();
    output.unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"))
}

/// A bench with an image that is an ISO, and its tree as xorriso takes it out.
fn built() -> Bench {
    let bench = Bench::new();
    bench.recipe("[output]\nformats = ['iso']\nbios = true\n");
    bench.build().unwrap();
    let arguments = ["-osirrox", "on", "-indev", "image/image.iso", "-extract", "/", "tree"];
    let output = run("xorriso", &arguments, &bench.path(""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bench
}

#[test]
fn the_checksums_within_are_those_of_the_files() {
    let bench = built();
    let check = || run("sha256sum", &["--check", "--strict", "SHA256SUMS"], &bench.path("tree"));
    let output = check();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for file in ["EFI/BOOT/BOOTX64.EFI", "bootwright/image/root.json", "bootwright/image/root.img"] {
        assert!(said.contains(&format!("{file}: OK\n")), "{said}");
    }
    let root = bench.path("tree/bootwright/image/root.img");
    let mut bytes = fs::read(&root).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&root).unwrap();
    fs::write(&root, bytes).unwrap();
    assert!(!check().status.success());
}

/// Where xorriso says that a file of one extent lies.
fn place(bench: &Bench, file: &str) -> Range<u64> {
    let arguments = ["-indev", "image/image.iso", "-find", file, "-exec", "report_lba", "--"];
    let output = run("xorriso", &arguments, &bench.path(""));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // File data lba:  0 ,       69 ,     1234 , 2525184 , '/boot/efi.img'
    let line = said.lines().find_map(|line| line.strip_prefix("File data lba:"));
    let mut numbers = line.unwrap_or_else(|| panic!("{file}: {said}")).split(',').map(str::trim);
    assert_eq!(numbers.next(), Some("0"), "{file} has several extents: {said}");
    let mut number = || numbers.next().unwrap().parse::<u64>().unwrap();
    let start = number() * 2048;
    start..start + {
        number();
        number()
    }
}

#[test]
fn kernel_and_initrd_lie_in_the_one_uki_and_nothing_is_there_twice() {
    let bench = built();
    let esp = place(&bench, "/boot/efi.img");
    let uki = place(&bench, "/EFI/BOOT/BOOTX64.EFI");
    assert!(esp.start < uki.start && uki.end <= esp.end, "{uki:?} in {esp:?}");
    let bytes = fs::read(bench.path("image/image.efi")).unwrap();
    let sections = Uki::read(&mut fs::File::open(bench.path("image/image.efi")).unwrap()).unwrap();
    for (file, section) in [("boot/linux", ".linux"), ("boot/initrd", ".initrd")] {
        let range = sections.range(section).unwrap();
        let there = place(&bench, &format!("/{file}"));
        assert_eq!(there, uki.start + range.start..uki.start + range.end, "{file}");
        let content = fs::read(bench.path("tree").join(file)).unwrap();
        assert!(content == bytes[range.start as usize..range.end as usize], "{file}");
    }
    let size = |file: &str| fs::metadata(bench.path(file)).unwrap().len();
    let stored = (esp.end - esp.start) + size("image/root.img") + size("tree/boot/grub/eltorito.img");
    assert!(size("image/image.iso") < stored + (1 << 20), "more than UKI, root and GRUB is in it");
}
