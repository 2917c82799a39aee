//! `enrich`: a filter from payloads to messages.

use std::io::{self, BufRead, BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::enrich::{self, DeviceCache, Enricher};
use crate::message::Message;
use crate::payload::Rejection;
use crate::queue::invalid::Record;
use crate::settings::whole_number;

#[derive(Args)]
pub struct Arguments {
    /// Take this time as now, in seconds since 1970
    #[arg(long, value_name = "EPOCH", value_parser = whole_number(0..=i64::MAX))]
    now: Option<i64>,

    /// Explain each field, as one JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: enrich::Settings,
}

/// Reads standard input to its end.
///
/// # Errors
/// When a setting is wrong, or standard input or output fails.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let enricher = Enricher::new(&arguments.settings).map_err(Failure::Setting)?;
    let filtered = filter(&enricher, arguments, io::stdin().lock(), io::stdout().lock(), io::stderr().lock());
    match filtered {
        // Whoever read us has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn filter(
    enricher: &Enricher,
    arguments: &Arguments,
    mut input: impl BufRead,
    output: impl Write,
    mut errors: impl Write,
) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let mut raw = Vec::new();
    let mut message = Vec::new();
    let mut cache = DeviceCache::default();
    let mut line = 0_u64;
    while input.read_until(b'\n', &mut raw)? > 0 {
        line += 1;
        let payload = raw.strip_suffix(b"\n").unwrap_or(&raw);
        let now = arguments.now.unwrap_or_else(epoch_seconds);
        message.clear();
        match enricher.enrich(&mut cache, payload, now, &mut message) {
            Ok(_) if arguments.json => writeln!(output, "{}", explained(enricher, payload, &message))?,
            Ok(topic) => {
                output.write_all(topic.as_bytes())?;
                output.write_all(b"\t")?;
                output.write_all(&message)?;
                output.write_all(b"\n")?;
            }
            Err(rejection) => {
                output.flush()?;
                writeln!(errors, "{}", rejected(line, &rejection, payload, now))?;
            }
        }
        raw.clear();
    }
    output.flush()
}

/// A rejected line as the invalid list would have it, with its number in the input.
fn rejected(line: u64, rejection: &Rejection, payload: &[u8], now: i64) -> serde_json::Value {
    let mut record = json!(Record::new(rejection, now, payload));
    if let Some(fields) = record.as_object_mut() {
        fields.remove("at");
        fields.insert("line".to_owned(), line.into());
    }
    record
}

fn explained(enricher: &Enricher, payload: &[u8], message: &[u8]) -> serde_json::Value {
    let (Ok(explained), Ok(read_back)) = (enricher.explain(payload), Message::parse(message)) else {
        unreachable!("it was enriched just now");
    };
    let fields = &explained.payload;
    let device = &explained.device;
    json!({
        "topic": fields.topic,
        "payload": {
            "ip": fields.address.to_string(),
            "timestamp": fields.epoch,
            "path": String::from_utf8_lossy(fields.path),
            "params": String::from_utf8_lossy(fields.params),
            "user_agent": String::from_utf8_lossy(&fields.user_agent()),
        },
        "bot_name": device.bot_name,
        "country": explained.country.map(|country| country.as_str().to_owned()),
        "device": device.device,
        "device_name": device.device_name,
        "ip": read_back.ip.to_string(),
        "klag": read_back.klag,
        "platform": device.platform,
        "ts": read_back.ts,
        "params": form_urlencoded::parse(fields.params).collect::<Vec<_>>(),
        "message": String::from_utf8_lossy(message),
    })
}

fn epoch_seconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
