//! From a [`Tree`] to the file `root.img`: EROFS by our own writer, squashfs by the distribution's program,
//! fed with a tar stream.
//!
//! A writer that cannot keep everything says so, path by path, before it starts: see [`losses()`].

mod erofs;
mod losses;
mod squashfs;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bootwright_image::RootFormat;

pub use losses::{Loss, losses};

use crate::recipe::Compression;
use crate::tool::ToolError;
use crate::tree::{Tree, TreePath};

/// Why the root cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The program.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The image itself.
    #[error(transparent)]
    Erofs(#[from] bootwright_formats::erofs::Error),
    /// The file.
    #[error("writing {path} failed")]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A format that recipes cannot ask for.
    #[error("a root cannot be written as {0}")]
    Format(&'static str),
}

/// Writes roots of one format.
#[derive(Debug, Clone)]
pub struct RootWriter {
    format: RootFormat,
    compression: Compression,
    version: String,
    first: Vec<TreePath>,
}

impl RootWriter {
    /// A writer; fails when its program is missing, or for what it cannot write.
    pub fn new(format: RootFormat, compression: Compression) -> Result<Self, RootError> {
        let version = match format {
            RootFormat::Squashfs => squashfs::version()?,
            RootFormat::Erofs => format!("{} {:?}", erofs::GENERATION, erofs::compression(compression)?),
            other => return Err(RootError::Format(other.name())),
        };
        Ok(Self { format, compression, version, first: Vec::new() })
    }

    /// Puts the data of these files first, in this order. squashfs lies as sqfstar wants it.
    pub fn with_first(self, first: Vec<TreePath>) -> Self {
        Self { first, ..self }
    }

    /// Everything but the tree that decides which bytes come out.
    pub fn inputs(&self) -> String {
        let Self { format, compression, version, first } = self;
        format!("{} {compression:?} {version} {first:?}", format.name())
    }

    /// Writes `tree` to the new file `to`. `epoch` dates the file system itself; `fed` hears how many
    /// bytes the writer has taken.
    pub fn write(&self, tree: &Tree, to: &Path, epoch: u64, fed: &dyn Fn(u64)) -> Result<(), RootError> {
        let order = Order { tree, to, compression: self.compression, first: &self.first, epoch, fed };
        match self.format {
            RootFormat::Squashfs => squashfs::write(&order),
            RootFormat::Erofs => erofs::write(&order),
            other => Err(RootError::Format(other.name())),
        }
    }
}

/// What a program is to write.
struct Order<'a> {
    tree: &'a Tree,
    to: &'a Path,
    compression: Compression,
    first: &'a [TreePath],
    epoch: u64,
    fed: &'a dyn Fn(u64),
}

/// Tells how many bytes have gone through.
struct Counting<'a, W> {
    inner: W,
    bytes: u64,
    fed: &'a dyn Fn(u64),
}

impl<'a, W: Write> Counting<'a, W> {
    fn new(inner: W, fed: &'a dyn Fn(u64)) -> BufWriter<Self> {
        BufWriter::with_capacity(1 << 20, Self { inner, bytes: 0, fed })
    }
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        (self.fed)(self.bytes);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
