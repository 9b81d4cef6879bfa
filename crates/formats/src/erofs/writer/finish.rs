//! The end of an image: everything but the files' data.
//!
//! Sizes are known first, then places, then the directories' contents, which name places; the inodes come
//! last, since they say where all of it is.

use std::io::Write;
use std::sync::Arc;

use super::index;
use super::inode::{Data, FileData, Inode};
use super::layout::{Layout, Together};
use super::pack::Algorithm;
use super::raw_inode::{DataLayout, RawInode};
use super::superblock::Superblock;
use super::xattr;
use super::{BLOCK, Error, MAX_INODE, Output, Writer, Written};
use crate::erofs::disk::SLOT;

/// An inode with everything that lies behind it but its index.
struct Planned {
    raw: RawInode,
    xattrs: Vec<u8>,
    /// The inode whose extents it indexes: itself or an equal file.
    owner: usize,
    tail: Arc<[u8]>,
    /// Whether it names no block and no inode.
    still: bool,
    /// Where it goes in the metadata area.
    start: usize,
}

impl<W: Write> Writer<W> {
    /// Writes all that is left and hands the output back with the superblock, which goes to its beginning.
    ///
    /// # Errors
    /// When there is no root, or the output fails.
    pub fn finish(mut self) -> Result<(W, Written), Error> {
        self.drain()?;
        let shared = self.xattrs.share();
        let build_time = self.options.build_time;
        let order = order(&self.inodes);
        let mut planned = self.plan_all()?;
        let mut layout = Layout::default();
        // The number 0 stands for no inode in places.
        layout.place(SLOT, Together::Nothing);
        for (number, child) in order.iter().enumerate() {
            if let Some(plan) = planned.get_mut(child.inode) {
                plan.raw.ino = number as u32 + 1;
            }
        }
        for inode in arranged(&order, &planned) {
            match inode.map(|inode| planned.get_mut(inode)) {
                None => layout.end_group(),
                Some(None) => {}
                Some(Some(plan)) => plan.start = layout.place(plan.size(build_time), plan.together()),
            }
        }
        self.write_directories(&order, &mut planned)?;
        let xattr_block = self.out.next_block()?;
        self.out.write(&shared)?;
        let meta_block = self.out.next_block()?;
        let root_nid = planned.first().ok_or(Error::NoRoot)?.start / SLOT;
        self.write_metadata(&planned)?;
        let superblock = Superblock {
            root_nid: u16::try_from(root_nid).map_err(|_| Error::TooLarge)?,
            inodes: self.inodes.len() as u64,
            build_time,
            blocks: self.out.next_block()?,
            meta_block,
            xattr_block,
            uuid: self.options.uuid,
            algorithm: self.algorithm(),
            chunked: self.inodes.iter().any(|inode| matches!(inode.data, Data::Chunks(_))),
        };
        let written = Written {
            first_block: superblock.encode(),
            blocks: superblock.blocks,
            inodes: superblock.inodes,
        };
        Ok((self.out.inner, written))
    }

    fn algorithm(&self) -> Option<Algorithm> {
        self.options.compression.map(|compression| compression.algorithm)
    }

    fn plan_all(&mut self) -> Result<Vec<Planned>, Error> {
        let mut planned = Vec::with_capacity(self.inodes.len());
        for (index, inode) in self.inodes.iter_mut().enumerate() {
            settle(inode, &mut self.out)?;
            let xattrs = self.xattrs.body(&inode.xattrs);
            planned.push((index, xattrs));
        }
        planned.into_iter().map(|(index, xattrs)| self.plan(index, xattrs)).collect()
    }

    /// What an inode takes in the metadata area. Directories get their contents later: zeros keep the place.
    fn plan(&self, index: usize, xattrs: Vec<u8>) -> Result<Planned, Error> {
        let inode = self.inodes.get(index).ok_or(Error::NoRoot)?;
        let mut owner = index;
        let (layout, union, tail) = match &inode.data {
            Data::None | Data::Target(_) => (DataLayout::FlatPlain, 0, Arc::default()),
            Data::Device(device) => (DataLayout::FlatPlain, *device, Arc::default()),
            Data::Directory(directory) => {
                let tail = directory.size() % BLOCK;
                let room = (BLOCK - MAX_INODE).saturating_sub(xattrs.len());
                match tail {
                    0 => (DataLayout::FlatPlain, 0, Arc::default()),
                    tail if tail <= room => (DataLayout::FlatInline, 0, vec![0; tail].into()),
                    _ => (DataLayout::FlatPlain, 0, Arc::default()),
                }
            }
            Data::File(file) => of_file(file),
            Data::Chunks(chunks) => (DataLayout::ChunkBased, chunks.format(), chunks.table()),
            Data::Same(earlier) => {
                owner = *earlier;
                self.file(owner).map_or((DataLayout::FlatPlain, 0, Arc::default()), of_file)
            }
        };
        let icount = xattr::icount(&xattrs).ok_or(Error::TooLarge)?;
        let still = match &inode.data {
            Data::Directory(_) | Data::Chunks(_) => false,
            Data::None | Data::Target(_) | Data::Device(_) => true,
            Data::File(_) | Data::Same(_) => self.file(owner).is_none_or(|file| file.blocks == 0),
        };
        Ok(Planned { raw: inode.raw(layout, icount, union), xattrs, owner, tail, still, start: 0 })
    }

    fn file(&self, index: usize) -> Option<&FileData> {
        match self.inodes.get(index) {
            Some(Inode { data: Data::File(file), .. }) => Some(file),
            _ => None,
        }
    }

    /// Writes the blocks of directories and puts the rest behind their inodes.
    fn write_directories(&mut self, order: &[Child], planned: &mut [Planned]) -> Result<(), Error> {
        for Child { inode: index, .. } in order {
            let Some(Inode { data: Data::Directory(directory), .. }) = self.inodes.get(*index) else {
                continue;
            };
            let bytes =
                directory.encode(|inode| planned.get(inode).map_or(0, |plan| plan.start / SLOT) as u64);
            let Some(plan) = planned.get_mut(*index) else { continue };
            let (blocks, tail) = bytes.split_at(bytes.len() - plan.tail.len());
            plan.raw.union = self.out.next_block()?;
            plan.tail = tail.into();
            self.out.write(blocks)?;
        }
        Ok(())
    }

    fn write_metadata(&mut self, planned: &[Planned]) -> Result<(), Error> {
        let mut sorted: Vec<&Planned> = planned.iter().filter(|plan| plan.start > 0).collect();
        sorted.sort_unstable_by_key(|plan| plan.start);
        let mut area = Vec::with_capacity(2 * BLOCK);
        let mut written = 0;
        for plan in sorted {
            area.resize(plan.start - written, 0);
            self.encode(plan, &mut area);
            let whole = area.len() / BLOCK * BLOCK;
            self.out.write(area.get(..whole).unwrap_or_default())?;
            area.drain(..whole);
            written += whole;
        }
        self.out.write(&area)
    }

    fn encode(&self, plan: &Planned, area: &mut Vec<u8>) {
        plan.raw.encode(self.options.build_time, area);
        area.extend(&plan.xattrs);
        if let (DataLayout::CompressedCompact, Some(file), Some(algorithm)) =
            (plan.raw.layout, self.file(plan.owner), self.algorithm())
        {
            let position = plan.map_header(self.options.build_time);
            area.resize(area.len().next_multiple_of(8), 0);
            area.extend(index::compact(
                &file.extents,
                file.first,
                (algorithm, position % SLOT),
                plan.tail.len(),
            ));
        }
        area.extend(&*plan.tail);
    }
}

impl Planned {
    /// Bytes of inode and attributes.
    fn head(&self, build_time: u64) -> usize {
        let inode = if self.raw.is_compact(build_time) { MAX_INODE / 2 } else { MAX_INODE };
        inode + self.xattrs.len()
    }

    /// Where the map header is, from the inode's start.
    fn map_header(&self, build_time: u64) -> usize {
        self.head(build_time).next_multiple_of(8)
    }

    /// Bytes in the metadata area.
    fn size(&self, build_time: u64) -> usize {
        let header = self.map_header(build_time);
        let head = match self.raw.layout {
            DataLayout::CompressedCompact => header + index::length_for(self.raw.size, header % SLOT),
            _ => self.head(build_time),
        };
        head + self.tail.len()
    }

    fn together(&self) -> Together {
        match self.raw.layout {
            DataLayout::FlatInline => Together::All,
            DataLayout::CompressedCompact if !self.tail.is_empty() => Together::Tail(self.tail.len()),
            _ => Together::Nothing,
        }
    }
}

/// Counts a directory's bytes and writes what could not be written before.
fn settle<W: Write>(inode: &mut Inode, out: &mut Output<W>) -> Result<(), Error> {
    match &inode.data {
        Data::Directory(directory) => inode.size = directory.size() as u64,
        Data::Target(target) => {
            let mut file = FileData::new(0);
            file.first = out.next_block()?;
            file.blocks = 1;
            out.write(target)?;
            inode.data = Data::File(file);
        }
        _ => {}
    }
    Ok(())
}

fn of_file(file: &FileData) -> (DataLayout, u32, Arc<[u8]>) {
    let tail = Arc::clone(&file.tail);
    if !file.extents.is_empty() {
        (DataLayout::CompressedCompact, file.blocks, tail)
    } else if tail.is_empty() {
        (DataLayout::FlatPlain, file.first, tail)
    } else {
        (DataLayout::FlatInline, file.first, tail)
    }
}

/// An inode and the directory that it was met in.
#[derive(Debug, Clone, Copy)]
struct Child {
    inode: usize,
    directory: usize,
}

/// The order of the inodes: what is in a directory lies together, and the directories near their parents.
fn order(inodes: &[Inode]) -> Vec<Child> {
    let mut placed = vec![false; inodes.len()];
    let mut order = Vec::with_capacity(inodes.len());
    let mut directories = Vec::new();
    let mut place = |inode: usize, directory: usize, order: &mut Vec<Child>| {
        let fresh = placed.get_mut(inode).is_some_and(|placed| !std::mem::replace(placed, true));
        if fresh {
            order.push(Child { inode, directory });
        }
        fresh
    };
    if place(0, 0, &mut order) {
        directories.push(0);
    }
    while let Some(index) = directories.pop() {
        let Some(Inode { data: Data::Directory(directory), .. }) = inodes.get(index) else { continue };
        let from = directories.len();
        for (child, _) in directory.names.values() {
            if place(*child, index, &mut order) {
                directories.push(*child);
            }
        }
        directories.get_mut(from..).unwrap_or_default().reverse();
    }
    order
}

/// The order in the metadata area, `None` where a group may end: the root, whose number has 16 bits; what says
/// nothing of other places in the image, so that its blocks stay the same when other files change; the rest.
fn arranged(order: &[Child], planned: &[Planned]) -> Vec<Option<usize>> {
    let (root, others) = order.split_at(order.len().min(1));
    let is_still = |child: &&Child| planned.get(child.inode).is_some_and(|plan| plan.still);
    let still = others.iter().filter(is_still);
    let mut directory = None;
    let still = still.flat_map(move |child| {
        let next = directory.replace(child.directory) != Some(child.directory);
        [next.then_some(None), Some(Some(child.inode))].into_iter().flatten()
    });
    let moving = others.iter().filter(|child| !is_still(child));
    let root = root.iter().map(|child| Some(child.inode));
    root.chain([None]).chain(still).chain([None]).chain(moving.map(|child| Some(child.inode))).collect()
}
