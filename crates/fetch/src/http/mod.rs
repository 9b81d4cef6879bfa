//! A small HTTP client on hyper: keep-alive, bounded redirects, time-outs on silence, evidence in every
//! failure. HTTP/1.1; with the feature `http2` also HTTP/2, where a server offers it over TLS; with the
//! feature `proxy` by [proxies](proxy).
//!
//! Not supported: HTTP/2 without TLS, cookies, credentials in URLs, compressed transfer.

mod answer;
mod body;
mod connect;
mod pool;
mod proxy;
mod sender;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;
use url::Url;

pub(crate) use answer::{Expect, Plan, asked, interpret, refused};
pub(crate) use body::Reply;
use connect::Connected;
use pool::{Key, Pool};
use proxy::{Proxies, Via};
use sender::Form;
pub use tls::{Trust, TrustError};

use crate::dns::Resolver;
use crate::error::{Cause, Failure};

/// Redirects that are followed for one request: as many as curl's default is generous, and a circle is
/// found anyway.
pub const MAX_REDIRECTS: usize = 10;

/// How long one address may take to accept a connection, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to begin its answer. Longer than the wait for data: a server may have to
/// wake a disk or ask another one.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// So long may a transfer stand still before it is broken off. There is no limit on its duration: a slow
/// download lives as long as a byte comes now and then.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the parts of a request may take. All of them measure silence, none the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// See [`CONNECT_TIMEOUT`].
    pub connect: Duration,
    /// See [`ANSWER_TIMEOUT`].
    pub answer: Duration,
    /// See [`STALL_TIMEOUT`].
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, answer: ANSWER_TIMEOUT, stall: STALL_TIMEOUT }
    }
}

/// Makes requests, keeps connections. One is enough for a program; share it in an [`Arc`].
pub struct Client {
    resolver: Resolver,
    tls: tokio_rustls::TlsConnector,
    timeouts: Timeouts,
    pool: Arc<Pool>,
    proxies: Proxies,
}

/// One request, as the rest of the crate says it.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(url: &'a Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn post(url: &'a Url, body: Bytes) -> Self {
        Self { method: Method::POST, url, headers: HeaderMap::new(), body }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: String) -> Result<Self, Failure> {
        let value = HeaderValue::try_from(value)
            .map_err(|_| Failure::of(self.url.as_str(), Cause::Url(format!("{name} cannot be sent"))))?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

impl Client {
    /// A client that finds names by `resolver` and believes the certificates that `trust` says.
    ///
    /// # Errors
    /// [`TrustError`] when the extra certificates cannot be read.
    pub fn new(resolver: Resolver, trust: &Trust, timeouts: Timeouts) -> Result<Self, TrustError> {
        Ok(Self {
            resolver,
            tls: tls::connector(trust)?,
            timeouts,
            pool: Arc::default(),
            proxies: Proxies::default(),
        })
    }

    /// The same, by the proxies that `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` name.
    #[cfg(feature = "proxy")]
    pub fn with_proxies_of_environment(self) -> Self {
        Self { proxies: Proxies::of_environment(), ..self }
    }

    /// The same, by `proxy` (`http://HOST:PORT`) for every host but those in `except`: names, domains, addresses and
    /// networks, with commas between them.
    #[cfg(feature = "proxy")]
    pub fn by_proxy(self, proxy: &Url, except: &str) -> Self {
        Self { proxies: Proxies::all_by(proxy, except), ..self }
    }

    /// The addresses of `host`, which may be a literal, with `port`.
    ///
    /// # Errors
    /// [`dns::Error`](crate::dns::Error).
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, crate::dns::Error> {
        let addresses = self.resolver.lookup(host).await?;
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// A TCP connection to `host`.
    #[cfg(feature = "ftp")]
    pub(crate) async fn tcp(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(SocketAddr, tokio::net::TcpStream), Cause> {
        connect::tcp(&self.resolver, host, port, self.timeouts.connect).await
    }

    /// What makes TLS connections.
    #[cfg(feature = "ftp")]
    pub(crate) fn tls(&self) -> &tokio_rustls::TlsConnector {
        &self.tls
    }

    /// The time-outs it was made with.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sends a request, follows redirects, gives the head of the answer, whatever its status, and its
    /// body to be read.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Reply, Failure> {
        let mut visited = vec![ask.url.clone()];
        let mut url = ask.url.clone();
        loop {
            let reply = self.send_once(&ask, &url).await?;
            let Some(next) = redirect(&ask.method, &url, &reply)? else { return Ok(reply) };
            let refuse = |why| {
                let cause = Cause::Redirect { to: next.to_string(), why };
                Failure { address: Some(reply.address), ..Failure::of(url.as_str(), cause) }
            };
            if visited.contains(&next) {
                return Err(refuse("it leads in a circle"));
            }
            if visited.len() > MAX_REDIRECTS {
                return Err(refuse("there were too many before it"));
            }
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(refuse("it would leave HTTPS"));
            }
            visited.push(next.clone());
            url = next;
        }
    }

    async fn send_once(&self, ask: &Ask<'_>, url: &Url) -> Result<Reply, Failure> {
        let fail = |cause| Failure::of(url.as_str(), cause);
        let key = Key::of(url).map_err(fail)?;
        let via = self.proxies.via(url).map_err(fail)?;
        // The server may have closed a kept connection at any time: that is no failure, and a request
        // that got no answer on one is sent again on a fresh one.
        while let Some(connected) = self.pool.take(&key).await {
            if let Ok(reply) = self.on(connected, ask, url, &key, via.as_ref()).await {
                return Ok(reply);
            }
        }
        let limit = self.timeouts.connect;
        let connected = connect::connect(&self.resolver, &self.tls, &key, via.as_ref(), limit).await;
        self.on(connected.map_err(fail)?, ask, url, &key, via.as_ref()).await
    }

    async fn on(
        &self,
        mut connected: Connected,
        ask: &Ask<'_>,
        url: &Url,
        key: &Key,
        via: Option<&Via>,
    ) -> Result<Reply, Failure> {
        let address = connected.address;
        let fail = |cause| Failure { address: Some(address), ..Failure::of(url.as_str(), cause) };
        let mut request = request(ask, url, key, connected.form).map_err(fail)?;
        if let Some(authorization) = via.and_then(|via| via.authorization.clone())
            && connected.form == Form::Absolute
        {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
        }
        let answer = timeout(self.timeouts.answer, connected.sender.send(request)).await;
        let response = match answer {
            Err(_) => return Err(fail(Cause::Stalled(self.timeouts.answer))),
            Ok(Err(error)) => return Err(fail(Cause::Broken(error.into()))),
            Ok(Ok(response)) => response,
        };
        let pool = (self.pool.clone(), key.clone());
        Ok(Reply::new(url.clone(), address, response, connected, pool))
    }
}

fn request(ask: &Ask<'_>, url: &Url, key: &Key, form: Form) -> Result<Request<Full<Bytes>>, Cause> {
    let target = match (form, url.query()) {
        (Form::Origin, Some(query)) => format!("{}?{query}", url.path()),
        (Form::Origin, None) => url.path().to_owned(),
        _ => format!(
            "{}://{}{}",
            url.scheme(),
            key.host_header(),
            &url[url::Position::BeforePath..url::Position::AfterQuery]
        ),
    };
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(target)
        .header(header::HOST, key.host_header())
        .header(header::USER_AGENT, concat!("bootwright/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Full::new(ask.body.clone()))
        .map_err(|error| Cause::Url(error.to_string()))?;
    request.headers_mut().extend(ask.headers.clone());
    #[cfg(feature = "http2")]
    if form == Form::Pseudo {
        request.headers_mut().remove(header::HOST);
    }
    Ok(request)
}

/// Where the answer sends us, if it does.
fn redirect(method: &Method, url: &Url, reply: &Reply) -> Result<Option<Url>, Failure> {
    let status = reply.head.status;
    let follow = match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        // These would turn a POST into a GET.
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => *method == Method::GET,
        _ => false,
    };
    if !follow {
        return Ok(None);
    }
    let fail = |to: &str, why| {
        let cause = Cause::Redirect { to: to.to_owned(), why };
        Failure { address: Some(reply.address), ..Failure::of(url.as_str(), cause) }
    };
    let location = reply.head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| fail("nowhere", "the answer has no Location"))?;
    let mut next = url.join(location).map_err(|_| fail(location, "it is no URL"))?;
    next.set_fragment(None);
    Ok(Some(next))
}
