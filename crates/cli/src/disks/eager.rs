//! A file that goes to the disk while it is written.
//!
//! A converted disk is not there before it is on the disk. The kernel starts to write when memory fills up, which a few
//! GiB do not do; so the disk would do nothing while the processors work, and then the other way round.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZero;

use rustix::fs::{Advice, fadvise};

/// How much is handed over at once: a few requests of the largest size that disks take.
const RUN: u64 = 8 << 20;

/// Writes, and hands each [`RUN`] that was written to the disk.
pub struct Eager<'a> {
    file: &'a mut File,
    position: u64,
    /// What was written and not handed over: it ends at `position`.
    pending: u64,
}

impl<'a> Eager<'a> {
    /// The file, from where it stands.
    pub fn new(file: &'a mut File) -> io::Result<Self> {
        let position = file.stream_position()?;
        Ok(Self { file, position, pending: 0 })
    }

    /// POSIX_FADV_DONTNEED starts to write out what is dirty and waits for nothing. That it also lets go of what is
    /// clean is of no matter: who converts a disk does not read it next.
    fn hand_over(&mut self) {
        let start = self.position - self.pending;
        if let Some(length) = NonZero::new(self.pending) {
            // An advice: where it is not taken nothing is lost but time.
            let _ = fadvise(&*self.file, start, Some(length), Advice::DontNeed);
        }
        self.pending = 0;
    }
}

impl Write for Eager<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.position += count as u64;
        self.pending += count as u64;
        if self.pending >= RUN {
            self.hand_over();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Eager<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.file.seek(to)?;
        if position != self.position {
            self.hand_over();
            self.position = position;
        }
        Ok(position)
    }
}
