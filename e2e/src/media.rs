//! Disks, sticks and CDs of an image.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_formats::fat::{NewFile, Plan};
use bootwright_formats::iso9660::{Iso, Kind};
use bootwright_formats::mbr::{Entry, Record, types};
use bootwright_formats::{FileBytes, Mosaic, ReadAt as _, Shared};
use bootwright_vm::Road;
use bootwright_vm::machine::{Attach, Boot, Firmware};

use crate::{Scenario, done};

/// The image that is there as every kind of medium.
pub const MEDIA: &str = "hello-media";

impl Scenario {
    /// Boots the medium `hello-media.EXTENSION` of the image.
    pub fn boot_medium(self, extension: &str, attach: Attach, firmware: Firmware) -> Self {
        let file = self.image().join(format!("{MEDIA}.{extension}"));
        self.boot_medium_file(file, attach, firmware)
    }

    /// Boots a medium.
    pub fn boot_medium_file(self, file: PathBuf, attach: Attach, firmware: Firmware) -> Self {
        let road = match attach {
            Attach::Disk | Attach::Disk4Kn => Road::Disk,
            Attach::Cd => Road::Iso,
            Attach::Usb => Road::Usb,
        };
        let builder = self.machine(road, firmware).boot(Boot::Medium { file, attach });
        self.boot_machine(builder)
    }

    /// A stick with an MBR and one FAT partition, onto which somebody copied the tree of the image's ISO.
    pub fn stick_with_tree_of_iso(&self) -> PathBuf {
        let path = self.image().join(format!("{MEDIA}.iso"));
        let bytes = done("opening the ISO", File::open(path).and_then(FileBytes::new));
        let iso = done("reading the ISO", Iso::open(Arc::new(bytes)));
        let mut files = Vec::new();
        done(
            "reading the ISO",
            iso.walk(&mut |path, entry| {
                if entry.kind == Kind::File {
                    files.push(NewFile { path: path.to_owned(), content: Arc::new(iso.file(entry)) });
                }
            }),
        );
        const START: u64 = 1 << 20;
        let plan =
            Plan { label: "STICK".into(), serial: 7, epoch: 0, size: None, start: START, sector: 512, files };
        let volume = done("laying FAT out", plan.lay_out()).image;
        let end = START + volume.size();
        let mut record = Record::new(Vec::new(), 7);
        if let Some(first) = record.entries.first_mut() {
            *first = Some(Entry { kind: types::FAT32, active: false, range: START..end });
        }
        let mut stick = Mosaic::new(end);
        stick.bytes(0, done("making a boot record", record.to_bytes()));
        stick.put(START, Arc::new(volume) as Shared);
        self.store("stick.raw", &stick)
    }

    /// Writes a medium into the scenario's directory.
    fn store(&self, name: &str, medium: &Mosaic) -> PathBuf {
        let path = self.directory().join(name);
        let mut file = done("making a medium", File::create(&path));
        let mut at = 0;
        let mut buffer = vec![0; 1 << 20];
        while at < medium.size() {
            let count = done("reading a medium", medium.read_at(at, &mut buffer));
            let bytes = buffer.get(..count).unwrap_or_default();
            done("writing a medium", std::io::Write::write_all(&mut file, bytes));
            at += count as u64;
        }
        path
    }

    /// A copy of a medium of the image in which one byte of the root is another.
    pub fn medium_with_a_flipped_bit(&self, extension: &str) -> PathBuf {
        let name = format!("{MEDIA}.{extension}");
        let (from, to) = (self.image().join(&name), self.directory().join(&name));
        done("copying a medium", fs::copy(from, &to));
        let file = done("opening a medium", File::options().read(true).write(true).open(&to));
        let bytes = done("opening a medium", file.try_clone().and_then(FileBytes::new));
        let gpt = done("reading the GPT", bootwright_formats::gpt::Gpt::read(&bytes));
        let Some(root) = gpt.partitions.iter().find(|partition| partition.name == "root") else {
            panic!("the medium has no partition root");
        };
        let at = root.range.start + 100_000;
        let mut byte = [0];
        done("reading a medium", bytes.read_exact_at(at, &mut byte));
        let [value] = byte;
        done("writing a medium", std::os::unix::fs::FileExt::write_all_at(&file, &[value ^ 1], at));
        to
    }
}
