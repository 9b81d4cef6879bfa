//! Kernels in the root that a BIOS boots from: found by GRUB's configuration, opened by their paths.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::path::Path;

use bootwright_inspect::{Depth, Severity};
use judges::{blank, inside, look, run, uki};

/// `disk`: an MBR with an ext4 root, whose initrd has modules of `modules`.
fn disk(directory: &Path, release: &str, modules: &str) {
    std::fs::create_dir_all(directory.join("root/boot/grub")).unwrap();
    std::fs::create_dir_all(directory.join("root/etc")).unwrap();
    std::fs::write(directory.join("root/etc/hostname"), "machine\n").unwrap();
    std::fs::write(directory.join(format!("root/boot/vmlinuz-{release}")), uki::kernel(release)).unwrap();
    uki::initrd(directory, modules, &["ext4"]);
    std::fs::rename(directory.join("initrd"), directory.join(format!("root/boot/initrd.img-{release}")))
        .unwrap();
    std::os::unix::fs::symlink(format!("boot/vmlinuz-{release}"), directory.join("root/vmlinuz")).unwrap();
    std::os::unix::fs::symlink("/boot/gone", directory.join("root/initrd.img")).unwrap();
    let grub = "menuentry 'A' {\n linux /vmlinuz root=/dev/sda1\n initrd /initrd.img\n}\n";
    std::fs::write(directory.join("root/boot/grub/grub.cfg"), grub).unwrap();
    run(directory, "mke2fs", &["-q", "-t", "ext4", "-d", "root", "part", "64M"]);
    blank(directory, "disk", 66);
    run(directory, "sh", &["-c", "echo '2048,131072,83,*' | sfdisk -q disk"]);
    run(directory, "dd", &["if=part", "of=disk", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"]);
}

#[test]
fn the_files_of_an_ext4_root_are_seen_and_come_out() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory, "6.1.0-test", "6.1.0-test");
    let node = look(directory, "disk", Depth::Headers);
    let root = &node.children[0];
    let names: Vec<_> = root.children.iter().map(|child| child.name.as_deref().unwrap()).collect();
    assert_eq!(
        (root.kind, names),
        ("ext4", vec!["boot/initrd.img-6.1.0-test", "boot/vmlinuz-6.1.0-test", "boot/grub/grub.cfg"])
    );
    let told: Vec<_> = node.all_problems().iter().map(|(at, p)| format!("{at}: {}", p.what)).collect();
    assert!(told[0].ends_with("1/boot/grub/grub.cfg: initrd /initrd.img is not there"), "{told:?}");
    // By a link, too, as GRUB goes.
    assert!(inside(directory, "disk", "1/vmlinuz") == uki::kernel("6.1.0-test"));
    assert_eq!(inside(directory, "disk", "1/etc/hostname"), b"machine\n");
    let dumped = run(directory, "debugfs", &["-R", "cat /etc/hostname", "part"]);
    assert!(dumped.contains("machine"), "{dumped}");
}

#[test]
fn an_initrd_beside_a_kernel_that_cannot_use_it_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    disk(directory, "5.8.0-old", "6.1.0-test");
    let problems = |depth| {
        let node = look(directory, "disk", depth);
        let all = node.all_problems();
        all.iter()
            .filter(|(_, p)| p.severity == Severity::Error)
            .map(|(at, p)| format!("{at}: {}", p.what))
            .collect::<Vec<_>>()
    };
    let told = problems(Depth::Headers);
    let initrd = "1/boot/initrd.img-5.8.0-old: the kernel 5.8.0-old cannot unpack the initrd: zstd came with Linux 5.9";
    assert!(told.contains(&initrd.to_owned()), "{told:?}");
    assert!(problems(Depth::Deep).iter().any(|what| what.contains("the initrd has modules for 6.1.0-test")));
}
