//! `bootwright fetch`: a file from mirrors, every chunk of it verified where a manifest says how.
//!
//! 1. [`address`]: what each URL is: the manifest of an image, a plain file, a torrent, a magnet link.
//! 2. [`image`]: a manifest leads to chunks, and chunks come from every mirror at once, and from [`peers`].
//! 3. [`plain`]: any other file, vouched for by a digest: given, or found beside it ([`sums`]).
//! 4. [`show`]: progress, the line or the JSON of the end; [`done`]: what scripts wait for.

mod address;
mod done;
mod image;
mod peers;
mod place;
mod plain;
mod show;
mod sums;
mod unpack;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{Client, Error, Seeder, Timeouts, Trust, dns, explain};
use bootwright_image::Digest;
use clap::Args;
use url::Url;

use crate::failure::{Failure, Kind, OrFail as _};
use address::Address;
use done::Fetched;

/// Fetch a file, or the root of an image, from mirrors and peers.
///
/// A URL that ends in /image.json is an image's: its root is fetched, in chunks that are each verified before they
/// are stored, from all mirrors at once and from the machines that fetch it too. Any other URL is a plain file. It is verified when a digest is given or
/// found beside it: URL.sha256, or SHA256SUMS in its directory. A download that was broken off goes on where it was.
/// The file appears under its name when it is complete and verified.
///
/// http_proxy, https_proxy, all_proxy and no_proxy count, and SSL_CERT_FILE names further authorities.
///
/// Example: bootwright fetch http://10.0.0.1/images/worker/image.json -o root.img --mirror http://10.0.0.2/images/worker/
#[derive(Args)]
pub struct Fetch {
    /// What to fetch; several are fetched one after the other.
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// The file to write, or the directory to put it into [default: its name, here].
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The file must have this digest.
    #[arg(long, value_name = "sha256:HEX")]
    digest: Option<Digest>,
    /// Another URL of the same file, or of its directory when it ends in a slash.
    #[arg(long = "mirror", value_name = "URL")]
    mirrors: Vec<Url>,
    /// A torrent of the file: its web seeds are mirrors too. It must not contradict the manifest.
    #[arg(long, value_name = "FILE|URL")]
    torrent: Option<String>,
    /// The artifact of the image to fetch [default: its root].
    #[arg(long, value_name = "NAME")]
    artifact: Option<String>,
    /// Take chunks of an image from other machines, and give them what has come.
    #[arg(long, value_enum, default_value = "on")]
    peers: Switch,
    /// Give to other machines for so long after everything is there, and print "complete" before that.
    #[arg(long, value_name = "SECONDS")]
    linger: Option<u64>,
    /// Unpack on the way: gzip, xz, Zstandard. Digests are of the file as it is fetched.
    #[arg(long)]
    decompress: bool,
    /// Make this file when everything is complete and verified.
    #[arg(long, value_name = "PATH")]
    done_file: Option<PathBuf>,
    /// Tell what was fetched as one JSON object on a line for each URL.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

/// What every way of fetching needs.
struct Job<'a> {
    options: &'a Fetch,
    client: Arc<Client>,
}

impl Fetch {
    /// Fetches everything, then says so.
    pub fn run(self) -> Result<(), Failure> {
        let addresses = self.urls.iter().map(|url| Address::parse(url)).collect::<Result<Vec<_>, _>>();
        let addresses = addresses.map_err(|why| Failure::message(Kind::Usage, why))?;
        self.check(&addresses)?;
        // What an earlier run said must not be taken for what this one does.
        done::withdraw(self.done_file.as_deref()).or_environment()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_environment()?;
        runtime.block_on(async {
            let client = Client::new(dns::Resolver::from_system(), &trust()?, Timeouts::default());
            let client = client.or_environment()?.with_proxies_of_environment();
            let job = Job { options: &self, client: Arc::new(client) };
            let mut seeders = Vec::new();
            for address in &addresses {
                let (fetched, seeder) = job.fetch(address).await?;
                show::tell(&fetched, self.json).or_environment()?;
                seeders.extend(seeder);
            }
            done::announce(self.done_file.as_deref()).or_environment()?;
            peers::linger(seeders, self.linger.map(Duration::from_secs), self.json).await.or_environment()
        })
    }

    /// Options that make no sense together.
    fn check(&self, addresses: &[Address]) -> Result<(), Failure> {
        let refuse = |text: &str| Err(Failure::message(Kind::Usage, text));
        let one = self.digest.is_some() || !self.mirrors.is_empty() || self.torrent.is_some();
        if addresses.len() > 1 && (one || self.artifact.is_some()) {
            return refuse(
                "--digest, --mirror, --torrent and --artifact are of one URL: fetch them one by one",
            );
        }
        if addresses.len() > 1 && self.output.as_ref().is_some_and(|output| !output.is_dir()) {
            return refuse("several URLs need a directory with -o, one that exists");
        }
        let image = addresses.iter().all(|address| matches!(address, Address::Image(_)));
        if self.linger.is_some() && (self.peers == Switch::Off || self.decompress || !image) {
            return refuse("--linger is for images and peers: there is nothing to give otherwise");
        }
        if self.artifact.is_some() && !image {
            return refuse("--artifact is for the URL of an image, which ends in /image.json");
        }
        Ok(())
    }
}

impl Job<'_> {
    async fn fetch(&self, address: &Address) -> Result<(Fetched, Option<Seeder>), Failure> {
        match address {
            Address::Image(url) => self.image(url).await,
            Address::Plain(url) => Ok((self.plain(url).await?, None)),
        }
    }
}

/// Mozilla's authorities, and those in the file that `SSL_CERT_FILE` names, as with curl and OpenSSL.
fn trust() -> Result<Trust, Failure> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(Trust::default());
    };
    let path = PathBuf::from(path);
    Ok(Trust { extra_pem: Some(std::fs::read(&path).map_err(|error| image::io(&path, &error))?) })
}

/// A failed download: bad bytes are one thing, a bad network another.
fn failure(error: &Error) -> Failure {
    let kind = match error {
        Error::Digest { .. } | Error::Corrupt { .. } | Error::TooLarge { .. } => Kind::Bad,
        _ => Kind::Environment,
    };
    Failure::message(kind, explain(error))
}
