//! One report over HTTP, by the client that fetches images too.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{Client, Retries, RetryPolicy, Timeouts, Trust, TrustError, dns, post_json};
use bootwright_image::timeline::Report;
use bootwright_plan::proxy::Proxy;
use url::Url;

use crate::network::by_proxy;

/// A server that takes longer to answer a report is not waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Further certificates, from the initrd; and their copy for the system.
pub const CA: &str = "/bootwright/ca.pem";
pub const CA_IN_SYSTEM: &str = "/run/bootwright/ca.pem";

/// Why a report did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No client.
    #[error("setting TLS up")]
    Tls(#[from] TrustError),
    /// A report that is no JSON.
    #[error("writing the report")]
    Json(#[from] serde_json::Error),
    /// The server did not take it.
    #[error("sending the report")]
    Post(#[source] Box<bootwright_fetch::Error>),
}

/// Posts `report`, once: whoever calls knows when to try again.
pub async fn post(client: &Client, url: &Url, report: &Report) -> Result<(), SendError> {
    let body = serde_json::to_vec(report)?;
    let once = RetryPolicy { retries: Retries::Finite(0), ..RetryPolicy::default() };
    let posted = post_json(client, url, body.into(), once, &mut |_| ()).await;
    posted.map_err(|error| SendError::Post(Box::new(error)))
}

/// A client that finds names as the running system does.
pub fn client_of_system(proxy: Option<&Proxy>) -> Result<Arc<Client>, SendError> {
    let trust = Trust { extra_pem: fs::read(CA_IN_SYSTEM).or_else(|_| fs::read(CA)).ok() };
    let timeouts = Timeouts { connect: TIMEOUT, answer: TIMEOUT, stall: TIMEOUT };
    let client = Client::new(dns::Resolver::from_system(), &trust, timeouts)?;
    Ok(Arc::new(by_proxy(client, proxy)))
}
