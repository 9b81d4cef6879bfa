//! squashfs by sqfstar(1). The root directory itself is dated as the newest file of the tree.

use std::borrow::Cow;
use std::process::{ChildStdin, Stdio};

use super::losses::kept_by_squashfs;
use super::{Counting, Order, RootError};
use crate::recipe::Compression;
use crate::tool::Tool;
use crate::tree::{Metadata, TreePath};

const SQFSTAR: Tool = Tool { program: "sqfstar", package: "squashfs-tools" };

pub(super) fn version() -> Result<String, RootError> {
    let text = SQFSTAR.output(SQFSTAR.command().arg("-version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

pub(super) fn write(order: &Order<'_>) -> Result<(), RootError> {
    let Order { tree, to, compression, epoch, fed, .. } = *order;
    let name = match compression {
        Compression::Zstd => "zstd",
        Compression::Xz => "xz",
        Compression::Lz4 => "lz4",
        Compression::Gzip => "gzip",
    };
    // sqfstar 4.5 makes up the root directory's entry: it passes over the one in the tar, and over
    // -root-uid, -root-gid and -root-time. The mode can be given; the time is the current one unless
    // SOURCE_DATE_EPOCH is earlier; that one is chosen so that no other time is touched.
    let root_mode = tree.get(&TreePath::ROOT).map_or(0o755, |inode| inode.metadata.mode);
    let mut command = SQFSTAR.command();
    command.args(["-comp", name, "-reproducible", "-no-progress", "-quiet", "-exit-on-error"]);
    command.args(["-root-mode", &format!("{root_mode:o}")]).arg(to).stdout(Stdio::null());
    command.env("SOURCE_DATE_EPOCH", tree.newest(u64::from(u32::MAX)).max(epoch).to_string());
    let feed = |stdin: &mut ChildStdin| tree.write_adapted(Counting::new(stdin, fed), adapt);
    Ok(SQFSTAR.run(&mut command, Some(&feed), &|line| tracing::debug!(line, "sqfstar"))?)
}

/// Leaves out what squashfs cannot hold, so that sqfstar has nothing to pass over; [`super::losses()`]
/// names it.
fn adapt(metadata: &Metadata) -> Cow<'_, Metadata> {
    let seconds = metadata.mtime.clamp(0, i64::from(u32::MAX));
    if metadata.xattrs.keys().all(|name| kept_by_squashfs(name))
        && seconds == metadata.mtime
        && metadata.mtime_nsec == 0
    {
        return Cow::Borrowed(metadata);
    }
    let mut metadata = metadata.clone();
    metadata.xattrs.retain(|name, _| kept_by_squashfs(name));
    (metadata.mtime, metadata.mtime_nsec) = (seconds, 0);
    Cow::Owned(metadata)
}
