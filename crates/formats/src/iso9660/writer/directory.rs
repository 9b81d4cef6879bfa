//! Directories and path tables of one of the two trees.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::{date, flags};
use super::rock_ridge::{About, Continuations, fields};
use super::tree::{Node, Tree};
use super::{SECTOR, both16, both32, names};

/// The most bytes that one extent tells: the largest whole number of sectors in 32 bits.
const MAX_EXTENT: u64 = (u32::MAX as u64) / SECTOR * SECTOR;

/// Bytes of an entry before its name.
const HEAD: usize = 33;

/// Where everything is; zeros at first, when only the sizes of directories are wanted.
#[derive(Clone)]
pub(super) struct Places {
    pub epoch: u64,
    /// First sector and bytes of each directory.
    pub directories: Vec<(u32, u32)>,
    /// Of the plan's entries, in bytes. How long each is counts from the beginning: a long one has several
    /// entries.
    pub files: Vec<Range<u64>>,
    /// First sector of what Rock Ridge has no room for.
    pub continuation: u32,
}

/// The order of the bytes of a path table's numbers.
#[derive(Clone, Copy)]
pub(super) enum Order {
    Little,
    Big,
}

/// The names of one tree: for each directory those of its children, in order.
pub(super) struct Namespace {
    rock_ridge: bool,
    names: Vec<Vec<(Vec<u8>, String, Node)>>,
}

impl Namespace {
    /// The primary tree, with Rock Ridge.
    pub fn iso9660(tree: &Tree) -> Self {
        Self::new(tree, true, names::iso9660)
    }

    /// The supplementary tree; links are not in it.
    pub fn joliet(tree: &Tree) -> Self {
        Self::new(tree, false, names::joliet)
    }

    fn new(tree: &Tree, rock_ridge: bool, name: fn(&str, bool, &mut BTreeSet<Vec<u8>>) -> Vec<u8>) -> Self {
        let is_link = |node: &Node| matches!(node, Node::Entry(number) if tree.targets.get(*number).is_some_and(Option::is_some));
        let names = tree.directories.iter().map(|directory| {
            let mut taken = BTreeSet::new();
            let children = directory.children.iter().filter(|(_, node)| rock_ridge || !is_link(node));
            let mut children: Vec<_> = children
                .map(|(text, node)| {
                    (name(text, matches!(node, Node::Entry(_)), &mut taken), text.clone(), *node)
                })
                .collect();
            children.sort_by(|(a, ..), (b, ..)| a.cmp(b));
            children
        });
        Self { rock_ridge, names: names.collect() }
    }

    /// The bytes of every directory, and what Rock Ridge had no room for in them.
    pub fn directories(&self, tree: &Tree, places: &Places) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut continued = Continuations::default();
        let numbers = 0..tree.directories.len();
        let bytes = numbers.map(|number| self.directory(tree, places, number, &mut continued)).collect();
        (bytes, continued.bytes)
    }

    fn directory(
        &self,
        tree: &Tree,
        places: &Places,
        number: usize,
        continued: &mut Continuations,
    ) -> Vec<u8> {
        let place = |number: usize| places.directories.get(number).copied().unwrap_or((0, 0));
        let mut entry = |name: &[u8], about: About<'_>, (lba, size): (u32, u32), flags: u8| {
            let fields = if self.rock_ridge { fields(&about, places.epoch) } else { Vec::new() };
            let room = 254 - (HEAD + name.len()).next_multiple_of(2);
            let system_use = continued.fit(fields, room, places.continuation);
            record(name, (lba, size), flags, places.epoch, &system_use)
        };
        let parent = tree.directories.get(number).map_or(0, |directory| directory.parent);
        let own = if number == 0 { About::Root } else { About::Dot };
        let mut records = vec![
            entry(&[0], own, place(number), flags::DIRECTORY),
            entry(&[1], About::Dot, place(parent), flags::DIRECTORY),
        ];
        for (name, text, node) in self.names.get(number).into_iter().flatten() {
            match *node {
                Node::Directory(inner) => {
                    records.push(entry(
                        name,
                        About::Directory { name: text },
                        place(inner),
                        flags::DIRECTORY,
                    ));
                }
                Node::Entry(file) => {
                    let target = tree.targets.get(file).and_then(Option::as_deref);
                    let range = places.files.get(file).cloned().unwrap_or(0..0);
                    for (place, more) in extents(range) {
                        let about = match target {
                            Some(target) => About::Symlink { name: text, target },
                            None => About::File { name: text },
                        };
                        records.push(entry(name, about, place, if more { flags::MORE_EXTENTS } else { 0 }));
                    }
                }
            }
        }
        pack(&records)
    }

    /// The entry of the root directory that a volume descriptor holds.
    pub fn root(places: &Places) -> Vec<u8> {
        let place = places.directories.first().copied().unwrap_or((0, 0));
        record(&[0], place, flags::DIRECTORY, places.epoch, &[])
    }

    /// The path table (ECMA-119, 9.4).
    pub fn path_table(&self, places: &Places, order: Order) -> Vec<u8> {
        // Breadth first, so that parents come first; the number of a directory is its place, from 1.
        let mut queue: Vec<(usize, u16, &[u8])> = vec![(0, 1, &[0])];
        let (mut table, mut at) = (Vec::new(), 0);
        while let Some((number, parent, name)) = queue.get(at).copied() {
            at += 1;
            table.extend([name.len() as u8, 0]);
            let (lba, _) = places.directories.get(number).copied().unwrap_or((0, 0));
            match order {
                Order::Little => {
                    table.extend(lba.to_le_bytes());
                    table.extend(parent.to_le_bytes());
                }
                Order::Big => {
                    table.extend(lba.to_be_bytes());
                    table.extend(parent.to_be_bytes());
                }
            }
            table.extend(name);
            if !name.len().is_multiple_of(2) {
                table.push(0);
            }
            // Readers that want more than 65535 directories do not use this table.
            let own = u16::try_from(at).unwrap_or(u16::MAX);
            for (name, _, node) in self.names.get(number).into_iter().flatten() {
                if let Node::Directory(inner) = node {
                    queue.push((*inner, own, name));
                }
            }
        }
        table
    }
}

/// A file in extents of at most 4 GiB: sector, bytes, and whether another one follows.
fn extents(range: Range<u64>) -> Vec<((u32, u32), bool)> {
    let mut extents = Vec::new();
    let mut start = range.start;
    loop {
        let length = (range.end - start).min(MAX_EXTENT);
        let more = start + length < range.end;
        extents.push((((start / SECTOR) as u32, length as u32), more));
        if !more {
            return extents;
        }
        start += length;
    }
}

/// A directory entry (ECMA-119, 9.1).
fn record(name: &[u8], (lba, size): (u32, u32), flags: u8, epoch: u64, system_use: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both32(lba));
    record.extend(both32(size));
    record.extend(date::short(epoch));
    record.extend([flags, 0, 0]);
    record.extend(both16(1));
    record.push(name.len() as u8);
    record.extend(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record.extend(system_use);
    record.resize(record.len().next_multiple_of(2), 0);
    let length = record.len() as u8;
    if let Some(first) = record.first_mut() {
        *first = length;
    }
    record
}

/// Entries one behind the other; none crosses a sector.
fn pack(records: &[Vec<u8>]) -> Vec<u8> {
    let sector = SECTOR as usize;
    let mut bytes = Vec::new();
    for record in records {
        if bytes.len() % sector + record.len() > sector {
            bytes.resize(bytes.len().next_multiple_of(sector), 0);
        }
        bytes.extend(record);
    }
    bytes.resize(bytes.len().next_multiple_of(sector), 0);
    bytes
}
