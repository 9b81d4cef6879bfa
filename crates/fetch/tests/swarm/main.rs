//! Swarms in one process, on loopback: every machine runs the engine as a real one does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod busy;
mod clients;
mod faults;
mod fleet;
mod hostile;
mod judges;
mod magnet;
mod metadata;
mod strangers;
mod tracker;
mod udp;

use fleet::{Fleet, Machine};

#[tokio::test]
async fn a_fleet_gets_the_image_from_an_origin_that_sends_it_about_once() {
    let fleet = Fleet::new(8 << 20).await;
    let machines: Vec<_> = (0..4).map(|_| fleet.start()).collect();
    for machine in machines {
        let Machine { complete, .. } = machine.await.unwrap();
        assert_eq!(complete.progress.from_peers, fleet.size());
    }
    let status = fleet.origin_status().await;
    // Loopback is faster than the policy's tick: it says that the fleet shared, not how well.
    assert!(status.uploaded < 3 * fleet.size(), "the origin sent {} bytes", status.uploaded);
}

#[tokio::test]
async fn who_has_finished_gives_on_when_the_origin_has_gone() {
    let mut fleet = Fleet::new(4 << 20).await;
    let first = fleet.start().await.unwrap();
    fleet.stop_origin().await;
    let second = fleet.start().await.unwrap();
    assert_eq!(second.complete.progress.from_peers, fleet.size());
    drop(first);
}
