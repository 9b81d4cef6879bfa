use std::collections::HashMap;
use std::io::{self, Read, Write};

use bootwright_formats::erofs::{
    Error, InodeId as OnDisk, Kind as ErofsKind, Metadata as ErofsMetadata, Writer,
};

use super::{Inode, InodeId, Kind, Tree};

impl Tree {
    /// Adds everything to an EROFS image, sorted by path. `fed` hears how many bytes of files it has taken.
    pub fn write_erofs(&self, writer: &mut Writer<impl Write>, fed: &dyn Fn(u64)) -> Result<(), Error> {
        let mut written: HashMap<InodeId, OnDisk> = HashMap::new();
        let mut bytes = 0;
        for (path, id) in &self.names {
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
                    let reader = content.reader().map_err(failed)?;
                    let mut counted = Counted { inner: reader, bytes: &mut bytes, fed };
                    add(ErofsKind::File(content.len(), &mut counted))
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
