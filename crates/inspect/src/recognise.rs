//! Who knows these bytes: the table of recognisers.

use std::io;
use std::sync::Arc;

use bootwright_formats::Window;

use crate::files::Files;
use crate::filesystem::{fat, iso};
use crate::node::{Node, Severity};
use crate::packed::{self, Budget};
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
    /// How much compressed files may be unpacked to; `None` when they are told by their first bytes only.
    pub(crate) unpack: Option<&'a Budget>,
}

impl Look<'_> {
    /// For something inside. What is compressed there is unpacked only when all is read: a disk holds
    /// kernels and initrds that nobody asked about.
    pub(crate) fn inner<'b>(&'b self, path: &'b str, beside: Option<&'b dyn Files>) -> Look<'b> {
        Look { path, beside, deep: self.deep, unpack: self.unpack.filter(|_| self.deep) }
    }

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
    packed::recognise,
    partitions::mbr,
    ours::recognise,
    torrent::recognise,
    config::recognise,
];

/// The first recogniser that knows the bytes; a node of kind `data` or `empty` when none does.
pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Found> {
    match first(RECOGNISERS.iter().map(|recogniser| recogniser(source, look)))? {
        Some((mut found, unread)) => {
            unreadable(&mut found.node, unread);
            Ok(found)
        }
        None => Ok(unknown(source)?.into()),
    }
}

/// The first that finds something, with the first fault of reading before it: bytes that are lost at the end,
/// where some formats have a footer, keep nobody from seeing what is at the start.
///
/// # Errors
/// The first fault, when nothing was found.
pub(crate) fn first<T>(
    tries: impl Iterator<Item = io::Result<Option<T>>>,
) -> io::Result<Option<(T, Option<io::Error>)>> {
    let mut unread = None;
    for found in tries {
        match found {
            Ok(Some(found)) => return Ok(Some((found, unread))),
            Ok(None) => {}
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    unread.map_or(Ok(None), Err)
}

/// Notes that some of it could not be read.
pub(crate) fn unreadable(node: &mut Node, error: Option<io::Error>) {
    if let Some(error) = error {
        let what = format!("some of it cannot be read: {error}");
        node.problem(Severity::Error, None, what, "copy it again, whole");
    }
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
