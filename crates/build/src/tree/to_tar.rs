use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use bootwright_formats::tar::{Writer, Written};

use super::{InodeId, Kind, Metadata, Tree, TreePath};

impl Tree {
    /// Writes the tree as a tar archive, sorted by path, the root as `./`. Sockets have no place in
    /// a tar archive and are left out. The same tree gives the same bytes.
    pub fn write_tar(&self, out: impl Write) -> io::Result<()> {
        self.write_adapted(out, Cow::Borrowed)
    }

    /// As [`write_tar`](Self::write_tar), each inode with the metadata that `adapt` makes of its own.
    pub fn write_adapted<'a>(
        &'a self,
        out: impl Write,
        adapt: impl Fn(&'a Metadata) -> Cow<'a, Metadata>,
    ) -> io::Result<()> {
        let mut writer = Writer::new(out);
        let mut written: HashMap<InodeId, &TreePath> = HashMap::new();
        for (path, id) in &self.names {
            let Some(inode) = self.inodes.get(id.0) else { continue };
            let metadata = adapt(&inode.metadata);
            match written.get(id) {
                Some(first) => {
                    writer.header(path.as_bytes(), &metadata, Written::HardLink(first.as_bytes()))?;
                }
                None => write(&mut writer, path, &metadata, &inode.kind)?,
            }
            written.entry(*id).or_insert(path);
        }
        writer.finish()?.flush()
    }
}

fn write(
    writer: &mut Writer<impl Write>,
    path: &TreePath,
    metadata: &Metadata,
    kind: &Kind,
) -> io::Result<()> {
    let what = match kind {
        Kind::Directory => {
            let name = if path.is_root() { b"./".to_vec() } else { [path.as_bytes(), b"/"].concat() };
            return writer.header(&name, metadata, Written::Directory);
        }
        Kind::File(content) => {
            writer.header(path.as_bytes(), metadata, Written::File(content.len()))?;
            return writer.data(&mut content.reader()?, content.len());
        }
        Kind::Socket => return Ok(()),
        Kind::Symlink(target) => Written::Symlink(target),
        Kind::Fifo => Written::Fifo,
        Kind::CharDevice(major, minor) => Written::CharDevice(*major, *minor),
        Kind::BlockDevice(major, minor) => Written::BlockDevice(*major, *minor),
    };
    writer.header(path.as_bytes(), metadata, what)
}
