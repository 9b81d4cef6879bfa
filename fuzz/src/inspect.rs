//! The whole inspector, and addresses into what it finds.

use std::sync::Arc;

use bootwright_inspect::{Depth, Faults, Limits, Node, Options, Source, inspect, open};

/// The tree stays within its limits whatever the bytes say, and can be written as JSON.
pub fn target(data: &[u8]) {
    let source: Source = Arc::new(data.to_vec());
    let limits = Limits { depth: 6, nodes: 100, children: 20, unpacked: 16 << 10 };
    for depth in [Depth::Headers, Depth::Deep] {
        let options = Options { depth, limits };
        let Ok(node) = inspect(&source, "fuzz", None, &options) else { continue };
        let mut count = 0;
        measure(&node, 0, &limits, &mut count);
        assert!(count <= limits.nodes + limits.children, "{count} nodes");
        assert!(!node.what.is_empty() && node.find(&|node| node.what.is_empty()).is_none());
    }
    let addresses = ["1", "1/EFI/BOOT/BOOTX64.EFI", ".linux", "kernel", "init", "boot1", "0/a", "link"];
    if let Some(address) = addresses.get(data.len() % addresses.len()) {
        let _ = open(&source, "fuzz", address, Faults::PassedOver);
    }
}

fn measure(node: &Node, depth: usize, limits: &Limits, count: &mut usize) {
    assert!(depth <= limits.depth && node.children.len() <= limits.children);
    *count += 1;
    node.children.iter().for_each(|child| measure(child, depth + 1, limits, count));
}

/// One of [`seeds`].
pub fn seed() -> Vec<u8> {
    include_bytes!("../corpus/inspect/fit").to_vec()
}

/// Valid inputs of many kinds, each with its kind: those of other targets, what other programs made, and heads
/// that stand for more than a seed may hold.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let made = |kind, bytes: &[u8]| (kind, bytes.to_vec());
    vec![
        ("pe", crate::pe::seed()),
        ("initrd", crate::cpio::seed()),
        ("initrd", crate::initrd::seed()),
        ("root-manifest", crate::manifest::seed()),
        ("torrent", crate::torrent::seed()),
        ("gpt", crate::partitions::seed()),
        ("fat", crate::fat::seed()),
        ("iso", crate::iso9660::seed()),
        ("ext4", crate::ext4::seed()),
        ("erofs", crate::erofs::seed()),
        ("squashfs", crate::squashfs::seed()),
        ("verity", crate::verity::seed()),
        ("tar", crate::tar::seed()),
        made("fit", include_bytes!("../corpus/inspect/fit")),
        made("uimage", include_bytes!("../corpus/inspect/uimage")),
        made("android-boot", include_bytes!("../corpus/inspect/boot-v2")),
        made("android-boot", include_bytes!("../corpus/inspect/boot-v4")),
        made("android-vendor-boot", include_bytes!("../corpus/inspect/vendor-v4")),
        made("android-sparse", include_bytes!("../corpus/inspect/sparse")),
        made("wim", include_bytes!("../corpus/inspect/wim")),
        made("pe", include_bytes!("../corpus/inspect/signed.efi")),
        made("compressed", include_bytes!("../corpus/inspect/kernel.xz")),
        made("qcow2", include_bytes!("../corpus/disk/child.qcow2")),
        ("bzimage", bzimage()),
        ("zboot", zboot()),
        ("luks", luks()),
        made("grub-config", b"menuentry 'a' {\n linux /b root=UUID=1\n initrd /c\n}\n"),
        made("ipxe-script", b"#!ipxe\nkernel http://a/b c || goto d\ninitrd e\n"),
        made("syslinux-config", b"DEFAULT a\nLABEL a\n KERNEL b\n APPEND initrd=c\n"),
    ]
}

/// Bytes with fields at offsets.
fn fields(size: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (offset, field) in fields {
        bytes.iter_mut().skip(*offset).zip(*field).for_each(|(to, from)| *to = *from);
    }
    bytes
}

/// The head of a kernel, with a payload in gzip.
fn bzimage() -> Vec<u8> {
    let payload = include_bytes!("../corpus/inspect/kernel.gz");
    let head: &[(usize, &[u8])] = &[
        (0x1f1, &[1]),
        (0x1fe, &[0x55, 0xaa]),
        (0x202, b"HdrS\x0f\x02"),
        (0x20e, &[0, 1]),
        (0x236, &[0x3f]),
        (0x238, &[0xff, 7]),
        (0x24c, &[payload.len() as u8]),
        (0x300, b"6.1.0 (me@here) #1 SMP\0"),
        (0x400, payload),
    ];
    fields(0x400 + payload.len(), head)
}

/// The head of a compressed kernel for EFI, with its payload.
fn zboot() -> Vec<u8> {
    let payload = include_bytes!("../corpus/inspect/kernel.gz");
    let head: &[(usize, &[u8])] =
        &[(0, b"MZ\0\0zimg"), (8, &[128]), (12, &[payload.len() as u8]), (24, b"gzip"), (128, payload)];
    fields(128 + payload.len(), head)
}

fn luks() -> Vec<u8> {
    let json = br#"{"keyslots":{"0":{"kdf":{"type":"argon2id"}}},"segments":{"0":{"encryption":"aes","offset":"1"}},"tokens":{}}"#;
    let head: &[(usize, &[u8])] = &[
        (0, b"LUKS\xba\xbe\0\x02"),
        (14, &[0x40]),
        (24, b"label"),
        (168, b"uuid"),
        (4096, json),
        (16384, b"SKUL\xba\xbe"),
    ];
    fields(16 << 10 | 512, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_what_they_should_be() {
        for (kind, seed) in seeds() {
            let source: Source = Arc::new(seed);
            let node = inspect(&source, "seed", None, &Options::default()).unwrap();
            assert_eq!(node.kind, kind, "{node:?}");
        }
    }

    #[test]
    fn no_kind_of_file_that_is_broken_breaks_the_inspector() {
        for (_, seed) in seeds() {
            crate::mutate_for(crate::rounds() / 40, seed, target);
        }
    }
}
