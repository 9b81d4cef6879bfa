//! TLS by rustls with ring; Mozilla's roots are in the program, others can be added.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::Cause;

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Certificates of further authorities in PEM, as in `/bootwright/ca.pem`.
    pub extra_pem: Option<Vec<u8>>,
}

/// Why certificates cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No certificate where there should be some.
    #[error("there is no certificate in the given PEM")]
    Empty,
    /// Not PEM.
    #[error("the given certificates are not PEM: {0}")]
    Pem(String),
    /// Not a certificate.
    #[error("certificate {index} of the given PEM is not usable: {why}")]
    Certificate {
        /// Which one, from 1.
        index: usize,
        /// What rustls says.
        why: String,
    },
    /// rustls refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

pub(super) fn connector(trust: &Trust) -> Result<TlsConnector, TrustError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = &trust.extra_pem {
        add(&mut roots, pem)?;
    }
    let setup = |why: String| TrustError::Setup(why);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if cfg!(feature = "http2") {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), TrustError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        let certificate = certificate.map_err(|error| TrustError::Pem(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| TrustError::Certificate { index: count, why: error.to_string() })?;
    }
    if count == 0 { Err(TrustError::Empty) } else { Ok(()) }
}

pub(super) async fn handshake(
    connector: &TlsConnector,
    host: &str,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, Cause> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned())
        .map_err(|_| Cause::Url(format!("{host:?} cannot be in a certificate")))?;
    connector.connect(name, tcp).await.map_err(cause)
}

/// Tells a certificate that will be refused again from a handshake that went wrong.
fn cause(error: io::Error) -> Cause {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => Cause::Certificate(explain(why)),
        _ => Cause::Handshake(error),
    }
}

/// In words. A machine without a battery starts in 1970: then every certificate is of the future, and
/// the clock is what has to be set right.
fn explain(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "not yet valid: it begins {}, this machine's clock says {}",
            date(*not_before),
            date(*time)
        ),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("expired: it ended {}, this machine's clock says {}", date(*not_after), date(*time))
        }
        CertificateError::UnknownIssuer => {
            "nobody that this machine trusts has signed it (an own authority goes into ca.pem)".to_owned()
        }
        // rustls passes this fault of webpki's on by its name alone.
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of an authority itself: sign one for the server with it".to_owned()
        }
        other => other.to_string(),
    }
}

fn date(time: UnixTime) -> String {
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    // httpdate panics after the year 9999, which a certificate may well name.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(moment.unwrap_or(last).min(last))
}
