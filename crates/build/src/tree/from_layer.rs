use std::sync::Arc;

use super::from_tar::Members;
use super::{Backing, FromTarError, MAX_INODES, Tree, TreePath};

/// A file of this name before another's removes that one from the layers below.
const WHITEOUT: &[u8] = b".wh.";
/// A file of this name empties its directory, as the layers below left it.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a whiteout does.
enum Removal {
    /// This, and what is below it.
    Path(TreePath),
    /// What is in this directory.
    Contents(TreePath),
}

impl Tree {
    /// Lays a layer of an OCI image, an uncompressed tar, over what is there. Whiteouts remove what the
    /// layers below have, wherever in the archive they are; nothing of the layer itself.
    pub fn apply_layer(&mut self, backing: &Arc<Backing>) -> Result<(), FromTarError> {
        let mut members = Members::of(backing)?;
        while let Some((path, _)) = members.next()? {
            match removal(&self.in_place(&path)) {
                Some(Removal::Path(path)) => self.remove(&path),
                Some(Removal::Contents(directory)) => {
                    let below: Vec<TreePath> = self.below(&directory).map(|(path, _)| path.clone()).collect();
                    below.iter().for_each(|path| self.remove(path));
                }
                None => {}
            }
        }
        let mut members = Members::of(backing)?;
        while let Some((path, member)) = members.next()? {
            if self.inodes.len() >= MAX_INODES {
                return Err(FromTarError::TooMany);
            }
            let path = self.in_place(&path);
            if !path.name().starts_with(WHITEOUT) {
                self.add_member(path, member, backing)?;
            }
        }
        self.ensure_parents(&TreePath::ROOT)
    }

    /// Where a layer's path leads when a directory on the way is a symbolic link in what is there: layers
    /// made from `/bin/x` are laid over a root where `/bin` is `usr/bin`.
    fn in_place(&self, path: &TreePath) -> TreePath {
        self.resolve_parent(path).unwrap_or_else(|_| path.clone())
    }
}

fn removal(path: &TreePath) -> Option<Removal> {
    let directory = path.parent()?;
    if path.name() == OPAQUE {
        return Some(Removal::Contents(directory));
    }
    let name = path.name().strip_prefix(WHITEOUT)?;
    // Other names that begin so are reserved and remove nothing.
    let plain = !name.is_empty() && !name.starts_with(WHITEOUT);
    directory.join(name).ok().filter(|path| plain && path.parent() == Some(directory)).map(Removal::Path)
}
