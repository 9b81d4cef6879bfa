//! Machines with a disk of their own, and what lies in its cache.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_formats::cache::{COPIES, Generation, HEADER_SIZE, Header, newest};
use bootwright_formats::gpt::{Gpt, kinds};
use bootwright_formats::{FileBytes, ReadAt as _, Shared, Window};
use bootwright_image::Digest;
use bootwright_vm::Network as _;
use regex_lite::Regex;

use crate::{Scenario, done, image};

/// The image that is kept on a disk, and the one after it: 70 files have grown a little.
pub const KEPT: &str = "hello-disk";
/// See [`KEPT`].
pub const NEXT: &str = "hello-disk-2";

impl Scenario {
    /// The machine gets a disk of so many MiB, blank, that keeps what is written to it from one boot to the next.
    pub fn with_disk(mut self, mib: u64) -> Self {
        let path = self.directory().join("disk.raw");
        let made = File::create(&path).and_then(|file| file.set_len(mib << 20));
        done("making a disk", made);
        self.disk = Some(path);
        self
    }

    /// The machine's disk, as a file of this host.
    pub fn disk(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.clone(),
            None => panic!("the machine has no disk"),
        }
    }

    /// The server has the image `name`, too.
    pub fn beside(mut self, name: &str) -> Self {
        self.serving.images.push(image::find(name));
        self
    }

    /// The machine that is booted next is one of the image `name`.
    pub fn turned_to(mut self, name: &str) -> Self {
        let path = image::find(name);
        self.serving.images.retain(|other| *other != path);
        self.serving.images.insert(0, path);
        self
    }

    /// Bytes that the server has sent, over HTTP and to peers, as it counts them itself.
    pub fn sent(&self) -> u64 {
        let text = done("asking for /metrics", self.lab.get("/metrics"));
        let text = String::from_utf8_lossy(&text);
        let pattern = Regex::new(r#"bootwright_sent_bytes_total\{by="(http|peers)"\} (\d+)"#);
        let pattern = done("a pattern", pattern);
        let counts =
            pattern.captures_iter(&text).filter_map(|found| found.get(2)?.as_str().parse::<u64>().ok());
        let counts: Vec<u64> = counts.collect();
        assert!(!counts.is_empty(), "the server does not count what it sends:\n{text}");
        counts.iter().sum()
    }

    /// The digest by which the image's root is known in the cache.
    pub fn root_digest(&self) -> Digest {
        Digest::of(&done("reading root.json", fs::read(self.image().join("root.json"))))
    }

    /// Writes one byte anew, as another one, in the image's root where it lies in the cache.
    pub fn damage_what_is_kept(self, offset: u64) -> Self {
        let (start, generation) = self.kept();
        let file = done("opening the disk", File::options().read(true).write(true).open(self.disk()));
        let at = start + generation.offset + offset;
        let mut byte = [0];
        done("reading the disk", file.read_exact_at(&mut byte, at));
        let [value] = byte;
        done("writing the disk", file.write_all_at(&[value ^ 1], at));
        self
    }

    /// Where the cache begins on the disk, and what its header says of the image.
    pub fn kept(&self) -> (u64, Generation) {
        let bytes = done("opening the disk", File::open(self.disk()).and_then(FileBytes::new));
        let disk: Shared = Arc::new(bytes);
        let gpt = done("reading the GPT", Gpt::read(&disk));
        let Some(partition) = gpt.of_kind(kinds::CACHE) else { panic!("the disk has no cache: {gpt:?}") };
        let range = partition.range.clone();
        let partition = Window::new(disk, range.clone());
        let copies = COPIES.map(|offset| {
            let mut header = vec![0; HEADER_SIZE];
            done("reading the cache", partition.read_exact_at(offset, &mut header));
            Header::parse(&header, partition.size())
        });
        let Ok((header, _)) = newest(copies) else { panic!("the cache has no header") };
        let digest = self.root_digest().0;
        match header.generations.iter().find(|generation| generation.digest == digest) {
            Some(generation) => (range.start, generation.clone()),
            None => panic!("the image is not in the cache: {header:?}"),
        }
    }
}
