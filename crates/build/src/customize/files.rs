//! Files and directories of the host put into the root.

use std::os::unix::fs::PermissionsExt as _;

use super::ChangeError;
use crate::recipe::{FileChange, FileContent, Owner, TreeChange};
use crate::tree::{Content, Inode, Kind, Metadata, Tree, TreePath};

/// Lays a directory over the root. Times later than `mtime` are set back to it: those of a working copy
/// are the time of its checkout.
pub(super) fn lay_over(tree: &mut Tree, change: &TreeChange, mtime: u64) -> Result<(), ChangeError> {
    let mut overlay = Tree::from_directory(&change.from)?;
    overlay.clamp_times(mtime);
    let (uid, gid) = owner(tree, &change.path, change.owner.as_ref())?;
    let paths: Vec<TreePath> = overlay.iter().map(|(path, _)| path.clone()).collect();
    for path in &paths {
        if let Some(inode) = overlay.get_mut(path) {
            (inode.metadata.uid, inode.metadata.gid) = (uid, gid);
        }
    }
    tree.graft(&overlay, &TreePath::ROOT, &change.path)?;
    Ok(())
}

/// Puts one file into the root.
pub(super) fn put(tree: &mut Tree, change: &FileChange, mtime: u64) -> Result<(), ChangeError> {
    let (content, mode) = match &change.content {
        FileContent::Text(text) => (Content::bytes(text.as_bytes()), 0o644),
        FileContent::Host(path) => {
            let fail = |source| ChangeError::Host { path: path.clone(), source };
            let metadata = std::fs::metadata(path).map_err(fail)?;
            if !metadata.is_file() {
                return Err(fail(std::io::Error::other("not a regular file: directories go into [[trees]]")));
            }
            (Content::host(path, &metadata), metadata.permissions().mode() & 0o777)
        }
    };
    let (uid, gid) = owner(tree, &change.path, change.owner.as_ref())?;
    let metadata = Metadata { mode: change.mode.unwrap_or(mode), uid, gid, ..Metadata::root(mtime) };
    tree.put(&change.path, Inode { metadata, kind: Kind::File(content) })?;
    Ok(())
}

/// The numbers of an owner, by the root's own lists.
fn owner(tree: &Tree, path: &TreePath, owner: Option<&Owner>) -> Result<(u32, u32), ChangeError> {
    let Some(owner) = owner else { return Ok((0, 0)) };
    let lookup = |name: &str, file: &str, column: usize| -> Result<Option<u32>, ChangeError> {
        let file: TreePath = file.parse().map_err(crate::tree::EditError::from)?;
        let text = tree.read(&file)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| line.split(':').next() == Some(name));
        Ok(line.and_then(|line| line.split(':').nth(column)?.parse().ok()))
    };
    let unknown = |name: &str, file: &str| {
        let file = file.parse().unwrap_or(TreePath::ROOT);
        ChangeError::UnknownOwner { path: path.clone(), name: name.to_owned(), file }
    };
    let number = |name: &str, file: &str| match name.parse() {
        Ok(number) => Ok(number),
        Err(_) => lookup(name, file, 2)?.ok_or_else(|| unknown(name, file)),
    };
    let uid = number(&owner.user, "/etc/passwd")?;
    let gid = match &owner.group {
        Some(group) => number(group, "/etc/group")?,
        // The user's own group; a bare number has none but its namesake.
        None => lookup(&owner.user, "/etc/passwd", 3)?.unwrap_or(uid),
    };
    Ok((uid, gid))
}
