//! The nearest root: a local medium when the image was started from one, or when nobody says where else it is.

use std::time::Duration;

use bootwright_image::Pin;
use bootwright_image::manifest::Mode;
use bootwright_image::timeline::{Stage, Step};
use tokio::time::timeout;
use tracing::{info, warn};

use super::Work;
use crate::failure::{Failure, medium};
use crate::firmware_variables;
use crate::handover::HandOver;
use crate::medium::{Found, Media};
use crate::network::patiently;
use crate::root;

/// How long a medium may take to appear that the image was started from: slow controllers and hubs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it is waited for before a server is asked instead, when the firmware says that it is there.
const HEAD_START: Duration = Duration::from_secs(20);

impl Work {
    /// Boots the root from where it is when nobody says: when the firmware loaded the UKI from a partition, the
    /// media first, then whatever server answers; else a medium or a server, whichever is there first. The pin
    /// vouches for either.
    pub(super) async fn nearest(&self, pin: &Pin) -> Result<HandOver, Failure> {
        let mut media = Media::default();
        // In mode disk the partition has the UKI alone, as a rule: the root is in the cache, or comes from a server.
        let is_elsewhere = self.instructions.mode() == Mode::Disk;
        if firmware_variables::read(firmware_variables::PARTITION).is_some() && !is_elsewhere {
            match timeout(HEAD_START, patiently("the medium with the image", media.find(pin))).await {
                Ok(found) => return self.boot_medium(&found).await,
                Err(_) => {
                    warn!("the image was loaded from a disk, but its root is on none; asking the network");
                    media.evidence().iter().for_each(|line| warn!("  {line}"));
                }
            }
        }
        let found = tokio::select! {
            found = media.find(pin) => Ok(found),
            booted = self.fetch_and_boot() => Err(booted),
        };
        match found {
            Ok(found) => self.boot_medium(&found).await,
            Err(Ok(handover)) => Ok(handover),
            // A machine without a network fails at once, and its stick may still be on its way.
            Err(Err(failure)) => match timeout(HEAD_START, media.find(pin)).await {
                Ok(found) => self.boot_medium(&found).await,
                Err(_) => Err(failure.with(media.evidence().into_iter().map(medium))),
            },
        }
    }

    pub(super) async fn medium_alone(&self, pin: &Pin) -> Result<HandOver, Failure> {
        let mut media = Media::default();
        match timeout(PATIENCE, patiently("the medium with the image", media.find(pin))).await {
            Ok(found) => self.boot_medium(&found).await,
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let cause = format!("no disk, stick or CD had the image {} within {seconds} s", pin.name);
                Err(Failure::new(cause).at(Step::Address).with(media.evidence().into_iter().map(medium)))
            }
        }
    }

    async fn boot_medium(&self, found: &Found) -> Result<HandOver, Failure> {
        self.spool_reports();
        self.reporter.event(Stage::Fetch, &format!("reading the root from {}", found.place));
        let root = root::copied(found).await;
        let root = root.map_err(|error| error.told(&format!("reading the root from {}", found.place)))?;
        info!("every byte of the root is verified");
        self.reporter.moved(Stage::Fetch, "root verified", Some(root.size()));
        self.hand_over_root(&root, None)
    }
}
