//! What all formats share: from a byte of the disk to the place that holds it.
//!
//! A format says with [`Layout::locate`] where a run of the disk's bytes is; reading and telling the
//! holes follow from that.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use super::error::Result;
use super::{Error, Format, Shared};
use crate::{Extent, ExtentKind, ReadAt};

/// How many runs an extent may be joined of: it bounds the time that one question takes.
const MAX_JOINED: usize = 256;

/// A run of the disk's bytes that are held alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// How many bytes, more than 0.
    pub(super) length: u64,
    pub(super) place: Place,
}

impl Run {
    /// Takes in what follows, if it is held alike and goes on where this ends.
    pub(super) fn join(&mut self, next: &Self) -> bool {
        let joins = match (&self.place, &next.place) {
            (Place::Zero, Place::Zero) | (Place::Parent, Place::Parent) => true,
            (Place::File { index, offset }, Place::File { index: other, offset: at }) => {
                index == other && offset.checked_add(self.length) == Some(*at)
            }
            _ => false,
        };
        if joins {
            self.length = self.length.saturating_add(next.length);
        }
        joins
    }
}

/// The run that `pieces` begin with, of at most `limit` bytes; `None` when there are none. What is good
/// before a broken piece is given first.
pub(super) fn joined(pieces: impl Iterator<Item = Result<Run>>, limit: u64) -> Result<Option<Run>> {
    let mut found: Option<Run> = None;
    for piece in pieces {
        match (&mut found, piece) {
            (None, piece) => found = Some(piece?),
            (Some(found), Ok(piece)) if found.length < limit => {
                if !found.join(&piece) {
                    break;
                }
            }
            _ => break,
        }
    }
    Ok(found.map(|run| Run { length: run.length.min(limit), ..run }))
}

/// Where bytes of the disk are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In that one of [`Layout::file`], from that offset on.
    File { index: usize, offset: u64 },
    /// Nowhere: they are zeros.
    Zero,
    /// In the parent at the same place, zeros if there is none.
    Parent,
    /// In a compressed unit, which begins that many bytes before.
    Packed { unit: Packed, skip: u64 },
}

/// A compressed unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) file: usize,
    pub(super) offset: u64,
    /// How many bytes it takes at most; 0 when that is written there.
    pub(super) length: usize,
}

/// A format's way from the disk's bytes to the file's.
pub(super) trait Layout: Send + Sync {
    fn format(&self) -> Format;

    /// Of the disk.
    fn size(&self) -> u64;

    /// The run that begins at `offset`, which is less than the size.
    fn locate(&self, offset: u64) -> Result<Run>;

    /// The files that hold the disk's bytes.
    fn file(&self, index: usize) -> Result<&Shared>;

    /// The disk that shows through, or the error that says that it is not there.
    fn parent(&self) -> Result<Option<&Shared>> {
        Ok(None)
    }

    /// Unpacks a compressed unit, whole.
    fn unpack(&self, unit: &Packed) -> Result<Vec<u8>> {
        let what = format!("a compressed unit at byte {} where there can be none", unit.offset);
        Err(Error::Unsupported { format: self.format(), what })
    }

    fn unpacked(&self) -> Option<&Unpacked> {
        None
    }
}

/// The unit that was unpacked last, for reads smaller than one.
#[derive(Default)]
pub(super) struct Unpacked(Mutex<Option<(Packed, Arc<Vec<u8>>)>>);

fn unpack<L: Layout>(layout: &L, unit: &Packed) -> Result<Arc<Vec<u8>>> {
    let Some(Unpacked(kept)) = layout.unpacked() else { return Ok(Arc::new(layout.unpack(unit)?)) };
    if let Some((of, bytes)) = &*kept.lock().unwrap_or_else(PoisonError::into_inner)
        && of == unit
    {
        return Ok(bytes.clone());
    }
    let bytes = Arc::new(layout.unpack(unit)?);
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((*unit, bytes.clone()));
    Ok(bytes)
}

/// [`ReadAt::read_at`] for a layout: fills the buffer up to the disk's end.
pub(super) fn read_at<L: Layout>(layout: &L, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let left = layout.size().saturating_sub(offset);
    let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut rest = buffer.get_mut(..want).unwrap_or_default();
    let mut at = offset;
    while !rest.is_empty() {
        let run = layout.locate(at)?;
        let count = rest.len().min(usize::try_from(run.length).unwrap_or(usize::MAX)).max(1);
        let Some((part, behind)) = std::mem::take(&mut rest).split_at_mut_checked(count) else { break };
        read_run(layout, at, &run, part)?;
        rest = behind;
        at += count as u64;
    }
    Ok(want)
}

fn read_run<L: Layout>(layout: &L, at: u64, run: &Run, part: &mut [u8]) -> Result<()> {
    match &run.place {
        Place::Zero => part.fill(0),
        Place::File { index, offset } => layout.file(*index)?.read_exact_at(*offset, part)?,
        Place::Parent => read_parent(layout.parent()?, at, part)?,
        Place::Packed { unit, skip } => {
            let bytes = unpack(layout, unit)?;
            let from = usize::try_from(*skip).ok().and_then(|skip| bytes.get(skip..)).unwrap_or_default();
            let Some(from) = from.get(..part.len()) else {
                let what = format!("a compressed unit holds {} bytes, too few", bytes.len());
                return Err(Error::Broken { format: layout.format(), offset: unit.offset, what });
            };
            part.copy_from_slice(from);
        }
    }
    Ok(())
}

/// A parent may be smaller than its child: behind it are zeros.
fn read_parent(parent: Option<&Shared>, at: u64, part: &mut [u8]) -> Result<()> {
    let size = parent.map_or(0, ReadAt::size);
    let there = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX).min(part.len());
    if let (Some(parent), Some(part)) = (parent, part.get_mut(..there)) {
        parent.read_exact_at(at, part)?;
    }
    part.get_mut(there..).unwrap_or_default().fill(0);
    Ok(())
}

/// [`ReadAt::extent`] for a layout.
pub(super) fn extent<L: Layout>(layout: &L, offset: u64) -> Result<Extent> {
    let size = layout.size();
    if offset >= size {
        return Ok(Extent { range: offset..offset, kind: ExtentKind::Data });
    }
    let mut found = alike(layout, offset)?;
    for _ in 0..MAX_JOINED {
        if found.range.end >= size {
            break;
        }
        // What follows a good run may be broken; that is told to who asks for it.
        match alike(layout, found.range.end) {
            Ok(next) if next.kind == found.kind => found.range.end = next.range.end,
            _ => break,
        }
    }
    found.range.end = found.range.end.min(size);
    Ok(found)
}

/// One run, with what the file or the parent says of it.
fn alike<L: Layout>(layout: &L, offset: u64) -> Result<Extent> {
    let run = layout.locate(offset)?;
    let end = offset.saturating_add(run.length.max(1)).min(layout.size());
    let below = |extent: Extent, start: u64| {
        let length = extent.range.end.saturating_sub(start);
        let end = if length == 0 { end } else { end.min(offset.saturating_add(length)) };
        Extent { range: offset..end, kind: extent.kind }
    };
    Ok(match run.place {
        Place::Zero => Extent { range: offset..end, kind: ExtentKind::Zero },
        Place::Packed { .. } => Extent { range: offset..end, kind: ExtentKind::Data },
        Place::File { index, offset: at } => below(layout.file(index)?.extent(at)?, at),
        Place::Parent => match layout.parent()? {
            Some(parent) if parent.size() > offset => below(parent.extent(offset)?, offset),
            _ => Extent { range: offset..end, kind: ExtentKind::Zero },
        },
    })
}

/// Makes a [`Layout`] a [`ReadAt`].
macro_rules! reads_by_layout {
    ($reader:ty) => {
        impl $crate::ReadAt for $reader {
            fn size(&self) -> u64 {
                $crate::disk::layout::Layout::size(self)
            }

            fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
                Ok($crate::disk::layout::read_at(self, offset, buffer)?)
            }

            fn extent(&self, offset: u64) -> std::io::Result<$crate::Extent> {
                Ok($crate::disk::layout::extent(self, offset)?)
            }
        }
    };
}
pub(super) use reads_by_layout;
