//! Step 4: `root.img` and `root.json`.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use bootwright_formats::{Guid, verity};
use bootwright_image::chunks::{CHUNK, ChunkDigester, STREAMED_CHUNK, size_from};
use bootwright_image::manifest::Mode;
use bootwright_image::{Chunks, Digest, RootFormat, RootManifest, Verity};

use super::{BuildError, Job, Outcome, Step};
use crate::cache::Key;
use crate::kernel::{Kernel, needs};
use crate::recipe::{Compression, Integrity};
use crate::root::{RootWriter, losses};
use crate::tree::{Tree, TreePath};

/// Version of what this step does: counts up when the same tree shall give another root.
const GENERATION: &str = "1";
/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;
pub(super) const IMAGE: &str = "root.img";
pub(super) const MANIFEST: &str = "root.json";

/// A root that lies in the cache.
pub(super) struct Root {
    pub image: PathBuf,
    pub manifest: RootManifest,
    /// The exact bytes of `root.json`.
    pub bytes: Vec<u8>,
    key: Digest,
    /// Whether this build made it: what lay in the cache is looked at again before it is used.
    fresh: bool,
}

impl Root {
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Copies the image to `to` and brings it to the disk; whether it is what the manifest says.
    pub fn copy(&self, to: &Path) -> std::io::Result<bool> {
        std::fs::copy(&self.image, to)?;
        let (size, digest, chunks) = match self.fresh {
            true => return File::open(to)?.sync_all().map(|()| true),
            false => synced_digest(to, self.manifest.chunks.size)?,
        };
        Ok(RootManifest { size, digest, chunks, ..self.manifest.clone() } == self.manifest)
    }
}

impl Job<'_> {
    pub(super) fn write_root(
        &mut self,
        tree: &Tree,
        kernel: &Kernel,
        created: u64,
    ) -> Result<Root, BuildError> {
        let (format, integrity) = (self.recipe.format, self.recipe.verity);
        let compression = self.choose_compression(kernel, format)?;
        let began =
            self.log.begin(Step::Root, &format!("{} with {compression:?}", format.name()).to_lowercase());
        let writer = RootWriter::new(format, compression)?.with_first(self.first_files()?);
        for loss in losses(tree, format) {
            self.log.warn(format!("not kept in {}: {loss}", format.name()));
        }
        let chunk = if self.recipe.mode == Mode::Stream { STREAMED_CHUNK } else { CHUNK };
        let key = Key::default()
            .with("generation", GENERATION)
            .with("tree", tree.fingerprint().0)
            .with("writer", writer.inputs())
            .with("created", created.to_le_bytes())
            .with("integrity", format!("{integrity:?}"))
            .with("chunk", chunk.to_le_bytes())
            .finish();
        let (directory, outcome) = match self.cache.get("root", key) {
            Some(directory) => (directory, Outcome::Cached),
            None => {
                let progress = self.log.progress();
                let total = tree.file_bytes();
                let fed = |bytes: u64| progress.advance(Step::Root, bytes, total);
                let make = |directory: &Path| -> Result<(), BuildError> {
                    let image = directory.join(IMAGE);
                    writer.write(tree, &image, created, &fed)?;
                    let manifest = seal(&image, format, integrity, chunk).map_err(at(&image))?.to_bytes()?;
                    let path = directory.join(MANIFEST);
                    std::fs::write(&path, manifest).map_err(at(&path))
                };
                (self.cache.put("root", key, make)?, Outcome::Done)
            }
        };
        let root = open(&directory, key, outcome)?;
        let detail =
            format!("{} with {compression:?}, {} chunks", format.name(), root.manifest.chunks.sha256.len());
        self.log.end(Step::Root, began, outcome, detail.to_lowercase(), Some(root.manifest.size));
        Ok(root)
    }

    /// The recipe's list of files whose data comes first.
    fn first_files(&self) -> Result<Vec<TreePath>, BuildError> {
        let Some(path) = &self.recipe.order else { return Ok(Vec::new()) };
        let text = std::fs::read(path).map_err(at(path))?;
        let mut first = Vec::new();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if !line.is_empty() && !line.starts_with(b"#") {
                let wrong = |source| BuildError::Order { path: path.clone(), line: number + 1, source };
                first.push(TreePath::parse(line).map_err(wrong)?);
            }
        }
        Ok(first)
    }

    fn choose_compression(&mut self, kernel: &Kernel, format: RootFormat) -> Result<Compression, BuildError> {
        let asked = self.recipe.compression;
        let Some(config) = &kernel.config else {
            let text = "no configuration of this kernel was found: assumed that it reads the root with zstd";
            self.log.warn(text.to_owned());
            return Ok(asked.unwrap_or(Compression::Zstd));
        };
        let compression = needs::compression(config, format, asked);
        needs::check(config, &kernel.version, (format, compression), self.recipe.mode)?;
        Ok(compression)
    }

    /// A root that is not what its manifest says was damaged in the cache: the result is forgotten.
    pub(super) fn forget_root(&self, root: &Root) -> Result<(), BuildError> {
        self.cache.forget("root", root.key)?;
        let source = std::io::Error::other("it was damaged in the cache and is now forgotten: build again");
        Err(BuildError::Io { path: root.image.clone(), source })
    }
}

fn open(directory: &Path, key: Digest, outcome: Outcome) -> Result<Root, BuildError> {
    let path = directory.join(MANIFEST);
    let bytes = std::fs::read(&path).map_err(at(&path))?;
    let manifest =
        RootManifest::from_bytes(&bytes).map_err(|error| at(&path)(std::io::Error::other(error)))?;
    let fresh = matches!(outcome, Outcome::Done);
    Ok(Root { image: directory.join(IMAGE), manifest, bytes, key, fresh })
}

/// Appends what the recipe wants behind the file system and describes the file, in chunks of `chunk` bytes or more.
fn seal(image: &Path, format: RootFormat, integrity: Integrity, chunk: u32) -> std::io::Result<RootManifest> {
    let verity = match integrity {
        Integrity::None => None,
        Integrity::Verity => Some(append_tree(image)?),
    };
    let (size, digest, chunks) = synced_digest(image, chunk)?;
    Ok(RootManifest { schema: 1, file: IMAGE.to_owned(), format, size, digest, chunks, verity })
}

/// Appends the dm-verity tree over all that is in the file.
fn append_tree(image: &Path) -> std::io::Result<Verity> {
    let mut file = File::options().read(true).append(true).open(image)?;
    let mut leaves = verity::Leaves::default();
    let size = std::io::copy(&mut BufReader::with_capacity(BUFFER, &file), &mut leaves)?;
    let tree = leaves.finish();
    std::io::copy(&mut std::io::repeat(0).take(verity::padding(size)), &mut file)?;
    let root_hash = tree.root_hash();
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&root_hash[..16]);
    file.write_all(&tree.bytes(Guid::seeded(uuid).ordered()))?;
    let salt = verity::SALT.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Verity { root_hash: Digest(root_hash), salt, data_blocks: tree.leaves().len() as u64 })
}

/// Digests the file, in chunks of `chunk` bytes or more, while it goes to the disk.
fn synced_digest(image: &Path, chunk: u32) -> std::io::Result<(u64, Digest, Chunks)> {
    let file = File::open(image)?;
    thread::scope(|scope| {
        let synced = scope.spawn(|| file.sync_all());
        let mut digester = ChunkDigester::new(size_from(chunk, file.metadata()?.len()));
        std::io::copy(&mut BufReader::with_capacity(BUFFER, &file), &mut digester)?;
        synced.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(digester.finish())
    })
}

pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |source| BuildError::Io { path, source }
}
