//! Mode `stream`: the root is entered while it is still being fetched.

use std::io;

use bootwright_image::timeline::{Stage, Step};
use tracing::{info, warn};

use super::Work;
use super::online::Online;
use crate::failure::Failure;
use crate::handover::HandOver;
use crate::report::unit;
use crate::root::{self, Described, Place, RootError, VerifiedRoot};
use crate::share::{self, Giver, Shared};
use crate::stream::{self, Orders};
use bootwright_plan::address::ImageAddress;

/// What a streamed root needs: a device that asks us, and one whose table can be exchanged.
const MODULES: [&str; 3] = ["nbd", "dm_mod", "loop"];

impl Work {
    /// Boots the image at `address` while it comes.
    pub(super) async fn stream(&self, online: &Online, address: &ImageAddress) -> Result<HandOver, Failure> {
        for module in MODULES {
            let required = self.devices.require(module);
            required.map_err(|error| Failure::of("mode stream", &error).at(Step::Root))?;
        }
        let fetcher = self.fetcher(online);
        share::spread().await;
        let (pin, digest) = (self.instructions.pin.as_ref(), self.instructions.options.digest);
        let failed = |error: RootError| error.told("fetching the root").with(online.evidence());
        let described = root::described(&fetcher, address, pin, digest).await.map_err(failed)?;
        // There is room for the whole root before its first byte is fetched.
        let path = root::room_for(&described.manifest.file, described.manifest.size).map_err(failed)?;
        let orders = self.orders(online, &described, path.clone());
        // The block server is a process of the copy in /run: the one in the initrd goes.
        if let Err(error) = unit::copy_agent() {
            warn!("{}: {error}: the initrd's copy is used", unit::AGENT);
        }
        let text = format!("streaming the root of {}", address.url);
        info!("{text}");
        self.reporter.event(Stage::Fetch, &text);
        let swarm = fetcher.swarm(&described.root);
        let (whole, told) =
            io::pipe().map_err(|error| Failure::of("a pipe from the block server to the seeder", &error))?;
        let open = move || {
            let given = swarm.as_ref().map(|swarm| (swarm.socket(), &told));
            (stream::open(&orders, given), swarm)
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let (streamed, swarm) = opened.map_err(|error| Failure::of("opening the stream", &error))?;
        let streamed = streamed.map_err(|failure| failure.with(online.evidence()))?;
        let root = VerifiedRoot::of(&described.manifest, Place::Device(streamed.device.clone()));
        match self.hand_over_root(&root, Some(&online.network)) {
            Ok(handover) => {
                if let (Some(listening), Some(terms)) = (swarm, fetcher.terms) {
                    let Described { bytes, digest, .. } = described;
                    let until_then = Giver::Another(whole);
                    let shared = Shared { listening, until_then, manifest: bytes.into(), digest };
                    self.leave_seeder(shared, path.as_ref(), terms, online).await;
                }
                streamed.entered().map(|()| handover)
            }
            Err(failure) => Err(streamed.cause(failure).with(online.evidence())),
        }
    }

    /// What the block server is told.
    fn orders(&self, online: &Online, described: &Described, path: String) -> Orders {
        let spool = self.reporter.spool();
        Orders {
            manifest: String::from_utf8_lossy(&described.bytes).into_owned(),
            trusted: described.digest,
            url: described.root.clone(),
            path,
            upload: self.instructions.options.upload.map(|rate| rate.0),
            way: online.way.clone(),
            machine: spool.machine,
            image: spool.image,
            report: spool.url,
        }
    }
}
