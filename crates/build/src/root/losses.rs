//! What a format's writer cannot keep, told before it is lost.

use bootwright_image::RootFormat;

use crate::tree::{Inode, Kind, Tree, TreePath};

/// Something that the root file system will not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The file.
    pub path: TreePath,
    /// What of it is lost.
    pub what: String,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Everything that the writer of `format` cannot keep. Not counted: fractions of a second in modification
/// times, of which squashfs has none for any file, and the time of the root directory, which sqfstar makes
/// up.
pub fn losses(tree: &Tree, format: RootFormat) -> Vec<Loss> {
    let mut losses = Vec::new();
    for (path, inode) in tree.iter() {
        for what in lost(path, inode, format) {
            losses.push(Loss { path: path.clone(), what });
        }
    }
    losses
}

fn lost(path: &TreePath, inode: &Inode, format: RootFormat) -> Vec<String> {
    let mut lost = Vec::new();
    if format != RootFormat::Squashfs {
        return lost;
    }
    if matches!(inode.kind, Kind::Socket) {
        lost.push("a socket, which a tar stream cannot carry".to_owned());
    }
    if path.is_root() && (inode.metadata.uid, inode.metadata.gid) != (0, 0) {
        lost.push("its owner: sqfstar gives the root directory to root".to_owned());
    }
    for name in inode.metadata.xattrs.keys() {
        if path.is_root() || !kept_by_squashfs(name) {
            let name = String::from_utf8_lossy(name);
            lost.push(match name.as_ref() {
                "system.posix_acl_access" => "its POSIX ACL (squashfs has none)".to_owned(),
                "system.posix_acl_default" => "its default POSIX ACL (squashfs has none)".to_owned(),
                other => format!("its extended attribute {other} (sqfstar does not write it)"),
            });
        }
    }
    if u32::try_from(inode.metadata.mtime).is_err() {
        lost.push("its modification time, which is not between 1970 and 2106".to_owned());
    }
    lost
}

/// squashfs has three classes of extended attributes.
pub(crate) fn kept_by_squashfs(name: &[u8]) -> bool {
    ["user.", "trusted.", "security."].iter().any(|class| name.starts_with(class.as_bytes()))
}
