//! The shapes of the files, as <https://github.com/matomo-org/device-detector> publishes them.

use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A bot or a client: the first regex that matches names it.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) regex: String,
    pub(super) name: String,
}

/// An operating system; `versions`, where it is there, tells the version better.
#[derive(Deserialize)]
pub(super) struct System {
    pub(super) regex: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) versions: Vec<Version>,
}

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) regex: String,
    pub(super) version: String,
}

/// The devices of a brand: all of one model, or with a regex for each model.
#[derive(Deserialize)]
pub(super) struct Brand {
    pub(super) regex: String,
    #[serde(default)]
    pub(super) device: Option<String>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) models: Vec<Model>,
}

/// What it says comes before what its brand says.
#[derive(Deserialize)]
pub(super) struct Model {
    pub(super) regex: String,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) device: Option<String>,
    #[serde(default)]
    pub(super) brand: Option<String>,
}

/// A map in the order of the file: the first regex that matches counts.
pub(super) struct InOrder<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = InOrder<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or_default());
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads one of the files.
///
/// # Errors
/// Which file, and what is the matter with it.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, String> {
    let path = folder.join(name);
    let wrong = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    yaml_serde::from_str(&text).map_err(|error| wrong(&error))
}

/// Reads a file that older releases do not have: it is then empty.
///
/// # Errors
/// As [`read`].
pub(super) fn read_if_there<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<InOrder<T>, String> {
    if folder.join(name).exists() { read(folder, name) } else { Ok(InOrder(Vec::new())) }
}
