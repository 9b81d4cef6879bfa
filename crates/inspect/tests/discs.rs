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
