//! Fetches an image's root, or a plain file, to judge the engine by: rate, resume, what it says when a
//! server fails.
//!
//!     get IMAGE.json OUT [MIRROR…]        the root of an image, from there and from mirrors of it
//!     get --file URL OUT [sha256:DIGEST]  a plain file

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bootwright_fetch::{
    Client, FileOptions, FileStore, HttpSource, Notice, Options, RetryPolicy, Source, Timeouts, Trust, dns,
    explain, fetch, fetch_file, get_small,
};
use bootwright_image::{Digest, MAX_MANIFEST, RootManifest};
use url::Url;

type AnyError = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--file", url, out] => file(url, out, None).await,
        ["--file", url, out, digest] => file(url, out, Some(digest)).await,
        [image, out, mirrors @ ..] => image_root(image, out, mirrors).await,
        _ => Err("usage: get IMAGE.json OUT [MIRROR…] | get --file URL OUT [sha256:DIGEST]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nget: {}", explain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn client() -> Result<Arc<Client>, AnyError> {
    Ok(Arc::new(Client::new(dns::Resolver::from_system(), &Trust::default(), Timeouts::default())?))
}

async fn file(url: &str, out: &str, digest: Option<&str>) -> Result<(), AnyError> {
    let digest = digest.map(str::parse::<Digest>).transpose()?;
    let source = HttpSource::new(client()?, Url::parse(url)?, None);
    let store = Arc::new(FileStore::create(Path::new(out))?);
    let done = fetch_file(&source, digest, store, &FileOptions::up_to(u64::MAX), &mut tell).await?;
    eprintln!("\n{} bytes, {}, {:.2?}", done.size, done.digest, done.took);
    Ok(())
}

async fn image_root(image: &str, out: &str, mirrors: &[&str]) -> Result<(), AnyError> {
    let client = client()?;
    let base = Url::parse(image)?;
    let manifest = base.join("root.json")?;
    let small = get_small(&client, &manifest, MAX_MANIFEST, RetryPolicy::default(), &mut tell).await?;
    // Whoever judges by hand takes the manifest as it is served; a machine has its digest pinned.
    let manifest = RootManifest::verify(&small.bytes, &Digest::of(&small.bytes))?;
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    for url in std::iter::once(&image).chain(mirrors) {
        let url = Url::parse(url)?.join(&manifest.file)?;
        sources.push(Arc::new(HttpSource::new(client.clone(), url, Some(manifest.size))));
    }
    let store = Arc::new(FileStore::create(Path::new(out))?);
    let done = fetch(&manifest, &sources, store, &Options::default(), &mut tell).await?;
    eprintln!("\n{done:?}");
    Ok(())
}

fn tell(notice: Notice<'_>) {
    match notice {
        Notice::Progress(progress) => {
            eprint!("\r{:>12} of {} bytes", progress.stored, progress.total);
            let _ = std::io::stderr().flush();
        }
        Notice::Failed { failure, retry_in } => match retry_in {
            Some(wait) => eprintln!("\n{}; again in {:.1} s", failure.explain(), wait.as_secs_f32()),
            None => eprintln!("\n{}; given up", failure.explain()),
        },
    }
}
