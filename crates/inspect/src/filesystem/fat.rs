//! FAT, read by [`bootwright_formats::fat`].

use std::io;
use std::sync::Arc;

use bootwright_formats::fat::{self, Fat, FatError, Width};

use crate::bytes::{printable, read};
use crate::files::{self, Files};
use crate::node::{Node, Severity};
use crate::recognise::{Found, Inner, Look};
use crate::source::Source;

pub(crate) fn recognise(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    let boot = read(source, 0, 512)?;
    if boot.has(3, b"EXFAT   ") {
        let mut node = Node::new("exfat", "exFAT file system", source.size());
        node.needs("a kernel with exFAT (CONFIG_EXFAT_FS); firmware does not read it");
        return Ok(Some(node.into()));
    }
    if boot.0.len() < 512 || !boot.has(510, &[0x55, 0xaa]) {
        return Ok(None);
    }
    let fat = match Fat::open(Arc::clone(source)) {
        Ok(fat) => fat,
        Err(FatError::Read { source, .. }) => return Err(source),
        Err(_) => return Ok(None),
    };
    let mut node = Node::new("fat", format!("{} file system", fat.width), source.size());
    node.text("label", printable(fat.label.trim().as_bytes()));
    node.text("uuid", format!("{:04X}-{:04X}", fat.serial >> 16, fat.serial & 0xffff));
    node.bytes("cluster size", fat.cluster_size).number("clusters", fat.clusters);
    if fat.size > source.size() {
        let what = format!("it is cut off: it has {} bytes, there are {}", fat.size, source.size());
        node.problem(Severity::Error, source.size(), what, "copy it again, whole");
    }
    if fat.width != Width::Fat32 && boot.has(82, b"FAT32") {
        let what = format!(
            "it calls itself FAT32 and has only {} clusters: some read it as {}",
            fat.clusters, fat.width
        );
        node.problem(Severity::Error, 82, what, "make it larger, or with mkfs.fat -F 16");
    }
    Ok(Some(Found { node, inner: Inner::Files(Arc::new(FatFiles(fat))) }))
}

struct FatFiles(Fat);

/// Its own error of reading, or the fault as one.
fn failed(error: FatError) -> io::Error {
    match error {
        FatError::Read { source, .. } => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl FatFiles {
    fn find(&self, path: &str) -> io::Result<Option<fat::Entry>> {
        self.0.find(path).map_err(failed)
    }
}

impl Files for FatFiles {
    fn list(&self, directory: &str) -> io::Result<Option<Vec<files::Entry>>> {
        let Some(directory) = self.find(directory)?.filter(|entry| entry.is_directory) else {
            return Ok(None);
        };
        let entry = |entry: fat::Entry| files::Entry {
            name: printable(entry.name.as_bytes()),
            directory: entry.is_directory,
            link: false,
            size: entry.size.into(),
        };
        Ok(Some(self.0.entries(&directory).map_err(failed)?.into_iter().map(entry).collect()))
    }

    fn open(&self, path: &str) -> io::Result<Option<Source>> {
        let Some(entry) = self.find(path)?.filter(|entry| !entry.is_directory) else { return Ok(None) };
        Ok(Some(Arc::new(self.0.file(&entry).map_err(failed)?)))
    }
}
