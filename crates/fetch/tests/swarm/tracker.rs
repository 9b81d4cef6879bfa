//! The smallest tracker: it gives everybody the ports of all who have announced.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

pub struct Tracker {
    address: SocketAddr,
    ports: Arc<Mutex<BTreeSet<u16>>>,
    serving: tokio::task::AbortHandle,
}

impl Tracker {
    /// On `ip`, where all machines are.
    pub async fn start(ip: impl Into<IpAddr>) -> Self {
        let ip = ip.into();
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let ports = Arc::new(Mutex::new(BTreeSet::new()));
        let known = ports.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, ip, known.clone()));
            }
        });
        Self { address, ports, serving: serving.abort_handle() }
    }

    pub fn url(&self) -> Url {
        format!("http://{}/announce", self.address).parse().unwrap()
    }

    /// Gives this port to everybody, too.
    pub fn add(&self, port: u16) {
        self.ports.lock().unwrap().insert(port);
    }

    /// Nobody listens any more.
    pub fn stop(&self) {
        self.serving.abort();
    }

    /// The ports of all who have announced.
    pub fn ports(&self) -> Vec<u16> {
        self.ports.lock().unwrap().iter().copied().collect()
    }

    /// Where machines are.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Waits until so many have announced.
    pub async fn knows(&self, machines: usize) {
        while self.ports.lock().unwrap().len() < machines {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer(mut stream: TcpStream, ip: IpAddr, ports: Arc<Mutex<BTreeSet<u16>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8_lossy(&request);
    let value = |name: &str| Some(request.split_once(name)?.1.split(['&', ' ']).next()?.to_owned());
    let port = value("port=").and_then(|port| port.parse::<u16>().ok());
    // Some scrape, too.
    let Some(port) = port.filter(|_| request.starts_with("GET /announce?")) else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        return;
    };
    let (key, octets) = match ip {
        IpAddr::V4(ip) => ("5:peers", ip.octets().to_vec()),
        // BEP 7.
        IpAddr::V6(ip) => ("6:peers6", ip.octets().to_vec()),
    };
    let mut body = format!("d8:intervali5e{key}").into_bytes();
    {
        let mut ports = ports.lock().unwrap();
        if request.contains("event=stopped") {
            ports.remove(&port)
        } else {
            ports.insert(port)
        };
        body.extend_from_slice(format!("{}:", (octets.len() + 2) * ports.len()).as_bytes());
        for port in ports.iter() {
            body.extend_from_slice(&octets);
            body.extend_from_slice(&port.to_be_bytes());
        }
    }
    body.push(b'e');
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}
