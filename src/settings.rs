//! Settings as all parts of the program read them: from flags, then the environment, then `.env`, then defaults. An
//! empty variable is an unset one. Each part owns its own, beside its code; here is only how they are found.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches};

/// `KAFKA_PROPERTY_SASL_PASSWORD` becomes `--kafka-property sasl.password=...`.
const PROPERTY_PREFIX: &str = "KAFKA_PROPERTY_";
const PROPERTY_ARGUMENT: &str = "kafka_property";
/// Settings of the program of 2016 that have no use any more.
const USELESS: [&str; 5] = ["REDIS_POOL_SIZE", "RACK_ENV", "WEB_CONCURRENCY", "DATABASE_URL", "LIBRATO_"];

/// Variables by name, without empty ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// Why the program does not start; each is one line for the user.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was asked for (`--help`, `--version`), to be printed.
    Text(String),
    /// The command line makes no sense.
    Usage(String),
    /// A setting is wrong: names the variable, and what is allowed.
    Setting(String),
}

impl Variables {
    /// The environment over what a `.env` file says.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn read(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        file: &Path,
    ) -> Result<Self, String> {
        let mut variables = BTreeMap::new();
        if file.exists() {
            let wrong = |error: dotenvy::Error| match error {
                // The line itself may hold a secret.
                dotenvy::Error::LineParse(..) => format!("{}: a line is not NAME=value", file.display()),
                other => format!("{}: {other}", file.display()),
            };
            for variable in dotenvy::from_path_iter(file).map_err(wrong)? {
                let (name, value) = variable.map_err(wrong)?;
                variables.insert(name, value);
            }
            variables.retain(|_, value| !value.is_empty());
        }
        let environment = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        variables.extend(environment.filter(|(_, value)| !value.is_empty()));
        Ok(Self(variables))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Those that the program of 2016 knew and this one has no use for.
    pub fn useless(&self) -> Vec<&str> {
        let is_useless = |name: &&str| {
            USELESS.iter().any(|useless| {
                if useless.ends_with('_') { name.starts_with(useless) } else { name == useless }
            })
        };
        self.0.keys().map(String::as_str).filter(is_useless).collect()
    }

    /// librdkafka properties, as arguments.
    fn properties(&self) -> impl Iterator<Item = OsString> + '_ {
        self.0.iter().filter_map(|(name, value)| {
            let property = name.strip_prefix(PROPERTY_PREFIX)?.to_lowercase().replace('_', ".");
            Some(format!("--{}={property}={value}", PROPERTY_ARGUMENT.replace('_', "-")).into())
        })
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

/// Reads a command line over variables.
///
/// # Errors
/// When it makes no sense, or a value is not allowed.
pub fn parse<C: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
    variables: &Variables,
) -> Result<C, Refusal> {
    let mut command = with_variables(C::command(), variables);
    command.build();
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let takes_properties = |name: &OsString| {
        let named = name.to_str().and_then(|name| command.find_subcommand(name));
        named
            .is_some_and(|named| named.get_arguments().any(|argument| argument.get_id() == PROPERTY_ARGUMENT))
    };
    if let Some(place) = arguments.iter().position(takes_properties) {
        // Before the flags, so that those have the last word.
        arguments.splice(place + 1..=place, variables.properties());
    }
    let known = command.clone();
    command
        .try_get_matches_from(arguments)
        .and_then(|mut matches| C::from_arg_matches_mut(&mut matches))
        .map_err(|error| refusal(&error, &known))
}

/// Makes the variables the defaults of the arguments that name them. clap itself would look at the process'
/// environment, and take an empty variable for a value.
fn with_variables(command: Command, variables: &Variables) -> Command {
    let argument = |argument: Arg| {
        let Some(name) = argument.get_env().and_then(|name| name.to_str()).map(str::to_owned) else {
            return argument;
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let argument = argument.env(clap::builder::Resettable::Reset).help(format!("{help} [{name}]"));
        match variables.get(&name) {
            // Hidden, since it may be a secret, and is no default.
            Some(value) => argument.default_value(value.to_owned()).hide_default_value(true),
            None => argument,
        }
    };
    command.mut_args(argument).mut_subcommands(|command| with_variables(command, variables))
}

fn refusal(error: &clap::Error, command: &Command) -> Refusal {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Refusal::Text(error.render().ansi().to_string());
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Refusal::Usage(error.render().to_string().trim_end().to_owned());
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let allowed = match error.kind() {
        ErrorKind::ValueValidation => std::error::Error::source(error).map(ToString::to_string),
        ErrorKind::InvalidValue => {
            context(ContextKind::ValidValue).map(|values| format!("allowed is {values}"))
        }
        _ => None,
    };
    if let (Some(argument), Some(allowed)) = (context(ContextKind::InvalidArg), allowed) {
        // The value itself is left out: it may be a secret.
        return match variable_of(command, &argument) {
            Some(name) => Refusal::Setting(format!("{name}: {allowed}")),
            None => Refusal::Usage(format!("{argument}: {allowed}")),
        };
    }
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    Refusal::Usage(line.strip_prefix("error: ").unwrap_or(line).to_owned())
}

/// The variable that stands for an argument, found in its help; properties have one each.
fn variable_of(command: &Command, argument: &str) -> Option<String> {
    let found = command.get_arguments().find(|known| known.to_string() == argument).and_then(|known| {
        if known.get_id() == PROPERTY_ARGUMENT {
            return Some(format!("{PROPERTY_PREFIX}..."));
        }
        let help = known.get_help()?.to_string();
        Some(help.rsplit_once('[')?.1.strip_suffix(']')?.to_owned())
    });
    found.or_else(|| command.get_subcommands().find_map(|command| variable_of(command, argument)))
}

/// A parser for whole numbers that says what is allowed.
pub fn whole_number<N>(allowed: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.trim().parse().ok().filter(|number| allowed.contains(number));
        number
            .ok_or_else(|| format!("a whole number from {} to {} is allowed", allowed.start(), allowed.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Parser, Subcommand};

    #[derive(Parser, Debug)]
    struct Program {
        #[command(subcommand)]
        command: Commands,
    }

    #[derive(Subcommand, Debug)]
    enum Commands {
        Work(Work),
        Rest,
    }

    #[derive(Args, Debug)]
    struct Work {
        /// How many
        #[arg(long, env = "SIZE", default_value = "7", value_parser = whole_number(1..=9_u64))]
        size: u64,
        #[arg(long, env = "NAMES", value_delimiter = ',')]
        names: Vec<String>,
        #[arg(long)]
        kafka_property: Vec<String>,
    }

    fn work(arguments: &[&str], variables: &Variables) -> Result<Work, Refusal> {
        let arguments = [&["program", "work"], arguments].concat();
        parse::<Program>(arguments.into_iter().map(OsString::from), variables).map(|program| {
            match program.command {
                Commands::Work(work) => work,
                Commands::Rest => unreachable!(),
            }
        })
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
        assert_eq!(work(&[], &Variables::default()).unwrap().size, 7);
        let variables = Variables::from([("SIZE", "5"), ("NAMES", "a,b")]);
        let by_variable = work(&[], &variables).unwrap();
        assert_eq!((by_variable.size, by_variable.names), (5, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(work(&["--size", "3"], &variables).unwrap().size, 3);
    }

    #[test]
    fn a_wrong_value_names_its_variable_and_what_is_allowed_but_not_the_value() {
        let refused = work(&[], &Variables::from([("SIZE", "secret")])).unwrap_err();
        assert_eq!(refused, Refusal::Setting("SIZE: a whole number from 1 to 9 is allowed".to_owned()));
    }

    #[test]
    fn what_is_no_argument_is_wrong_usage() {
        let refused = work(&["--colour", "red"], &Variables::default()).unwrap_err();
        assert_eq!(refused, Refusal::Usage("unexpected argument '--colour' found".to_owned()));
    }

    #[test]
    fn properties_are_variables_of_their_own_and_flags_have_the_last_word() {
        let variables = Variables::from([("KAFKA_PROPERTY_SASL_PASSWORD", "x=y")]);
        let found = work(&["--kafka-property", "a=b"], &variables).unwrap();
        assert_eq!(found.kafka_property, ["sasl.password=x=y", "a=b"]);
    }

    #[test]
    fn the_environment_wins_over_the_file_and_an_empty_variable_is_unset() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(".env");
        std::fs::write(&file, "A=file\nB=file\nC=\nD='a b'\n").unwrap();
        let environment =
            [("A", "environment"), ("B", ""), ("E", "")].map(|(name, value)| (name.into(), value.into()));
        let variables = Variables::read(environment, &file).unwrap();
        assert_eq!(variables, Variables::from([("A", "environment"), ("B", "file"), ("D", "a b")]));
    }

    #[test]
    fn settings_of_the_original_without_use_are_found() {
        let variables = Variables::from([("LIBRATO_TOKEN", "1"), ("RACK_ENV", "p"), ("QUEUE", "q")]);
        assert_eq!(variables.useless(), ["LIBRATO_TOKEN", "RACK_ENV"]);
    }
}
