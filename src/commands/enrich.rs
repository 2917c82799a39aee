//! `enrich`: a filter from payloads to messages.

use std::io::{self, BufRead, BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::enrich::{self, DeviceCache, Enricher};
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
        let outcome = if arguments.json {
            enricher.explain(payload, now).map(|explained| writeln!(output, "{}", explained.to_json()))
        } else {
            let enriched = enricher.enrich(&mut cache, payload, now, &mut message);
            enriched.map(|topic| write_line(&mut output, topic, &message))
        };
        match outcome {
            Ok(written) => written?,
            Err(rejection) => {
                output.flush()?;
                writeln!(errors, "{}", rejected(line, &rejection, payload, now))?;
            }
        }
        raw.clear();
    }
    output.flush()
}

fn write_line(output: &mut impl Write, topic: &str, message: &[u8]) -> io::Result<()> {
    output.write_all(topic.as_bytes())?;
    output.write_all(b"\t")?;
    output.write_all(message)?;
    output.write_all(b"\n")
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

fn epoch_seconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
