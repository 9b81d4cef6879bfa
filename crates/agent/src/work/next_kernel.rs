//! Boots that end in another kernel: an image that is a UKI, and aria2-initrd's parameters.

use std::fs::create_dir_all;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_fetch::{Backoff, Client, FileOptions, FileStore, Retries, RetryPolicy, fetch_file, mirror};
use bootwright_image::Digest;
use bootwright_image::timeline::{Stage, Step};
use bootwright_plan::address::ImageAddress;
use bootwright_plan::aria2;
use bootwright_plan::aria2_options::Aria2Options;
use tracing::{info, warn};
use url::Url;

use super::Work;
use super::online::Online;
use crate::boot::kexec::{self, Next};
use crate::boot::memory;
use crate::failure::Failure;
use crate::handover::HandOver;
use crate::root::progress::Progress;

/// Where kernels lie until they are loaded.
const DIRECTORY: &str = "/run/bootwright/kexec";

impl Work {
    /// Does what aria2-initrd would do; `None` when files were fetched and the boot goes on.
    pub async fn aria2(&self, request: aria2::Request) -> Result<Option<HandOver>, Failure> {
        for warning in &request.options.refused {
            warn!("{warning}");
        }
        let online = self.go_online(&[]).await?;
        let server = request.kernel.iter().chain(&request.files).next().map(|remote| &remote.url);
        self.reports_by(&online, server);
        let directory = Path::new(&request.output_directory);
        let patience = patience(&request.options);
        for remote in &request.files {
            self.fetch_remote(&online, remote, directory, patience).await?;
        }
        let Some(kernel) = &request.kernel else {
            info!("{} files are in {}; the boot goes on", request.files.len(), request.output_directory);
            return Ok(None);
        };
        let kernel = self.fetch_remote(&online, kernel, directory, patience).await?;
        let initrd = match &request.initrd {
            Some(initrd) => Some(self.fetch_remote(&online, initrd, directory, patience).await?),
            None => None,
        };
        let default = || (!kexec::is_uki(&kernel)).then(|| aria2::COMMAND_LINE.to_owned());
        let command_line = request.next_kernel_params.clone().or_else(default);
        self.load(&Next { kernel, initrd, command_line }).map(Some)
    }

    /// An image that is a UKI: `bootwright.image=http://…/image.efi bootwright.digest=…`.
    pub async fn kexec_image(&self, online: &Online, address: &ImageAddress) -> Result<HandOver, Failure> {
        let Some(digest) = self.instructions.options.digest else {
            return Err(Failure::new(format!(
                "the UKI {} is refused: bootwright.digest= is not given",
                address.url
            )));
        };
        let path = Path::new(DIRECTORY).join("image.efi");
        let kernel = fetch(&online.client, &address.url, Some(digest), path, FileOptions::up_to(u64::MAX))
            .await
            .map_err(|error| error.with(online.evidence()))?;
        self.load(&Next { kernel, initrd: None, command_line: None })
    }

    async fn fetch_remote(
        &self,
        online: &Online,
        remote: &aria2::Remote,
        directory: &Path,
        patience: FileOptions,
    ) -> Result<PathBuf, Failure> {
        self.reporter.event(Stage::Fetch, &format!("fetching {}", remote.url));
        let path = directory.join(&remote.name);
        let fetched = fetch(&online.client, &remote.url, remote.digest, path, patience).await;
        let path = fetched.map_err(|failure| failure.with(online.evidence()))?;
        match remote.digest {
            Some(digest) => info!("{} has the digest that was asked for, {}", remote.name, digest.short()),
            None => warn!("{} is not verified: no digest was given for it", remote.name),
        }
        Ok(path)
    }

    fn load(&self, next: &Next) -> Result<HandOver, Failure> {
        let command_line = kexec::load(next)
            .map_err(|error| Failure::of("loading the next kernel", &error).at(Step::Kexec))?;
        // The memory of this one is gone in a moment, and what it fetched came from servers alone.
        info!("this machine gives nothing to others: it starts another kernel");
        info!("starting the next kernel: {command_line}");
        let text = format!("starting the next kernel, gives nothing to others: {command_line}");
        self.reporter.event(Stage::Boot, &text);
        Ok(HandOver::Kexec)
    }
}

/// How patient downloads are: as `aria2_options=` says, else as always.
fn patience(options: &Aria2Options) -> FileOptions {
    let usual = FileOptions::up_to(u64::MAX);
    let retries = match options.max_tries {
        None => usual.retry.retries,
        Some(tries) => {
            NonZeroU32::new(tries).map_or(Retries::Infinite, |tries| Retries::Finite(tries.get() - 1))
        }
    };
    let backoff = options.retry_wait.map_or(usual.retry.backoff, |wait| Backoff { base: wait, max: wait });
    let stall = options.timeout.unwrap_or(usual.stall);
    FileOptions { retry: RetryPolicy { retries, backoff }, stall, ..usual }
}

/// Fetches a plain file; the memory has to hold it twice, once as a file and once loaded.
async fn fetch(
    client: &Arc<Client>,
    url: &Url,
    digest: Option<Digest>,
    path: PathBuf,
    patience: FileOptions,
) -> Result<PathBuf, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::of(&format!("fetching {url}"), error);
    if let Some(parent) = path.parent() {
        create_dir_all(parent).map_err(|error| failed(&error))?;
    }
    let store = FileStore::create(&path).map_err(|error| failed(&error))?;
    let source = mirror(client, url.clone(), None);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut progress = Progress::new(&name);
    let options = FileOptions { limit: memory::room().unwrap_or(u64::MAX) / 2, ..patience };
    let done =
        fetch_file(&*source, digest, Arc::new(store), &options, &mut |notice| progress.notice(&notice)).await;
    let done = done.map_err(|error| failed(&error).fetching(&error))?;
    progress.done(done.size, done.took);
    Ok(path)
}
