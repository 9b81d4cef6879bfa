//! Whole initrds out of small kernels, judged by cpio(1) and by our own reader.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};

use bootwright_formats::compression::Compression;

use super::explain::{self, Reasons};
use super::tree::tests::Memory;
use super::*;

const VERSION: &str = "6.1.0-test";

/// A relocatable ELF file with nothing but a `.modinfo` section.
fn module(entries: &[&str]) -> Vec<u8> {
    let modinfo = entries.concat().into_bytes();
    let names = b"\0.modinfo\0.shstrtab\0";
    let section = |name: u32, kind: u32, offset: usize, size: usize| {
        let mut header = Vec::new();
        header.extend(name.to_le_bytes());
        header.extend(kind.to_le_bytes());
        for field in [0, 0, offset as u64, size as u64, 0, 1, 0] {
            // sh_link and sh_info are one field of eight bytes here: both 0.
            header.extend(field.to_le_bytes());
        }
        header.resize(64, 0);
        header
    };
    let (data, strings) = (64, 64 + modinfo.len());
    let table = (strings + names.len()).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [1_u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for address in [0, 0, table as u64] {
        file.extend(address.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 0, 0, 64, 3, 2] {
        file.extend(half.to_le_bytes());
    }
    file.extend(&modinfo);
    file.extend(names);
    file.resize(table, 0);
    file.extend(vec![0; 64]);
    file.extend(section(1, 1, data, modinfo.len()));
    file.extend(section(10, 3, strings, names.len()));
    file
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Compression::Xz.encoder(Vec::new(), 0).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A kernel with what every boot needs, one card that has firmware, and a sound card.
fn kernel() -> Memory {
    let dep = "kernel/loop.ko:\nkernel/overlay.ko:\nkernel/erofs.ko: kernel/lz4.ko.xz\nkernel/lz4.ko.xz:\n\
               kernel/drivers/net/ethernet/card.ko.xz: kernel/mii.ko\nkernel/mii.ko:\nkernel/sound/snd.ko:\n";
    let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_TMPFS=y\nCONFIG_DEVTMPFS=y\n\
                  CONFIG_PROC_FS=y\nCONFIG_SYSFS=y\nCONFIG_INET=y\nCONFIG_RD_ZSTD=y\nCONFIG_RD_GZIP=y\n\
                  CONFIG_RD_XZ=y\nCONFIG_RD_LZ4=y\n";
    let directory = format!("lib/modules/{VERSION}");
    let magic = format!("vermagic={VERSION} SMP mod_unload \0");
    let mut tree = Memory::default()
        .with(&format!("{directory}/modules.dep"), dep)
        .with(&format!("{directory}/modules.builtin"), "kernel/af_packet.ko\n")
        .with(&format!("{directory}/modules.alias"), "alias pci:v1* card\nalias pci:v2* snd\n")
        .with(&format!("boot/config-{VERSION}"), config)
        .with("lib/firmware/card/a.bin.xz", xz(b"firmware"))
        .with("lib/firmware/card/b.bin", "firmware");
    for line in dep.lines() {
        let path = line.split(':').next().unwrap();
        let firmware = "firmware=card/a.bin\0firmware=card/b.bin\0firmware=card/none.bin\0";
        let entries = [magic.as_str(), if path.contains("card") { firmware } else { "" }];
        let bytes = module(&entries);
        let bytes = if path.ends_with(".xz") { xz(&bytes) } else { bytes };
        tree = tree.with(&format!("{directory}/{path}"), bytes);
    }
    tree
}

fn plan(tree: &Memory) -> Plan<'_> {
    let mut plan = Plan::new(tree, &format!("lib/modules/{VERSION}"));
    plan.agent = Some(b"\x7fELF agent".to_vec());
    plan
}

fn built(plan: &Plan<'_>) -> (Vec<u8>, Report) {
    let mut bytes = Vec::new();
    let report = assemble(plan, &mut bytes).unwrap();
    (bytes, report)
}

fn refused(tree: &Memory) -> String {
    assemble(&plan(tree), &mut Vec::new()).unwrap_err().to_string()
}

#[test]
fn cpio_lists_what_the_contract_names() {
    let tree = kernel();
    let mut plan = plan(&tree);
    plan.compression = Choice::Fixed(Compression::None);
    let (bytes, report) = built(&plan);
    assert_eq!(report.size, bytes.len() as u64);
    let cpio = Command::new("cpio").arg("-it").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut cpio = cpio.expect("cpio judges initrds: install the package cpio");
    cpio.stdin.take().unwrap().write_all(&bytes).unwrap();
    let listed = String::from_utf8(cpio.wait_with_output().unwrap().stdout).unwrap();
    let expected = [
        "bootwright",
        "bootwright/initrd.json",
        "bootwright/modules.load",
        "dev",
        "init",
        "lib",
        "lib/firmware",
        "lib/firmware/card",
        "lib/firmware/card/a.bin",
        "lib/firmware/card/b.bin",
        "lib/modules",
        "lib/modules/6.1.0-test",
        "lib/modules/6.1.0-test/kernel",
        "lib/modules/6.1.0-test/kernel/drivers",
        "lib/modules/6.1.0-test/kernel/drivers/net",
        "lib/modules/6.1.0-test/kernel/drivers/net/ethernet",
        "lib/modules/6.1.0-test/kernel/drivers/net/ethernet/card.ko",
        "lib/modules/6.1.0-test/kernel/erofs.ko",
        "lib/modules/6.1.0-test/kernel/loop.ko",
        "lib/modules/6.1.0-test/kernel/lz4.ko",
        "lib/modules/6.1.0-test/kernel/mii.ko",
        "lib/modules/6.1.0-test/kernel/overlay.ko",
        "lib/modules/6.1.0-test/modules.alias",
        "lib/modules/6.1.0-test/modules.builtin",
        "lib/modules/6.1.0-test/modules.dep",
        "lib/modules/6.1.0-test/modules.softdep",
        "proc",
        "run",
        "sys",
        "tmp",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let tree = kernel();
    let mut plan = plan(&tree);
    // More than one piece, that compresses to something.
    let noise: Vec<u8> = (0..20_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 27) as u8).collect();
    for part in 0..3_usize {
        let content = Content::File(noise[part << 20..][..9 << 20].to_vec(), 0o600);
        plan.additions.push(Addition { place: format!("/data/{part}"), content, why: Why::part("noise") });
    }
    plan.threads = NonZeroUsize::MIN;
    let alone = built(&plan).0;
    plan.threads = NonZeroUsize::new(5).unwrap();
    assert!(alone == built(&plan).0);
    let listing = explain::explain(alone.as_slice()).unwrap();
    assert!(listing.segments.len() >= 3, "{:?}", listing.segments);
}

#[test]
fn every_compression_is_read_back_and_explained_to_the_byte() {
    let tree = kernel();
    let mut plan = plan(&tree);
    for compression in COMPRESSIONS {
        plan.compression = Choice::Fixed(compression);
        let (bytes, report) = built(&plan);
        let listing = explain::explain(bytes.as_slice()).unwrap();
        assert_eq!(listing.reasons, Reasons::Recorded);
        let packed: u64 = listing.files.iter().map(|file| file.packed).sum();
        assert!(packed <= report.size, "{compression}");
        for file in &listing.files {
            assert!(file.why.is_some(), "{}", file.path);
        }
        let why = |end: &str| {
            listing
                .files
                .iter()
                .find(|file| file.path.ends_with(end))
                .unwrap()
                .why
                .as_ref()
                .unwrap()
                .to_string()
        };
        assert_eq!(why("card.ko"), "wired network card");
        assert_eq!(why("mii.ko"), "needed by card");
        assert_eq!(why("card/b.bin"), "firmware of card");
        assert_eq!(listing.missing_firmware.len(), 1);
    }
}

#[test]
fn microcode_comes_first_and_as_it_is() {
    let tree = kernel();
    let microcode = Memory::default().with("intel-ucode/06-01-02", "microcode");
    let mut plan = plan(&tree);
    plan.microcode = vec![Microcode::Directory { name: "ucode".into(), tree: &microcode }];
    let bytes = built(&plan).0;
    assert!(bytes.starts_with(b"070701"));
    let listing = explain::explain(bytes.as_slice()).unwrap();
    let compressions: Vec<_> = listing.segments.iter().map(|segment| segment.compression).collect();
    assert_eq!(compressions, ["none", "zstd"]);
}

#[test]
fn a_module_of_another_kernel_is_refused_by_name() {
    let path = format!("lib/modules/{VERSION}/kernel/mii.ko");
    let text = refused(&kernel().with(&path, module(&["vermagic=5.10.0 SMP\0"])));
    assert!(text.contains("mii.ko") && text.contains("5.10.0"), "{text}");
    let text = refused(&kernel().with(&path, "no ELF file"));
    assert!(text.contains("mii.ko is no kernel module"), "{text}");
}

#[test]
fn a_file_that_is_missing_or_cut_off_is_named_with_who_needs_it() {
    let mut tree = kernel();
    tree.0.remove(&format!("lib/modules/{VERSION}/kernel/mii.ko"));
    let text = refused(&tree);
    assert!(text.contains("kernel/mii.ko") && text.contains("needed by card"), "{text}");
    let path = format!("lib/modules/{VERSION}/kernel/lz4.ko.xz");
    let text = refused(&kernel().with(&path, &xz(&module(&[]))[..40]));
    assert!(text.contains("lz4.ko.xz cannot be unpacked"), "{text}");
}

#[test]
fn without_indexes_it_says_to_run_depmod_and_without_the_option_which_one() {
    let mut tree = kernel();
    tree.0.remove(&format!("lib/modules/{VERSION}/modules.dep"));
    assert!(refused(&tree).contains("depmod -b"), "{}", refused(&tree));
    let tree = kernel().with(&format!("boot/config-{VERSION}"), "CONFIG_BLK_DEV_INITRD=y\n");
    assert!(refused(&tree).contains("CONFIG_BINFMT_ELF"), "{}", refused(&tree));
}

#[test]
fn an_own_init_goes_in_only_without_the_agent() {
    let tree = kernel();
    let mut plan = plan(&tree);
    let content = Content::File(b"#!/bin/sh\n".to_vec(), 0o755);
    plan.additions.push(Addition { place: "/init".into(), content, why: Why::part("own") });
    assert!(matches!(assemble(&plan, &mut Vec::new()), Err(Error::Twice(place)) if place == "/init"));
    plan.agent = None;
    built(&plan);
}
