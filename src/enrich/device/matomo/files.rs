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
struct InOrder<T>(Vec<(String, T)>);

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

/// A folder with the files.
pub(super) struct Folder<'a>(pub(super) &'a Path);

/// What a file holds, with its path.
pub(super) struct File<T> {
    pub(super) path: String,
    pub(super) entries: Vec<T>,
}

impl Folder<'_> {
    /// Reads a file that holds a list.
    ///
    /// # Errors
    /// Which file, and what is the matter with it; an empty one was cut short.
    pub(super) fn list<T: DeserializeOwned>(&self, name: &str) -> Result<File<T>, String> {
        self.read(name, |list: Vec<T>| list)
    }

    /// Reads a file that holds a map.
    ///
    /// # Errors
    /// As for a list.
    pub(super) fn map<T: DeserializeOwned>(&self, name: &str) -> Result<File<(String, T)>, String> {
        self.read(name, |map: InOrder<T>| map.0)
    }

    /// Says whether there is such a device file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.join(format!("device/{name}.yml")).symlink_metadata().is_ok()
    }

    fn read<R: DeserializeOwned, T>(
        &self,
        name: &str,
        entries: impl Fn(R) -> Vec<T>,
    ) -> Result<File<T>, String> {
        let path = self.0.join(name).display().to_string();
        let wrong = |error: &dyn fmt::Display| format!("{path}: {error}");
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let entries = entries(yaml_serde::from_str(&text).map_err(|error| wrong(&error))?);
        if entries.is_empty() {
            return Err(wrong(&"it holds no regex"));
        }
        Ok(File { path, entries })
    }
}

/// Words that computer makers put into the user agents of Internet Explorer, each as a regex that names its maker.
pub(super) fn makers(file: File<(String, Vec<String>)>) -> File<Named> {
    let of_maker = |(name, fragments): (String, Vec<String>)| {
        let named = move |regex: String| Named { regex: format!("{regex}[^a-z0-9]+"), name: name.clone() };
        fragments.into_iter().map(named)
    };
    File { path: file.path, entries: file.entries.into_iter().flat_map(of_maker).collect() }
}
