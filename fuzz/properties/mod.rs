//! What must hold for any bytes from outside: one property a file. The fuzz targets run them on new inputs, `cargo test`
//! on those that are kept in `fuzz/corpus`.
//!
//! Each panics where it does not hold.

#![allow(dead_code, reason = "a fuzz target uses one of them")]

use std::cell::RefCell;
use std::sync::LazyLock;

use clap::Parser;
use kafkastore::enrich::device::Device;
use kafkastore::enrich::{self, DeviceCache, Enricher};
use kafkastore::message::Message;
use kafkastore::payload::Rejection;

pub mod country;
pub mod device;
pub mod message;
pub mod payload;

/// Small, so that inputs of a fuzzer reach it.
const MESSAGE_MAX_BYTES: &str = "1500";
const RESERVED_AT: i64 = 1_465_287_057;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    settings: enrich::Settings,
}

static ENRICHER: LazyLock<Enricher> = LazyLock::new(|| {
    let program = Program::parse_from(["fuzz", "--message-max-bytes", MESSAGE_MAX_BYTES]);
    Enricher::new(&program.settings).unwrap()
});

thread_local! {
    static CACHE: RefCell<DeviceCache> = RefCell::default();
}

/// What becomes of a line; the cache is that of earlier inputs, as in a lane.
fn enriched(line: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut message = Vec::new();
    CACHE.with(|cache| ENRICHER.enrich(&mut cache.borrow_mut(), line, RESERVED_AT, &mut message))?;
    Ok(message)
}

/// Name of the bot, kind, model, system, as a message says them.
fn device_of(message: &Message) -> [Option<&str>; 4] {
    [&message.bot_name, &message.device, &message.device_name, &message.platform].map(Option::as_deref)
}

/// The same, as the look-up gave them.
fn fields(device: &Device) -> [Option<&str>; 4] {
    [device.bot_name.as_deref(), device.device, device.device_name.as_deref(), device.platform]
}
