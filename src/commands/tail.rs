//! `tail`: enriched messages, read back from Kafka.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::terminal::{BOLD, CYAN, DIM, GREEN, PLAIN, YELLOW, harmless};
use super::{Failure, Signals};
use crate::kafka::cluster::NoCluster;
use crate::kafka::reader::{Reader, Record, Start, Wanted};
use crate::kafka::{self};
use crate::message::Message;
use crate::settings::whole_number;
use crate::utc::Utc;

#[derive(Args)]
pub struct Arguments {
    /// Topics, without KAFKA_PREFIX [default: all but Kafka's internal ones]
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,

    /// Begin with the oldest messages instead of the ones to come
    #[arg(long)]
    from_beginning: bool,

    /// Stop after so many messages
    #[arg(long, value_name = "MESSAGES", value_parser = whole_number(1..=u64::MAX))]
    count: Option<u64>,

    /// Print messages as they stand in Kafka, one a line
    #[arg(long, conflicts_with = "json")]
    raw: bool,

    /// Print a JSON object for each message, one a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    kafka: kafka::Settings,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    People,
    Json,
    Raw,
}

impl From<NoCluster> for Failure {
    fn from(error: NoCluster) -> Self {
        match error {
            NoCluster::Setting(line) => Self::Setting(line),
            NoCluster::NoAnswer { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

/// Prints messages until it has enough or is interrupted.
///
/// # Errors
/// When a setting is wrong or Kafka does not answer at first.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut signals = Signals::watch()?;
    tokio::select! {
        outcome = print_all(&arguments) => outcome,
        _ = signals.any() => Ok(()),
    }
}

async fn print_all(arguments: &Arguments) -> Result<(), Failure> {
    let prefix = &arguments.kafka.kafka_prefix;
    let start = if arguments.from_beginning { Start::Beginning } else { Start::End };
    let wanted = Wanted::new(prefix, &arguments.topics);
    let (mut reader, found) = Reader::start(&arguments.kafka, wanted, start).await?;
    for topic in &arguments.topics {
        if !found.contains(&format!("{prefix}{topic}")) {
            eprintln!("kafka has no topic {prefix}{topic} yet, waiting for it");
        }
    }
    let printer = match (arguments.json, arguments.raw) {
        (true, _) => Printer::new(Form::Json, prefix),
        (_, true) => Printer::new(Form::Raw, prefix),
        _ => Printer::new(Form::People, prefix),
    };
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(record) = reader.next().await else {
            return Err(Failure::Unavailable("the reader ended".to_owned()));
        };
        printer.print(&record)?;
        left -= 1;
    }
    Ok(())
}

/// Prints messages on standard output, without the topics' prefix.
pub(super) struct Printer {
    form: Form,
    prefix: String,
}

impl Printer {
    /// For people, in colour where they look at a terminal.
    pub(super) fn for_people(prefix: &str) -> Self {
        Self::new(Form::People, prefix)
    }

    fn new(form: Form, prefix: &str) -> Self {
        Self { form, prefix: prefix.to_owned() }
    }

    pub(super) fn print(&self, record: &Record) -> io::Result<()> {
        let topic = record.topic.strip_prefix(&self.prefix).unwrap_or(&record.topic);
        let mut output = anstream::stdout().lock();
        match self.form {
            Form::People => output.write_all(for_people(topic, &record.payload).as_bytes())?,
            Form::Json => writeln!(output, "{}", as_json(topic, record))?,
            Form::Raw => {
                // Past anstream, which would take what looks like colours out of them.
                drop(output);
                let mut output = io::stdout().lock();
                output.write_all(&record.payload)?;
                output.write_all(b"\n")?;
                return output.flush();
            }
        }
        output.flush()
    }
}

/// One line: topic, time, path, who, then the parameters.
fn for_people(topic: &str, payload: &[u8]) -> String {
    let Ok(message) = Message::parse(payload) else {
        return format!("{CYAN}{topic}{PLAIN} {DIM}{}{PLAIN}\n", harmless(&String::from_utf8_lossy(payload)));
    };
    let at = Utc::at(message.ts.try_into().unwrap_or_default());
    let mut line = format!(
        "{CYAN}{topic}{PLAIN} {DIM}{at} {:+}s{PLAIN} {BOLD}{}{PLAIN} {}",
        message.klag,
        harmless(&message.path),
        message.address()
    );
    let mut word = |colour: &str, name: &str, value: &Option<String>| {
        if let Some(value) = value {
            write!(line, " {colour}{name}{}{PLAIN}", harmless(value)).expect("memory takes every write");
        }
    };
    word(YELLOW, "", &message.country);
    word(GREEN, "", &message.device);
    word(GREEN, "", &message.device_name);
    word(GREEN, "", &message.platform);
    word(YELLOW, "bot: ", &message.bot_name);
    for (name, value) in form_urlencoded::parse(message.params.as_bytes()) {
        let (name, value) = (harmless(&name), harmless(&value));
        let equals = if value.is_empty() { "" } else { "=" };
        write!(line, "  {DIM}{name}{equals}{PLAIN}{value}").expect("memory takes every write");
    }
    line.push('\n');
    line
}

fn as_json(topic: &str, record: &Record) -> Value {
    let place = json!({ "topic": topic, "partition": record.partition, "offset": record.offset });
    let content = match Message::parse(&record.payload) {
        Ok(message) => json!({
            "path": message.path,
            "bot_name": message.bot_name,
            "country": message.country,
            "device": message.device,
            "device_name": message.device_name,
            "ip": message.address().to_string(),
            "klag": message.klag,
            "platform": message.platform,
            "ts": message.ts,
            "params": form_urlencoded::parse(message.params.as_bytes()).collect::<Vec<_>>(),
        }),
        Err(error) => json!({
            "unreadable": error.to_string(),
            "message": String::from_utf8_lossy(&record.payload),
        }),
    };
    let (Value::Object(mut fields), Value::Object(content)) = (place, content) else {
        unreachable!("both are written as objects");
    };
    fields.extend(content);
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"/t/click bot_name&country=US&device=smartphone&device_name=iPhone%1B%5B2J&ip=134744072\
        &klag=3&platform=ios&ts=1465287057 ad=a%20b&adid";

    #[test]
    fn people_see_a_message_decoded_and_harmless() {
        let shown = anstream::adapter::strip_str(&for_people("clicks", MESSAGE)).to_string();
        let expected = "clicks 2016-06-07 08:10:57 +3s /t/click 8.8.8.8 US smartphone iPhone\\u{1b}[2J ios  ad=a b  adid\n";
        assert_eq!(shown, expected);
        let foreign = anstream::adapter::strip_str(&for_people("x", b"hello\x1b[2J")).to_string();
        assert_eq!(foreign, "x hello\\u{1b}[2J\n");
    }

    #[test]
    fn programs_see_all_fields() {
        let record = Record { topic: "p.clicks".into(), partition: 1, offset: 7, payload: MESSAGE.to_vec() };
        let shown = as_json("clicks", &record);
        assert_eq!(shown["topic"], "clicks");
        assert_eq!(shown["offset"], 7);
        assert_eq!(shown["ip"], "8.8.8.8");
        assert_eq!(shown["bot_name"], Value::Null);
        assert_eq!(shown["params"], json!([["ad", "a b"], ["adid", ""]]));
    }
}
