//! Who knows these bytes: the table of recognisers.

use std::io;
use std::sync::Arc;

use bootwright_formats::Window;

use crate::files::Files;
use crate::filesystem::{fat, iso};
use crate::node::Node;
use crate::source::Source;
use crate::{
    android, archive, config, disk, firmware, initrd, kernel, ours, partitions, pe, superblock, torrent,
    uboot, wim,
};

/// What a recogniser found.
pub(crate) struct Found {
    pub(crate) node: Node,
    pub(crate) inner: Inner,
}

/// What is inside, for those who want to go on.
pub(crate) enum Inner {
    /// Nothing that can be opened.
    Nothing,
    /// Other bytes at the same address: the disk in a disk format.
    Whole(Source),
    /// Parts with names.
    Parts(Vec<Part>),
    /// Files with paths.
    Files(Arc<dyn Files>),
    /// Both: a step that names no part starts a path.
    PartsAndFiles(Vec<Part>, Arc<dyn Files>),
}

/// A part of something: a partition, a section.
pub(crate) struct Part {
    /// The step of the address that leads to it.
    pub(crate) name: String,
    /// What the whole says that it is; facts and problems that come from there. Its kind, its `what` and its
    /// size hold when the content is not recognised.
    pub(crate) node: Node,
    pub(crate) source: Source,
}

/// What is known of the place where the bytes lie.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The path of the file in `beside`, or its name.
    pub(crate) path: &'a str,
    /// The file system or directory that it lies in.
    pub(crate) beside: Option<&'a dyn Files>,
    /// Whether whole contents may be read.
    pub(crate) deep: bool,
}

impl Look<'_> {
    /// The last step of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl From<Node> for Found {
    fn from(node: Node) -> Self {
        Self { node, inner: Inner::Nothing }
    }
}

impl Part {
    /// The bytes from `offset` on; what is not there is left away.
    pub(crate) fn window(source: &Source, name: impl Into<String>, offset: u64, mut node: Node) -> Self {
        let end = offset.saturating_add(node.size);
        node.offset = Some(offset);
        Self { name: name.into(), node, source: Arc::new(Window::new(Arc::clone(source), offset..end)) }
    }
}

/// Knows one family of formats. An error is one of reading; what is wrong with the bytes is a problem of
/// the node.
type Recogniser = fn(&Source, &Look<'_>) -> io::Result<Option<Found>>;

/// In this order: those with a magic at the very start and no doubt come first, text last.
const RECOGNISERS: &[Recogniser] = &[
    pe::recognise,
    kernel::recognise,
    uboot::recognise,
    android::recognise,
    wim::recognise,
    firmware::recognise,
    disk::recognise,
    iso::recognise,
    partitions::gpt,
    superblock::recognise,
    fat::recognise,
    archive::recognise,
    initrd::recognise,
    partitions::mbr,
    ours::recognise,
    torrent::recognise,
    config::recognise,
];

/// The first recogniser that knows the bytes; a node of kind `data` or `empty` when none does.
pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Found> {
    for recogniser in RECOGNISERS {
        if let Some(found) = recogniser(source, look)? {
            return Ok(found);
        }
    }
    Ok(unknown(source)?.into())
}

/// How much is looked at before bytes are called zeros.
const LOOKED_AT: usize = 4096;

fn unknown(source: &Source) -> io::Result<Node> {
    if source.size() == 0 {
        return Ok(Node::new("empty", "empty", 0));
    }
    let head = crate::bytes::read(source, 0, LOOKED_AT)?;
    let zeros = head.0.iter().all(|&byte| byte == 0);
    let what = if zeros { "data that starts with zeros" } else { "data of an unknown kind" };
    Ok(Node::new("data", what, source.size()))
}
