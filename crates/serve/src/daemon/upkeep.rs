//! While the server runs: images that change, timelines that are saved, signals.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::api::App;
use crate::dhcp;
use crate::images::Change;
use crate::options::Assignments;
use crate::recorder::{Level, Recorder, chain};

/// How often directories are looked at and timelines are written: what is lost when the power goes.
const PERIOD: Duration = Duration::from_secs(1);

/// Keeps things up to date until SIGTERM or SIGINT.
pub async fn until_stopped(
    app: &Arc<App>,
    assignments: &Assignments,
    dhcp: Option<&dhcp::Running>,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {
                app.recorder.note(Level::Info, "SIGHUP: reads the images again");
                // A large file may have to be digested: that is not waited for at the end.
                tokio::select! {
                    () = reload(app, assignments, dhcp) => {}
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                }
            }
            _ = tick.tick() => {
                let catalogue = Arc::clone(&app.catalogue);
                let recorder = Arc::clone(&app.recorder);
                // Both touch the disk.
                let work = move || {
                    save(&recorder);
                    catalogue.changed()
                };
                if tokio::task::spawn_blocking(work).await.unwrap_or(false) {
                    tokio::select! {
                        () = reload(app, assignments, dhcp) => {}
                        _ = terminate.recv() => return Ok(()),
                        _ = interrupt.recv() => return Ok(()),
                    }
                }
            }
        }
    }
}

/// Writes timelines that are not on disk yet.
pub fn save(recorder: &Recorder) {
    if let Err(error) = recorder.machines().save() {
        tracing::warn!("timelines are not saved: {error}");
    }
}

async fn reload(app: &Arc<App>, assignments: &Assignments, dhcp: Option<&dhcp::Running>) {
    let catalogue = Arc::clone(&app.catalogue);
    let Ok(changes) = tokio::task::spawn_blocking(move || catalogue.reload()).await else { return };
    if changes.is_empty() {
        return;
    }
    for change in &changes {
        match change {
            Change::Serves(name) => app.recorder.note(Level::Info, format!("serves {name} as it is now")),
            Change::Gone(name) => app.recorder.note(Level::Warning, format!("no longer serves {name}")),
            Change::Refused(error) => {
                app.recorder.note(Level::Warning, format!("not served: {}", chain(error)));
            }
            Change::Kept(error) => app.recorder.note(
                Level::Warning,
                format!("changes of an image will not be seen, restart for them: {}", chain(error)),
            ),
        }
    }
    app.swarms.update(&app.catalogue);
    match assignments.for_images(&app.catalogue) {
        Ok(rules) => {
            if let Some(dhcp) = dhcp {
                dhcp.set_rules(rules.clone());
            }
            app.scripts.set_rules(Arc::new(rules));
        }
        Err(error) => app.recorder.note(Level::Warning, format!("the rules stay as they were: {error}")),
    }
}
