//! Mode `disk`: the root is kept on a disk of this machine; the network brings what changed of it.

use std::sync::Arc;

use bootwright_image::Digest;
use bootwright_image::cmdline::{CacheCheck, Offline};
use bootwright_image::timeline::{Stage, Step};
use bootwright_plan::address::ImageAddress;
use bootwright_plan::boot::trusted;
use bootwright_plan::disk::Terms;
use tokio::time::timeout;
use tracing::{info, warn};

use super::Work;
use super::online::Online;
use crate::disk::{self, Cache, FindError, Kept};
use crate::failure::Failure;
use crate::handover::HandOver;
use crate::network::patiently;
use crate::root::{self, Described, Place};
use crate::share::{self, Shared};

/// Damaged chunks that are told of by number.
const MAX_TOLD: usize = 8;

/// A cache, and what was seen of the image in it.
struct Looked {
    cache: Cache,
    /// Chunks of the image that are damaged; `None` when nobody looked, or it is not there.
    damaged: Option<Vec<u32>>,
}

/// The server of the image.
struct Origin {
    online: Online,
    address: ImageAddress,
    described: Result<Described, Failure>,
}

impl Work {
    /// Boots the image from the cache, after what changed of it has been fetched. The cache is looked for, and read,
    /// while the network comes up.
    pub(super) async fn disk(&self) -> Result<HandOver, Failure> {
        let terms = Terms::of(&self.instructions);
        let (looked, origin) = tokio::join!(self.look_for_cache(&terms), self.origin(terms.offline));
        match (looked, origin) {
            (_, Ok(origin)) if origin.address.is_uki() => {
                self.kexec_image(&origin.online, &origin.address).await
            }
            (_, Ok(origin)) if !self.has_manifest(&origin.address) => {
                warn!(
                    "a single file is not kept: nothing says which of its chunks are right; it goes into memory"
                );
                self.in_memory(&origin.online, &origin.address).await
            }
            (Ok(looked), Ok(Origin { online, address, described: Ok(described) })) => {
                self.up_to_date(looked, &online, &address, described, &terms).await
            }
            (Ok(looked), Ok(Origin { online, described: Err(failure), .. })) => {
                self.offline(looked, failure, Some(&online), &terms).await
            }
            (Ok(looked), Err(failure)) => self.offline(looked, failure, None, &terms).await,
            (Err(why), Ok(origin)) => self.without_cache(why, &origin.online, &origin.address, &terms).await,
            (Err(why), Err(failure)) => Err(failure.with([format!("mode disk: {}", why.cause)])),
        }
    }

    /// Finds the cache and reads the image in it, when it is to be read now.
    async fn look_for_cache(&self, terms: &Terms) -> Result<Looked, Failure> {
        let (wish, wanted) = (terms.cache.clone(), self.wanted());
        let looking = tokio::task::spawn_blocking(move || -> Result<Looked, FindError> {
            let cache = disk::find(&wish)?;
            let kept = wanted.and_then(|digest| cache.kept(&digest));
            let unheard = |kept: &Kept| kept.generation.state.entered || wish.check == CacheCheck::Boot;
            let damaged = kept.filter(unheard).map(|kept| disk::damaged(cache.device(), &kept));
            Ok(Looked { cache, damaged })
        });
        let failed = |error: &dyn std::error::Error| Failure::of("the cache", error).at(Step::Root);
        let looked = patiently("the cache on this machine's disk", looking).await;
        let looked = looked.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let cache = &looked.cache;
        info!("the cache is {}, with {} images", cache.device().path(), cache.header().generations.len());
        Ok(looked)
    }

    /// The digest of the root manifest that is to be booted.
    fn wanted(&self) -> Option<Digest> {
        trusted(self.instructions.pin.as_ref(), self.instructions.options.digest)
            .map(|trusted| trusted.digest)
    }

    /// Whether what lies at `address` is described by a root manifest.
    fn has_manifest(&self, address: &ImageAddress) -> bool {
        !address.is_uki() && (self.instructions.pin.is_some() || address.is_manifest())
    }

    /// Goes online and asks for the manifest; in both for no longer than `offline` says.
    async fn origin(&self, offline: Offline) -> Result<Origin, Failure> {
        let (online, address) = within(offline, "the network", self.go_online_to_image()).await?;
        info!("image {} (from {})", address.url, address.origin);
        self.reports_by(&online, Some(&address.url));
        let fetcher = self.fetcher(&online);
        let (pin, digest) = (self.instructions.pin.as_ref(), self.instructions.options.digest);
        let asking = async {
            if !self.has_manifest(&address) {
                return Err(Failure::new("there is no root manifest"));
            }
            let described = root::described(&fetcher, &address, pin, digest).await;
            described.map_err(|error| error.told("fetching the root manifest").with(online.evidence()))
        };
        let described = within(offline, "the server of the image", asking).await;
        Ok(Origin { online, address, described })
    }

    /// Boots the image that is described: as it lies in the cache, when that is all of it.
    async fn up_to_date(
        &self,
        looked: Looked,
        online: &Online,
        address: &ImageAddress,
        described: Described,
        terms: &Terms,
    ) -> Result<HandOver, Failure> {
        let Looked { cache, damaged } = looked;
        let digest = described.digest;
        let damage = damaged.as_deref().unwrap_or_default();
        if damage.is_empty() && cache.generation(&digest).is_some_and(disk::has_failed) {
            match disk::former(cache.header(), &terms.fallback) {
                Some(former) => {
                    let text = "the image's system did not come up when it was booted last";
                    return self.boot_former(cache, former, text, Some(online)).await;
                }
                None => warn!(
                    "the image's system did not come up when it was booted last; nothing that is kept may boot in \
                     its place (fallback in the recipe): it is booted again"
                ),
            }
        }
        if let Some(kept) = cache.kept(&digest).filter(|_| damage.is_empty()) {
            let text = "the image is in the cache, nothing of it is fetched";
            info!("{text}");
            self.reporter.moved(Stage::Fetch, &format!("root verified: {text}"), Some(kept.generation.root));
            return self.enter_kept(cache, &kept, None, Some(online)).await;
        }
        if !damage.is_empty() {
            self.tell_damage(&cache, &digest, damage);
        }
        self.reporter.event(Stage::Fetch, &format!("fetching what changed of the root of {}", address.url));
        match disk::fill(cache, described, self.fetcher(online)).await {
            Ok((cache, filled)) => {
                info!("every byte of the root is verified: {}", filled.account);
                let text = format!("root verified: {}", filled.account);
                self.reporter.moved(Stage::Fetch, &text, Some(filled.kept.generation.root));
                self.enter_kept(cache, &filled.kept, filled.shared, Some(online)).await
            }
            Err(error) if error.is_of_the_cache() => {
                let why = Failure::of("the cache", &error).at(Step::Root);
                self.without_cache(why, online, address, terms).await
            }
            Err(disk::FillError::Root(error)) => {
                Err(error.told("fetching what changed of the root").with(online.evidence()))
            }
            Err(error) => Err(Failure::of("the cache", &error).at(Step::Root)),
        }
    }

    fn tell_damage(&self, cache: &Cache, digest: &Digest, damage: &[u32]) {
        let start = cache.generation(digest).map_or(0, |generation| generation.offset);
        let listed: Vec<String> = damage.iter().take(MAX_TOLD).map(u32::to_string).collect();
        let more = if damage.len() > MAX_TOLD { " and more" } else { "" };
        let text = format!(
            "{} of the cache's chunks are damaged (chunks {}{more} of the root at byte {start} of {}): they are fetched \
             again",
            damage.len(),
            listed.join(", "),
            cache.device().path()
        );
        warn!("{text}");
        self.reporter.event(Stage::Fetch, &text);
    }

    /// Boots what is kept, when that is allowed: the origin cannot be asked.
    async fn offline(
        &self,
        looked: Looked,
        failure: Failure,
        online: Option<&Online>,
        terms: &Terms,
    ) -> Result<HandOver, Failure> {
        if terms.offline == Offline::Never {
            let text = "what is kept is not booted without the server of its image (offline in the recipe)";
            return Err(failure.with([text.to_owned()]));
        }
        if online.is_none() {
            self.spool_reports();
        }
        let Looked { cache, damaged } = looked;
        let kept = self.wanted().and_then(|digest| cache.kept(&digest));
        let damage = damaged.as_deref().unwrap_or_default().len();
        let why = match &kept {
            None => "the image is not in the cache whole".to_owned(),
            Some(_) if damage > 0 => format!("{damage} chunks of the image in the cache are damaged"),
            Some(_) => "the image's system did not come up when it was booted last".to_owned(),
        };
        match kept.filter(|kept| !disk::has_failed(&kept.generation)) {
            Some(kept) if damage == 0 => {
                warn!("{}: the image in the cache is booted without its server", failure.cause);
                let text = format!("booting the image in the cache without its server: {}", failure.cause);
                self.reporter.event(Stage::Fetch, &text);
                self.enter_kept(cache, &kept, None, online).await
            }
            _ => match disk::former(cache.header(), &terms.fallback) {
                Some(former) => {
                    let text = format!("{why}, and its server is gone ({})", failure.cause);
                    self.boot_former(cache, former, &text, online).await
                }
                None => {
                    let device = cache.device().path();
                    let text =
                        format!("{device}: {why}, and no other one in it is good and may boot (fallback)");
                    Err(failure.with([text]))
                }
            },
        }
    }

    /// Boots another image than the pinned one, which the pinned one's build vouches for.
    async fn boot_former(
        &self,
        cache: Cache,
        former: Digest,
        why: &str,
        online: Option<&Online>,
    ) -> Result<HandOver, Failure> {
        let text = format!("{why}: the former image {} is booted in its place", former.short());
        warn!("{text}");
        self.reporter.event(Stage::Fetch, &text);
        let gone =
            || Failure::new(format!("{why}, and the manifest of the former image in the cache is damaged"));
        let kept = cache.kept(&former).ok_or_else(|| gone().at(Step::Verify))?;
        let (device, looking) = (Arc::clone(cache.device()), tokio::task::spawn_blocking);
        let looked = looking(move || (disk::damaged(&device, &kept), kept)).await;
        let (damage, kept) = looked.map_err(|error| Failure::of("reading the cache", &error))?;
        if !damage.is_empty() {
            let path = cache.device().path();
            let cause =
                format!("{why}, and {} chunks of the former image in {path} are damaged", damage.len());
            return Err(Failure::new(cause).at(Step::Verify));
        }
        self.enter_kept(cache, &kept, None, online).await
    }

    /// Mounts what is kept and hands it over; gives it to others when it was just fetched.
    async fn enter_kept(
        &self,
        mut cache: Cache,
        kept: &Kept,
        shared: Option<Shared>,
        online: Option<&Online>,
    ) -> Result<HandOver, Failure> {
        let entered = disk::enter(&mut cache, kept, &self.devices);
        let root = entered.map_err(|error| Failure::of("the root in the cache", &error).at(Step::Root))?;
        let handover = self.hand_over_root(&root, online.map(|online| &*online.network))?;
        let terms = share::Terms::of(&self.instructions.options);
        if let (Some(shared), Some(terms), Some(online), Place::Device(path)) =
            (shared, terms, online, root.place())
        {
            self.leave_seeder(shared, path.as_ref(), terms, online).await;
        }
        Ok(handover)
    }

    /// Goes on in memory, when that is allowed.
    async fn without_cache(
        &self,
        why: Failure,
        online: &Online,
        address: &ImageAddress,
        terms: &Terms,
    ) -> Result<HandOver, Failure> {
        if terms.cache.required {
            return Err(why.with(["bootwright.cache= says that a cache is required".to_owned()]));
        }
        let text = format!("{}: the machine goes on without it, in memory", why.cause);
        warn!("{text}");
        self.reporter.event(Stage::Fetch, &text);
        self.in_memory(online, address).await
    }
}

/// What comes of `work`, or a failure when the origin is not to be waited for any longer.
async fn within<T>(
    offline: Offline,
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Offline::After(time) = offline else { return work.await };
    match timeout(time, work).await {
        Ok(done) => done,
        Err(_) => {
            let cause = format!("{what} did not answer within {} s (bootwright.offline=)", time.as_secs());
            Err(Failure::new(cause).at(Step::Network))
        }
    }
}
