//! Step 1: the root becomes a [`Tree`].

use std::fs::File;
use std::path::Path;

use bootwright_formats::compression::Compression;

use super::{BuildError, Job, Outcome, Refresh, Step};
use crate::cache::{Cache, Key};
use crate::customize;
use crate::recipe::{Debian, RootSource};
use crate::source::archive::{self, ArchiveError};
use crate::source::debian::Plan;
use crate::tree::{Backing, Tree, stamp};

/// The unpacked archive among a step's results.
const TAR: &str = "root.tar";

impl Job<'_> {
    pub(super) fn fetch_source(&mut self) -> Result<Tree, BuildError> {
        match &self.recipe.root {
            RootSource::Debian(debian) => self.install(debian),
            RootSource::Tar(path) => self.open_archive(path),
            RootSource::Directory(path) => {
                let began = self.log.begin(Step::Source, &path.display().to_string());
                let tree = Tree::from_directory(path)?;
                self.end_source(began, Outcome::Done, &tree, "directory");
                Ok(tree)
            }
        }
    }

    fn install(&mut self, debian: &Debian) -> Result<Tree, BuildError> {
        let plan = Plan::new(debian)?;
        let epoch = self.options.epoch;
        let key = Key::default().with("plan", plan.inputs()).with("epoch", format!("{epoch:?}")).finish();
        let what = format!("Debian {}, {} packages and what they need", debian.suite, debian.packages.len());
        let began = self.log.begin(Step::Source, &what);
        let earlier = match self.options.refresh {
            Refresh::Keep => self.cache.get("debian", key),
            Refresh::Fetch => None,
        };
        let outcome = if earlier.is_some() { Outcome::Cached } else { Outcome::Done };
        let directory = match earlier {
            Some(directory) => directory,
            None => {
                let progress = self.log.progress();
                let heard = |line: &str| progress.said(Step::Source, line);
                self.cache.put("debian", key, |directory| -> Result<(), BuildError> {
                    Ok(plan.run(&directory.join(TAR), epoch, &heard)?)
                })?
            }
        };
        let mut tree = open_tar(&directory.join(TAR))?;
        let mtime = epoch.unwrap_or_else(|| tree.newest(super::now()));
        customize::forget_builder(&mut tree, mtime)?;
        let detail = match outcome {
            Outcome::Cached => format!("Debian {}, fetched earlier (--refresh fetches anew)", debian.suite),
            Outcome::Done => format!("Debian {}", debian.suite),
        };
        self.end_source(began, outcome, &tree, &detail);
        Ok(tree)
    }

    fn open_archive(&mut self, path: &Path) -> Result<Tree, BuildError> {
        let began = self.log.begin(Step::Source, &path.display().to_string());
        let compression = archive::compression(path)?;
        let (tree, outcome) = if compression == Compression::None {
            (open_tar(path)?, Outcome::Done)
        } else {
            let read_error = |source| ArchiveError::Read { path: path.to_owned(), source };
            let identity = stamp(&std::fs::metadata(path).map_err(read_error)?);
            let key = Key::default().with("archive", identity.0).finish();
            let unpack = |to: &Path| Ok::<_, BuildError>(archive::decompress(path, to)?);
            unpacked(&self.cache, "archive", key, unpack).map_err(|error| name_archive(error, path))?
        };
        self.end_source(began, outcome, &tree, &format!("tar archive, {compression}"));
        Ok(tree)
    }

    fn end_source(&mut self, began: std::time::Instant, outcome: Outcome, tree: &Tree, detail: &str) {
        let detail = format!("{detail}: {} files", tree.len());
        self.log.end(Step::Source, began, outcome, detail, Some(tree.file_bytes()));
    }
}

/// The tree in a tar that `unpack` writes, kept as a result of `step`.
pub(super) fn unpacked(
    cache: &Cache,
    step: &str,
    key: bootwright_image::Digest,
    unpack: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<(Tree, Outcome), BuildError> {
    if let Some(directory) = cache.get(step, key) {
        return Ok((open_tar(&directory.join(TAR))?, Outcome::Cached));
    }
    let directory = cache.put(step, key, |directory| -> Result<(), BuildError> {
        let tar = directory.join(TAR);
        unpack(&tar)?;
        // What is no tree must not be kept as one.
        open_tar(&tar).map(|_| ())
    })?;
    Ok((open_tar(&directory.join(TAR))?, Outcome::Done))
}

pub(super) fn open_tar(path: &Path) -> Result<Tree, BuildError> {
    let read_error = |source| ArchiveError::Read { path: path.to_owned(), source };
    let backing = File::open(path).and_then(Backing::new).map_err(read_error)?;
    Tree::from_tar(&backing).map_err(|source| BuildError::Tar { path: path.to_owned(), source })
}

/// Names the user's archive instead of its unpacked copy.
fn name_archive(error: BuildError, path: &Path) -> BuildError {
    match error {
        BuildError::Tar { source, .. } => BuildError::Tar { path: path.to_owned(), source },
        other => other,
    }
}
