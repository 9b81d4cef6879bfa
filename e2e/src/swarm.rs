//! Machines that give each other what they have, seen from outside.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bootwright_image::timeline::{Machine as Told, Progress};
use bootwright_image::{Digest, Digester};
use bootwright_vm::Network as _;
use bootwright_vm::machine::mac;

use crate::{PATIENCE, Scenario, done};

/// Fetches the torrent FILE into DIRECTORY from the peer at ADDRESS and nobody else, within SECONDS.
const LEECH: &str = "
import libtorrent as lt, sys, time
torrent, directory, address, seconds = sys.argv[1:5]
session = lt.session({'listen_interfaces': '0.0.0.0:0', 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'enable_outgoing_utp': False, 'enable_incoming_utp': False})
wish = lt.add_torrent_params()
wish.ti, wish.save_path = lt.torrent_info(torrent), directory
handle = session.add_torrent(wish)
end = time.monotonic() + float(seconds)
while not handle.status().is_seeding:
    if time.monotonic() > end:
        sys.exit('%s has given %d bytes' % (address, handle.status().total_done))
    handle.connect_peer((address, 6881))
    time.sleep(1)
";

/// Seeds the torrent FILE, whose content is in DIRECTORY, and says so to TRACKER.
const SEED: &str = "
import libtorrent as lt, sys, time
torrent, directory, tracker = sys.argv[1:4]
session = lt.session({'listen_interfaces': '0.0.0.0:6881', 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'enable_outgoing_utp': False, 'enable_incoming_utp': False})
wish = lt.add_torrent_params()
wish.ti, wish.save_path, wish.trackers = lt.torrent_info(torrent), directory, [tracker]
session.add_torrent(wish)
while True:
    time.sleep(60)
";

impl Scenario {
    /// Two peers of others' making, libtorrent, that have the root of the image; our server's tracker knows them.
    pub fn two_libtorrents(self) -> Self {
        let (torrent, directory) = (self.image().join("root.torrent"), self.image());
        let arguments = [torrent, directory].map(|path| path.display().to_string());
        let [torrent, directory] = &arguments;
        let arguments = ["-c", SEED, torrent, directory, "http://10.77.0.1/announce"];
        let scenario = ["10.77.0.7", "10.77.0.8"]
            .into_iter()
            .fold(self, |scenario, address| scenario.service(address, "/usr/bin/python3", &arguments));
        let begun = Instant::now();
        while scenario.swarm().len() < 2 {
            assert!(begun.elapsed() < PATIENCE, "the tracker knows of {:?}", scenario.swarm());
            sleep(Duration::from_millis(500));
        }
        scenario
    }

    /// The digest of what libtorrent, a BitTorrent client that others wrote, gets from the machine and from nobody
    /// else, by the torrent in the image's directory.
    pub fn leeched(&self, address: &str) -> Digest {
        let (torrent, place) = (self.image().join("root.torrent"), self.directory().join("leech"));
        done("making a directory", std::fs::create_dir_all(&place));
        let mut command = self.lab.command("/usr/bin/python3");
        command.args(["-c", LEECH]).arg(torrent).arg(&place).arg(address);
        let output = done("running python3", command.arg(PATIENCE.as_secs().to_string()).output());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "libtorrent (package python3-libtorrent): {said}");
        let mut file = done("opening what was fetched", std::fs::File::open(place.join("root.img")));
        let mut digester = Digester::default();
        done("reading what was fetched", std::io::copy(&mut file, &mut digester));
        digester.finish()
    }

    /// What the server knows of the machine that is spoken of.
    fn told(&self) -> Told {
        let machines = done("asking for /v1/machines", self.lab.get("/v1/machines"));
        let machines: Vec<Told> = done("reading /v1/machines", serde_json::from_slice(&machines));
        let mine = machines.into_iter().find(|machine| machine.id.mac == self.running().mac());
        mine.unwrap_or_else(|| panic!("the server does not know the machine"))
    }

    /// The address of the machine.
    pub fn address(&self) -> String {
        match self.told().address {
            Some(address) => address.to_string(),
            None => panic!("the server does not know the machine's address"),
        }
    }

    /// How far the machine said that it is with its root, and who sent it.
    pub fn progress(&self) -> Progress {
        self.told().progress.unwrap_or_default()
    }

    /// The addresses in the swarm of the image, as the tracker knows them.
    pub fn swarm(&self) -> Vec<String> {
        let swarms = done("asking for /v1/swarms", self.lab.get("/v1/swarms"));
        let swarms: serde_json::Value = done("reading /v1/swarms", serde_json::from_slice(&swarms));
        let peers = swarms[0]["peers"].as_array().cloned().unwrap_or_default();
        let address = |peer: serde_json::Value| peer["address"].as_str().unwrap_or_default().to_owned();
        peers.into_iter().map(address).collect()
    }

    /// A second machine boots the UKI's kernel and initrd, and is spoken of from now on. The first one goes on.
    pub fn boot_another_directly(mut self, append: &str) -> Self {
        let parts = done("taking the UKI apart", bootwright_vm::uki::Parts::extract(&self.uki()));
        crate::image::append(&parts.initrd, &self.added);
        let builder = self.direct(&parts, append).mac(mac(2));
        self.earlier = self.machine.take();
        self.parts.push(parts);
        self.boot_machine(builder)
    }

    /// The first machine is spoken of again, or the second.
    pub fn change_places(&mut self) {
        std::mem::swap(&mut self.machine, &mut self.earlier);
    }

    fn uki(&self) -> PathBuf {
        self.image().join("image.efi")
    }
}
