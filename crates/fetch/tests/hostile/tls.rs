//! HTTPS: certificates that are right, foreign, or of another time.

use std::net::SocketAddr;
use std::sync::Arc;

use bootwright_fetch::{Client, Error, Retries, Trust, TrustError, explain, get_small};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use crate::{client, retry, trusting};

/// An authority and a server with a certificate of its for 127.0.0.1.
struct Site {
    address: SocketAddr,
    ca: String,
}

impl Site {
    async fn start(years: std::ops::Range<i32>) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, ca: issuer.pem() }
    }

    async fn get(&self, client: &Arc<Client>) -> Result<Vec<u8>, Error> {
        let url = Url::parse(&format!("https://{}/image.json", self.address)).unwrap();
        let small = get_small(client, &url, 10, retry(Retries::Finite(2)), &mut |_| ()).await?;
        Ok(small.bytes.to_vec())
    }

    fn trust(&self) -> Trust {
        Trust { extra_pem: Some(self.ca.clone().into_bytes()) }
    }
}

#[tokio::test]
async fn an_own_authority_is_believed_when_it_is_given() {
    let site = Site::start(2000..4000).await;
    assert_eq!(site.get(&trusting(&site.trust())).await.unwrap(), b"ok");
}

#[tokio::test]
async fn a_foreign_certificate_is_refused_at_once() {
    let site = Site::start(2000..4000).await;
    let error = site.get(&client()).await.unwrap_err();
    assert!(matches!(error, Error::Transfer { attempts: 1, .. }));
    assert!(explain(&error).contains("nobody that this machine trusts"), "{}", explain(&error));
}

#[tokio::test]
async fn a_certificate_of_another_time_makes_the_clock_the_suspect() {
    let future = Site::start(3000..4000).await;
    let error = explain(&future.get(&trusting(&future.trust())).await.unwrap_err());
    assert!(error.contains("not yet valid: it begins Wed, 01 Jan 3000"), "{error}");
    assert!(error.contains("this machine's clock says"), "{error}");
    let past = Site::start(1990..2000).await;
    let error = explain(&past.get(&trusting(&past.trust())).await.unwrap_err());
    assert!(error.contains("expired: it ended Sat, 01 Jan 2000"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_a_failed_handshake() {
    let server = crate::server::Server::start(b"x", &[crate::server::Answer::Right]).await;
    let url = Url::parse(&format!("https://{}/", server.address)).unwrap();
    let error = get_small(&client(), &url, 10, retry(Retries::Finite(0)), &mut |_| ()).await.unwrap_err();
    assert!(explain(&error).contains("TLS handshake"), "{}", explain(&error));
}

#[test]
fn extra_certificates_that_are_none_are_refused() {
    let make = |pem: &[u8]| {
        let trust = Trust { extra_pem: Some(pem.to_vec()) };
        let resolver = bootwright_fetch::dns::Resolver::new(&[], &[]);
        Client::new(resolver, &trust, bootwright_fetch::Timeouts::default()).map(|_| ())
    };
    assert!(matches!(make(b"hello"), Err(TrustError::Empty)));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(make(broken), Err(TrustError::Certificate { index: 1, .. })));
}
