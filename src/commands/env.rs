//! `env`: writes `.env` from `app.json`, keeping what is set.
//!
//! - `app`: the variables that `app.json` lists
//! - `dotenv`: lines of `.env` that foreman and this program read alike

mod app;
mod dotenv;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use crate::utc::Utc;
use app::Variable;

const FILE: &str = ".env";
/// It may hold secrets.
const MODE: u32 = 0o600;
/// Set on Heroku because its Redis needs it; elsewhere a user should decide that for himself.
const FOR_HEROKU_ALONE: [&str; 1] = ["REDIS_TLS_INSECURE"];

#[derive(Args)]
pub struct Arguments {
    /// Set a variable, whatever stood there; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, String)>,

    /// Print the file instead of writing it
    #[arg(long)]
    stdout: bool,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.starts_with(|first: char| !first.is_ascii_digit())
    };
    if !is_name(name) {
        return Err("a name is made of letters, digits and '_', and does not begin with a digit".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Writes the file, or prints it.
///
/// # Errors
/// When the file cannot be read or written, or a value cannot be written so that all readers read the same.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let former = match fs::read_to_string(FILE) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::Unavailable(format!("{FILE}: {error}"))),
    };
    let mut values = former.as_deref().map(read).unwrap_or_default();
    values.extend(arguments.set.iter().cloned());
    let variables = app::variables();
    fill(&variables, &mut values);
    let text = render(&variables, &values).map_err(Failure::Usage)?;
    if arguments.stdout {
        io::stdout().write_all(text.as_bytes())?;
    } else {
        write(&text, former.as_deref()).map_err(|error| Failure::Unavailable(format!("{FILE}: {error}")))?;
    }
    for name in unset(&variables, &values) {
        eprintln!("still to be set: {name}");
    }
    Ok(())
}

/// What is set in a file, with a word to the user where foreman reads it in another way than we do.
fn read(text: &str) -> BTreeMap<String, String> {
    let by_foreman = dotenv::read_as_foreman(text);
    let Some(mut values) = dotenv::read(text) else {
        eprintln!("{FILE} holds a line that kafkastore cannot read; it was read as foreman reads it");
        return by_foreman;
    };
    for (name, value) in &by_foreman {
        if values.get(name).is_some_and(|ours| ours != value) {
            eprintln!("{name}: foreman read another value here than kafkastore did, whose value was kept");
        }
    }
    values.retain(|_, value| !value.is_empty());
    values
}

/// Gives variables that are not set what they have from the start.
fn fill(variables: &[Variable], values: &mut BTreeMap<String, String>) {
    for variable in variables {
        if values.get(&variable.name).is_some_and(|value| !value.is_empty()) {
            continue;
        }
        let value = match &variable.value {
            _ if variable.is_secret => Some(format!("{:032x}", rand::random::<u128>())),
            value if !FOR_HEROKU_ALONE.contains(&variable.name.as_str()) => value.clone(),
            _ => None,
        };
        // A variable that was emptied by `--set` stays empty.
        values.entry(variable.name.clone()).or_insert(value.unwrap_or_default());
    }
}

fn render(variables: &[Variable], values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = String::from("# Written by `kafkastore env`, which keeps what is set here.\n");
    for variable in variables {
        let value = values.get(&variable.name).map_or("", String::as_str);
        let line = dotenv::line(&variable.name, value)?;
        write!(text, "\n# {}\n{line}\n", variable.description).expect("memory takes every write");
    }
    let is_known = |name: &str| variables.iter().any(|variable| variable.name == name);
    let others: Vec<_> = values.iter().filter(|(name, _)| !is_known(name)).collect();
    if !others.is_empty() {
        text.push_str("\n# Not listed in app.json, kept as they were.\n");
    }
    for (name, value) in others {
        text.push_str(&dotenv::line(name, value)?);
        text.push('\n');
    }
    Ok(text)
}

/// Required variables without a value. Either name of Kafka's will do.
fn unset<'a>(variables: &'a [Variable], values: &BTreeMap<String, String>) -> Vec<&'a str> {
    let is_set = |name: &str| values.get(name).is_some_and(|value| !value.is_empty());
    variables
        .iter()
        .filter(|variable| variable.is_required && !is_set(&variable.name))
        .filter(|variable| variable.name != "KAFKA_URL" || !is_set("KAFKA_HOST"))
        .map(|variable| variable.name.as_str())
        .collect()
}

/// Puts the new file in the place of the former, which stays as a copy. At no time is there none, or half of one.
fn write(text: &str, former: Option<&str>) -> io::Result<()> {
    if former == Some(text) {
        eprintln!("{FILE} is as it should be");
        return Ok(());
    }
    // Where it is a link, the file behind it is written.
    let place = fs::canonicalize(FILE).unwrap_or_else(|_| PathBuf::from(FILE));
    let permissions = match former {
        Some(_) => fs::metadata(&place)?.permissions(),
        None => Permissions::from_mode(MODE),
    };
    if let Some(former) = former {
        let copy = write_copy(former, &permissions)?;
        eprintln!("the former {FILE} stays as {}", copy.display());
    }
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut new = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&place)?;
    eprintln!("{FILE} is written");
    Ok(())
}

/// Writes a copy beside `.env`, named by the time, over no other.
fn write_copy(text: &str, permissions: &Permissions) -> io::Result<PathBuf> {
    let stamp = Utc::now().compact();
    for turn in 1.. {
        let suffix = if turn == 1 { String::new() } else { format!("-{turn}") };
        let path = PathBuf::from(format!("{FILE}.{stamp}{suffix}"));
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        file.write_all(text.as_bytes())?;
        File::set_permissions(&file, permissions.clone())?;
        file.sync_all()?;
        return Ok(path);
    }
    unreachable!("there are names without end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_set_stays_and_what_is_not_gets_its_default() {
        let variables = app::variables();
        let mut found = values(&[("QUEUE", "mine"), ("MY_OWN", "a b")]);
        fill(&variables, &mut found);
        let text = render(&variables, &found).unwrap();
        assert!(
            text.contains("\nQUEUE=mine\n") && text.contains("\nINVALID_QUEUE=click_invalid\n"),
            "{text}"
        );
        assert!(text.contains("\nKAFKA_URL=\n") && text.contains("\nREDIS_TLS_INSECURE=\n"), "{text}");
        assert!(text.ends_with("\nMY_OWN='a b'\n"), "{text}");
        assert_eq!(dotenv::read(&text).unwrap(), found);
        assert_eq!(dotenv::read_as_foreman(&text), found);
    }

    #[test]
    fn a_secret_is_made_up_once() {
        let variables = app::variables();
        let mut found = values(&[]);
        fill(&variables, &mut found);
        let token = found["WEB_TOKEN"].clone();
        assert_eq!(token.len(), 32);
        fill(&variables, &mut found);
        assert_eq!(found["WEB_TOKEN"], token);
    }

    #[test]
    fn kafka_is_asked_for_under_either_name() {
        let variables = app::variables();
        assert_eq!(unset(&variables, &values(&[])), ["KAFKA_URL"]);
        assert!(unset(&variables, &values(&[("KAFKA_HOST", "a")])).is_empty());
    }

    #[test]
    fn the_example_is_what_a_new_file_would_be() {
        let variables = app::variables();
        let mut found = values(&[]);
        fill(&variables, &mut found);
        for secret in ["WEB_TOKEN", "COOKIE_SECRET"] {
            found.insert(secret.to_owned(), String::new());
        }
        assert_eq!(render(&variables, &found).unwrap(), include_str!("../../.env.example"));
    }

    #[test]
    fn names_are_names() {
        assert_eq!(parse_assignment("A_1=b=c").unwrap(), ("A_1".to_owned(), "b=c".to_owned()));
        for wrong in ["A", "=b", "1A=b", "A B=c", "Ä=b", "A.B=c"] {
            assert!(parse_assignment(wrong).is_err(), "{wrong}");
        }
    }
}
