//! Proxies: a request for `http:` goes to the proxy with its whole URL, one for `https:` through a tunnel
//! (CONNECT, RFC 9110 section 9.3.6).
//!
//! Not supported: SOCKS, proxies that are themselves reached by HTTPS.

use hyper::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::pool::Key;
use crate::error::Cause;

/// The longest answer to CONNECT: a status line and a few fields.
const MAX_ANSWER: usize = 8 << 10;

/// A proxy on the way to a server.
#[derive(Debug, Clone)]
pub(super) struct Via {
    pub(super) host: String,
    pub(super) port: u16,
    /// `Proxy-Authorization`.
    pub(super) authorization: Option<HeaderValue>,
}

impl Via {
    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn refuses(&self, status: Option<u16>, what: impl Into<String>) -> Cause {
        Cause::Proxy { proxy: self.name(), status, what: what.into() }
    }

    /// Asks the proxy at the other end of `tcp` for a tunnel to `key`.
    pub(super) async fn tunnel(&self, tcp: &mut TcpStream, key: &Key) -> Result<(), Cause> {
        let target = format!("{}:{}", key.host, key.port);
        let mut ask = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            ask.extend_from_slice(b"Proxy-Authorization: ");
            ask.extend_from_slice(authorization.as_bytes());
            ask.extend_from_slice(b"\r\n");
        }
        ask.extend_from_slice(b"\r\n");
        let broken = |error: std::io::Error| self.refuses(None, error.to_string());
        tcp.write_all(&ask).await.map_err(broken)?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the answer belongs to the tunnel.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER {
                return Err(self.refuses(None, "its answer to CONNECT does not end"));
            }
            answer.push(tcp.read_u8().await.map_err(broken)?);
        }
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let status = line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        match status {
            Some(200..300) => Ok(()),
            _ => Err(self.refuses(status, format!("CONNECT {target}: {line}"))),
        }
    }
}

#[cfg(feature = "proxy")]
pub(super) use environment::Proxies;

#[cfg(not(feature = "proxy"))]
pub(super) use none::Proxies;

#[cfg(feature = "proxy")]
mod environment {
    use hyper_util::client::proxy::matcher::Matcher;
    use url::Url;

    use super::Via;
    use crate::error::Cause;

    /// Which proxy for which URL: none, one for all, or what the environment says.
    #[derive(Default)]
    pub(in crate::http) struct Proxies(Option<Matcher>);

    impl Proxies {
        pub(in crate::http) fn of_environment() -> Self {
            Self(Some(Matcher::from_env()))
        }

        /// `proxy` for every URL but those whose host is in `except`: names, domains, addresses and networks,
        /// with commas between them.
        pub(in crate::http) fn all_by(proxy: &Url, except: &str) -> Self {
            Self(Some(Matcher::builder().all(proxy.to_string()).no(except.to_owned()).build()))
        }

        /// The proxy for `url`.
        pub(in crate::http) fn via(&self, url: &Url) -> Result<Option<Via>, Cause> {
            let Some(matcher) = &self.0 else { return Ok(None) };
            let target = url.as_str().parse::<http::Uri>().map_err(|error| Cause::Url(error.to_string()))?;
            let Some(proxy) = matcher.intercept(&target) else { return Ok(None) };
            let uri = proxy.uri();
            let scheme = uri.scheme_str().unwrap_or("http");
            let Some(host) = uri.host().filter(|_| scheme == "http") else {
                let text = format!("its proxy {uri} is not supported: only http://HOST:PORT is");
                return Err(Cause::Url(text));
            };
            let port = uri.port_u16().unwrap_or(80);
            Ok(Some(Via { host: host.to_owned(), port, authorization: proxy.basic_auth().cloned() }))
        }
    }
}

#[cfg(not(feature = "proxy"))]
mod none {
    use url::Url;

    use super::Via;
    use crate::error::Cause;

    /// Built without proxies.
    #[derive(Default)]
    pub(in crate::http) struct Proxies(());

    impl Proxies {
        pub(in crate::http) fn via(&self, _url: &Url) -> Result<Option<Via>, Cause> {
            Ok(None)
        }
    }
}
