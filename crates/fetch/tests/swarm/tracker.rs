//! The smallest tracker: it gives everybody the ports of all who have announced.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

pub struct Tracker {
    port: u16,
    ports: Arc<Mutex<BTreeSet<u16>>>,
}

impl Tracker {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ports = Arc::new(Mutex::new(BTreeSet::new()));
        let known = ports.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, known.clone()));
            }
        });
        Self { port, ports }
    }

    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/announce", self.port).parse().unwrap()
    }

    /// Waits until so many have announced.
    pub async fn knows(&self, machines: usize) {
        while self.ports.lock().unwrap().len() < machines {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer(mut stream: TcpStream, ports: Arc<Mutex<BTreeSet<u16>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8_lossy(&request);
    let value = |name: &str| Some(request.split_once(name)?.1.split(['&', ' ']).next()?.to_owned());
    let port: u16 = value("&port=").unwrap().parse().unwrap();
    let mut body = b"d8:intervali5e5:peers".to_vec();
    {
        let mut ports = ports.lock().unwrap();
        if request.contains("event=stopped") {
            ports.remove(&port)
        } else {
            ports.insert(port)
        };
        body.extend_from_slice(format!("{}:", 6 * ports.len()).as_bytes());
        for port in ports.iter() {
            body.extend_from_slice(&[127, 0, 0, 1]);
            body.extend_from_slice(&port.to_be_bytes());
        }
    }
    body.push(b'e');
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}
