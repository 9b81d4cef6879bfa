//! ISO images that xorriso made, and archives by tar.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::path::Path;

use bootwright_inspect::{Depth, Firmware, Severity, Value};
use judges::{blank, inside, look, run, uki};

/// A tree with a boot image for each firmware, and a configuration of GRUB.
fn tree(directory: &Path) {
    std::fs::create_dir_all(directory.join("tree/boot/grub")).unwrap();
    std::fs::write(directory.join("tree/bios.img"), [0xf4; 2048]).unwrap();
    std::fs::write(directory.join("tree/kernel"), uki::kernel("6.1.0")).unwrap();
    let grub = "menuentry 'Live' {\n linux /kernel boot=live\n initrd /gone\n}\n";
    std::fs::write(directory.join("tree/boot/grub/grub.cfg"), grub).unwrap();
    blank(directory, "tree/efi.img", 4);
    run(directory, "mkfs.fat", &["tree/efi.img"]);
    run(directory, "mmd", &["-i", "tree/efi.img", "::EFI", "::EFI/BOOT"]);
    run(directory, "mcopy", &["-i", "tree/efi.img", uki::STUB, "::EFI/BOOT/BOOTX64.EFI"]);
}

fn write_iso(directory: &Path, name: &str, more: &[&str]) {
    let bios = ["-b", "bios.img", "-no-emul-boot", "-boot-load-size", "4"];
    let uefi = ["-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot"];
    let start = ["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "A_DISC", "-o", name];
    run(directory, "xorriso", &[&start[..], &bios, &uefi, more, &["tree"]].concat());
}

#[test]
fn a_disc_tells_its_catalogue_and_what_its_loader_does_not_find() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    tree(directory);
    write_iso(directory, "cd.iso", &[]);
    let node = look(directory, "cd.iso", Depth::Headers);
    assert_eq!((node.kind, node.facts.text("label")), ("iso", Some("A_DISC")));
    assert_eq!(node.facts.text("label").unwrap(), judges::blkid(directory, "cd.iso", "LABEL"));
    let boots: Vec<_> = node.boots.iter().map(|boot| (boot.firmware, boot.architecture.as_deref())).collect();
    assert_eq!(boots, [(Firmware::Bios, Some("x86")), (Firmware::Uefi, Some("x86_64"))], "{:?}", node.boots);
    let told: Vec<_> =
        node.all_problems().iter().map(|(at, p)| (at.clone(), p.severity, p.what.clone())).collect();
    assert_eq!(told[0], ("boot/grub/grub.cfg".into(), Severity::Error, "initrd /gone is not there".into()));
    assert!(told[1].2.starts_with("no MBR or GPT"), "{told:?}");
    assert_eq!(inside(directory, "cd.iso", "boot2/EFI/BOOT/BOOTX64.EFI"), std::fs::read(uki::STUB).unwrap());
    assert_eq!(inside(directory, "cd.iso", "kernel"), uki::kernel("6.1.0"));
}

#[test]
fn a_hybrid_disc_boots_as_a_disk_too() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    tree(directory);
    write_iso(
        directory,
        "hybrid.iso",
        &["-append_partition", "2", "0xef", "tree/efi.img", "-partition_offset", "16"],
    );
    let node = look(directory, "hybrid.iso", Depth::Headers);
    assert!(
        node.boots.iter().any(|boot| boot.starts == "as a disk, its EFI system partition"),
        "{:?}",
        node.boots
    );
    assert!(!node.all_problems().iter().any(|(_, problem)| problem.what.contains("no MBR")));
}

#[test]
fn an_appliance_names_a_disk_that_is_not_in_it() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let ovf = r#"<Envelope><References><File ovf:href="disk.vmdk" ovf:id="1"/></References>
        <VirtualSystem ovf:id="worker"></VirtualSystem></Envelope>"#;
    std::fs::write(directory.join("worker.ovf"), ovf).unwrap();
    blank(directory, "raw", 1);
    run(
        directory,
        "qemu-img",
        &["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "raw", "disk.vmdk"],
    );
    run(directory, "tar", &["--format=ustar", "-cf", "good.ova", "worker.ovf", "disk.vmdk"]);
    let node = look(directory, "good.ova", Depth::Headers);
    assert_eq!((node.kind, node.facts.text("name")), ("ova", Some("worker")));
    assert_eq!(
        node.children.iter().map(|child| child.kind).collect::<Vec<_>>(),
        ["vmdk", "text"],
        "{node:?}"
    );
    run(
        directory,
        "sh",
        &["-c", "openssl dgst -sha256 worker.ovf disk.vmdk | sed 's/^SHA2-256/SHA256/' > worker.mf"],
    );
    let members = ["worker.ovf", "worker.mf", "disk.vmdk"];
    run(directory, "tar", &[&["--format=ustar", "-cf", "whole.ova"], &members[..]].concat());
    assert!(look(directory, "whole.ova", Depth::Deep).problems.is_empty());
    // As VirtualBox writes it.
    run(
        directory,
        "sh",
        &["-c", "openssl dgst -sha1 worker.ovf disk.vmdk | sed 's/(/ (/; s/)=/) =/' > worker.mf"],
    );
    run(directory, "tar", &[&["--format=ustar", "-cf", "box.ova"], &members[..]].concat());
    assert!(look(directory, "box.ova", Depth::Deep).problems.is_empty());
    let mut changed = std::fs::read(directory.join("box.ova")).unwrap();
    let name = changed.windows(6).position(|six| six == b"worker").unwrap();
    changed[name + 512] ^= 1;
    std::fs::write(directory.join("changed.ova"), changed).unwrap();
    let problems = look(directory, "changed.ova", Depth::Deep).problems;
    assert_eq!(problems[0].what, "worker.ovf does not match its digest in the manifest");
    run(
        directory,
        "sh",
        &["-c", "openssl dgst -sha256 worker.ovf disk.vmdk | sed 's/^SHA2-256/SHA256/' > worker.mf"],
    );
    std::fs::write(directory.join("disk.vmdk"), "another").unwrap();
    run(directory, "tar", &[&["--format=ustar", "-cf", "whole.ova"], &members[..]].concat());
    let problems = look(directory, "whole.ova", Depth::Deep).problems;
    assert_eq!(problems[0].what, "disk.vmdk does not match its digest in the manifest");
    run(directory, "tar", &["--format=ustar", "-cf", "bad.ova", "worker.ovf"]);
    let problems = look(directory, "bad.ova", Depth::Headers).problems;
    assert_eq!(problems[0].what, "its descriptor names disk.vmdk, which is not in it");
    assert_eq!(
        look(directory, "good.ova", Depth::Headers).facts.get("disks"),
        Some(&Value::List(vec!["disk.vmdk".into()]))
    );
}

/// The head of a member, as in POSIX' `ustar`.
fn tar_head(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut head = vec![0; 512];
    let size = format!("{size:011o}\0");
    for (at, field) in
        [(0, name.as_bytes()), (100, b"0000644\0"), (124, size.as_bytes()), (257, b"ustar\x0000")]
    {
        head[at..at + field.len()].copy_from_slice(field);
    }
    head[156] = kind;
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head
}

#[test]
fn a_name_of_gigabytes_is_not_read_into_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::write(directory.join("file"), "content").unwrap();
    run(directory, "tar", &["--format=ustar", "-cf", "good.tar", "file"]);
    let good = std::fs::read(directory.join("good.tar")).unwrap();
    for kind in [b'L', b'x', b'K'] {
        let huge = [&good[..1024], &tar_head("name", kind, 8 << 30)].concat();
        std::fs::write(directory.join("huge.tar"), huge).unwrap();
        let file = std::fs::File::options().write(true).open(directory.join("huge.tar")).unwrap();
        file.set_len(9 << 30).unwrap();
        let node = look(directory, "huge.tar", Depth::Headers);
        let problem = &node.problems[0];
        assert!(problem.severity == Severity::Error && problem.what.contains("too long"), "{problem:?}");
        assert_eq!(inside(directory, "good.tar", "file"), b"content");
    }
}

#[test]
fn udf_is_told_beside_iso_9660_and_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::create_dir(directory.join("tree")).unwrap();
    std::fs::write(directory.join("tree/file"), "content").unwrap();
    run(directory, "genisoimage", &["-quiet", "-udf", "-R", "-o", "both.iso", "tree"]);
    let node = look(directory, "both.iso", Depth::Headers);
    let extensions = Some(&Value::List(vec!["Rock Ridge".to_owned(), "UDF".to_owned()]));
    assert_eq!((node.kind, node.facts.get("extensions")), ("iso", extensions));
    // A disc of UDF alone has its descriptors where those of ISO 9660 were.
    let mut bytes = std::fs::read(directory.join("both.iso")).unwrap();
    let sector = (16..64).find(|sector| bytes[sector * 2048 + 1..].starts_with(b"BEA01")).unwrap();
    bytes.copy_within(sector * 2048..(sector + 3) * 2048, 16 * 2048);
    bytes[19 * 2048..(sector + 3) * 2048].fill(0);
    std::fs::write(directory.join("alone"), bytes).unwrap();
    assert_eq!(judges::blkid(directory, "alone", "TYPE"), "udf");
    assert_eq!(look(directory, "alone", Depth::Headers).kind, "udf");
}

#[test]
fn a_live_disc_shows_the_system_in_its_squashfs() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::create_dir_all(directory.join("root/usr/lib")).unwrap();
    std::fs::create_dir_all(directory.join("root/boot")).unwrap();
    std::fs::create_dir(directory.join("root/etc")).unwrap();
    std::fs::write(directory.join("root/usr/lib/os-release"), "PRETTY_NAME=\"A live system\"\n").unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", directory.join("root/etc/os-release")).unwrap();
    std::fs::write(directory.join("root/boot/vmlinuz-6.1.0"), uki::kernel("6.1.0")).unwrap();
    std::fs::create_dir_all(directory.join("tree/live")).unwrap();
    let options = ["-comp", "xz", "-quiet", "-no-progress"];
    run(directory, "mksquashfs", &[&["root", "tree/live/filesystem.squashfs"], &options[..]].concat());
    run(directory, "xorriso", &["-as", "mkisofs", "-quiet", "-R", "-o", "live.iso", "tree"]);
    let node = look(directory, "live.iso", Depth::Headers);
    let root = node.children.iter().find(|node| node.kind == "squashfs").unwrap();
    assert_eq!(root.facts.text("operating system"), Some("A live system"));
    assert!(root.problems.is_empty(), "{:?}", root.problems);
    assert_eq!(root.children[0].name.as_deref(), Some("boot/vmlinuz-6.1.0"));
    let release = inside(directory, "live.iso", "live/filesystem.squashfs/etc/os-release");
    assert_eq!(release, b"PRETTY_NAME=\"A live system\"\n");
}
