//! Trackers that go, machines that are killed, strangers that lie: the right bytes, or an error that names who did it.

use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Error, FileStore, Notice, Options, PeerOptions, Port, fetch_torrent, fetch_with_peers,
};
use tokio::net::TcpListener;

use crate::clients::aria2;
use crate::fleet::{Fleet, client, peers};
use crate::hostile::{Lie, tell};
use crate::strangers::{Shape, Share, mktorrent};
use crate::tracker::Tracker;

/// A tracker's address at which nobody listens any more.
async fn gone() -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/announce", listener.local_addr().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn a_tracker_that_goes_does_not_end_the_swarm_that_it_has_introduced() {
    let fleet = Fleet::slow(2 << 20, 1 << 20).await;
    let machines: Vec<_> = (0..2).map(|_| fleet.start()).collect();
    fleet.tracker.knows(3).await;
    fleet.tracker.stop();
    for machine in machines {
        assert_eq!(machine.await.unwrap().complete.progress.from_peers, fleet.size());
    }
}

#[tokio::test]
async fn peers_that_are_known_are_enough_when_the_tracker_is_gone_and_it_is_named() {
    let fleet = Fleet::new(1 << 20).await;
    let port = fleet.tracker.ports().pop().unwrap();
    let own = Port::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let tracker = gone().await;
    let options = PeerOptions {
        peers: vec![([127, 0, 0, 1], port).into()],
        ..PeerOptions::new(own, client(), Some(tracker.clone()))
    };
    let mut told = Vec::new();
    let mut observe = |notice: Notice<'_>| {
        if let Notice::Failed { failure, .. } = notice {
            told.push(failure.explain());
        }
    };
    let path = fleet.directory.path().join("out");
    let store = Arc::new(FileStore::create(&path).unwrap());
    let how = Options::default();
    let fetching = fetch_with_peers(&fleet.manifest, &[], store, options, &how, &mut observe);
    tokio::time::timeout(Duration::from_secs(60), fetching).await.expect("it hangs").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), fleet.image);
    assert!(told.iter().any(|told| told.contains(tracker.as_str())), "{told:#?}");
}

/// Time goes by itself when nothing happens: the two minutes of hope do not pass for us.
#[tokio::test(start_paused = true)]
async fn without_tracker_peers_and_mirrors_it_ends_and_names_the_tracker() {
    let place = tempfile::tempdir().unwrap();
    let share = Share::new(mktorrent, Shape::File, "http://127.0.0.1:9/announce");
    let own = Port::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let tracker = gone().await;
    let options = PeerOptions::new(own, client(), Some(tracker.clone()));
    let store = Arc::new(FileStore::create(&place.path().join("out")).unwrap());
    let ended = fetch_torrent(&share.info, &[], store, Some(options), &Options::default(), &mut |_| ()).await;
    let error = ended.err().unwrap();
    assert!(matches!(error, Error::Exhausted { .. }), "{error}");
    assert!(error.to_string().contains(tracker.as_str()), "{error}");
}

#[tokio::test]
async fn a_machine_that_is_killed_half_way_goes_on_with_what_it_had() {
    let fleet = Fleet::slow(4 << 20, 1 << 20).await;
    let other = fleet.start();
    let path = fleet.directory.path().join("killed.img");
    let killed = fleet.start_at(path.clone());
    let arrived = || {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512)
    };
    while arrived() < 1 << 20 {
        assert!(!killed.is_finished(), "it was done before it was killed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    killed.abort();
    let _ = killed.await;
    let again = fleet.start_at(path).await.unwrap();
    assert!(again.complete.progress.kept >= 512 << 10, "{:?}", again.complete);
    other.await.unwrap();
}

#[tokio::test]
async fn a_fleet_of_which_a_third_is_killed_half_way_and_comes_back_gets_the_image() {
    let fleet = Fleet::slow(4 << 20, 1 << 20).await;
    let path = |machine: usize| fleet.directory.path().join(format!("machine-{machine}.img"));
    let mut machines: Vec<_> = (0..6).map(|machine| fleet.start_at(path(machine))).collect();
    let arrived = |machine| {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path(machine)).map_or(0, |metadata| metadata.blocks() * 512)
    };
    for killed in [0, 3] {
        while arrived(killed) < 1 << 20 {
            assert!(!machines[killed].is_finished(), "it was done before it was killed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        machines[killed].abort();
        machines[killed] = fleet.start_at(path(killed));
    }
    for machine in machines {
        machine.await.unwrap();
    }
}

#[tokio::test]
async fn a_fleet_finishes_when_the_origin_goes_after_one_copy_is_out() {
    let mut fleet = Fleet::slow(4 << 20, 2 << 20).await;
    let machines: Vec<_> = (0..3).map(|_| fleet.start()).collect();
    let mut late = None;
    while !machines.iter().any(tokio::task::JoinHandle::is_finished) {
        // One that has hardly begun when the origin goes.
        if late.is_none() && fleet.origin_status().await.uploaded > fleet.size() / 2 {
            late = Some(fleet.start());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.stop_origin().await;
    let late = late.unwrap_or_else(|| fleet.start());
    // Those that are done give what the others lack, as long as they are there.
    let mut done = Vec::new();
    for machine in machines.into_iter().chain([late]) {
        done.push(machine.await.unwrap());
    }
    assert!(done.iter().all(|machine| machine.complete.progress.from_peers == fleet.size()));
}

#[tokio::test]
async fn a_stranger_that_sends_wrong_pieces_is_named_and_the_torrent_with_it() {
    let tracker = Tracker::start(std::net::Ipv4Addr::LOCALHOST).await;
    let share = Share::new(mktorrent, Shape::Directory, tracker.url().as_str());
    // The liar alone at first: it is asked.
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let liar = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tell(stream, Lie::Damage));
        }
    });
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let mut options = peers(&tracker);
    options.peers.push(liar);
    let fetching = share.fetch(&out, &[], Some(options));
    let honest = async {
        tracker.knows(1).await;
        aria2(&share.torrent, share.place.path())
    };
    let ((complete, _), _client) = tokio::join!(fetching, honest);
    assert!(share.is_at(&out));
    assert!(complete.refused > 0);
    let blamed: Vec<_> = complete.by_peer.iter().filter(|peer| peer.refused > 0).collect();
    assert!(blamed.iter().all(|peer| peer.address == liar && peer.received == 0), "{blamed:#?}");
}
