//! The bytes of files.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;

use bootwright_formats::tar::{Metadata, Piece};
use rustix::fs::{Mode, OFlags, futimens, openat};

use super::{Place, Problem, system, times};

/// Bytes that are copied at once.
const PORTION: usize = 128 << 10;

impl Place {
    pub(super) fn copy_pieces(
        &mut self,
        file: &mut File,
        size: u64,
        pieces: &[Piece],
        data: &mut dyn Read,
    ) -> Result<(), Problem> {
        file.set_len(size).map_err(|error| Problem::System("ftruncate", error))?;
        for Piece { range, .. } in pieces {
            file.seek(SeekFrom::Start(range.start)).map_err(|error| Problem::System("seek", error))?;
            self.copy(file, range.end - range.start, data)?;
        }
        Ok(())
    }

    pub(super) fn copy(&mut self, file: &mut File, size: u64, data: &mut dyn Read) -> Result<(), Problem> {
        if size > self.room - self.done.bytes {
            return Err(Problem::Room(self.room));
        }
        let mut buffer = vec![0; PORTION.min(usize::try_from(size).unwrap_or(PORTION).max(1))];
        let mut left = size;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = buffer.get_mut(..most).unwrap_or_default();
            let read = data.read(piece).map_err(|error| Problem::System("reading its data", error))?;
            if read == 0 {
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short");
                return Err(Problem::System("reading its data", cut));
            }
            let written = file.write_all(piece.get(..read).unwrap_or_default());
            written.map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull => Problem::Room(self.room),
                _ => Problem::System("write", error),
            })?;
            left -= read as u64;
        }
        self.done.bytes += size;
        Ok(())
    }

    /// Writes the content of a file that was made under another name.
    pub(super) fn refill(
        &mut self,
        parent: &OwnedFd,
        (name, size): (&[u8], u64),
        metadata: &Metadata,
        data: &mut dyn Read,
    ) -> Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(parent, name, flags, Mode::empty()).map_err(system("open"))?;
        let mut file = File::from(file);
        self.copy(&mut file, size, data)?;
        // Writing takes set-uid bits away.
        self.dress(&file, metadata)?;
        futimens(&file, &times(metadata)).map_err(system("set its time"))
    }
}
