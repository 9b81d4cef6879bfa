//! Disks that are written here, judged by qemu-img.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod judge;

use std::fs::File;

use bootwright_formats::disk::qcow2::{self, CompressionType};
use bootwright_formats::disk::{Options, Watch, raw, vdi, vhd, vhdx, vmdk};
use bootwright_formats::{FileBytes, ReadAt};
use judge::Scratch;

type Write = fn(&dyn ReadAt, &mut File, &Options) -> std::io::Result<()>;

const WRITERS: &[(&str, &str, Write)] = &[
    ("raw", "raw", |source, to, options| raw::write(source, to, options, &())),
    ("qcow2", "qcow2", |source, to, options| qcow2::write(source, to, None, options, &())),
    ("zlib.qcow2", "qcow2", |source, to, options| {
        qcow2::write(source, to, Some(CompressionType::Zlib), options, &())
    }),
    ("zstd.qcow2", "qcow2", |source, to, options| {
        qcow2::write(source, to, Some(CompressionType::Zstd), options, &())
    }),
    ("sparse.vmdk", "vmdk", |source, to, options| {
        vmdk::write_sparse(source, to, &vmdk::Description::new("sparse.vmdk"), options, &())
    }),
    ("stream.vmdk", "vmdk", |source, to, options| {
        vmdk::write_stream(source, to, &vmdk::Description::new("stream.vmdk"), options, &()).map(drop)
    }),
    ("dynamic.vhd", "vpc", |source, to, options| vhd::write(source, to, vhd::Kind::Dynamic, options, &())),
    ("fixed.vhd", "vpc", |source, to, options| vhd::write(source, to, vhd::Kind::Fixed, options, &())),
    ("dynamic.vhdx", "vhdx", |source, to, options| {
        vhdx::write(source, to, vhdx::Kind::Dynamic, options, &())
    }),
    ("fixed.vhdx", "vhdx", |source, to, options| vhdx::write(source, to, vhdx::Kind::Fixed, options, &())),
    ("dynamic.vdi", "vdi", |source, to, options| {
        vdi::write(source, to, vdi::ImageType::Dynamic, options, &())
    }),
    ("static.vdi", "vdi", |source, to, options| vdi::write(source, to, vdi::ImageType::Static, options, &())),
];

/// A disk with data at both ends, a hole, zeros that are data, and noise; not on a whole cluster.
fn disk(scratch: &Scratch) -> FileBytes {
    let noise = scratch.noise("noise.raw", 3_000_000);
    let file = File::create(scratch.path("disk.raw")).unwrap();
    let put = |at: u64, bytes: &[u8]| std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).unwrap();
    put(0, &noise);
    put(530 << 20, &noise);
    put(540 << 20, &vec![0; 3 << 20]);
    file.set_len((545 << 20) + 512 * 3).unwrap();
    put((545 << 20) + 512, &[7; 1024]);
    FileBytes::new(File::open(scratch.path("disk.raw")).unwrap()).unwrap()
}

fn write(scratch: &Scratch, name: &str, source: &dyn ReadAt, threads: usize, write: Write) {
    let mut file = File::create(scratch.path(name)).unwrap();
    let options = Options { threads, ..Options::new("seed") };
    write(source, &mut file, &options).unwrap();
}

#[test]
fn qemu_finds_no_fault_and_reads_the_same_bytes() {
    let scratch = Scratch::new();
    let source = disk(&scratch);
    for (name, format, writer) in WRITERS {
        write(&scratch, name, &source, 2, *writer);
        if !["raw", "vpc"].contains(format) {
            scratch.run("qemu-img", &["check", "-f", format, name]);
        }
        let said = scratch.run("qemu-img", &["compare", "-f", "raw", "-F", format, "disk.raw", name]);
        assert!(!said.contains("size mismatch"), "{name}: {said}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let scratch = Scratch::new();
    let source = disk(&scratch);
    for (name, _, writer) in WRITERS {
        write(&scratch, "one", &source, 1, *writer);
        write(&scratch, "five", &source, 5, *writer);
        let [one, five] = ["one", "five"].map(|name| std::fs::read(scratch.path(name)).unwrap());
        assert!(one == five, "{name}");
    }
}

#[test]
fn zeros_become_holes_and_our_reader_agrees() {
    let scratch = Scratch::new();
    let source = disk(&scratch);
    for (name, ..) in WRITERS {
        let writer = WRITERS.iter().find(|(other, ..)| other == name).unwrap().2;
        write(&scratch, name, &source, 2, writer);
        let length =
            std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(scratch.path(name)).unwrap()) * 512;
        assert!(length < 60 << 20, "{name} takes {length} bytes");
        let again = scratch.open(name).unwrap();
        assert!(judge::content(&again) == judge::content(&source), "{name}");
    }
}

#[test]
fn a_watcher_sees_every_byte_once() {
    struct Count(std::sync::atomic::AtomicU64);
    impl Watch for Count {
        fn data(&self, offset: u64, bytes: &[u8]) {
            assert_eq!(offset % bootwright_formats::disk::BATCH, 0);
            self.0.fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
        fn zeros(&self, range: std::ops::Range<u64>) {
            self.0.fetch_add(range.end - range.start, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let scratch = Scratch::new();
    let source = disk(&scratch);
    let count = Count(0.into());
    let mut file = tempfile::tempfile().unwrap();
    qcow2::write(&source, &mut file, None, &Options::new("seed"), &count).unwrap();
    assert_eq!(count.0.into_inner(), source.size());
}

#[test]
fn a_source_that_fails_ends_the_writing_with_its_error() {
    struct Broken;
    impl ReadAt for Broken {
        fn size(&self) -> u64 {
            64 << 20
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
            if offset >= 20 << 20 {
                return Err(std::io::Error::other("medium error"));
            }
            buffer.fill(1);
            Ok(buffer.len())
        }
    }
    let mut file = tempfile::tempfile().unwrap();
    let error = qcow2::write(&Broken, &mut file, None, &Options::new("seed"), &()).unwrap_err();
    assert_eq!(error.to_string(), "medium error");
}
