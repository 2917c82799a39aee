//! `invalid explain`: one line, its fields, and what becomes of it.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::{Typed, find, list, parse_id};
use crate::commands::Failure;
use crate::commands::terminal::{GREEN, PLAIN, YELLOW, harmless};
use crate::enrich::{self, Enricher, Explained};
use crate::payload::Rejection;
use crate::payload::layout::Layout;
use crate::queue::invalid::Id;
use crate::{queue, visible};

#[derive(Args)]
pub(super) struct Explain {
    /// The line's name, as `list` shows it
    #[arg(value_name = "LINE", value_parser = parse_id)]
    line: Id,

    /// Say what becomes of this line in its place; \xFF is a byte that cannot be typed
    #[arg(long, value_name = "TEXT")]
    mended: Option<Typed>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    redis: queue::Settings,

    #[command(flatten)]
    enrich: enrich::Settings,
}

impl Explain {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let servers = self.redis.servers().map_err(Failure::Setting)?;
        let (_, entry) = find(&servers, self.line).await?;
        let payload = entry.record.payload().unwrap_or_default();
        let line = self.mended.as_ref().map_or(payload.as_slice(), |Typed(line)| line);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(since_1970).unwrap_or(i64::MAX);
        let enricher = Enricher::new(&self.enrich).map_err(Failure::Setting)?;
        let outcome = enricher.explain(line, now);
        let mut output = anstream::stdout();
        if self.json {
            let outcome = match &outcome {
                Ok(explained) => explained.to_json(),
                Err(rejection) => json!({ "reason": rejection.reason.as_str(), "detail": rejection.detail }),
            };
            let record = json!(entry.record);
            writeln!(
                output,
                "{}",
                json!({ "record": record, "is_fine": outcome.get("message").is_some(), "becomes": outcome })
            )?;
        } else {
            write!(output, "{}{}", list::shown(&entry), shown(line, &outcome))?;
        }
        Ok(output.flush()?)
    }
}

fn shown(line: &[u8], outcome: &Result<Explained<'_>, Rejection>) -> String {
    let layout = Layout::of(line, outcome.as_ref().err().map(|rejection| rejection.reason));
    let mut text = String::new();
    for (field, range) in &layout.fields {
        let (on, off) =
            if layout.offending.as_ref() == Some(range) { (YELLOW, PLAIN) } else { Default::default() };
        text += &format!(
            "  {field:<11}{on}{}{off}\n",
            visible::typed(&line[range.clone()]),
            field = field.as_str()
        );
    }
    text += &match outcome {
        Ok(explained) => format!(
            "{GREEN}becomes{PLAIN} {}\n    {}\n",
            explained.payload.topic,
            visible::typed(&explained.message)
        ),
        Err(rejection) => {
            format!("{YELLOW}rejected{PLAIN} {} {}\n", rejection.reason, harmless(&rejection.detail))
        }
    };
    text
}
