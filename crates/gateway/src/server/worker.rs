//! Workers: one thread, one runtime, one pool of upstream connections each; no request ever leaves its worker.

use super::{Door, connection};
use crate::gateway::Gateway;
use crate::upstream::{Connector, Pool};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

/// Connections that may wait for a worker to take them.
const MOST_WAITING: usize = 1024;
/// How often resting upstream connections are looked after.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What a request finds on its worker.
pub(crate) struct Worker {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) pool: Rc<Pool>,
}

/// All workers.
pub(super) struct Crew {
    hands: Vec<Hand>,
    stop: watch::Sender<bool>,
    connectors: watch::Sender<Connector>,
}

/// A connection on its way to a worker.
type Dealt = (std::net::TcpStream, IpAddr, Door);

struct Hand {
    connections: mpsc::Sender<Dealt>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Crew {
    pub(super) fn start(count: usize, gateway: &Arc<Gateway>, connector: &Connector) -> io::Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let (connectors, connector) = watch::channel(connector.clone());
        let hands = (0..count)
            .map(|number| Hand::start(number, gateway.clone(), connector.clone(), stopping.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self { hands, stop, connectors })
    }

    /// Where a reload puts a changed way to providers.
    pub(super) fn connectors(&self) -> watch::Sender<Connector> {
        self.connectors.clone()
    }

    /// Gives a connection to the worker that has the fewest: the kernel's own spreading is uneven.
    pub(super) async fn deal(&self, stream: TcpStream, peer: IpAddr, door: Door) {
        let hand = self
            .hands
            .iter()
            .min_by_key(|hand| hand.open.load(Ordering::Relaxed))
            .expect("a crew has at least one worker");
        let Ok(stream) = stream.into_std() else { return };
        hand.open.fetch_add(1, Ordering::Relaxed);
        if hand.connections.send((stream, peer, door)).await.is_err() {
            hand.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets open calls finish until `deadline` has passed, then ends them.
    pub(super) async fn finish(self, deadline: Duration) {
        let open = || self.hands.iter().map(|hand| hand.open.load(Ordering::Relaxed)).sum::<usize>();
        self.stop.send_replace(true);
        let quiet = async {
            while open() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(deadline, quiet).await.is_err() {
            tracing::warn!(connections = open(), "the drain deadline is over; open calls are cut");
        }
        for hand in self.hands {
            drop(hand.connections);
            if hand.thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
        tracing::info!("drained");
    }
}

impl Hand {
    fn start(
        number: usize,
        gateway: Arc<Gateway>,
        connector: watch::Receiver<Connector>,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (connections, incoming) = mpsc::channel(MOST_WAITING);
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            LocalSet::new().block_on(&runtime, work(gateway, connector, incoming, counted, stopping));
        })?;
        Ok(Self { connections, open, thread })
    }
}

async fn work(
    gateway: Arc<Gateway>,
    mut connector: watch::Receiver<Connector>,
    mut incoming: mpsc::Receiver<Dealt>,
    open: Arc<AtomicUsize>,
    stopping: watch::Receiver<bool>,
) {
    let pool = Rc::new(Pool::new(connector.borrow_and_update().clone()));
    let worker = Rc::new(Worker { gateway, pool: pool.clone() });
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    loop {
        tokio::select! {
            dealt = incoming.recv() => {
                let Some((stream, peer, door)) = dealt else { return };
                let counted = Counted::new(open.clone(), worker.gateway.clone());
                let serving = connection::serve(worker.clone(), stream, peer, door, stopping.clone());
                tokio::task::spawn_local(async move {
                    serving.await;
                    drop(counted);
                });
            }
            _ = tidy.tick() => pool.tidy().await,
            Ok(()) = connector.changed() => pool.reconnect(connector.borrow_and_update().clone()),
        }
    }
}

/// Counts a connection out when its task ends, however it ends.
struct Counted {
    open: Arc<AtomicUsize>,
    gateway: Arc<Gateway>,
}

impl Counted {
    fn new(open: Arc<AtomicUsize>, gateway: Arc<Gateway>) -> Self {
        gateway.metrics.connection_opened();
        Self { open, gateway }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gateway.metrics.connection_closed();
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
