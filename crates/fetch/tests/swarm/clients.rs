//! Clients that others wrote.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A client that ends with its test.
pub struct Client(Child);

impl Client {
    pub fn start(package: &str, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("{error}: install the package {package}")))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A free port, as far as one can know.
pub fn port() -> String {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

pub fn aria2(torrent: &Path, directory: &Path) -> Client {
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
    command.args(["--seed-ratio=0.0", "--bt-seed-unverified=true", "--file-allocation=none"]);
    command.arg(format!("--listen-port={}", port())).arg("-d").arg(directory).arg(torrent);
    Client::start("aria2", &mut command)
}

pub fn transmission(torrent: &Path, directory: &Path) -> Client {
    let mut command = Command::new("transmission-cli");
    command.args(["--no-portmap", "--verify", "--port", &port()]);
    command.arg("--config-dir").arg(directory.join("config")).arg("-w").arg(directory).arg(torrent);
    Client::start("transmission-cli", &mut command)
}

pub fn libtorrent(torrent: &Path, directory: &Path, ip: impl Into<IpAddr>) -> Client {
    const SCRIPT: &str = "
import libtorrent as lt, sys, time
s = lt.session({'listen_interfaces': sys.argv[3], 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True,
    'enable_outgoing_utp': False, 'enable_incoming_utp': False})
p = lt.add_torrent_params()
if sys.argv[1].startswith('magnet:'): p = lt.parse_magnet_uri(sys.argv[1])
else: p.ti = lt.torrent_info(sys.argv[1])
p.save_path = sys.argv[2]
s.add_torrent(p)
while True: time.sleep(1)";
    let free = port().parse().unwrap();
    let mut command = Command::new("/usr/bin/python3");
    command
        .args(["-c", SCRIPT])
        .arg(torrent)
        .arg(directory)
        .arg(SocketAddr::new(ip.into(), free).to_string());
    Client::start("python3-libtorrent", &mut command)
}

/// opentracker, HTTP and UDP, for one torrent; its port. It insists on not being root: it gets a user namespace.
pub fn opentracker(place: &Path, info_hash: &str) -> (Client, u16) {
    std::fs::write(place.join("whitelist"), format!("{info_hash}\n")).unwrap();
    let free = port();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=65534", "--map-group=65534", "--", "opentracker"]);
    command.args(["-i", "127.0.0.1", "-p", &free, "-P", &free, "-d"]).arg(place);
    command.arg("-w").arg(place.join("whitelist"));
    (Client::start("opentracker", &mut command), free.parse().unwrap())
}

/// Some clients take no peer at 127.0.0.1: an address of this machine, to which the way is as short.
pub fn own_address() -> Ipv4Addr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel only looks for the way.
    socket.connect("192.0.2.1:9").expect("this machine has no address but loopback");
    match socket.local_addr().unwrap().ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip}"),
    }
}
