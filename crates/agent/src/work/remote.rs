//! A root on another machine: as a medium with the pinned image, or as it is.

use bootwright_image::Pin;
use bootwright_image::timeline::{Stage, Step};
use bootwright_plan::remote::Remote;
use tracing::{info, warn};

use super::Work;
use super::online::Online;
use crate::failure::{Failure, medium};
use crate::handover::HandOver;
use crate::medium::Media;
use crate::network::patiently;
use crate::remote::{Connector, RemoteError};
use crate::report;
use crate::root;

impl Work {
    /// Boots the pinned image from the block device of another machine, verified like that of a disk.
    pub(super) async fn remote_medium(&self, remote: &Remote, pin: &Pin) -> Result<HandOver, Failure> {
        let online = self.go_online(&[]).await?;
        self.reports_by(&online, None);
        let connecting = self.connector(&online);
        let device = patiently(&remote.describe(), connecting.device(remote)).await;
        let device = device.map_err(|error| told(&error, remote, &online))?;
        let mut media = Media::default();
        let Some(found) = media.find_on(&device, pin).await else {
            let cause = format!("{} is there, and the image {} is not on it", remote.describe(), pin.name);
            return Err(Failure::new(cause).at(Step::Verify).with(media.evidence().into_iter().map(medium)));
        };
        let text = format!("reading the root from {}, {}", found.place, remote.describe());
        self.reporter.event(Stage::Fetch, &text);
        let root = root::copied(&found).await.map_err(|error| error.told(&text).with(online.evidence()))?;
        info!("every byte of the root is verified");
        self.reporter.moved(Stage::Fetch, "root verified", Some(root.size()));
        self.hand_over_root(&root, Some(&online.network))
    }

    /// Mounts a root that nobody verifies: the line says that this is meant.
    pub(super) async fn remote(&self, remote: &Remote) -> Result<HandOver, Failure> {
        let online = self.go_online(&[]).await?;
        self.reports_by(&online, None);
        warn!("nobody verifies the root {}: bootwright.verify=off", remote.describe());
        self.reporter.event(Stage::Fetch, &format!("mounting {}, which nobody verifies", remote.describe()));
        let overlay = self.instructions.options.overlay.as_deref();
        let connecting = self.connector(&online);
        let mounted = patiently(&remote.describe(), connecting.mount(remote, overlay)).await;
        mounted.map_err(|error| told(&error, remote, &online))?;
        self.hand_over_mounted(Some(&online.network))
    }

    fn connector<'a>(&'a self, online: &'a Online) -> Connector<'a> {
        let own = online.network.configuration.addresses.first().map(|own| own.address);
        Connector { client: &online.client, devices: &self.devices, uuid: report::uuid(), own }
    }
}

fn told(error: &RemoteError, remote: &Remote, online: &Online) -> Failure {
    let step = match error {
        RemoteError::Name { .. } => Step::Name,
        RemoteError::Io { .. } => Step::Connect,
        RemoteError::Server { .. } => Step::Http,
        _ => Step::Root,
    };
    Failure::of(&format!("the root {}", remote.describe()), error).at(step).with(online.evidence())
}
