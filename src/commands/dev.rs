//! `dev`: worker and web in one process, on servers that come and go with it.
//!
//! - `redis`: a `redis-server` that ends with us
//! - `kafka`: librdkafka's mock cluster, in this process
//! - `traffic`: made-up lines, pushed as trackers do

mod kafka;
mod redis;
mod traffic;

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::tail::Printer;
use super::terminal::{BOLD, DIM, PLAIN};
use super::web::listen;
use super::{Failure, Signals, hurried, tell};
use crate::kafka::reader::{Reader, Start, Wanted};
use crate::settings::Variables;
use crate::worker::{self, Stopper};
use crate::{queue, web};
use kafka::MockKafka;
use redis::ChildRedis;

/// Where to look for a free port.
const PORTS: std::ops::RangeInclusive<u16> = 5000..=5099;

#[derive(Args)]
pub struct Arguments {
    /// Push made-up lines even into a Redis or a Kafka that was named
    #[arg(long)]
    sample: bool,

    #[command(flatten)]
    web: web::Settings,
    #[command(flatten)]
    worker: worker::Settings,
}

/// What worker and web stand on.
struct Stack {
    /// With the addresses of the servers that are used.
    settings: worker::Settings,
    servers: Vec<queue::Server>,
    own_redis: Option<ChildRedis>,
    own_kafka: Option<MockKafka>,
    reader: Reader,
}

/// Runs until a signal says so.
///
/// # Errors
/// When a setting is wrong, `redis-server` is not installed, or a server that was named does not answer.
pub async fn run(arguments: Arguments, variables: &Variables) -> Result<(), Failure> {
    let mut signals = Signals::watch()?;
    tell(arguments.worker.warnings(), variables);
    let access = arguments.web.access().map_err(Failure::Setting)?;
    let listener = take_port(&arguments.web).await?;
    let is_private = listener.local_addr()?.ip().is_loopback();
    let access = if is_private { access.open_to_this_machine() } else { access };
    let stack = tokio::select! {
        started = Stack::start(arguments.worker) => started?,
        _ = signals.any() => return Ok(()),
    };
    let has_traffic = arguments.sample || (stack.own_redis.is_some() && stack.own_kafka.is_some());
    greet(&stack, listener.local_addr()?, has_traffic)?;
    stack.work(listener, access, has_traffic, signals).await
}

impl Stack {
    /// Starts the servers that were not named.
    async fn start(mut settings: worker::Settings) -> Result<Self, Failure> {
        let mut own_redis = None;
        if !settings.redis.names_a_server() {
            let child = ChildRedis::start().await?;
            settings.redis = settings.redis.at(child.url()).map_err(Failure::Setting)?;
            own_redis = Some(child);
        }
        let mut own_kafka = None;
        if !settings.kafka.names_a_broker() {
            let offsets_topic = &settings.exactly_once.offsets_topic;
            let cluster = MockKafka::start(&settings.kafka.kafka_prefix, offsets_topic)
                .map_err(Failure::Unavailable)?;
            settings.kafka = settings.kafka.at(cluster.brokers());
            own_kafka = Some(cluster);
        }
        let servers = settings.redis.servers().map_err(Failure::Setting)?;
        let start = if own_kafka.is_some() { Start::Beginning } else { Start::End };
        let wanted = Wanted::new(&settings.kafka.kafka_prefix, &[]);
        let (reader, _) = Reader::start(&settings.kafka, wanted, start).await?;
        Ok(Self { settings, servers, own_redis, own_kafka, reader })
    }

    /// Worker, web, traffic and the messages that come back, until one of them fails or a signal comes.
    async fn work(
        mut self,
        listener: TcpListener,
        access: web::Access,
        has_traffic: bool,
        mut signals: Signals,
    ) -> Result<(), Failure> {
        let (stopper, stop) = Stopper::new(self.settings.shutdown_timeout());
        let (stop_web, web_stopped) = oneshot::channel::<()>();
        let (servers, enrich) = (self.servers.clone(), self.settings.enrich.clone());
        let mut serving = tokio::spawn(async move {
            // It stops when the sender is dropped.
            let stop = async { web_stopped.await.unwrap_or_default() };
            web::serve(listener, &servers, access, enrich, stop).await;
        });
        let settings = self.settings.clone();
        let mut working = tokio::spawn(async move { worker::run(&settings, stop).await });
        let traffic = has_traffic.then(|| tokio::spawn(traffic::run(self.servers.clone())));

        let ended = tokio::select! {
            ended = &mut working => return ended.map_err(io::Error::other)?.map_err(Failure::from),
            ended = &mut serving => return ended.map_err(io::Error::other).map_err(Failure::from),
            printed = print(&mut self.reader, &self.settings.kafka.kafka_prefix) => printed.map_err(Failure::from),
            _ = signals.any() => Ok(()),
        };
        if let Some(traffic) = traffic {
            traffic.abort();
        }
        stopper.stop();
        drop(stop_web);
        tokio::select! {
            stopped = &mut working => stopped.map_err(io::Error::other)??,
            asked_again = hurried() => asked_again?,
        }
        serving.await.map_err(io::Error::other)?;
        self.reader.stop().await;
        if let Some(child) = self.own_redis {
            child.end().await;
        }
        ended
    }
}

async fn print(reader: &mut Reader, prefix: &str) -> io::Result<()> {
    let printer = Printer::for_people(prefix);
    while let Some(record) = reader.next().await {
        printer.print(&record)?;
    }
    Ok(())
}

/// The port that was named, or the first free one.
async fn take_port(settings: &web::Settings) -> Result<TcpListener, Failure> {
    let address = settings.named_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if let Some(port) = settings.named_port() {
        return listen(SocketAddr::new(address, port)).await;
    }
    let mut last = None;
    for port in PORTS {
        match listen(SocketAddr::new(address, port)).await {
            Err(failure @ Failure::Unavailable(_)) => last = Some(failure),
            taken_or_wrong => return taken_or_wrong,
        }
    }
    Err(last.unwrap_or_else(|| Failure::Unavailable("no free port".to_owned())))
}

fn greet(stack: &Stack, address: SocketAddr, has_traffic: bool) -> io::Result<()> {
    let reachable = match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        _ => address,
    };
    let servers: Vec<String> =
        stack.servers.iter().map(|server| format!("redis://{}", server.name())).collect();
    let own_redis = if stack.own_redis.is_some() { " (a redis-server of its own)" } else { "" };
    let own_kafka = if stack.own_kafka.is_some() { " (a mock inside this process)" } else { "" };
    let traffic = match (has_traffic, stack.own_redis.is_some()) {
        (true, _) => format!("{} made-up lines a second", traffic::LINES_A_SECOND),
        (false, true) => "none: made-up lines go into a Kafka that was named only with --sample".to_owned(),
        (false, false) => "none: made-up lines go into a Redis that was named only with --sample".to_owned(),
    };
    let mut output = anstream::stdout().lock();
    writeln!(
        output,
        "{BOLD}web{PLAIN}      http://{reachable}/  http://{reachable}/health  http://{reachable}/queues"
    )?;
    writeln!(output, "{BOLD}redis{PLAIN}    {}{DIM}{own_redis}{PLAIN}", servers.join(", "))?;
    writeln!(output, "{BOLD}kafka{PLAIN}    {}{DIM}{own_kafka}{PLAIN}", stack.settings.kafka.brokers())?;
    writeln!(output, "{BOLD}traffic{PLAIN}  {traffic}")?;
    writeln!(output, "What comes back from Kafka follows; Ctrl-C ends it.")?;
    output.flush()
}
