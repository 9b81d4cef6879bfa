//! Images that others made, as the root: disk images, file systems, live ISOs, trees of files.
//!
//! ```text
//! http ─▶ digest ─▶ gzip, xz, zstd ─┬▶ /run/bootwright/image/root.img ─▶ the root in it (find) ─▶ boot::ram
//!                                   └▶ tar, cpio ─▶ a tmpfs at /sysroot (tree)
//! ```
//!
//! The file is [unpacked while it arrives](receive), in bounded memory; the digest is of the file as the server has it
//! and so known at its end. Until then nothing that was unpacked is mounted or run: [`fetched`] gives an [`Accepted`]
//! image after the [check](Check) that the command line asks for, and nothing else makes one.

pub mod find;
mod mounted;
mod receive;
pub mod signers;
mod tree;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_fetch::sums::{self, MAX_SUMS, Said};
use bootwright_fetch::{
    Backoff, Cause, Client, Error, FileOptions, InOrder, Retries, RetryPolicy, explain, fetch_file,
    get_small, mirror,
};
use bootwright_formats::compression::Compression;
use bootwright_formats::{FileBytes, Shared};
use bootwright_image::Digest;
use bootwright_image::timeline::Step;
use bootwright_plan::foreign_root::{Check, ForeignRoot};
use bootwright_plan::pull::Form;
use tracing::{info, warn};
use url::Url;

use crate::boot::{BootError, memory, ram};
use crate::failure::{Failure, chain};
use crate::root::RETRIES;
use crate::root::progress::Progress;
use find::{FindError, Layout, find, signed};
use receive::{Received, Receiver};
use signers::Signers;

/// The most bytes that are unpacked into memory of unknown size.
const MAX_ROOM: u64 = 1 << 40;

/// How often a checksum is asked for that may not be there.
const PERHAPS: Retries = Retries::Finite(2);

/// A root of others that the line accepts.
pub struct Accepted {
    /// Where it is.
    pub content: Content,
    /// Bytes that were fetched.
    pub size: u64,
}

/// What the root is.
pub enum Content {
    /// One or two file systems in a file.
    FileSystem {
        /// The file.
        file: PathBuf,
        /// Where in it.
        layout: Layout,
    },
    /// A tree, which is at its place already.
    Tree,
}

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The download, or what it unpacks to.
    #[error(transparent)]
    Fetch(Box<Error>),
    /// Nobody says what the file must be.
    #[error(
        "nothing beside {0} says what it must be (URL.sha256, SHA256SUMS): say its SHA-256 by bootwright.digest=, or bootwright.verify=off{1}"
    )]
    Sums(String, String),
    /// There is no root in it.
    #[error("{0}")]
    Find(String, #[source] Box<FindError>),
    /// The file that was unpacked.
    #[error("reading {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// Only a disk image has a tree of dm-verity.
    #[error("{0} is a tree of files: no root hash can vouch for it, say bootwright.digest=")]
    RootHashOfTree(String),
    /// Memory or mounts.
    #[error(transparent)]
    Boot(#[from] BootError),
}

impl ForeignError {
    /// The failure of a boot by it.
    pub fn told(&self, url: &Url) -> Failure {
        let doing = format!("fetching {url}");
        match self {
            Self::Fetch(error) => {
                let cause = chain(self);
                let first = cause.lines().next().unwrap_or_default();
                Failure::new(format!("{doing}: {first}")).fetching(error)
            }
            Self::Boot(error) => Failure::of(&doing, self).at(error.step()),
            Self::Sums(..) | Self::RootHashOfTree(_) => Failure::of(&doing, self).at(Step::Verify),
            Self::Find(..) | Self::Read(..) => Failure::of(&doing, self).at(Step::Root),
        }
    }
}

/// Fetches and unpacks the root at `url`, and checks it.
pub async fn fetched(client: &Arc<Client>, url: &Url, root: &ForeignRoot) -> Result<Accepted, ForeignError> {
    let digest = match root.check {
        Check::Digest(digest) => Some(digest),
        Check::Sums => Some(beside(client, url).await?),
        Check::RootHash(_) | Check::Signed | Check::Nothing => None,
    };
    // A kernel that does not say how much there is says when it is full.
    let room = memory::room().unwrap_or(MAX_ROOM);
    ram::make_room(room)?;
    let receiver = Receiver {
        // No archive has a tree of dm-verity: none is unpacked that nobody can vouch for.
        form: if root.vouches_for(None) { root.form } else { Some(Form::Raw) },
        image: Path::new(ram::IMAGE_DIRECTORY).join("root.img"),
        tree: Box::new(move || mounted::fresh_tree(room)),
        room,
    };
    let image = receiver.image.clone();
    let store = Arc::new(InOrder::new(url.to_string(), move |arriving| receiver.receive(arriving)));
    let source = mirror(client, url.clone(), None);
    let mut progress = Progress::new("the image");
    let options = FileOptions {
        retry: RetryPolicy { retries: RETRIES, ..RetryPolicy::default() },
        ..FileOptions::up_to(u64::MAX)
    };
    info!("fetching {url}");
    let done =
        fetch_file(&*source, digest, store.clone(), &options, &mut |notice| progress.notice(&notice)).await;
    let done = done.map_err(|error| ForeignError::Fetch(Box::new(error)))?;
    progress.done(done.size, done.took);
    match root.check {
        Check::Nothing => warn!("nobody verified {url}: the command line says so"),
        Check::Signed => {}
        Check::RootHash(hash) => info!("the kernel verifies each block by the root hash {}", hash.hex()),
        Check::Digest(_) | Check::Sums => info!("every byte is verified: sha256:{}", done.digest.hex()),
    }
    let Some((received, packed)) = store.take() else {
        let gone = std::io::Error::other("it was not unpacked");
        return Err(ForeignError::Read(image, gone));
    };
    let content = accept(received, packed, image, url, root)?;
    Ok(Accepted { content, size: done.size })
}

/// Finds the root in what was received.
fn accept(
    received: Received,
    packed: Compression,
    image: PathBuf,
    url: &Url,
    root: &ForeignRoot,
) -> Result<Content, ForeignError> {
    let how = if packed == Compression::None { String::new() } else { format!(", unpacked from {packed}") };
    match received {
        Received::Tree(_) if matches!(root.check, Check::RootHash(_) | Check::Signed) => {
            Err(ForeignError::RootHashOfTree(url.to_string()))
        }
        Received::Tree(unpacked) => {
            info!("the root is a tree of {} files, {} MiB{how}", unpacked.members, unpacked.bytes >> 20);
            if let Some((count, first)) = unpacked.refused {
                warn!(
                    "{count} extended attributes are not taken by a tmpfs of this kernel, {first} the first"
                );
            }
            Ok(Content::Tree)
        }
        Received::File(size) => {
            let opened = File::open(&image).and_then(FileBytes::new);
            let opened = opened.map_err(|error| ForeignError::Read(image.clone(), error))?;
            let file: Shared = Arc::new(opened);
            let failed = |error| ForeignError::Find(root_of(url, root), Box::new(error));
            let layout = match root.check {
                Check::Signed => find(&file, &vouched_for(&file, root).map_err(failed)?),
                _ => find(&file, root),
            };
            let layout = layout.map_err(failed)?;
            info!("the root is {layout}, of {} MiB{how}", size >> 20);
            Ok(Content::FileSystem { file: image, layout })
        }
    }
}

/// The same with the root hashes that are signed by whom the initrd trusts.
fn vouched_for(file: &Shared, root: &ForeignRoot) -> Result<ForeignRoot, FindError> {
    let signed = signed(file, root, &Signers::of_initrd())?;
    for (name, hash) in [("root", signed.root_hash), ("/usr", signed.usr_hash)] {
        if let Some(hash) = hash {
            info!(
                "the kernel verifies each block of {name} by the root hash {}, which is signed",
                hash.hex()
            );
        }
    }
    Ok(signed)
}

fn root_of(url: &Url, root: &ForeignRoot) -> String {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    match root.form {
        Some(Form::Raw) => format!("looking for {} in the disk image {name}", root.part),
        _ => format!("looking for the root in {name}"),
    }
}

/// The digest that the checksums beside the file say.
async fn beside(client: &Arc<Client>, url: &Url) -> Result<Digest, ForeignError> {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    let retry = RetryPolicy { retries: PERHAPS, backoff: Backoff::default() };
    let mut trouble = String::new();
    for (place, about) in sums::places(url) {
        let text = match get_small(client, &place, MAX_SUMS, retry, &mut |_| {}).await {
            Ok(small) => small.bytes,
            Err(error) => {
                if !is_absent(&error) {
                    trouble = format!(" ({place}: {})", explain(&error).lines().next().unwrap_or_default());
                }
                continue;
            }
        };
        match sums::look(&String::from_utf8_lossy(&text), name, about) {
            Said::Digest(digest) => {
                info!("{place} says what {name} must be: whoever can change the one can change the other");
                return Ok(digest);
            }
            Said::Nothing => warn!("{place} says nothing of {name}"),
            Said::NoSums(line) => warn!("{place} is no file of checksums (line {line})"),
        }
    }
    Err(ForeignError::Sums(url.to_string(), trouble))
}

fn is_absent(error: &Error) -> bool {
    match error {
        Error::Transfer { failure, .. } => matches!(failure.cause, Cause::Status { status: 400..500, .. }),
        _ => false,
    }
}
