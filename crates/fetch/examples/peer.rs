//! A machine of a fleet, and its origin, to judge the swarm by: without the server and the verbs around it.
//!
//!     peer root-manifest FILE                       prints the root manifest of a file
//!     peer origin MANIFEST FILE TRACKER             gives the file
//!     peer node MANIFEST OUT TRACKER DONE [URL…]    fetches it, from mirrors too, then gives it
//!
//! Peers connect to port 6881.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Client, FileStore, HttpSource, Notice, Options, PeerOptions, Port, Seeder, Source, Timeouts, Trust, dns,
    explain, fetch_with_peers,
};
use bootwright_image::chunks::{ChunkDigester, size_for};
use bootwright_image::{Digest, RootFormat, RootManifest, Verified};
use url::Url;

type AnyError = Box<dyn std::error::Error>;

/// The port of BEP 3.
const PORT: u16 = 6881;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["root-manifest", file] => digest(file),
        ["origin", manifest, file, tracker] => origin(manifest, file, tracker).await,
        ["node", manifest, out, tracker, done, mirrors @ ..] => {
            node(manifest, out, tracker, done, mirrors).await
        }
        _ => Err("usage: see the head of peer.rs".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer: {}", explain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn digest(file: &str) -> Result<(), AnyError> {
    let mut bytes = std::fs::File::open(file)?;
    let mut digester = ChunkDigester::new(size_for(bytes.metadata()?.len()));
    std::io::copy(&mut bytes, &mut digester)?;
    let (size, digest, chunks) = digester.finish();
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest =
        RootManifest { schema: 1, file: name, format: RootFormat::Erofs, size, digest, chunks, verity: None };
    println!("{}", String::from_utf8(manifest.to_bytes()?)?.trim_end());
    Ok(())
}

fn read(manifest: &str) -> Result<Verified<RootManifest>, AnyError> {
    let bytes = std::fs::read(manifest)?;
    // Whoever judges by hand takes the manifest as it lies there; a machine has its digest pinned.
    Ok(RootManifest::verify(&bytes, &Digest::of(&bytes))?)
}

fn peers(tracker: &str) -> Result<PeerOptions, AnyError> {
    let client = Client::new(dns::Resolver::from_system(), &Trust::default(), Timeouts::default())?;
    Ok(PeerOptions::new(Port::any(PORT)?, Arc::new(client), Some(Url::parse(tracker)?)))
}

async fn origin(manifest: &str, file: &str, tracker: &str) -> Result<(), AnyError> {
    let store = Arc::new(FileStore::in_place(Path::new(file))?);
    let seeder = Seeder::origin(&read(manifest)?, store, peers(tracker)?);
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        eprintln!("{:#?}", seeder.status());
    }
}

async fn node(
    manifest: &str,
    out: &str,
    tracker: &str,
    done: &str,
    mirrors: &[&str],
) -> Result<(), AnyError> {
    let manifest = read(manifest)?;
    let peers = peers(tracker)?;
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    for url in mirrors {
        let url = Url::parse(url)?;
        sources.push(Arc::new(HttpSource::new(peers.client.clone(), url, Some(manifest.size))));
    }
    let store = Arc::new(FileStore::in_place(Path::new(out))?);
    let (complete, _seeder) =
        fetch_with_peers(&manifest, &sources, store, peers, &Options::default(), &mut tell).await?;
    std::fs::write(done, "")?;
    eprintln!("{complete:#?}");
    std::future::pending().await
}

fn tell(notice: Notice<'_>) {
    if let Notice::Failed { failure, .. } = notice {
        eprintln!("{}", failure.explain());
    }
}
