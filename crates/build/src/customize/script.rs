//! `script`: shell commands inside the root.
//!
//! A script needs files, so the tree is unpacked, in a user namespace that has all ids of a system, and
//! packed again afterwards. Neither root nor a daemon is needed; the host sees files of its user's
//! subordinate ids (subuid(5)) in a directory that only the namespace can remove, which it does.
//!
//! Device nodes cannot be made in a user namespace: those of the tree stay as they are and are absent
//! while the script runs; `/dev` has the usual few of the host. The host's network can be used.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::ChangeError;
use crate::tool::{Tool, ToolError};
use crate::tree::{Kind, Tree};

/// The program that makes namespaces.
const UNSHARE: Tool = Tool { program: "unshare", package: "util-linux" };
const SHELL: Tool = Tool { program: "sh", package: "dash" };

/// Runs as root of the namespace: $1 is the work directory, $2 the tar to write. Standard input is the
/// root's tar.
const INSIDE: &str = r#"
set -eu
work=$1 result=$2
root=$work/root
cleanup() {
    cd /
    umount -R "$root/proc" "$root/dev" "$root/etc/resolv.conf" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT
mkdir "$root"
tar -x -f - -C "$root" -p --numeric-owner --same-owner --xattrs --xattrs-include='*' --acls
for directory in proc dev; do
    [ -d "$root/$directory" ] || { echo "the root has no directory /$directory" >&2; exit 1; }
done
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
if [ -e "$root/etc/resolv.conf" ] && [ ! -h "$root/etc/resolv.conf" ]; then
    mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
    made=
else
    made=$root/etc/resolv.conf
    saved=$(readlink "$made" || true)
    rm -f "$made"
    cp /etc/resolv.conf "$made"
fi
env -i HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ${SOURCE_DATE_EPOCH:+SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH} \
    chroot "$root" /bin/sh -eu -c "$(cat "$work/script")" </dev/null >&2
if [ -n "$made" ]; then
    rm -f "$made"
    [ -z "$saved" ] || ln -s "$saved" "$made"
else
    umount "$root/etc/resolv.conf"
fi
umount -R "$root/dev" "$root/proc"
tar -c -f "$result" -C "$root" --format=pax --sort=name --numeric-owner --xattrs --xattrs-include='*' \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .
"#;

/// Root owns all ids without being listed in subuid(5), but newuidmap would not know: the map is written
/// by hand, to a namespace that waits for it. $1 is the work directory, $3 what runs inside.
const AS_ROOT: &str = r#"
set -eu
# A command in the background has no standard input but one that is handed on.
exec 3<&0
unshare --user --mount --pid --fork --kill-child -- \
    /bin/sh -c 'until [ -e "$1/mapped" ]; do sleep 0.02; done; exec /bin/sh -c "$3" sh "$1" "$2"' sh "$@" <&3 3<&- &
child=$!
outside=$(readlink /proc/self/ns/user)
while [ "$(readlink "/proc/$child/ns/user")" = "$outside" ]; do sleep 0.02; done
echo 0 0 65536 > "/proc/$child/uid_map"
echo 0 0 65536 > "/proc/$child/gid_map"
: > "$1/mapped"
wait "$child"
"#;

/// Why a script was of no use.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It failed, or the namespace cannot be made.
    #[error("the script of the recipe failed, or its namespace could not be made (see subuid(5))")]
    Run(#[from] ToolError),
    /// Files around it.
    #[error("running the script failed at {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Putting back what could not pass through.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Runs `script` inside `tree` and writes the changed root to the tar `result`. `work` is an empty
/// directory that other users can enter; `heard` gets what the script says.
pub fn run(
    tree: &Tree,
    script: &str,
    (work, result): (&Path, &Path),
    epoch: Option<u64>,
    heard: &(dyn Fn(&str) + Sync),
) -> Result<(), ScriptError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| ScriptError::Io { path, source }
    };
    let file = work.join("script");
    std::fs::write(&file, script).map_err(at(&file))?;
    File::create(result).map_err(at(result))?;
    let mut plain = tree.clone();
    let devices: Vec<_> = devices(tree).map(|(path, _)| path.clone()).collect();
    devices.iter().for_each(|path| plain.remove(path));
    let mapped = work.join("mapped");
    if mapped.exists() {
        std::fs::remove_file(&mapped).map_err(at(&mapped))?;
    }
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = SHELL.command();
        command.args(["-c", AS_ROOT, "sh"]).arg(work).arg(result).arg(INSIDE);
        command
    } else {
        let mut command = UNSHARE.command();
        command.args([
            "--user",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--map-auto",
            "--map-root-user",
        ]);
        command.args(["--", "/bin/sh", "-c", INSIDE, "sh"]).arg(work).arg(result);
        command
    };
    match epoch {
        Some(epoch) => command.env("SOURCE_DATE_EPOCH", epoch.to_string()),
        None => command.env_remove("SOURCE_DATE_EPOCH"),
    };
    let feed = |stdin: &mut std::process::ChildStdin| {
        let mut out = std::io::BufWriter::with_capacity(1 << 20, stdin);
        plain.write_tar(&mut out)
    };
    Ok(UNSHARE.run(&mut command, Some(&feed), heard)?)
}

/// Puts the device nodes of `before`, which could not pass through the namespace, into `after`, where
/// their places are still free.
pub fn put_back(before: &Tree, after: &mut Tree) -> Result<(), ScriptError> {
    for (path, inode) in devices(before) {
        if after.get(path).is_none() {
            after.put(path, inode.clone()).map_err(ChangeError::from)?;
        }
    }
    Ok(())
}

fn devices(tree: &Tree) -> impl Iterator<Item = (&crate::tree::TreePath, &crate::tree::Inode)> {
    tree.iter().filter(|(_, inode)| matches!(inode.kind, Kind::CharDevice(..) | Kind::BlockDevice(..)))
}
