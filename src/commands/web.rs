//! `web`: health and queues for people and watchdogs.

use std::io::ErrorKind;
use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, Signals, tell};
use crate::settings::Variables;
use crate::{enrich, queue, web};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    web: web::Settings,
    #[command(flatten)]
    redis: queue::Settings,
    #[command(flatten)]
    enrich: enrich::Settings,
}

/// Serves until a signal says so.
///
/// # Errors
/// When a setting is wrong, or the port cannot be had.
pub async fn run(arguments: &Arguments, variables: &Variables) -> Result<(), Failure> {
    let mut signals = Signals::watch()?;
    let servers = arguments.redis.servers().map_err(Failure::Setting)?;
    let access = arguments.web.access().map_err(Failure::Setting)?;
    let address = SocketAddr::new(arguments.web.address(), arguments.web.port());
    let listener = listen(address).await?;
    tell([arguments.redis.warnings(), arguments.web.warnings()].concat(), variables);
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "web started");
    let stop = async move {
        let signal = signals.any().await;
        tracing::info!(signal, "stopping");
    };
    web::serve(listener, &servers, access, arguments.enrich.clone(), stop).await;
    tracing::info!("web stopped");
    Ok(())
}

/// Takes a port.
///
/// # Errors
/// When it is taken, or the address is not ours; names the variable to mend.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            Failure::Unavailable(format!("PORT: another program listens on {address}, name a free port"))
        }
        ErrorKind::PermissionDenied => {
            Failure::Unavailable(format!("PORT: this user may not listen on port {}", address.port()))
        }
        ErrorKind::AddrNotAvailable => {
            Failure::Setting(format!("WEB_BIND: {} is no address of this machine", address.ip()))
        }
        _ => Failure::Unavailable(format!("cannot listen on {address}: {error}")),
    })
}
