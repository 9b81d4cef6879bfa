//! A mirror behind FTP (RFC 959) or FTPS (RFC 4217, explicit; `ftps:` is explicit TLS too), by the crate suppaftp.
//!
//! Passive only: PASV by IPv4, EPSV by IPv6 (RFC 2428), and the data come from the host that was asked, whatever
//! address it names. SIZE and REST (RFC 3659) are needed for a part of a file. Each request is a connection of its
//! own, which is closed when the part is there: FTP knows no end of a part.
//!
//! The path is relative to the directory after the login; `%2F` at its beginning makes it absolute (RFC 1738 section
//! 3.2.2). Name and password come from the URL, or are those of an anonymous guest.
//!
//! Not supported: active mode, proxies, implicit TLS, ASCII transfers.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use percent_encoding::percent_decode_str;
use suppaftp::tokio::{AsyncRustlsConnector, AsyncRustlsStream, ImplAsyncFtpStream, TransferStream};
use suppaftp::types::FileType;
use suppaftp::{FtpError, Mode};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use url::Url;

use super::{Begun, Body, BoxFuture, BoxStream, Looked, Mirror, Source};
use crate::error::{Cause, Failure};
use crate::http::Client;
use crate::schedule::Ranges;

/// The port of RFC 959; explicit TLS has the same.
const PORT: u16 = 21;

/// Bytes of room made for the network to fill.
const RECEIVE: usize = 64 << 10;

/// Most characters of a server's answer that are told.
const TOLD: usize = 200;

type Control = ImplAsyncFtpStream<AsyncRustlsStream>;

/// A file behind an FTP or FTPS URL.
pub struct FtpSource {
    client: Arc<Client>,
    url: Url,
    /// The URL without the password.
    name: String,
    size: Option<u64>,
}

/// A transfer that runs, with the control connection that it belongs to.
struct Opened {
    name: Box<str>,
    address: SocketAddr,
    size: u64,
    at: u64,
    end: u64,
    data: TransferStream<AsyncRustlsStream>,
    _control: Control,
}

impl FtpSource {
    /// A mirror of a file at `url`. A server that states another size than `size` is refused at once.
    pub fn new(client: Arc<Client>, url: Url, size: Option<u64>) -> Self {
        let mut named = url.clone();
        // Fails only for URLs that cannot have one.
        let _ = named.set_password(None);
        Self { client, name: named.to_string(), url, size }
    }

    async fn open(&self, range: Range<u64>) -> Result<Opened, Failure> {
        let fail = |cause| Failure { offset: Some(range.start), ..Failure::of(self.name.as_str(), cause) };
        let path = decoded(self.url.path().strip_prefix('/').unwrap_or_default()).map_err(fail)?;
        let host = self.url.host_str().ok_or_else(|| fail(Cause::Url("it has no host".into())))?;
        let port = self.url.port().unwrap_or(PORT);
        let (address, tcp) = self.client.tcp(host, port).await.map_err(fail)?;
        let fail = |cause| Failure { address: Some(address), ..fail(cause) };
        let limit = self.client.timeouts().answer;
        let talk = async {
            let mut control = self.login(tcp, host, address).await?;
            let size = control.size(&path).await.map_err(cause)? as u64;
            if let Some(wanted) = self.size.filter(|wanted| *wanted != size) {
                return Err(Cause::Size { wanted, found: size });
            }
            let start =
                usize::try_from(range.start).map_err(|_| Cause::Url("the file is too large".into()))?;
            control.resume_transfer(start).await.map_err(cause)?;
            let data = control.retr_as_stream(&path).await.map_err(cause)?;
            Ok((control, data, size))
        };
        let opened = timeout(limit, talk).await.map_err(|_| fail(Cause::Stalled(limit)))?;
        let (control, data, size) = opened.map_err(fail)?;
        let end = range.end.min(size);
        let name = self.name.as_str().into();
        Ok(Opened { name, address, size, at: range.start, end, data, _control: control })
    }

    async fn login(
        &self,
        tcp: tokio::net::TcpStream,
        host: &str,
        address: SocketAddr,
    ) -> Result<Control, Cause> {
        let mut control = Control::connect_with_stream(tcp).await.map_err(cause)?;
        if self.url.scheme() == "ftps" {
            let connector = AsyncRustlsConnector::from(self.client.tls().clone());
            let host = host.trim_start_matches('[').trim_end_matches(']');
            control = control.into_secure(connector, host).await.map_err(cause)?;
        }
        let user = match self.url.username() {
            "" => "anonymous".to_owned(),
            user => decoded(user)?,
        };
        let password = self.url.password().map_or_else(|| Ok("bootwright@".to_owned()), decoded)?;
        control.login(user, password).await.map_err(cause)?;
        control.transfer_type(FileType::Binary).await.map_err(cause)?;
        control.set_passive_nat_workaround(true);
        control.set_mode(if address.is_ipv6() { Mode::ExtendedPassive } else { Mode::Passive });
        Ok(control)
    }
}

/// A part of the URL as the server wants it. A line's end in it would be another command.
fn decoded(text: &str) -> Result<String, Cause> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| Cause::Url("it is not UTF-8".into()))?;
    match text.contains(char::is_control) {
        true => Err(Cause::Url("it has control characters".into())),
        false => Ok(text.into_owned()),
    }
}

fn cause(error: FtpError) -> Cause {
    match error {
        FtpError::UnexpectedResponse(response) => {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            let text = text.chars().filter(|c| !c.is_control()).take(TOLD).collect();
            Cause::Ftp { code: response.status.code(), text }
        }
        other => Cause::Broken(other.into()),
    }
}

impl Opened {
    /// The next bytes; `None` at the end of the part.
    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if self.at >= self.end {
            return None;
        }
        let mut bytes = BytesMut::with_capacity(RECEIVE);
        let failed = match self.data.read_buf(&mut bytes).await {
            Ok(0) => Cause::Truncated { missing: self.end - self.at },
            Ok(_) => {
                bytes.truncate(bytes.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX)));
                self.at += bytes.len() as u64;
                return Some(Ok(bytes.freeze()));
            }
            Err(error) => Cause::Broken(error.into()),
        };
        let (source_name, address) = (self.name.clone(), Some(self.address));
        Some(Err(Failure { source_name, address, offset: Some(self.at), cause: failed }))
    }

    fn into_stream(self) -> BoxStream<'static, Result<Bytes, Failure>> {
        Box::pin(stream::unfold(self, |mut opened| async move {
            let next = opened.next().await?;
            if next.is_err() {
                opened.end = opened.at;
            }
            Some((next, opened))
        }))
    }
}

impl Source for FtpSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn priority(&self) -> u8 {
        super::http::PRIORITY
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        Box::pin(async move {
            let opened = self.open(range).await?;
            let address = Some(opened.address);
            Ok(Body { ranges: Ranges::Honoured, address, bytes: opened.into_stream() })
        })
    }
}

impl Mirror for FtpSource {
    fn begin(&self, at: u64) -> BoxFuture<'_, Result<Begun, Failure>> {
        Box::pin(async move {
            let opened = self.open(at..u64::MAX).await?;
            let (size, name, address) = (Some(opened.size), opened.name.clone(), Some(opened.address));
            Ok(Begun { size, name, address, bytes: opened.into_stream() })
        })
    }

    fn look(&self) -> BoxFuture<'_, Result<Looked, Failure>> {
        Box::pin(async move {
            let opened = self.open(0..1).await?;
            Ok(Looked { size: Some(opened.size), ranges: Ranges::Honoured })
        })
    }

    fn has_validator(&self) -> bool {
        false
    }
}
