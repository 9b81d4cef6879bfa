//! A root that another builder made.

use bootwright_image::cmdline::FailureAction;
use bootwright_image::timeline::Stage;
use bootwright_plan::address::ImageAddress;
use bootwright_plan::foreign_root::ForeignRoot;
use tracing::info;

use super::Work;
use super::online::Online;
use crate::boot::found;
use crate::failure::Failure;
use crate::foreign::{self, Content};
use crate::handover::HandOver;

impl Work {
    /// Boots the root at `address`, or does what is to be done once it is there.
    pub(super) async fn foreign(
        &self,
        online: &Online,
        address: &ImageAddress,
        root: &ForeignRoot,
    ) -> Result<HandOver, Failure> {
        let url = &address.url;
        self.reporter.event(Stage::Fetch, &format!("fetching {url}"));
        let fetched = foreign::fetched(&online.client, url, root).await;
        let accepted = fetched.map_err(|error| error.told(url).with(online.evidence()))?;
        self.reporter.moved(Stage::Fetch, "the image is here", Some(accepted.size));
        if let Some(action) = root.on_success {
            info!("the image is here, and the command line says what to do then");
            return Ok(match action {
                FailureAction::Poweroff => HandOver::Poweroff,
                FailureAction::Reboot | FailureAction::Shell => HandOver::Reboot,
            });
        }
        let overlay = self.instructions.options.overlay.as_deref();
        self.enter(Some(&online.network), || match &accepted.content {
            Content::FileSystem { file, layout } => found::mount(file, layout, overlay, &self.devices),
            Content::Tree => Ok(()),
        })
    }
}
