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
    fit()
}

/// Valid inputs of many kinds: those of other targets, and what no other target reads.
pub fn seeds() -> Vec<Vec<u8>> {
    let others = [
        crate::pe::seed,
        crate::cpio::seed,
        crate::initrd::seed,
        crate::erofs::seed,
        crate::manifest::seed,
        crate::torrent::seed,
    ];
    let mut seeds: Vec<_> = others.iter().map(|seed| seed()).collect();
    seeds.extend([fit(), uimage(), android(), vendor(), sparse(), wim(), squashfs(), luks(), qcow2()]);
    seeds.push(b"menuentry 'a' {\n linux /b root=UUID=1\n initrd /c\n}\n".to_vec());
    seeds.push(b"#!ipxe\nkernel http://a/b c || goto d\ninitrd e\n".to_vec());
    seeds.push(b"DEFAULT a\nLABEL a\n KERNEL b\n APPEND initrd=c\n".to_vec());
    seeds
}

/// Bytes with fields at offsets.
fn fields(size: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (offset, field) in fields {
        bytes.iter_mut().skip(*offset).zip(*field).for_each(|(to, from)| *to = *from);
    }
    bytes
}

/// A FIT with one kernel of four bytes and one configuration.
fn fit() -> Vec<u8> {
    let strings = b"data\0type\0kernel\0default\0";
    let mut structure = Vec::new();
    let begin = |out: &mut Vec<u8>, name: &str| {
        out.extend(1_u32.to_be_bytes());
        out.extend(name.as_bytes());
        out.resize((out.len() + 1).next_multiple_of(4), 0);
    };
    let property = |out: &mut Vec<u8>, name: u32, data: &[u8]| {
        out.extend(3_u32.to_be_bytes());
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(name.to_be_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    let end = |out: &mut Vec<u8>| out.extend(2_u32.to_be_bytes());
    begin(&mut structure, "");
    begin(&mut structure, "images");
    begin(&mut structure, "kernel");
    property(&mut structure, 0, b"MZxx");
    property(&mut structure, 5, b"kernel\0");
    end(&mut structure);
    end(&mut structure);
    begin(&mut structure, "configurations");
    property(&mut structure, 17, b"conf\0");
    begin(&mut structure, "conf");
    property(&mut structure, 10, b"kernel\0");
    end(&mut structure);
    end(&mut structure);
    end(&mut structure);
    structure.extend(9_u32.to_be_bytes());
    let total = 56 + structure.len() + strings.len();
    let numbers =
        [0xd00d_feed, total, 56, 56 + structure.len(), 40, 17, 16, 0, strings.len(), structure.len()];
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|&number| (number as u32).to_be_bytes()).collect();
    bytes.resize(56, 0);
    bytes.extend(structure);
    bytes.extend(strings);
    bytes
}

fn uimage() -> Vec<u8> {
    fields(
        80,
        &[
            (0, &[0x27, 5, 0x19, 0x56]),
            (15, &[16]),
            (28, &[5, 2, 4, 1]),
            (32, b"name"),
            (67, &[4]),
            (72, b"data"),
        ],
    )
}

fn android() -> Vec<u8> {
    let sizes: &[(usize, &[u8])] =
        &[(0, b"ANDROID!"), (8, &[4]), (16, &[4]), (37, &[8]), (40, &[2]), (64, b"quiet"), (1648, &[4])];
    fields(8192, sizes)
}

fn vendor() -> Vec<u8> {
    let head: &[(usize, &[u8])] = &[
        (0, b"VNDRBOOT"),
        (8, &[4]),
        (13, &[16]),
        (24, &[4]),
        (2096, &[0x50, 8]),
        (2112, &[108]),
        (2116, &[1]),
        (2120, &[108]),
        (8204, b"first"),
    ];
    fields(12 << 10, head)
}

fn sparse() -> Vec<u8> {
    let head: &[(usize, &[u8])] = &[
        (0, &[0x3a, 0xff, 0x26, 0xed, 1]),
        (8, &[28, 0, 12]),
        (13, &[2]),
        (16, &[3]),
        (20, &[3]),
        (28, &[0xc1, 0xca, 0, 0, 1, 0, 0, 0, 12, 2]),
        (552, &[0xc2, 0xca, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0, 1, 2, 3, 4]),
        (568, &[0xc3, 0xca, 0, 0, 1, 0, 0, 0, 12]),
    ];
    fields(580, head)
}

fn wim() -> Vec<u8> {
    let xml: Vec<u8> = "<WIM><IMAGE INDEX=\"1\"><NAME>a</NAME><ARCH>9</ARCH></IMAGE></WIM>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let size = [xml.len() as u8];
    fields(
        400,
        &[(0, b"MSWIM\0\0\0\xd0"), (40, &[1, 0, 1]), (44, &[1]), (72, &size), (80, &[208]), (208, &xml)],
    )
}

fn squashfs() -> Vec<u8> {
    fields(96, &[(0, b"hsqs"), (12, &[0, 0, 2]), (20, &[6]), (28, &[4]), (40, &[96])])
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

/// Version 2, one cluster table that has nothing.
fn qcow2() -> Vec<u8> {
    let head: &[(usize, &[u8])] = &[
        (0, b"QFI\xfb\0\0\0\x02"),
        (23, &[9]),
        (30, &[0x10]),
        (39, &[1]),
        (46, &[2]),
        (54, &[4]),
        (59, &[1]),
    ];
    fields(2048, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_what_they_should_be() {
        let kinds: Vec<_> = seeds()
            .into_iter()
            .map(|seed| {
                let source: Source = Arc::new(seed);
                inspect(&source, "seed", None, &Options::default()).unwrap().kind
            })
            .collect();
        let expected = [
            "pe",
            "initrd",
            "initrd",
            "erofs",
            "root-manifest",
            "torrent",
            "fit",
            "uimage",
            "android-boot",
            "android-vendor-boot",
            "android-sparse",
            "wim",
            "squashfs",
            "luks",
            "qcow2",
            "grub-config",
            "ipxe-script",
            "syslinux-config",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn no_kind_of_file_that_is_broken_breaks_the_inspector() {
        // The smoke run gives one of them some thousand forms; each of the others gets some dozens.
        for seed in seeds() {
            let step = (seed.len() / 40).max(1);
            for at in (0..seed.len()).step_by(step) {
                target(seed.get(..at).unwrap_or_default());
                for value in [0, 0x7f, 0xff] {
                    let mut copy = seed.clone();
                    copy[at] = value;
                    target(&copy);
                }
            }
        }
    }
}
