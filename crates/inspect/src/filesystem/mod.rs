//! File systems whose files are read: FAT and ISO 9660, which firmware boots from, and EROFS, squashfs, ext2, ext3, ext4,
//! in which roots and their kernels lie.

use std::sync::Arc;

use crate::files::Files;
use crate::node::{Node, Severity};
use crate::os_release;
use crate::recognise::{Found, Inner};

pub(crate) mod erofs;
pub(crate) mod ext4;
pub(crate) mod fat;
pub(crate) mod iso;
mod resolve;
pub(crate) mod squashfs;

/// A root whose files can be read, with the system that they are.
fn root(mut node: Node, files: impl Files + 'static, remedy: &str) -> Found {
    match os_release::of(&files) {
        Ok(name) => {
            node.text("operating system", name.unwrap_or_default());
        }
        Err(error) => {
            let what = format!("its os-release cannot be read: {error}");
            node.problem(Severity::Error, None, what, remedy);
        }
    }
    Found { node, inner: Inner::Files(Arc::new(files)) }
}
