//! `/boot.ipxe`: what iPXE does next.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::response::Response;
use bootwright_netboot::assign::Rules;
use bootwright_netboot::ipxe::{self, Entry, Menu};
use bootwright_netboot::machine::Facts;

use super::{App, fresh};
use crate::images::Catalogue;
use crate::recorder::Level;

/// iPXE goes by the first line; the type is for people with a browser.
const SCRIPT: &str = "text/plain; charset=utf-8";

/// Makes the scripts.
pub struct Scripts {
    server: String,
    rules: RwLock<Arc<Rules>>,
    memtest: Vec<(bootwright_netboot::arch::Firmware, String)>,
}

impl Scripts {
    /// `server` is scheme and authority of this server's URLs; `memtest` the path of a memory test per
    /// kind of firmware.
    pub fn new(
        server: String,
        rules: Arc<Rules>,
        memtest: Vec<(bootwright_netboot::arch::Firmware, String)>,
    ) -> Self {
        Self { server, rules: RwLock::new(rules), memtest }
    }

    /// The rules that count now.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes other rules, after the images have changed.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The script for a machine, and the image in it, or why it gets none.
    fn for_machine(&self, facts: &Facts, catalogue: &Catalogue) -> Result<(String, String), String> {
        let rules = self.rules();
        let choice = rules.choose(facts).map_err(|refusal| refusal.to_string())?;
        let memtest = self.memtest.iter().find(|(firmware, _)| *firmware == facts.firmware());
        let menu = Menu {
            server: self.server.clone(),
            entries: catalogue
                .images()
                .iter()
                .filter(|image| image.is_bootable())
                .map(|image| entry(image))
                .collect(),
            memtest: memtest.map(|(_, path)| path.clone()),
        };
        let script = ipxe::script(&menu, facts, &choice).map_err(|error| error.to_string())?;
        Ok((script, choice.image.name.clone()))
    }
}

fn entry(image: &crate::images::Image) -> Entry {
    Entry {
        name: image.name().to_owned(),
        title: image.manifest.os.clone().unwrap_or_default(),
        cmdline: image.cmdline.clone(),
    }
}

/// Answers `/boot.ipxe`. Without a query the answer is a script that asks again and says who it is.
pub async fn script(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(facts) = query.as_deref().and_then(ipxe::from_query) else {
        return fresh(SCRIPT, ipxe::ask(&app.scripts.server));
    };
    match app.scripts.for_machine(&facts, &app.catalogue) {
        Ok((script, image)) => {
            let text = format!("given its script, image {image}");
            app.recorder.scripted(&facts, peer.ip(), Some(&image), text);
            fresh(SCRIPT, script)
        }
        Err(why) => {
            app.recorder.note(Level::Warning, format!("{} {facts}: no script: {why}", facts.machine.mac));
            fresh(SCRIPT, refusal(&why))
        }
    }
}

/// Says why on the machine's screen, then lets its firmware go on with whatever it boots otherwise.
fn refusal(why: &str) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') && !"$#&|;".contains(c) { c } else { '?' };
    let why: String = why.chars().map(shown).collect();
    format!("#!ipxe\necho bootwright: {why}\nsleep 5\nexit 1\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_ipxe_does_not_read() {
        assert_eq!(refusal("a ${x}\n&& b"), "#!ipxe\necho bootwright: a ?{x}??? b\nsleep 5\nexit 1\n");
    }
}
