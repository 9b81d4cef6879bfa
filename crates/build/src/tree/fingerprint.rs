use bootwright_image::{Digest, Digester};

use super::{Kind, Metadata, Tree};

impl Tree {
    /// Changes when anything of the tree may have changed. Contents count by [identity], so that no file
    /// is read.
    ///
    /// [identity]: super::Content::identity
    pub fn fingerprint(&self) -> Digest {
        let mut digester = Digester::default();
        let mut first = std::collections::HashMap::new();
        for (number, (path, id)) in self.names.iter().enumerate() {
            text(&mut digester, path.as_bytes());
            let original = *first.entry(*id).or_insert(number);
            digester.update(&(original as u64).to_le_bytes());
            if let Some(inode) = self.inodes.get(id.0).filter(|_| original == number) {
                metadata(&mut digester, &inode.metadata);
                kind(&mut digester, &inode.kind);
            }
        }
        digester.finish()
    }
}

/// With its length before it, so that two texts cannot be mistaken for one.
fn text(digester: &mut Digester, bytes: &[u8]) {
    digester.update(&(bytes.len() as u64).to_le_bytes());
    digester.update(bytes);
}

fn metadata(digester: &mut Digester, metadata: &Metadata) {
    for number in [metadata.mode, metadata.uid, metadata.gid, metadata.mtime_nsec] {
        digester.update(&number.to_le_bytes());
    }
    digester.update(&metadata.mtime.to_le_bytes());
    digester.update(&(metadata.xattrs.len() as u64).to_le_bytes());
    for (name, value) in &metadata.xattrs {
        text(digester, name);
        text(digester, value);
    }
}

fn kind(digester: &mut Digester, kind: &Kind) {
    let (tag, major, minor) = match kind {
        Kind::Directory => (b'd', 0, 0),
        Kind::File(_) => (b'f', 0, 0),
        Kind::Symlink(_) => (b'l', 0, 0),
        Kind::Fifo => (b'p', 0, 0),
        Kind::Socket => (b's', 0, 0),
        Kind::CharDevice(major, minor) => (b'c', *major, *minor),
        Kind::BlockDevice(major, minor) => (b'b', *major, *minor),
    };
    digester.update(&[tag]);
    digester.update(&major.to_le_bytes());
    digester.update(&minor.to_le_bytes());
    match kind {
        Kind::File(content) => digester.update(&content.identity().0),
        Kind::Symlink(target) => text(digester, target),
        _ => {}
    }
}
