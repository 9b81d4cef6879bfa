use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};

use bootwright_formats::erofs::{
    Error, InodeId as OnDisk, Kind as ErofsKind, Metadata as ErofsMetadata, Writer,
};

use super::{Inode, InodeId, Kind, Tree, TreePath};

impl Tree {
    /// Adds everything to an EROFS image. The data of the files in `first` comes first, in that order, then
    /// that of the others, sorted by path; names that are not there are passed over. `fed` hears how many
    /// bytes of files it has taken.
    pub fn write_erofs(
        &self,
        writer: &mut Writer<impl Write>,
        first: &[TreePath],
        fed: &dyn Fn(u64),
    ) -> Result<(), Error> {
        let mut written: HashMap<InodeId, OnDisk> = HashMap::new();
        let mut bytes: u64 = 0;
        for (path, id) in self.sequence(first) {
            let Some(Inode { metadata, kind }) = self.inodes.get(id.0) else { continue };
            if let Some(first) = written.get(id) {
                writer.link(path.as_bytes(), *first)?;
                continue;
            }
            let attributes = ErofsMetadata {
                mode: (metadata.mode & 0o7777) as u16,
                uid: metadata.uid,
                gid: metadata.gid,
                mtime: metadata.mtime,
                mtime_nsec: metadata.mtime_nsec,
                xattrs: &metadata.xattrs,
            };
            let mut add = |kind| writer.add(path.as_bytes(), &attributes, kind);
            let inode = match kind {
                Kind::Directory => add(ErofsKind::Directory),
                Kind::File(content) => {
                    let failed = |source| Error::Read { path: path.to_string(), source };
                    if let Some(holes) = content.with_holes().map_err(failed)? {
                        bytes = bytes.saturating_add(content.len());
                        fed(bytes);
                        add(ErofsKind::Sparse(&holes))
                    } else {
                        let reader = content.reader().map_err(failed)?;
                        let mut counted = Counted { inner: reader, bytes: &mut bytes, fed };
                        add(ErofsKind::File(content.len(), &mut counted))
                    }
                }
                Kind::Symlink(target) => add(ErofsKind::Symlink(target)),
                Kind::Fifo => add(ErofsKind::Fifo),
                Kind::Socket => add(ErofsKind::Socket),
                Kind::CharDevice(major, minor) => add(ErofsKind::CharDevice(*major, *minor)),
                Kind::BlockDevice(major, minor) => add(ErofsKind::BlockDevice(*major, *minor)),
            };
            written.insert(*id, inode?);
        }
        Ok(())
    }
}

impl Tree {
    /// Every name once: the directories, what is to come first, the rest.
    fn sequence<'a>(&'a self, first: &'a [TreePath]) -> impl Iterator<Item = (&'a TreePath, &'a InodeId)> {
        let is_directory =
            |id: &InodeId| self.inodes.get(id.0).is_some_and(|inode| matches!(inode.kind, Kind::Directory));
        let directories = self.names.iter().filter(move |(_, id)| is_directory(id));
        let named = first.iter().filter_map(|path| self.names.get_key_value(path));
        let mut seen = HashSet::new();
        directories.chain(named).chain(&self.names).filter(move |(path, _)| seen.insert(*path))
    }
}

/// Tells how many bytes have gone through, of this file and those before.
struct Counted<'a, R> {
    inner: R,
    bytes: &'a mut u64,
    fed: &'a dyn Fn(u64),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        *self.bytes += count as u64;
        (self.fed)(*self.bytes);
        Ok(count)
    }
}
