//! A file that is unpacked while it arrives: into a disk image in memory, or into a tree of files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use bootwright_formats::compression::{self, Bounds, Compression, Whole, write_sparse};
use bootwright_plan::pull::Form;

use super::tree;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// Bytes by which an archive is told: the magic of a tar lies at 257.
const HEAD: u64 = 512;

/// The most bytes that a disk image may have, holes included. It bounds the time that a file of nothing but zeros,
/// which takes no room, can take.
const MAX_IMAGE: u64 = 1 << 40;

/// The most bytes that may follow the end of an archive: tar fills its last block up, to 10 KiB as a rule.
const MAX_TAIL: u64 = 16 << 20;

/// Kinds of archives.
#[derive(Clone, Copy)]
enum Archive {
    Tar,
    Cpio,
}

/// Where things go.
pub struct Receiver {
    /// What it has to be; `None`: what its first bytes say.
    pub form: Option<Form>,
    /// Where a disk image or a file system goes.
    pub image: PathBuf,
    /// Gives an empty directory, in which a tree goes.
    pub tree: Box<dyn Fn() -> io::Result<OwnedFd> + Send + Sync>,
    /// The most bytes that may take room in memory.
    pub room: u64,
}

/// What has arrived.
#[derive(Debug)]
pub enum Received {
    /// A file, of so many bytes.
    File(u64),
    /// A tree of files.
    Tree(tree::Unpacked),
}

impl Receiver {
    /// Unpacks all that arrives; says how it was packed.
    pub fn receive(&self, arriving: impl Read) -> io::Result<(Received, Compression)> {
        let (packed, source) = Compression::peek(BufReader::with_capacity(PIECE, arriving))?;
        let received = match packed {
            Compression::None => self.unpacked(source)?,
            _ => self.unpacked(BufReader::with_capacity(PIECE, Whole::new(source)))?,
        };
        Ok((received, packed))
    }

    fn unpacked(&self, mut source: impl BufRead) -> io::Result<Received> {
        let mut head = Vec::new();
        source.by_ref().take(HEAD).read_to_end(&mut head)?;
        if head.starts_with(b"BZh") {
            return Err(invalid(
                "it is packed by bzip2, which the agent does not unpack: pack it by xz, zstd or gzip",
            ));
        }
        let is_tar = head.get(257..262) == Some(b"ustar");
        let is_cpio = head.starts_with(b"070701") || head.starts_with(b"070702");
        let mut stream = Cursor::new(head).chain(source);
        match self.form {
            None | Some(Form::Tar) if is_cpio => self.tree(stream, Archive::Cpio),
            None if is_tar => self.tree(stream, Archive::Tar),
            // The oldest form of tar has no magic.
            Some(Form::Tar) => self.tree(stream, Archive::Tar),
            Some(Form::Raw) | None => self.image(&mut stream),
        }
    }

    fn image(&self, stream: &mut impl Read) -> io::Result<Received> {
        let mut file = File::create(&self.image)?;
        let mut done = compression::Unpacked::default();
        let bounds = Bounds { size: MAX_IMAGE, stored: self.room };
        write_sparse(stream, &mut file, bounds, &mut done).map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge | ErrorKind::StorageFull => {
                io::Error::new(ErrorKind::StorageFull, self.too_much())
            }
            _ => error,
        })?;
        file.set_len(done.size)?;
        Ok(Received::File(done.size))
    }

    fn tree(&self, mut stream: impl BufRead, archive: Archive) -> io::Result<Received> {
        let root = (self.tree)()?;
        let unpacked = match archive {
            Archive::Tar => tree::tar(&mut stream, root, self.room),
            Archive::Cpio => tree::cpio(&mut stream, root, self.room),
        };
        let unpacked = unpacked.map_err(io::Error::other)?;
        // What pads an archive at its end has to arrive, for the digest of the file.
        let passed = io::copy(&mut stream.by_ref().take(MAX_TAIL), &mut io::sink())?;
        match passed < MAX_TAIL {
            true => Ok(Received::Tree(unpacked)),
            false => Err(invalid(format!("more than {} MiB follow the archive's end", MAX_TAIL >> 20))),
        }
    }

    fn too_much(&self) -> String {
        format!("it unpacks to more than {} MiB, for which there is no room in memory", self.room >> 20)
    }
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text.into())
}

#[cfg(test)]
mod tests;
