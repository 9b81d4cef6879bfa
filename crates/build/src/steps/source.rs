//! Step 1: the root becomes a [`Tree`].

use std::fs::File;
use std::path::{Path, PathBuf};

use bootwright_formats::compression::Compression;

use super::{BuildError, Job, Outcome, Refresh, Step};
use crate::cache::{Cache, Key};
use crate::customize;
use crate::recipe::{Debian, Oci, RootSource};
use crate::source::archive::{self, ArchiveError};
use crate::source::debian::Plan;
use crate::source::oci::{self, Layout, registry};
use crate::tree::{Backing, Tree, stamp};

/// The image layout among a step's results.
const LAYOUT: &str = "layout";
/// The unpacked archive among a step's results.
const TAR: &str = "root.tar";

impl Job<'_> {
    pub(super) fn fetch_source(&mut self) -> Result<Tree, BuildError> {
        match &self.recipe.root {
            RootSource::Debian(debian) => self.install(debian),
            RootSource::Tar(path) => self.open_archive(path),
            RootSource::Oci(oci) => self.open_image(oci),
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

    fn open_image(&mut self, oci: &Oci) -> Result<Tree, BuildError> {
        match oci {
            Oci::Host { path, reference } => {
                let began = self.log.begin(Step::Source, &path.display().to_string());
                self.merge_layers(began, path, reference.as_deref())
            }
            Oci::Registry(name) => {
                let began = self.log.begin(Step::Source, name);
                let layout = self.fetch_image(name)?;
                self.merge_layers(began, &layout, None)
            }
        }
    }

    /// The layout into which an image of a registry was fetched.
    fn fetch_image(&self, name: &str) -> Result<PathBuf, BuildError> {
        let architecture = oci::architecture();
        let key = Key::default().with("image", name).with("architecture", architecture).finish();
        let earlier = match self.options.refresh {
            Refresh::Keep => self.cache.get("registry", key),
            Refresh::Fetch => None,
        };
        let fetch = |directory: &Path| -> Result<(), BuildError> {
            let progress = self.log.progress();
            let heard = |line: &str| progress.said(Step::Source, line);
            Ok(registry::fetch(name, architecture, &directory.join(LAYOUT), &heard)?)
        };
        let directory = match earlier {
            Some(directory) => directory,
            None => self.cache.put("registry", key, fetch)?,
        };
        Ok(directory.join(LAYOUT))
    }

    /// Lays the layers of an OCI image over each other.
    fn merge_layers(
        &mut self,
        began: std::time::Instant,
        image: &Path,
        reference: Option<&str>,
    ) -> Result<Tree, BuildError> {
        let files = if image.is_dir() { Tree::from_directory(image)? } else { self.unpack_archive(image)?.0 };
        let layout = Layout::new(image, &files);
        let layers = layout.layers(reference, oci::architecture())?;
        let mut key = Key::default();
        for layer in &layers {
            key = key.with("layer", layer.diff_id().0);
        }
        let key = key.finish();
        let tar = |directory: &Path, number: usize| directory.join(format!("{number}.tar"));
        let unpack = |directory: &Path| -> Result<(), BuildError> {
            let unpack = |(number, layer)| Ok(layout.unpack(layer, &tar(directory, number))?);
            layers.iter().enumerate().try_for_each(unpack)
        };
        let (directory, outcome) = match self.cache.get("layers", key) {
            Some(directory) => (directory, Outcome::Cached),
            None => (self.cache.put("layers", key, unpack)?, Outcome::Done),
        };
        let mut tree = Tree::default();
        for (number, layer) in layers.iter().enumerate() {
            let path = tar(&directory, number);
            let failed = |source| ArchiveError::Read { path: path.clone(), source };
            let backing = File::open(&path).and_then(Backing::new).map_err(failed)?;
            let failed =
                |source| BuildError::Layer { image: image.to_owned(), diff_id: layer.diff_id(), source };
            tree.apply_layer(&backing).map_err(failed)?;
        }
        self.end_source(began, outcome, &tree, &format!("OCI image of {} layers", layers.len()));
        Ok(tree)
    }

    fn open_archive(&mut self, path: &Path) -> Result<Tree, BuildError> {
        let began = self.log.begin(Step::Source, &path.display().to_string());
        let (tree, outcome, compression) = self.unpack_archive(path)?;
        self.end_source(began, outcome, &tree, &format!("tar archive, {compression}"));
        Ok(tree)
    }

    /// The files in an archive, which is unpacked first when it is compressed.
    fn unpack_archive(&self, path: &Path) -> Result<(Tree, Outcome, Compression), BuildError> {
        let compression = archive::compression(path)?;
        if compression == Compression::None {
            return Ok((open_tar(path)?, Outcome::Done, compression));
        }
        let read_error = |source| ArchiveError::Read { path: path.to_owned(), source };
        let identity = stamp(&std::fs::metadata(path).map_err(read_error)?);
        let key = Key::default().with("archive", identity.0).finish();
        let unpack = |to: &Path| Ok::<_, BuildError>(archive::decompress(path, to)?);
        let (tree, outcome) =
            unpacked(&self.cache, "archive", key, unpack).map_err(|error| name_archive(error, path))?;
        Ok((tree, outcome, compression))
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
