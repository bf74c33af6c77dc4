//! The listener: connections are accepted once, dealt out evenly to single-threaded workers and served there.

mod address;
mod body;
pub(crate) mod changes;
mod connection;
mod cors;
mod failures;
mod http2;
mod reply;
pub(crate) mod surfaces;
mod tls;
mod worker;

pub(crate) use address::{client, is_in};
pub(crate) use body::{discard, read as read_body};
pub(crate) use connection::Came;
pub(crate) use cors::Cors;
pub(crate) use failures::say;
pub(crate) use reply::{Reply, ReplyBody};
pub(crate) use tls::tls;
pub(crate) use worker::Worker;

use crate::gateway::Gateway;
use crate::reload::{self, Loaded, Watched};
use crate::snapshot::Snapshot;
use crate::upstream::{Connector, trust};
use lockgate_config::Config;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use worker::Crew;

/// How the process was started; nothing here changes while it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address or name to listen on.
    pub host: String,
    /// TCP port; 0 takes a free one.
    pub port: u16,
    /// Single-threaded workers, at least 1.
    pub workers: usize,
    /// The config to watch; `None` serves the built-in demo routes.
    pub config_path: Option<PathBuf>,
    /// Whether unknown and duplicate keys are errors.
    pub strict: bool,
    /// Where routes are kept that are made at run time; none can be made without it.
    pub state_dir: Option<PathBuf>,
}

/// Which of the two listeners a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Where everybody calls.
    Everyone,
    /// `admin.listen`: operators' pages alone.
    Operators,
}

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(String);

/// Serves until SIGTERM or SIGINT, then drains. Blocks.
///
/// # Errors
/// When the address cannot be bound, the config cannot be served, or the system refuses threads or signals.
pub fn run(settings: Settings, loaded: Loaded) -> Result<(), RunError> {
    let Loaded { mut config, system, state } = loaded;
    let connector = connector(&config)?;
    let watched = Watched { files: config.watched.clone(), refresh: config.refresh, system, state };
    let not_served = std::mem::take(&mut config.not_served);
    let snapshot = Snapshot::of(config, 1).map_err(|error| RunError(error.to_string()))?;
    let listener = bind(&settings.host, settings.port)?;
    let operators = snapshot.listen.as_ref().map(|listen| bind(&listen.host, listen.port)).transpose()?;
    let gateway = Arc::new(Gateway::new(snapshot));
    reload::tell_not_served(&gateway.set_not_served(not_served.clone()), &not_served);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let served = runtime.block_on(async {
        let crew = Crew::start(settings.workers.max(1), &gateway, &connector).map_err(failed)?;
        let watching = reload::watch(&settings, watched, gateway.clone(), crew.connectors());
        // Before it says that it listens: a signal that nobody hears ends the process at once.
        let ends = [signal(SignalKind::terminate()), signal(SignalKind::interrupt())];
        let [terminate, interrupt] = ends.map(|end| end.map_err(failed));
        announce(&listener, operators.as_ref(), &gateway);
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let operators = operators.map(tokio::net::TcpListener::from_std).transpose().map_err(failed)?;
        accept_until_told(listener, operators, &gateway, &crew, [terminate?, interrupt?]).await;
        drop(watching);
        crew.finish(gateway.snapshot().server.drain.deadline).await;
        Ok(())
    });
    // A command that still runs for a credential is not waited for.
    runtime.shutdown_background();
    served
}

/// How upstream connections are opened under `config`.
pub(crate) fn connector(config: &Config) -> Result<Connector, RunError> {
    let egress = &config.server.egress;
    Ok(Connector::new(trust(egress.ca_bundle.as_deref()).map_err(RunError)?, &egress.proxy))
}

fn failed(error: std::io::Error) -> RunError {
    RunError(error.to_string())
}

fn bind(host: &str, port: u16) -> Result<TcpListener, RunError> {
    let cannot = |why: String| RunError(format!("cannot listen on {host}:{port}: {why}"));
    let addresses: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| cannot(error.to_string()))?.collect();
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                last = "the address is in use; choose another --port".to_owned();
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(cannot(last))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn announce(listener: &TcpListener, operators: Option<&TcpListener>, gateway: &Gateway) {
    let snapshot = gateway.snapshot();
    let scheme = if snapshot.tls.is_some() { "https" } else { "http" };
    if let Some(address) = operators.and_then(|operators| operators.local_addr().ok()) {
        tracing::info!(%address, "operators' pages are on {scheme}://{address}");
    }
    if let Ok(address) = listener.local_addr() {
        tracing::info!(
            %address,
            routes = snapshot.routes.len(),
            config = %snapshot.hash,
            "listening on {scheme}://{address}"
        );
    }
}

/// Accepts connections until the process is told to stop and the drain's delay is over: a load balancer needs that
/// time to see `/ready` fail.
async fn accept_until_told(
    listener: tokio::net::TcpListener,
    operators: Option<tokio::net::TcpListener>,
    gateway: &Arc<Gateway>,
    crew: &Crew,
    [mut terminate, mut interrupt]: [Signal; 2],
) {
    let told = async {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        gateway.drain();
        let delay = gateway.snapshot().server.drain.delay;
        tracing::info!(delay_s = delay.as_secs_f64(), "draining: /ready answers 503");
        tokio::time::sleep(delay).await;
    };
    tokio::select! {
        () = told => {}
        () = accept(listener, Door::Everyone, crew) => {}
        () = accept_operators(operators, crew) => {}
    }
}

async fn accept_operators(listener: Option<tokio::net::TcpListener>, crew: &Crew) {
    match listener {
        Some(listener) => accept(listener, Door::Operators, crew).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: tokio::net::TcpListener, door: Door, crew: &Crew) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => crew.deal(stream, peer.ip(), door).await,
            Err(error) => {
                // Out of descriptors, most often: wait for some connection to end rather than spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
