//! squashfs by sqfstar(1).

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
    let Order { tree, to, compression, epoch, fed } = *order;
    let name = match compression {
        Compression::Zstd => "zstd",
        Compression::Xz => "xz",
        Compression::Lz4 => "lz4",
        Compression::Gzip => "gzip",
    };
    let plain = Metadata { mode: 0o755, ..Metadata::root(epoch) };
    let root = tree.get(&TreePath::ROOT).map_or(&plain, |inode| &inode.metadata);
    let mut command = SQFSTAR.command();
    command.args(["-comp", name, "-reproducible", "-no-progress", "-quiet", "-exit-on-error"]);
    command.args(["-mkfs-time", &epoch.to_string()]);
    // The root's own entry in a tar is passed over by sqfstar.
    command.args(["-root-mode", &format!("{:o}", root.mode)]);
    command.args(["-root-uid", &root.uid.to_string(), "-root-gid", &root.gid.to_string()]);
    command.args(["-root-time", &root.mtime.clamp(0, i64::from(u32::MAX)).to_string()]);
    command.arg(to).stdout(Stdio::null());
    // With it sqfstar would also set back the files' times, which are inputs.
    command.env_remove("SOURCE_DATE_EPOCH");
    let feed = |stdin: &mut ChildStdin| tree.write_adapted(Counting::new(stdin, fed), adapt);
    Ok(SQFSTAR.run(&mut command, Some(&feed), &|line| tracing::debug!(line, "sqfstar"))?)
}

/// Leaves out what squashfs cannot hold, so that sqfstar has nothing to pass over; [`super::losses`]
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
