//! The server on loopback: curl as the judge, and clients that mean harm.

mod curl;
mod hostile;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::{Limits, Progress, Server, Service};
use crate::images::Catalogue;
use crate::testing::image;

/// A running server with one image, `worker_1`, whose root has 1 MiB.
struct Running {
    address: SocketAddr,
    root: Vec<u8>,
    /// Ends of transfers, as `bytes path`.
    transfers: Arc<Mutex<Vec<String>>>,
    _stop: watch::Sender<()>,
    place: tempfile::TempDir,
}

impl Running {
    fn start(limits: Limits) -> Self {
        let place = tempfile::tempdir().unwrap();
        let root: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let catalogue = Catalogue::open(vec![image(place.path(), "worker_1", &root)]).unwrap().0;
        let listener = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::listen(vec![listener], limits).unwrap();
        let transfers = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&transfers);
        let router = axum::Router::new()
            .route("/echo", axum::routing::post(|body: String| async move { body }))
            .route("/", axum::routing::get(|| async { "the page" }));
        let service = Service {
            catalogue: Arc::new(catalogue),
            router,
            observe: Box::new(move |transfer, sent, _, progress| {
                if !matches!(progress, Progress::Begins) {
                    told.lock().unwrap().push(format!("{sent} {}", transfer.path));
                }
            }),
        };
        let (stop, stopped) = watch::channel(());
        tokio::spawn(server.run(Arc::new(service), stopped));
        Self { address, root, transfers, _stop: stop, place }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
