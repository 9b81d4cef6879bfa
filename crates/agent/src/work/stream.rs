//! Mode `stream`: the root is entered while it is still being fetched.

use bootwright_image::timeline::{Stage, Step};
use bootwright_image::{RootManifest, Verified};
use tracing::{info, warn};

use super::Work;
use super::online::Online;
use crate::failure::Failure;
use crate::handover::HandOver;
use crate::report::unit;
use crate::root::{self, Place, RootError, VerifiedRoot};
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
        let (orders, manifest) = self.orders(online, address).await?;
        // The block server is a process of the copy in /run: the one in the initrd goes.
        if let Err(error) = unit::copy_agent() {
            warn!("{}: {error}: the initrd's copy is used", unit::AGENT);
        }
        let text = format!("streaming the root of {}", address.url);
        info!("{text}");
        self.reporter.event(Stage::Fetch, &text);
        let streamed = tokio::task::spawn_blocking(move || stream::open(&orders)).await;
        let streamed = streamed.map_err(|error| Failure::of("opening the stream", &error))?;
        let streamed = streamed.map_err(|failure| failure.with(online.evidence()))?;
        let root = VerifiedRoot::of(&manifest, Place::Device(streamed.device.clone()));
        match self.hand_over_root(&root, Some(&online.network)) {
            Ok(handover) => streamed.entered().map(|()| handover),
            Err(failure) => Err(streamed.cause(failure).with(online.evidence())),
        }
    }

    /// What the block server is told. There is room for the whole root before its first byte is fetched.
    async fn orders(
        &self,
        online: &Online,
        address: &ImageAddress,
    ) -> Result<(Orders, Verified<RootManifest>), Failure> {
        let fetcher =
            root::Fetcher { client: online.client.clone(), reporter: self.reporter.clone(), terms: None };
        let pin = self.instructions.pin.as_ref();
        let described = root::described(&fetcher, address, pin, self.instructions.options.digest).await;
        let failed = |error: RootError| error.told("fetching the root").with(online.evidence());
        let described = described.map_err(failed)?;
        let manifest = described.manifest;
        let path = root::room_for(&manifest.file, manifest.size).map_err(failed)?;
        let spool = self.reporter.spool();
        let orders = Orders {
            manifest: String::from_utf8_lossy(&described.bytes).into_owned(),
            trusted: described.digest,
            url: described.root,
            path,
            way: online.way.clone(),
            machine: spool.machine,
            image: spool.image,
            report: spool.url,
        };
        Ok((orders, manifest))
    }
}
