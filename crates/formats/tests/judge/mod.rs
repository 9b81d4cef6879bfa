//! A directory for disk images, and qemu-img in it as the judge.

// Each test takes the parts that it needs.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::disk::{self, Disk, Files, Format, Source};
use bootwright_formats::{ExtentKind, FileBytes, ReadAt};

pub struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a judge in the directory, which must be content.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        let output = command.current_dir(&self.directory).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program} (Debian: qemu-utils): {error}"));
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "{program} {arguments:?}: {text}");
        text
    }

    /// Lets qemu-io carry out commands on an image.
    pub fn io(&self, image: &str, commands: &[&str]) {
        let mut arguments: Vec<&str> = commands.iter().flat_map(|command| ["-c", command]).collect();
        arguments.push(image);
        let text = self.run("qemu-io", &arguments);
        assert!(!text.contains("failed"), "{text}");
    }

    /// A file of bytes that hardly compress, with zeros and repetitions between them.
    pub fn noise(&self, name: &str, length: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut bytes: Vec<u8> = (0..length)
            .map(|at| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                match at / 50_000 % 4 {
                    0 => 0,
                    1 => (at / 7) as u8,
                    _ => state as u8,
                }
            })
            .collect();
        bytes.truncate(length / 512 * 512);
        std::fs::write(self.path(name), &bytes).unwrap();
        bytes
    }

    pub fn source(&self, name: &str) -> Source {
        open_file(&self.path(name)).unwrap()
    }

    pub fn open(&self, name: &str) -> Result<Disk, disk::Error> {
        disk::open(self.source(name), &Directory)
    }

    /// Our reader of `image` gives what qemu-img makes of it, byte for byte, and its holes are zeros.
    pub fn same_as_qemu(&self, image: &str) {
        let disk = self.open(image).unwrap();
        assert_ne!(disk.format(), Format::Raw, "{image}");
        self.run("qemu-img", &["convert", "-f", qemu_name(disk.format()), "-O", "raw", image, "judged.raw"]);
        let judged = std::fs::read(self.path("judged.raw")).unwrap();
        assert_eq!(disk.size(), judged.len() as u64);
        assert!(content(&disk) == judged, "{image} differs from what qemu-img reads");
        for (offset, length) in [(0, 700), (1, 4096), (65_000, 3000), (judged.len() - 600, 600)] {
            let mut buffer = vec![0xff; length];
            disk.read_exact_at(offset as u64, &mut buffer).unwrap();
            assert!(buffer == judged[offset..offset + length], "{length} bytes at {offset}");
        }
    }
}

/// A fixed VHD is told by its name only: QEMU does not look for a footer.
pub fn qemu_name(format: Format) -> &'static str {
    if format == Format::Vhd { "vpc" } else { format.name() }
}

/// Everything that a disk holds, its holes skipped.
pub fn content(disk: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; disk.size() as usize];
    let mut at = 0;
    while at < disk.size() {
        let extent = disk.extent(at).unwrap();
        assert!(extent.range.start == at && extent.range.end > at, "{extent:?} at {at}");
        if extent.kind == ExtentKind::Data {
            let range = extent.range.start as usize..extent.range.end as usize;
            disk.read_exact_at(at, &mut bytes[range]).unwrap();
        }
        at = extent.range.end;
    }
    bytes
}

/// Files beside the image that names them.
pub struct Directory;

impl Files for Directory {
    fn open(&self, from: &str, name: &str) -> io::Result<Source> {
        // Windows writes its own separators.
        open_file(&Path::new(from).parent().unwrap().join(name.replace('\\', "/")))
    }
}

fn open_file(path: &Path) -> io::Result<Source> {
    let path = path.canonicalize()?;
    let bytes = Arc::new(FileBytes::new(File::open(&path)?)?);
    Ok(Source { name: path.to_str().unwrap().to_owned(), bytes })
}
