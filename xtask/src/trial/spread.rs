//! How evenly connections reach two workers: by the kernel (`SO_REUSEPORT`), and dealt out by an acceptor.

use super::measure::median;
use anyhow::{Result, ensure};
use socket2::{Domain, Socket, Type};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
const RUNS: usize = 100;
const CONNECTION_COUNTS: [usize; 2] = [32, 64];

/// The share of the busiest worker, where 0.5 is even.
pub(crate) struct Spread {
    pub(crate) way: &'static str,
    pub(crate) connections: usize,
    pub(crate) median: f64,
    pub(crate) worst: f64,
}

/// Measures both ways with each count of connections.
pub(crate) fn measure() -> Result<Vec<Spread>> {
    let mut spreads = Vec::new();
    for connections in CONNECTION_COUNTS {
        spreads.push(repeat("SO_REUSEPORT, one listener per worker", connections, by_kernel)?);
        spreads.push(repeat("one acceptor, round-robin", connections, by_acceptor)?);
    }
    Ok(spreads)
}

type Counts = [usize; WORKERS];

fn repeat(way: &'static str, connections: usize, run: fn(usize) -> Result<Counts>) -> Result<Spread> {
    let mut shares = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let counts = run(connections)?;
        ensure!(counts.iter().sum::<usize>() == connections, "a connection was lost");
        let busiest = counts.into_iter().max().unwrap_or(0);
        shares.push(busiest as f64 / connections as f64);
    }
    let worst = shares.iter().copied().fold(0.0, f64::max);
    Ok(Spread { way, connections, median: median(shares), worst })
}

/// One listener per worker on the same port; the kernel picks one by the hash of the addresses.
fn by_kernel(connections: usize) -> Result<Counts> {
    let first = shared_listener(0)?;
    let address = first.local_addr()?;
    let listeners = [first, shared_listener(address.port())?];
    let clients = connect(address, connections)?;
    let mut counts = [0; WORKERS];
    let deadline = Instant::now() + Duration::from_secs(5);
    while counts.iter().sum::<usize>() < connections && Instant::now() < deadline {
        for (listener, count) in listeners.iter().zip(&mut counts) {
            match listener.accept() {
                Ok(_) => *count += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    drop(clients);
    Ok(counts)
}

/// One listener, whose connections are sent to the workers in turn.
fn by_acceptor(connections: usize) -> Result<Counts> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let clients = connect(listener.local_addr()?, connections)?;
    let (senders, workers): (Vec<_>, Vec<_>) = (0..WORKERS).map(|_| mpsc::channel::<TcpStream>()).unzip();
    for turn in 0..connections {
        senders[turn % WORKERS].send(listener.accept()?.0)?;
    }
    drop((senders, clients));
    let mut counts = [0; WORKERS];
    for (worker, count) in workers.into_iter().zip(&mut counts) {
        *count = worker.into_iter().count();
    }
    Ok(counts)
}

fn shared_listener(port: u16) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(128)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn connect(address: SocketAddr, connections: usize) -> Result<Vec<TcpStream>> {
    Ok((0..connections).map(|_| TcpStream::connect(address)).collect::<Result<_, _>>()?)
}
