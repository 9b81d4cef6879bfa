//! OVA, Vagrant boxes and GCE images, judged by tar, gzip, xmllint, sha256sum, python3 and qemu-img.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod judge;

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use bootwright_formats::FileBytes;
use bootwright_formats::disk::Options;
use bootwright_formats::disk::container::{Firmware, Machine, gce, ova, vagrant};
use judge::Scratch;

fn disk(scratch: &Scratch) -> FileBytes {
    let noise = scratch.noise("disk.raw", 6_000_000);
    let file = File::options().write(true).open(scratch.path("disk.raw")).unwrap();
    for number in 1..40 {
        std::os::unix::fs::FileExt::write_all_at(&file, &noise[1_000_000..1_300_000], number * 9_000_000)
            .unwrap();
    }
    file.set_len(400 << 20).unwrap();
    FileBytes::new(File::open(scratch.path("disk.raw")).unwrap()).unwrap()
}

fn same_disk(scratch: &Scratch, format: &str, name: &str) {
    let said = scratch.run("qemu-img", &["compare", "-f", "raw", "-F", format, "disk.raw", name]);
    assert!(!said.contains("mismatch"), "{said}");
}

#[test]
fn an_ova_holds_a_descriptor_first_and_what_its_manifest_says() {
    let scratch = Scratch::new();
    let source = disk(&scratch);
    let machine = Machine { processors: 3, memory: 1234, ..Machine::new("a worker") };
    let mut file = File::create(scratch.path("worker.ova")).unwrap();
    ova::write(&source, &mut file, &machine, &Options::new("seed"), &()).unwrap();
    let members = scratch.run("tar", &["-tf", "worker.ova"]);
    assert_eq!(members, "a_worker.ovf\na_worker-disk1.vmdk\na_worker.mf\n");
    scratch.run("tar", &["-xf", "worker.ova"]);
    scratch.run(
        "sh",
        &["-c", "sed 's/SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' a_worker.mf | sha256sum -c --strict"],
    );
    same_disk(&scratch, "vmdk", "a_worker-disk1.vmdk");
    let at = |path: &str| scratch.run("xmllint", &["--xpath", path, "a_worker.ovf"]).trim().to_owned();
    let size = std::fs::metadata(scratch.path("a_worker-disk1.vmdk")).unwrap().len();
    assert_eq!(at("string(//*[local-name()='File']/@*[local-name()='size'])"), size.to_string());
    assert_eq!(at("string(//*[local-name()='Disk']/@*[local-name()='capacity'])"), (400 << 20).to_string());
    let item = |kind| {
        format!("string(//*[*[local-name()='ResourceType']={kind}]/*[local-name()='VirtualQuantity'])")
    };
    assert_eq!((at(&item(3)).as_str(), at(&item(4)).as_str()), ("3", "1234"));
    assert_eq!(at("string(//*[local-name()='Config']/@*[local-name()='value'])"), "efi");
}

#[test]
fn vagrant_boxes_hold_a_disk_for_their_provider() {
    let scratch = Scratch::new();
    let source = disk(&scratch);
    let machine = Machine { firmware: Firmware::Bios, ..Machine::new("worker") };
    let all = [
        (vagrant::Provider::Libvirt, "libvirt", "qcow2", "box.img"),
        (vagrant::Provider::VirtualBox, "virtualbox", "vmdk", "box-disk1.vmdk"),
    ];
    for (provider, name, format, disk) in all {
        let mut file = File::create(scratch.path("worker.box")).unwrap();
        vagrant::write(&source, &mut file, provider, &machine, (&Options::new("seed"), &())).unwrap();
        scratch.run("tar", &["-xf", "worker.box"]);
        let read = "import json; print(json.load(open('metadata.json'))['provider'])";
        assert_eq!(scratch.run("python3", &["-c", read]).trim(), name);
        same_disk(&scratch, format, disk);
        assert!(
            std::fs::read_to_string(scratch.path("Vagrantfile")).unwrap().contains(&format!("\"{name}\""))
        );
    }
    scratch.run("qemu-img", &["check", "-q", "box.img"]);
    scratch.run("xmllint", &["--noout", "box.ovf"]);
}

#[test]
fn a_gce_image_unpacks_to_a_sparse_disk_of_whole_gib() {
    let scratch = Scratch::new();
    let source = disk(&scratch);
    let mut made = Vec::new();
    for threads in [1, 3] {
        let options = Options { threads, ..Options::new("seed") };
        let mut bytes = Vec::new();
        gce::write(&source, &mut bytes, &options, &()).unwrap();
        made.push(bytes);
    }
    assert!(made[0] == made[1], "the number of threads changes a byte");
    std::fs::write(scratch.path("disk.tar.gz"), &made[0]).unwrap();
    std::fs::create_dir(scratch.path("out")).unwrap();
    scratch.run("tar", &["-C", "out", "-xzf", "disk.tar.gz"]);
    let metadata = std::fs::metadata(scratch.path("out/disk.raw")).unwrap();
    assert_eq!(metadata.len(), 1 << 30);
    assert!(metadata.blocks() * 512 < 120 << 20, "{} blocks", metadata.blocks());
    scratch.run("cmp", &["-n", &(400 << 20).to_string(), "disk.raw", "out/disk.raw"]);
    scratch.run("sh", &["-c", "tail -c +419430401 out/disk.raw | tr -d '\\0' | wc -c | grep -qx 0"]);
}
