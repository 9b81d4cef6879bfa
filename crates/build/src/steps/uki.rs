//! Step 6: the pin, the embedded root, the UKI, the manifest.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use bootwright_formats::cpio::{Attributes, Writer};
use bootwright_image::manifest::{Artifact, ArtifactKind, Mode};
use bootwright_image::torrent::{Info, Metainfo, ROOT_TORRENT};
use bootwright_image::{Digest, Digester, Manifest, Pin, pin};

use super::initrd::Initrd;
use super::publish::{Place, Staging};
use super::root::{self, Root, at};
use super::{BuildError, Job, Outcome, Report, Size, Step};
use crate::cache::Key;
use crate::initrd::{Addition, segment};
use crate::kernel::Kernel;
use crate::tree::{Tree, stamp};
use crate::uki;

const UKI: &str = "image.efi";
pub(super) const MANIFEST: &str = "image.json";

impl Job<'_> {
    pub(super) fn put_together(
        &mut self,
        tree: &Tree,
        kernel: &Kernel,
        root: &Root,
        initrd: &Initrd,
        created: u64,
    ) -> Result<Report, BuildError> {
        let pin = Pin {
            schema: 1,
            name: self.name.clone(),
            mode: self.recipe.mode,
            root_manifest: root.digest(),
            image: self.recipe.url.clone(),
            built: created,
            cmdline: self.recipe.cmdline.clone(),
        };
        let os_release = os_release(tree)?;
        let key = self.image_key(&pin, initrd, os_release.as_deref())?;
        if let Some(manifest) = self.place(key).unchanged() {
            return Ok(self.report(manifest, initrd, root, true));
        }
        let staging = Staging::open(&self.output)?;
        let image = staging.path(root::IMAGE);
        // The root goes to its place and to the disk while everything around it is made.
        let (copied, manifest) = thread::scope(|scope| {
            let copying = (self.recipe.mode != Mode::Embed).then(|| scope.spawn(|| root.copy(&image)));
            self.write_uki(&pin, kernel, root, initrd, os_release.clone(), &staging)?;
            let manifest = self.write_around(kernel, root, os_release.as_deref(), created, &staging);
            let copied = copying.map(|copying| copying.join().unwrap_or_else(|panic| resume_unwind(panic)));
            Ok::<_, BuildError>((copied, manifest))
        })?;
        // What is made of a damaged root is thrown away with it.
        if copied.transpose().map_err(at(&image))? == Some(false) {
            self.forget_root(root)?;
        }
        let manifest = manifest?;
        let path = staging.path(MANIFEST);
        std::fs::write(&path, manifest.to_bytes()?).map_err(at(&path))?;
        let began = self.log.begin(Step::Publish, &self.output.display().to_string());
        staging.publish(&self.output)?;
        self.place(key).remember(&manifest)?;
        let bytes = manifest.artifacts.iter().map(|artifact| artifact.size).sum();
        self.log.end(Step::Publish, began, Outcome::Done, self.output.display().to_string(), Some(bytes));
        Ok(self.report(manifest, initrd, root, false))
    }

    /// Root manifest, torrent and media; the manifest of it all.
    fn write_around(
        &mut self,
        kernel: &Kernel,
        root: &Root,
        os_release: Option<&str>,
        created: u64,
        staging: &Staging,
    ) -> Result<Manifest, BuildError> {
        let path = staging.path(root::MANIFEST);
        std::fs::write(&path, &root.bytes).map_err(at(&path))?;
        if self.recipe.mode != Mode::Embed {
            let path = staging.path(ROOT_TORRENT);
            std::fs::write(&path, self.torrent(root)).map_err(at(&path))?;
        }
        let mut manifest = self.manifest(kernel, root, os_release, created, staging)?;
        self.write_outputs(&mut manifest, root, staging)?;
        Ok(manifest)
    }

    fn place(&self, key: Digest) -> Place<'_> {
        Place::new(&self.output, &self.cache, key)
    }

    /// Everything that decides what is in the image directory.
    fn image_key(&self, pin: &Pin, initrd: &Initrd, os_release: Option<&str>) -> Result<Digest, BuildError> {
        let mut key = self
            .own_key()
            .with("pin", serde_json::to_vec(pin)?)
            .with("initrd", initrd.key.0)
            .with("os-release", os_release.unwrap_or_default())
            .with("mirrors", serde_json::to_vec(&self.recipe.mirrors)?);
        let microcode = self.recipe.initrd.microcode.iter().map(PathBuf::as_path);
        let media = self.media_inputs();
        key = key.with("output", format!("{:?}", self.recipe.output));
        let inputs = media.iter().map(PathBuf::as_path).chain([Path::new(uki::STUB_DIRECTORY)]);
        for path in microcode.chain(inputs) {
            let identity = std::fs::metadata(path).map(|metadata| stamp(&metadata).0).unwrap_or_default();
            key = key.with(&path.display().to_string(), identity);
        }
        Ok(key.finish())
    }

    /// `root.torrent`. It is not listed in the manifest: a server gives it out with its own tracker, and
    /// all that it vouches for is in the root manifest too.
    fn torrent(&self, root: &Root) -> Vec<u8> {
        let web_seeds = self.recipe.mirrors.clone();
        Metainfo { info: Info::of(&root.manifest), trackers: Vec::new(), web_seeds }.to_bytes()
    }

    fn write_uki(
        &mut self,
        pin: &Pin,
        kernel: &Kernel,
        root: &Root,
        initrd: &Initrd,
        os_release: Option<String>,
        staging: &Staging,
    ) -> Result<(), BuildError> {
        let began = self.log.begin(Step::Uki, UKI);
        let work = self.work_directory()?;
        let mtime = u32::try_from(pin.built).unwrap_or(u32::MAX);
        let pinned = work.path().join("pin.cpio");
        let bytes = segment(&[Addition::pin(pin)?], mtime)?;
        std::fs::write(&pinned, bytes).map_err(at(&pinned))?;
        let mut initrds = vec![initrd.image.clone(), pinned];
        if pin.mode == Mode::Embed {
            let embedded = work.path().join("root.cpio");
            embed(root, &embedded, mtime)?;
            initrds.push(embedded);
        }
        let request = uki::Request {
            linux: initrd.kernel.clone(),
            initrds,
            command_line: pin.cmdline.clone(),
            os_release,
            uname: Some(kernel.version.clone()),
            microcode: self.recipe.initrd.microcode.clone(),
            ..uki::Request::default()
        };
        let summary = uki::build(&request, &staging.path(UKI))?;
        let version = summary.stub_version.as_deref().unwrap_or("of unknown version");
        let detail = format!("{UKI}, stub {version}");
        self.log.end(Step::Uki, began, Outcome::Done, detail, Some(summary.size));
        Ok(())
    }

    fn manifest(
        &self,
        kernel: &Kernel,
        root: &Root,
        os_release: Option<&str>,
        created: u64,
        staging: &Staging,
    ) -> Result<Manifest, BuildError> {
        let path = staging.path(UKI);
        let mut artifacts = vec![
            (UKI, ArtifactKind::Uki, digest(&path).map_err(at(&path))?),
            (root::MANIFEST, ArtifactKind::RootManifest, (root.bytes.len() as u64, root.digest())),
        ];
        if self.recipe.mode != Mode::Embed {
            artifacts.push((root::IMAGE, ArtifactKind::Root, (root.manifest.size, root.manifest.digest)));
        }
        artifacts.sort_by_key(|(file, ..)| *file);
        let artifacts = artifacts.into_iter().map(|(file, kind, (size, digest))| Artifact {
            file: file.to_owned(),
            kind,
            size,
            digest,
        });
        Ok(Manifest {
            schema: 1,
            name: self.name.clone(),
            architecture: kernel.architecture.to_owned(),
            mode: self.recipe.mode,
            kernel: kernel.version.clone(),
            os: os_release.and_then(|text| field(text, "PRETTY_NAME")),
            created,
            artifacts: artifacts.collect(),
        })
    }

    fn report(&mut self, manifest: Manifest, initrd: &Initrd, root: &Root, unchanged: bool) -> Report {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let size = |what: &str, bytes| Size { what: what.to_owned(), bytes };
        let mut sizes = vec![size("kernel", length(&initrd.kernel)), size("initrd", length(&initrd.image))];
        sizes.extend(initrd.sizes.iter().map(|part| size(&format!("  {}", part.what), part.bytes)));
        sizes.push(size("  agent, unpacked", self.options.agent.len() as u64));
        sizes.push(size("root", root.manifest.size));
        Report {
            directory: self.output.clone(),
            unchanged,
            manifest,
            steps: std::mem::take(&mut self.log.steps),
            sizes,
            warnings: std::mem::take(&mut self.log.warnings),
            milliseconds: self.log.elapsed().as_millis(),
        }
    }
}

/// Root and root manifest as an uncompressed segment: the root is compressed already.
fn embed(root: &Root, to: &Path, mtime: u32) -> Result<(), BuildError> {
    let write = || -> io::Result<()> {
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, File::create(to)?), mtime);
        let plain = Attributes::PLAIN;
        let file = pin::EMBEDDED_ROOT_MANIFEST;
        writer.file(file, plain, root.bytes.len() as u64, root.bytes.as_slice()).map_err(io::Error::other)?;
        let image = File::open(&root.image)?;
        writer
            .page_aligned_file(pin::EMBEDDED_ROOT, plain, root.manifest.size, image)
            .map_err(io::Error::other)?;
        writer.finish().map_err(io::Error::other)?.flush()
    };
    write().map_err(at(to))
}

/// The root's os-release(5).
fn os_release(tree: &Tree) -> Result<Option<String>, BuildError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let path = path.parse().map_err(crate::tree::EditError::from)?;
        if let Some(bytes) = tree.read(&path)? {
            return Ok(String::from_utf8(bytes).ok());
        }
    }
    Ok(None)
}

fn field(os_release: &str, key: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

pub(super) fn digest(path: &Path) -> io::Result<(u64, Digest)> {
    let mut digester = Digester::default();
    let size = io::copy(&mut File::open(path)?, &mut digester)?;
    Ok((size, digester.finish()))
}

/// Keys of the cache for a finished image.
pub(super) fn place_key(output: &Path) -> Digest {
    let absolute = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    Key::default().with("output", absolute.as_os_str().as_encoded_bytes()).finish()
}
