//! New connections: name, TCP, proxy, TLS, HTTP/1.1.

use super::pool::Connection;
use super::{Origin, Segments};
use crate::io::Io;
use http::Uri;
use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use lockgate_config::Proxy;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

/// The most bytes that a proxy may answer to CONNECT.
const MOST_PROXY_HEAD: usize = 8 * 1024;

/// How connections are opened: whom to trust and which way to go.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: Arc<ClientConfig>,
    proxies: Arc<Option<Matcher>>,
}

impl Connector {
    pub(crate) fn new(tls: Arc<ClientConfig>, proxy: &Proxy) -> Self {
        let proxies = match proxy {
            Proxy::FromEnvironment => Some(Matcher::from_env()),
            Proxy::None => None,
            Proxy::Url(url) => Some(Matcher::builder().all(url.expose()).build()),
        };
        Self { tls, proxies: Arc::new(proxies) }
    }

    /// A new connection to `origin`. The caller sets the deadline.
    pub(crate) async fn connect(&self, origin: &Origin) -> io::Result<Connection> {
        let proxy = self.proxy_for(origin);
        let plain_proxy = proxy.is_some() && !origin.tls;
        let tcp = match &proxy {
            Some(proxy) => self.through(proxy, origin).await?,
            None if origin.public_only => settled(TcpStream::connect(&*public(origin).await?).await?)?,
            None => tcp(&origin.host, origin.port).await?,
        };
        let io = if origin.tls { self.secure(tcp, &origin.host).await? } else { Io::Plain(tcp) };
        let (sender, driver) = http1::Builder::new()
            .handshake::<_, Segments>(TokioIo::new(io))
            .await
            .map_err(io::Error::other)?;
        let credentials =
            proxy.as_ref().filter(|_| plain_proxy).and_then(|proxy| proxy.basic_auth().cloned());
        Ok(Connection::new(sender, Box::pin(driver), plain_proxy, credentials))
    }

    fn proxy_for(&self, origin: &Origin) -> Option<Intercept> {
        let scheme = if origin.tls { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{}/", origin.authority()).parse().ok()?;
        self.proxies.as_ref().as_ref()?.intercept(&uri)
    }

    /// A connection to the proxy; for TLS a tunnel through it (RFC 9110, section 9.3.6).
    async fn through(&self, proxy: &Intercept, origin: &Origin) -> io::Result<TcpStream> {
        let host = proxy.uri().host().ok_or_else(|| io::Error::other("the proxy's URL has no host"))?;
        if proxy.uri().scheme_str() != Some("http") {
            return Err(io::Error::other("only http:// proxies are supported"));
        }
        if origin.public_only {
            // A name that only the proxy knows is the proxy's to judge.
            match public(origin).await {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
        let mut tcp = tcp(host.trim_matches(['[', ']']), proxy.uri().port_u16().unwrap_or(80)).await?;
        if origin.tls {
            tunnel(&mut tcp, proxy, origin).await?;
        }
        Ok(tcp)
    }

    async fn secure(&self, tcp: TcpStream, host: &str) -> io::Result<Io> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Io::Tls(Box::new(TlsConnector::from(self.tls.clone()).connect(name, tcp).await?.into())))
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    settled(TcpStream::connect((host, port)).await?)
}

fn settled(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The addresses of an origin whose addresses must all be public. They are what is connected to: a name that leads
/// elsewhere a moment later gains nothing.
async fn public(origin: &Origin) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = lookup_host((origin.host.as_str(), origin.port)).await?.collect();
    if addresses.iter().all(|address| lockgate_config::is_public(address.ip())) {
        return Ok(addresses);
    }
    let why = "its name leads to an address that is not public, and the route was made at run time";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

async fn tunnel(tcp: &mut TcpStream, proxy: &Intercept, origin: &Origin) -> io::Result<()> {
    let to = format!("{}:{}", origin.authority().trim_end_matches(&format!(":{}", origin.port)), origin.port);
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n").into_bytes();
    if let Some(credentials) = proxy.basic_auth() {
        head.extend_from_slice(b"proxy-authorization: ");
        head.extend_from_slice(credentials.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    tcp.write_all(&head).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MOST_PROXY_HEAD {
            return Err(io::Error::other("the proxy's answer to CONNECT is too long"));
        }
        // One byte at a time: what follows the head belongs to the tunnel.
        answer.push(tcp.read_u8().await?);
    }
    let status = answer.get(9..12).unwrap_or_default();
    if status.first() == Some(&b'2') {
        return Ok(());
    }
    Err(io::Error::other(format!("the proxy refused the tunnel: {}", String::from_utf8_lossy(status))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str, public_only: bool) -> Origin {
        Origin { tls: false, host: host.to_owned(), port: 1, public_only }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_connected_to_for_a_run_time_route() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            let refused = public(&origin(host, true)).await.expect_err(host);
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{host}: {refused}");
        }
        let public = public(&origin("8.8.8.8", true)).await.expect("a public address");
        assert_eq!(public, ["8.8.8.8:1".parse().expect("an address")]);
    }

    #[tokio::test]
    async fn a_connection_is_opened_to_what_was_judged_and_to_nothing_else() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let trust = crate::upstream::trust(None).expect("the public roots");
        let connector = Connector::new(trust, &Proxy::None);
        let to = |public_only| Origin { port, ..origin("localhost", public_only) };
        let refused = connector.connect(&to(true)).await.err().expect("it is refused");
        assert!(refused.to_string().contains("not public"), "{refused}");
        assert!(connector.connect(&to(false)).await.is_ok(), "routes of the config may");
    }

    #[test]
    fn a_connection_that_another_route_may_have_is_not_shared_with_a_run_time_route() {
        assert_ne!(origin("localhost", true), origin("localhost", false));
    }
}
