//! `check`: tries every setting for real, and says what to mend.

mod kafka;
mod redis;

use std::io::{self, Write as _};

use clap::Args;

use super::Failure;
use super::terminal::{GREEN, PLAIN, RED, YELLOW, harmless};
use crate::enrich::Enricher;
use crate::settings::Variables;
use crate::worker;

/// An address that every country database knows.
const KNOWN_ADDRESS: &str = "8.8.8.8";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 9_3_2 like Mac OS X) AppleWebKit/601.1.46 (KHTML, like Gecko) \
                      Version/9.0 Mobile/13F69 Safari/601.1";

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: worker::Settings,
}

/// Looks at everything that a worker needs, and goes on where something is wrong.
///
/// # Errors
/// When a setting is wrong, or something needed is not there.
pub async fn run(arguments: &Arguments, variables: &Variables) -> Result<(), Failure> {
    let settings = &arguments.settings;
    let mut report = Report::default();
    for warning in settings.warnings() {
        report.warn(&warning)?;
    }
    for name in variables.useless() {
        report.warn(&format!("{name} is set, but of no use any more"))?;
    }
    match settings.redis.servers() {
        Ok(servers) => {
            for server in &servers {
                redis::check(server, settings.delivery, &mut report).await?;
            }
        }
        Err(line) => report.wrong(&line)?,
    }
    kafka::check(settings, &mut report).await?;
    match Enricher::new(&settings.enrich) {
        Ok(enricher) => check_enrichment(&enricher, &mut report)?,
        Err(line) => report.wrong(&line)?,
    }
    report.end()
}

fn check_enrichment(enricher: &Enricher, report: &mut Report) -> io::Result<()> {
    let topic = enricher.allowed_topics().as_ref().and_then(|topics| topics.first());
    let line = format!("{KNOWN_ADDRESS} 0 {} / p {IPHONE}", topic.map_or("clicks", String::as_str));
    let explained = match enricher.explain(line.as_bytes(), 0) {
        Ok(explained) => explained,
        Err(rejection) => return report.wrong(&format!("a sound line was rejected: {}", rejection.detail)),
    };
    match explained.country {
        Some(country) => {
            report.ok(&format!("country database: {KNOWN_ADDRESS} is in {}", country.as_str()))?
        }
        None => report.warn(&format!("GEOIP_DB: this database does not know where {KNOWN_ADDRESS} is"))?,
    }
    let device = explained.device;
    let said = [device.device, device.device_name.as_deref(), device.platform];
    let said: Vec<&str> = said.into_iter().flatten().collect();
    if said.is_empty() {
        return report.wrong(&format!("device engine: {}: it does not know an iPhone", enricher.engine()));
    }
    report.ok(&format!("device engine: {}: an iPhone is {}", enricher.engine(), said.join(", ")))
}

/// What was found, told as it is found.
#[derive(Default)]
struct Report {
    wrong: usize,
    missing: usize,
}

impl Report {
    fn ok(&mut self, text: &str) -> io::Result<()> {
        tell(GREEN, "ok", text)
    }

    /// It works, but a user should know.
    fn warn(&mut self, text: &str) -> io::Result<()> {
        tell(YELLOW, "warn", text)
    }

    /// A setting is wrong.
    fn wrong(&mut self, text: &str) -> io::Result<()> {
        self.wrong += 1;
        tell(RED, "fail", text)
    }

    /// Something needed is not there.
    fn missing(&mut self, text: &str) -> io::Result<()> {
        self.missing += 1;
        tell(RED, "fail", text)
    }

    fn end(self) -> Result<(), Failure> {
        let line = match self.wrong + self.missing {
            0 => return Ok(()),
            1 => "one thing is to be mended".to_owned(),
            several => format!("{several} things are to be mended"),
        };
        Err(if self.wrong > 0 { Failure::Setting(line) } else { Failure::Unavailable(line) })
    }
}

fn tell(colour: &str, word: &str, text: &str) -> io::Result<()> {
    let mut output = anstream::stdout().lock();
    writeln!(output, "{colour}{word:<5}{PLAIN} {}", harmless(text))?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_is_mended_before_a_missing_server() {
        assert!(Report::default().end().is_ok());
        assert!(matches!(Report { wrong: 0, missing: 2 }.end(), Err(Failure::Unavailable(_))));
        let both = Report { wrong: 1, missing: 1 }.end();
        assert!(matches!(both, Err(Failure::Setting(line)) if line == "2 things are to be mended"));
    }
}
