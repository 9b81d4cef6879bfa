//! A flattened devicetree, token by token.
//!
//! Specification: "Devicetree Specification" 0.4, chapter 5. Big-endian:
//!
//! ```text
//! 0 magic 0xd00dfeed   4 totalsize   8 off_dt_struct   12 off_dt_strings   20 version   24 last_comp_version
//! 32 size_dt_strings   36 size_dt_struct
//! structure block: 1 BEGIN_NODE name\0…   2 END_NODE   3 PROP len nameoff data…   4 NOP   9 END; each on 4 bytes
//! ```
//!
//! Data of properties is not read, only where it lies: a FIT holds whole kernels in them.

use std::io;
use std::ops::Range;

use crate::bytes::{printable, read};
use crate::source::Source;

/// The most tokens that are read: the largest devicetrees of Linux have some 20 000.
const MAX_TOKENS: usize = 1 << 18;

/// The deepest nesting; libfdt's own tools stop near 64.
const MAX_DEPTH: usize = 64;

/// The longest name of a node or property, with its NUL. The specification allows 31.
const MAX_NAME: usize = 256;

/// A node: its name, properties, children.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) properties: Vec<(String, Range<u64>)>,
    pub(super) children: Vec<Tree>,
}

/// The header and the tree.
pub(super) struct Fdt {
    pub(super) total: u64,
    pub(super) version: u32,
    pub(super) root: Tree,
    /// What is wrong with it, and where.
    pub(super) fault: Option<(u64, String)>,
}

impl Tree {
    /// The child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Where the data of a property lies.
    pub(super) fn data(&self, name: &str) -> Option<Range<u64>> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, range)| range.clone())
    }

    /// A property that is a text, or several with NULs between; at most 1 KiB of it.
    pub(super) fn texts(&self, source: &Source, name: &str) -> io::Result<Vec<String>> {
        let Some(range) = self.data(name) else { return Ok(Vec::new()) };
        let bytes = read(source, range.start, (range.end - range.start).min(1024) as usize)?;
        let texts = bytes.0.split(|&byte| byte == 0).filter(|text| !text.is_empty());
        Ok(texts.map(printable).collect())
    }

    /// The first text of a property; empty when it is not there.
    pub(super) fn text(&self, source: &Source, name: &str) -> io::Result<String> {
        Ok(self.texts(source, name)?.into_iter().next().unwrap_or_default())
    }

    /// A property that is a number of one or two cells.
    pub(super) fn number(&self, source: &Source, name: &str) -> io::Result<Option<u64>> {
        let Some(range) = self.data(name) else { return Ok(None) };
        let bytes = read(source, range.start, 8)?;
        Ok(match range.end - range.start {
            4 => bytes.be32(0).map(u64::from),
            8 => bytes.be64(0),
            _ => None,
        })
    }
}

/// Reads the header and walks the structure; `None` when the magic is not there.
pub(super) fn parse(source: &Source) -> io::Result<Option<Fdt>> {
    let head = read(source, 0, 40)?;
    if !head.has(0, &0xd00d_feed_u32.to_be_bytes()) {
        return Ok(None);
    }
    let field = |at| head.be32(at).map(u64::from);
    let fields = (field(4), field(8), field(12), head.be32(20), field(32));
    let (Some(total), Some(structure), Some(strings), Some(version), Some(strings_size)) = fields else {
        return Ok(None);
    };
    // Before version 17 the length of the structure is not told.
    let length = field(36).filter(|_| version >= 17).unwrap_or(total.saturating_sub(structure));
    let mut walk = Walk {
        source,
        at: structure,
        end: structure.saturating_add(length).min(total).min(source.size()),
        strings: strings..strings.saturating_add(strings_size).min(total),
    };
    let mut fdt = Fdt { total, version, root: Tree::default(), fault: None };
    if let Err(fault) = walk.root(&mut fdt.root)? {
        fdt.fault = Some((walk.at, fault.to_owned()));
    }
    Ok(Some(fdt))
}

struct Walk<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    strings: Range<u64>,
}

type Step = io::Result<Result<(), &'static str>>;

impl Walk<'_> {
    /// Keeps the open nodes on a stack of its own: the depth is the file's to choose.
    fn root(&mut self, root: &mut Tree) -> Step {
        let mut open: Vec<Tree> = Vec::new();
        for _ in 0..MAX_TOKENS {
            let head = read(self.source, self.at, 12)?;
            if self.at.saturating_add(4) > self.end {
                return Ok(Err("the structure ends without its end token"));
            }
            self.at += 4;
            match head.be32(0) {
                Some(1) => {
                    let (name, length) = self.name(self.at)?;
                    if length == MAX_NAME || open.len() >= MAX_DEPTH {
                        return Ok(Err("a node's name is too long, or the nodes nest too deep"));
                    }
                    self.at += (length as u64 + 1).next_multiple_of(4);
                    open.push(Tree { name, ..Tree::default() });
                }
                Some(2) => match (open.pop(), open.last_mut()) {
                    (Some(node), Some(parent)) => parent.children.push(node),
                    (Some(node), None) => *root = node,
                    (None, _) => return Ok(Err("a node ends that did not begin")),
                },
                Some(3) => {
                    let (Some(length), Some(name)) = (head.be32(4), head.be32(8)) else {
                        return Ok(Err("a property is cut off"));
                    };
                    let start = self.at + 8;
                    let end = start + u64::from(length);
                    let place = self.strings.start + u64::from(name);
                    if end > self.end || !self.strings.contains(&place) {
                        return Ok(Err("a property or its name reaches outside"));
                    }
                    let Some(node) = open.last_mut() else {
                        return Ok(Err("a property outside of all nodes"));
                    };
                    let (name, _) = self.name(place)?;
                    node.properties.push((name, start..end));
                    self.at = end.next_multiple_of(4);
                }
                Some(4) => {}
                Some(9) => return Ok(if open.is_empty() { Ok(()) } else { Err("it ends within a node") }),
                _ => return Ok(Err("an unknown token")),
            }
        }
        Ok(Err("more tokens than any devicetree has"))
    }

    fn name(&self, at: u64) -> io::Result<(String, usize)> {
        let bytes = read(self.source, at, MAX_NAME)?.0;
        let length = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        Ok((printable(bytes.get(..length).unwrap_or_default()), length))
    }
}
