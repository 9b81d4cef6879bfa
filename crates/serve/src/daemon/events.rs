//! What DHCP, TFTP and HTTP say, as the recorder takes it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bootwright_image::timeline::Stage;
use bootwright_netboot::dhcp::server as dhcp_server;
use bootwright_netboot::dhcp::server::Outcome;
use bootwright_netboot::tftp::End;

use crate::gateway::Peers;
use crate::http::{Observe, Progress};
use crate::recorder::{Answered, Going, Level, Piece, Recorder};
use crate::{dhcp, tftp};

/// From the DHCP server.
pub fn dhcp_events(recorder: Arc<Recorder>) -> dhcp::Events {
    Arc::new(move |event: dhcp_server::Event| {
        let (address, boot) = match &event.outcome {
            Outcome::Offered { address, boot } => (*address, Some(boot)),
            Outcome::Leased { address, boot } => (Some(*address), Some(boot)),
            Outcome::Told(boot) => (None, Some(boot)),
            _ => (None, None),
        };
        let image = boot.and_then(|boot| boot.as_ref().ok()).map(|plan| plan.image.as_str());
        // The recorder says who it is in its own words.
        let text = event.text();
        let text = text.strip_prefix(&format!("{}: ", event.facts)).unwrap_or(&text).to_owned();
        let level = if event.is_trouble() { Level::Warning } else { Level::Info };
        let address = address.map(IpAddr::V4);
        recorder.answered(Answered { facts: &event.facts, address, image, text, level });
    })
}

/// From the TFTP server.
pub fn tftp_events(recorder: Arc<Recorder>, peers: Peers) -> tftp::Events {
    Arc::new(move |event: tftp::Event| {
        let peer = peers.real(IpAddr::V4(*event.client.ip()));
        let piece = |total| Piece { stage: Stage::Tftp, peer, path: &event.path, range: 0..total, total };
        match &event.outcome {
            tftp::Outcome::Started { .. } | tftp::Outcome::Ended { end: End::Probe, .. } => {}
            tftp::Outcome::Ended { end: End::Done, bytes, duration } => {
                let going = Going::Ended { sent: *bytes, took: *duration, failure: None };
                recorder.transfer(&piece(*bytes), &going);
            }
            tftp::Outcome::NotFound => recorder.missed(peer, Stage::Tftp, &event.path),
            _ => recorder.trouble(peer, Stage::Tftp, event.to_string()),
        }
    })
}

/// From the HTTP server.
pub fn http_events(recorder: Arc<Recorder>) -> Box<Observe> {
    Box::new(move |transfer, sent, took: Duration, progress| {
        let piece = Piece {
            stage: Stage::Http,
            peer: transfer.peer.ip(),
            path: transfer.path,
            range: transfer.range.clone(),
            total: transfer.total,
        };
        let going = match &progress {
            Progress::Begins => Going::Begins,
            Progress::Done => Going::Ended { sent, took, failure: None },
            Progress::Failed(error) => {
                let failure: &dyn fmt::Display = *error;
                Going::Ended { sent, took, failure: Some(failure) }
            }
        };
        recorder.transfer(&piece, &going);
    })
}
