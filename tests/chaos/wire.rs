//! A wire between a worker and a server, on which there is weather: it is cut, silent in one direction, or slow.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Bytes that are carried, or held up by `Weather::Slow`, at a time.
const PIECE: usize = 16 * 1024;
/// What may be on the wire and has not arrived; then the sender has to wait, as on a real one.
const MOST_KEPT: usize = 8 * 1024 * 1024;

/// A direction, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToWorker,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// Connections are reset, and so are new ones.
    Cut,
    /// A connection is reset when this many more bytes have gone this way: in the middle of a call, or of its answer.
    CutAfter(Way, usize),
    /// Bytes are kept, and arrive when it is fair again: a call comes when its caller has long given up.
    Late(Way),
    /// Bytes get lost, and so does the connection in the end: a call is carried out, and nobody is told.
    Lost(Way),
    /// Each piece takes this long.
    Slow(Duration),
}

/// Listens on a port of its own and carries what comes to the port of a server, and back.
pub struct Wire {
    port: u16,
    weather: watch::Sender<Weather>,
    touched: Arc<AtomicU64>,
}

/// What a connection needs to know of its wire.
#[derive(Clone)]
struct Sky {
    weather: watch::Receiver<Weather>,
    touched: Arc<AtomicU64>,
}

/// The connection is to be reset at both ends.
struct Reset;

impl Wire {
    /// The server need not be there yet.
    pub fn to(server_port: u16, runtime: &Handle) -> Self {
        let port = crate::harness::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (weather, receiver) = watch::channel(Weather::Fair);
        let touched = Arc::new(AtomicU64::new(0));
        let sky = Sky { weather: receiver, touched: Arc::clone(&touched) };
        runtime.spawn(accept(listener, server_port, sky));
        Self { port, weather, touched }
    }

    /// Where the worker finds it.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// How often anything met with weather that was not fair: bytes, or connections where it was they that went.
    pub fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }
}

impl Sky {
    fn touch(&self, times: usize) {
        self.touched.fetch_add(times as u64, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, server_port: u16, sky: Sky) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((worker, _)) = listener.accept().await else { continue };
        if *sky.weather.borrow() == Weather::Cut {
            sky.touch(1);
            reset(&worker);
            continue;
        }
        tokio::spawn(carry(worker, server_port, sky.clone()));
    }
}

/// Carries one connection until both sides are done or it is reset.
async fn carry(mut worker: TcpStream, server_port: u16, sky: Sky) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else {
        reset(&worker);
        return;
    };
    for stream in [&worker, &server] {
        stream.set_nodelay(true).ok();
    }
    let outcome = {
        let (from_worker, to_worker) = worker.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            pump(from_worker, to_server, Way::ToServer, sky.clone()),
            pump(from_server, to_worker, Way::ToWorker, sky),
        )
    };
    if outcome.is_err() {
        reset(&worker);
        reset(&server);
    }
}

/// What the weather does to bytes that go one way.
#[derive(Clone, Copy)]
enum Passage {
    Open,
    Cut,
    CutAfter(usize),
    Kept,
    Swallowed,
    Slow(Duration),
}

impl Weather {
    fn passage(self, way: Way) -> Passage {
        let concerns = |its: Way| its == way || its == Way::Both;
        match self {
            Self::Cut => Passage::Cut,
            Self::CutAfter(its, bytes) if concerns(its) => Passage::CutAfter(bytes),
            Self::Late(its) if concerns(its) => Passage::Kept,
            Self::Lost(its) if concerns(its) => Passage::Swallowed,
            Self::Slow(delay) => Passage::Slow(delay),
            _ => Passage::Open,
        }
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    mut sky: Sky,
) -> Result<(), Reset> {
    let mut kept = Vec::new();
    let mut new = 0; // of what is kept, the bytes that have met with no weather yet
    let mut is_open = true;
    let mut has_lost = false;
    let mut left_before_cut = None;
    loop {
        let passage = sky.weather.borrow_and_update().passage(way);
        if !matches!(passage, Passage::CutAfter(_)) {
            left_before_cut = None;
        }
        match passage {
            Passage::Cut => {
                sky.touch(1);
                return Err(Reset);
            }
            Passage::Kept => sky.touch(new),
            Passage::Swallowed => {
                sky.touch(kept.len());
                has_lost |= !kept.is_empty();
                kept.clear();
            }
            Passage::Open | Passage::CutAfter(_) | Passage::Slow(_) if has_lost => return Err(Reset),
            Passage::Open => {}
            Passage::CutAfter(bytes) => {
                let left = left_before_cut.get_or_insert(bytes);
                if kept.len() >= *left {
                    sky.touch(1);
                    // The other side gets to see a part; that it does not even get that is as good.
                    to.write_all(&kept[..*left]).await.ok();
                    return Err(Reset);
                }
                *left -= kept.len();
            }
            Passage::Slow(delay) if !kept.is_empty() => {
                sky.touch(kept.len());
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    _ = sky.weather.changed() => continue,
                }
            }
            Passage::Slow(_) => {}
        }
        new = 0;
        if matches!(passage, Passage::Open | Passage::CutAfter(_) | Passage::Slow(_)) {
            if !kept.is_empty() && !write(&mut to, &kept, &mut sky).await? {
                return Ok(());
            }
            kept.clear();
            if !is_open {
                to.shutdown().await.ok();
                return Ok(());
            }
        }
        let mut piece = [0; PIECE];
        tokio::select! {
            read = from.read(&mut piece), if is_open && kept.len() < MOST_KEPT => match read {
                // Who has closed, or was killed, has sent what is on the wire all the same.
                Ok(0) | Err(_) => is_open = false,
                Ok(bytes) => {
                    kept.extend_from_slice(&piece[..bytes]);
                    new = bytes;
                }
            },
            changed = sky.weather.changed() => changed.map_err(|_| Reset)?,
        }
    }
}

/// Writes everything, unless the wire is cut meanwhile; says whether anyone is there to take it.
async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], sky: &mut Sky) -> Result<bool, Reset> {
    let mut weather = sky.weather.clone();
    tokio::select! {
        written = to.write_all(bytes) => Ok(written.is_ok()),
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {
            sky.touch(1);
            Err(Reset)
        }
    }
}

/// Has a connection end by a reset when it is dropped.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().ok();
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Instant;

    use tokio::runtime::Runtime;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(200);

    /// A connection by way of a wire, and its other end.
    fn connected() -> (Runtime, Wire, TcpStream, TcpStream) {
        connected_to(&TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn connected_to(listener: &TcpListener) -> (Runtime, Wire, TcpStream, TcpStream) {
        let runtime = Runtime::new().unwrap();
        let wire = Wire::to(listener.local_addr().unwrap().port(), runtime.handle());
        let worker = TcpStream::connect(("127.0.0.1", wire.port())).unwrap();
        let (server, _) = listener.accept().unwrap();
        for end in [&worker, &server] {
            end.set_read_timeout(Some(MOMENT)).unwrap();
        }
        (runtime, wire, worker, server)
    }

    fn read(end: &mut TcpStream) -> std::io::Result<Vec<u8>> {
        let mut bytes = [0; 100];
        let count = end.read(&mut bytes)?;
        Ok(bytes[..count].to_vec())
    }

    #[test]
    fn a_late_call_arrives_though_its_caller_has_gone() {
        let (_runtime, wire, mut worker, mut server) = connected();
        wire.set(Weather::Late(Way::ToServer));
        worker.write_all(b"call").unwrap();
        drop(worker);
        assert!(read(&mut server).is_err());
        assert_eq!(wire.touched(), 4);
        wire.set(Weather::Fair);
        assert_eq!(read(&mut server).unwrap(), b"call");
        assert_eq!(read(&mut server).unwrap(), b"");
    }

    #[test]
    fn a_lost_answer_never_comes_and_its_connection_ends() {
        let (_runtime, wire, mut worker, mut server) = connected();
        wire.set(Weather::Lost(Way::ToWorker));
        worker.write_all(b"call").unwrap();
        assert_eq!(read(&mut server).unwrap(), b"call");
        server.write_all(b"answer").unwrap();
        assert!(read(&mut worker).is_err());
        wire.set(Weather::Fair);
        let ended = read(&mut worker);
        assert!(ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_call_may_be_cut_in_its_middle() {
        let (_runtime, wire, mut worker, mut server) = connected();
        wire.set(Weather::CutAfter(Way::ToServer, 6));
        worker.write_all(b"one ").unwrap();
        assert_eq!(read(&mut server).unwrap(), b"one ");
        worker.write_all(b"two ").unwrap();
        assert!(read(&mut worker).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_cut_wire_takes_no_connection_and_a_mended_one_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_runtime, wire, mut worker, _server) = connected_to(&listener);
        wire.set(Weather::Cut);
        assert!(read(&mut worker).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
        let mut refused = TcpStream::connect(("127.0.0.1", wire.port())).unwrap();
        refused.set_read_timeout(Some(MOMENT)).unwrap();
        assert!(read(&mut refused).is_err());
        assert_eq!(wire.touched(), 2);
        wire.set(Weather::Fair);
        let mut taken = TcpStream::connect(("127.0.0.1", wire.port())).unwrap();
        taken.write_all(b"call").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(read(&mut server).unwrap(), b"call");
    }

    #[test]
    fn a_slow_wire_takes_its_time() {
        let (_runtime, wire, mut worker, mut server) = connected();
        wire.set(Weather::Slow(MOMENT / 2));
        let sent_at = Instant::now();
        worker.write_all(b"call").unwrap();
        assert_eq!(read(&mut server).unwrap(), b"call");
        assert!(sent_at.elapsed() >= MOMENT / 2);
    }
}
