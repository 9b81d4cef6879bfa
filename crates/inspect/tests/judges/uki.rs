//! A UKI put together by objcopy, as ukify did it first, around a kernel that is only a head.

use std::path::Path;

use super::run;

/// Debian's stub.
pub const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// The head of a bzImage of that release.
pub fn kernel(release: &str) -> Vec<u8> {
    let mut kernel = vec![0; 4096];
    let text = format!("{release} (me@here) #1 SMP\0");
    let fields: [(usize, &[u8]); 6] = [
        (0x1f1, &[1]),
        (0x202, b"HdrS\x0f\x02"),
        (0x20e, &[0, 1]),
        (0x236, &[0x3f]),
        (0x238, &[0xff, 7]),
        (0x300, text.as_bytes()),
    ];
    for (offset, field) in fields {
        kernel[offset..offset + field.len()].copy_from_slice(field);
    }
    kernel
}

/// `initrd`: an init that is a program of this machine, and modules, packed by zstd.
pub fn initrd(directory: &Path, release: &str, modules: &[&str]) {
    let tree = directory.join("tree");
    let place = tree.join(format!("usr/lib/modules/{release}/kernel"));
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy("/bin/true", tree.join("init")).unwrap();
    for module in modules {
        std::fs::write(place.join(format!("{module}.ko")), "module").unwrap();
    }
    std::fs::write(tree.join(format!("usr/lib/modules/{release}/modules.builtin")), "kernel/fs/xfs/xfs.ko\n")
        .unwrap();
    let pack = "cd tree && find . | cpio --quiet -o -H newc | zstd -q > ../initrd";
    run(directory, "sh", &["-c", pack]);
}

/// `name`, with the files `kernel` and `initrd` of the directory.
pub fn build(directory: &Path, name: &str, release: &str, command_line: &str) {
    std::fs::write(directory.join("osrel"), "ID=test\nPRETTY_NAME=\"A test\"\n").unwrap();
    std::fs::write(directory.join("uname"), release).unwrap();
    std::fs::write(directory.join("cmdline"), command_line).unwrap();
    let mut arguments = Vec::new();
    let sections = [
        ("osrel", 0x3_0000),
        ("uname", 0x3_1000),
        ("cmdline", 0x3_2000),
        ("linux", 0x200_0000),
        ("initrd", 0x400_0000),
    ];
    for (section, address) in sections {
        let file = if section == "linux" { "kernel" } else { section };
        arguments.extend(["--add-section".to_owned(), format!(".{section}={file}")]);
        arguments.extend(["--change-section-vma".to_owned(), format!(".{section}={address:#x}")]);
    }
    arguments.extend([STUB.to_owned(), name.to_owned()]);
    run(directory, "objcopy", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}
