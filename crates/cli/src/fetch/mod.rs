//! `bootwright fetch`: a file from mirrors, every chunk of it verified where a manifest says how.
//!
//! 1. [`address`]: what each URL is: the manifest of an image, a plain file, a torrent, a magnet link.
//!    What somebody [shares](torrent) is told by the pieces of its torrent.
//! 2. [`image`]: a manifest leads to chunks, and chunks come from every mirror at once, and from [`peers`].
//! 3. [`plain`]: any other file, vouched for by a digest: given, or found beside it ([`bootwright_fetch::sums`]).
//! 4. [`show`]: progress, the line or the JSON of the end; [`done`]: what scripts wait for.

mod address;
mod done;
mod image;
mod judged;
mod peers;
mod place;
mod plain;
mod show;
mod sources;
mod torrent;
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
/// found beside it: URL.sha256, or SHA256SUMS in its directory. A torrent, at a URL or in a file, or a magnet link
/// stands for the files that it is of, which come from its peers and web seeds. A download that was broken off goes on where it was.
/// The file appears under its name when it is complete and verified.
///
/// http_proxy, https_proxy, all_proxy and no_proxy count, and SSL_CERT_FILE names further authorities.
///
/// Example: bootwright fetch http://10.0.0.1/images/worker/image.json -o root.img --mirror http://10.0.0.2/images/worker/
#[derive(Args)]
pub struct Fetch {
    /// What to fetch; several are fetched one after the other. A torrent may be a file here.
    #[arg(value_name = "URL", required_unless_present = "torrent")]
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
    /// A torrent of the file: its peers and web seeds have it too. It must not contradict the manifest; for a URL
    /// without one, or without a URL, it vouches for the file.
    #[arg(long, value_name = "FILE|URL")]
    torrent: Option<String>,
    /// The artifact of the image to fetch [default: its root].
    #[arg(long, value_name = "NAME")]
    artifact: Option<String>,
    /// Take chunks from other machines, and give them what has come.
    #[arg(long, value_enum, default_value = "on")]
    peers: Switch,
    /// Look for peers on this network by multicast (BEP 14): auto does it when no tracker and no peer is known.
    #[arg(long, value_enum, default_value = "auto")]
    local_discovery: Local,
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

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Local {
    Auto,
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
        let addresses = self.addresses().map_err(|why| Failure::message(Kind::Usage, why))?;
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

    /// What is to be fetched, the torrent alone when there is no URL.
    fn addresses(&self) -> Result<Vec<Address>, String> {
        match &self.torrent {
            Some(torrent) if self.urls.is_empty() => Ok(vec![Address::Torrent(torrent.clone())]),
            _ => self.urls.iter().map(|url| Address::parse(url)).collect(),
        }
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
        let shared = |address: &Address| matches!(address, Address::Torrent(_) | Address::Magnet(_));
        let plain = addresses.iter().any(|address| matches!(address, Address::Plain(_)));
        if self.linger.is_some()
            && (self.peers == Switch::Off || self.decompress || plain && self.torrent.is_none())
        {
            return refuse("--linger is for images, torrents and peers: there is nothing to give otherwise");
        }
        if self.decompress && (addresses.iter().any(shared) || plain && self.torrent.is_some()) {
            return refuse("--decompress is not for torrents: their pieces come in any order");
        }
        if self.torrent.is_some() && !self.urls.is_empty() && addresses.iter().any(shared) {
            return refuse("--torrent is of a file at another URL: give one torrent or the other");
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
            Address::Torrent(name) => self.torrent(name, Vec::new()).await,
            Address::Magnet(magnet) => self.magnet(magnet).await,
            Address::Plain(url) => match &self.options.torrent {
                Some(torrent) => self.torrent(torrent, vec![url.clone()]).await,
                None => Ok((self.plain(url).await?, None)),
            },
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
        Error::Digest { .. } | Error::Corrupt { .. } | Error::TooLarge { .. } | Error::Torrent { .. } => {
            Kind::Bad
        }
        _ => Kind::Environment,
    };
    Failure::message(kind, explain(error))
}
