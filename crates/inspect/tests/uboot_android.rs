//! What mkimage, mkbootimg, img2simg and wimlib-imagex made is told as it was asked for, and comes out again.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::path::Path;

use bootwright_inspect::{Depth, Severity, Value};
use judges::{blank, inside, look, run};

const TREE: &str = r#"/dts-v1/;
/ { description = "a FIT"; #address-cells = <1>;
  images {
    kernel-1 { description = "Linux"; data = /incbin/("kernel"); type = "kernel"; arch = "arm64"; os = "linux";
      compression = "none"; load = <0x80000>; entry = <0x80000>; hash-1 { algo = "sha256"; }; };
    fdt-1 { data = /incbin/("board.dtb"); type = "flat_dt"; arch = "arm64"; compression = "none"; };
  };
  configurations { default = "conf-1"; conf-1 { kernel = "kernel-1"; fdt = "fdt-1"; }; };
};"#;

fn parts(directory: &Path) {
    std::fs::write(directory.join("kernel"), [7; 5000]).unwrap();
    std::fs::write(directory.join("ramdisk"), [8; 3000]).unwrap();
    std::fs::write(
        directory.join("board.dts"),
        "/dts-v1/; / { model = \"board\"; compatible = \"a,b\", \"c\"; };",
    )
    .unwrap();
    run(directory, "dtc", &["-q", "-O", "dtb", "-o", "board.dtb", "board.dts"]);
    std::fs::write(directory.join("image.its"), TREE).unwrap();
}

#[test]
fn a_fit_gives_its_images_whether_they_lie_in_it_or_behind_it() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    parts(directory);
    for (name, more) in [("inner", &[][..]), ("outer", &["-E"])] {
        run(directory, "mkimage", &[more, &["-f", "image.its", name]].concat());
        let node = look(directory, name, Depth::Deep);
        assert_eq!((node.kind, node.problems.len()), ("fit", 0), "{node:?}");
        assert_eq!(node.boots[0].architecture.as_deref(), Some("aarch64"));
        let kernel = &node.children[0];
        assert_eq!(
            (kernel.name.as_deref(), kernel.facts.text("loaded at")),
            (Some("kernel-1"), Some("0x80000"))
        );
        assert_eq!(node.children[1].facts.text("model"), Some("board"));
        assert_eq!(inside(directory, name, "kernel-1"), [7; 5000]);
    }
    // A byte of the kernel's data: its hash does not match any more.
    let mut bytes = std::fs::read(directory.join("inner")).unwrap();
    let at = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
    bytes[at] = 0;
    std::fs::write(directory.join("inner"), &bytes).unwrap();
    let problem = look(directory, "inner", Depth::Deep).children[0].problems.remove(0);
    assert!(problem.severity == Severity::Error && problem.what.contains("sha256"), "{problem:?}");
}

#[test]
fn a_uimage_gives_its_parts_and_tells_which_checksum_is_wrong() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    parts(directory);
    let common = ["-A", "arm", "-O", "linux", "-C", "none", "-n", "a name"];
    run(
        directory,
        "mkimage",
        &[&common[..], &["-T", "kernel", "-a", "0x8000", "-d", "kernel", "single"]].concat(),
    );
    run(directory, "mkimage", &[&common[..], &["-T", "multi", "-d", "kernel:ramdisk", "multi"]].concat());
    let node = look(directory, "single", Depth::Deep);
    assert_eq!((node.kind, node.problems.len()), ("uimage", 0), "{node:?}");
    assert_eq!((node.facts.text("name"), node.facts.text("loaded at")), (Some("a name"), Some("0x8000")));
    assert_eq!(inside(directory, "multi", "1"), [8; 3000]);
    let mut bytes = std::fs::read(directory.join("single")).unwrap();
    (bytes[40], bytes[100]) = (b'x', b'x');
    std::fs::write(directory.join("single"), bytes).unwrap();
    let offsets = look(directory, "single", Depth::Deep).problems.into_iter().map(|problem| problem.offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [Some(4), Some(64)]);
}

#[test]
fn android_boot_images_of_each_version_give_kernel_ramdisk_and_devicetree() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    parts(directory);
    for version in ["0", "1", "2", "3"] {
        let mut arguments = vec!["--header_version", version, "--kernel", "kernel", "--ramdisk", "ramdisk"];
        arguments.extend([
            "--cmdline",
            "quiet splash",
            "--os_version",
            "13.0.1",
            "--os_patch_level",
            "2023-05",
        ]);
        arguments.extend(if version == "2" { &["--dtb", "board.dtb"][..] } else { &[] });
        run(directory, "mkbootimg", &[&arguments[..], &["-o", "boot"]].concat());
        let node = look(directory, "boot", Depth::Headers);
        assert_eq!(node.what, format!("Android boot image, version {version}"));
        assert_eq!(node.facts.text("command line"), Some("quiet splash"));
        assert_eq!(node.facts.text("Android version"), Some("13.0.1, patches of 2023-05"));
        assert_eq!(inside(directory, "boot", "kernel"), [7; 5000]);
        assert_eq!(inside(directory, "boot", "ramdisk"), [8; 3000]);
        if version == "2" {
            assert_eq!(inside(directory, "boot", "dtb"), std::fs::read(directory.join("board.dtb")).unwrap());
        }
    }
    let arguments = [
        "--header_version",
        "3",
        "--vendor_ramdisk",
        "ramdisk",
        "--dtb",
        "board.dtb",
        "--vendor_boot",
        "vendor",
    ];
    run(directory, "mkbootimg", &[&arguments[..], &["--vendor_cmdline", "quiet"]].concat());
    let node = look(directory, "vendor", Depth::Headers);
    assert_eq!((node.kind, node.facts.text("command line")), ("android-vendor-boot", Some("quiet")));
    assert_eq!(inside(directory, "vendor", "ramdisk"), [8; 3000]);
    assert_eq!(node.children[1].facts.text("model"), Some("board"));
}

/// Files of mkbootimg 34, which Debian 12 has not; fuzz/corpus/inspect/make.sh made them, and unpack_bootimg says
/// the same of them.
#[test]
fn boot_images_of_version_4_tell_their_ramdisks_and_configuration() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::write(directory.join("boot"), include_bytes!("../../../fuzz/corpus/inspect/boot-v4")).unwrap();
    std::fs::write(directory.join("vendor"), include_bytes!("../../../fuzz/corpus/inspect/vendor-v4"))
        .unwrap();
    let lines = |from: u32, to: u32| (from..=to).map(|n| format!("{n}\n")).collect::<String>().into_bytes();
    let (kernel, ramdisk) = (lines(1, 40), lines(100, 130));
    let node = look(directory, "boot", Depth::Headers);
    assert_eq!(node.what, "Android boot image, version 4");
    assert_eq!(node.facts.text("Android version"), Some("14.0.0, patches of 2024-05"));
    assert_eq!(node.facts.text("command line"), Some("quiet splash"));
    assert!(inside(directory, "boot", "kernel") == kernel && inside(directory, "boot", "ramdisk") == ramdisk);
    let node = look(directory, "vendor", Depth::Headers);
    assert_eq!(node.what, "Android vendor boot image, version 4");
    let ramdisks = ["first:platform", "modules:dlkm"].map(str::to_owned).to_vec();
    assert_eq!(node.facts.get("ramdisks"), Some(&Value::List(ramdisks)));
    assert!(inside(directory, "vendor", "ramdisk") == [kernel.clone(), ramdisk].concat());
    assert!(inside(directory, "vendor", "dtb") == kernel);
    assert_eq!(inside(directory, "vendor", "bootconfig"), b"androidboot.slot=a\n");
    assert!(node.all_problems().is_empty(), "{:?}", node.all_problems());
}

#[test]
fn a_sparse_image_is_the_file_system_that_it_was_made_of() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    blank(directory, "disk", 64);
    run(directory, "mkfs.ext4", &["-q", "-L", "system", "disk"]);
    run(directory, "img2simg", &["disk", "sparse"]);
    let node = look(directory, "sparse", Depth::Headers);
    assert_eq!((node.kind, node.facts.get("unpacked")), ("android-sparse", Some(&Value::Size(64 << 20))));
    assert_eq!((node.children[0].kind, node.children[0].facts.text("label")), ("ext4", Some("system")));
    assert!(node.all_problems().is_empty(), "{:?}", node.all_problems());
}

#[test]
fn a_wim_names_its_images() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::create_dir(directory.join("tree")).unwrap();
    std::fs::write(directory.join("tree/file"), "content").unwrap();
    let capture = ["capture", "tree", "boot.wim", "Windows PE & more", "--boot", "--compress=LZX"];
    run(directory, "wimlib-imagex", &capture);
    run(directory, "wimlib-imagex", &["append", "tree", "boot.wim", "second"]);
    let node = look(directory, "boot.wim", Depth::Headers);
    let named = ["1: Windows PE & more (7 bytes, 1 files)", "2: second (7 bytes, 1 files)"];
    assert_eq!(node.facts.get("named"), Some(&Value::List(named.map(str::to_owned).to_vec())));
    let info = run(directory, "wimlib-imagex", &["info", "boot.wim"]);
    assert!(
        info.contains("Image Count:    2") && info.contains("Name:                   Windows PE & more"),
        "{info}"
    );
    assert_eq!(
        (node.facts.text("packed with"), node.facts.get("boot image"), node.facts.get("images")),
        (Some("LZX"), Some(&Value::Number(1)), Some(&Value::Number(2)))
    );
    let whole = std::fs::read(directory.join("boot.wim")).unwrap();
    std::fs::write(directory.join("cut.wim"), &whole[..whole.len() - 100]).unwrap();
    let problem = look(directory, "cut.wim", Depth::Headers).problems.remove(0);
    assert!(problem.severity == Severity::Error && problem.what.contains("cut off"), "{problem:?}");
}
