//! The variables that `app.json` lists, in its order.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

const APP: &str = include_str!("../../../app.json");

#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub name: String,
    pub description: String,
    pub value: Option<String>,
    pub is_secret: bool,
    pub is_required: bool,
}

#[derive(Deserialize)]
struct App {
    #[serde(deserialize_with = "in_order")]
    env: Vec<(String, Entry)>,
}

#[derive(Deserialize)]
struct Entry {
    description: String,
    value: Option<String>,
    generator: Option<String>,
    /// Heroku asks for what does not say that it is not.
    #[serde(default = "yes")]
    required: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn variables() -> Vec<Variable> {
    let app: App = serde_json::from_str(APP).expect("a test reads app.json");
    let variable = |(name, entry): (String, Entry)| Variable {
        name,
        description: entry.description,
        value: entry.value,
        is_secret: entry.generator.as_deref() == Some("secret"),
        is_required: entry.required,
    };
    app.env.into_iter().map(variable).collect()
}

/// A JSON object as a list: a map would forget the order.
fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Entry)>, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Entry)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory as _;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Foreman and Heroku choose it, and neither bears it being set.
    const NOT_FOR_USERS: &str = "PORT";

    #[test]
    fn it_lists_what_worker_and_web_read_and_nothing_else() {
        let command = Cli::command();
        let subcommands = ["worker", "web"].map(|name| command.find_subcommand(name).unwrap());
        let arguments = subcommands.into_iter().chain([&command]).flat_map(clap::Command::get_arguments);
        let read: BTreeSet<String> = arguments
            .filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned))
            .filter(|name| name != NOT_FOR_USERS)
            .collect();
        let listed: BTreeSet<String> = variables().into_iter().map(|variable| variable.name).collect();
        assert_eq!(listed, read);
    }

    #[test]
    fn its_values_are_the_defaults() {
        let command = Cli::command();
        let subcommands = ["worker", "web"].map(|name| command.find_subcommand(name).unwrap());
        let arguments: Vec<_> =
            subcommands.into_iter().chain([&command]).flat_map(clap::Command::get_arguments).collect();
        for variable in variables().iter().filter(|variable| variable.name != "REDIS_TLS_INSECURE") {
            let argument = arguments
                .iter()
                .find(|argument| argument.get_env().is_some_and(|name| *name == *variable.name));
            let default = argument.unwrap().get_default_values().first().and_then(|value| value.to_str());
            let default = default.filter(|value| !value.is_empty());
            assert_eq!(variable.value.as_deref(), default, "{}", variable.name);
        }
    }

    #[test]
    fn heroku_takes_it() {
        let app: Value = serde_json::from_str(APP).unwrap();
        assert!(app["name"].as_str().unwrap().len() <= 30);
        for process in ["web", "worker"] {
            assert_eq!(app["formation"][process]["quantity"], 1);
        }
        assert_eq!(app["addons"].as_array().unwrap().len(), 1, "no add-on that would buy a Kafka");
        for variable in variables() {
            assert!(variable.description.is_ascii(), "Ruby may read .env as ASCII: {}", variable.name);
            assert!(!variable.description.contains('\n'));
            // What is set from the start need not be asked for.
            assert!(!variable.is_required || variable.value.is_none());
        }
    }
}
