//! The country of an address, from a file in the MaxMind-DB format.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use maxminddb::{LookupResult, MaxMindDbError, Mmap, PathElement, Reader, WithinOptions};
use serde::de::IgnoredAny;

mod blocks;
mod code;
mod stamp;
#[cfg(test)]
mod tests;

use blocks::Blocks;
pub use code::CountryCode;
use stamp::Stamp;

/// Why a file cannot serve as country database; one plain line that names it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot read the country database {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the country database {} was written to while it was read", path.display())]
    Changing { path: PathBuf },
    #[error("the country database {} is broken: {source}", path.display())]
    Broken { path: PathBuf, source: MaxMindDbError },
    #[error("{} holds no countries: it is a database of type {kind:?}", path.display())]
    NoCountries { path: PathBuf, kind: String },
}

/// What became of a look at the file.
#[derive(Debug)]
pub enum Reload {
    /// The file is the one in use, or the one that was refused already.
    Unchanged,
    /// Another file stands there, but it may still be written: the next look decides.
    Settling,
    /// Another file stood there and answers from now on.
    Replaced,
    /// Another file stands there and is no good; the old one goes on answering.
    Refused(OpenError),
    /// No file stands there; the old one goes on answering.
    Missing,
}

/// A country database that can be replaced while it is read.
pub struct CountryDatabase {
    path: PathBuf,
    current: ArcSwap<Countries>,
    watch: Mutex<Watch>,
}

/// What is known of the file at the path.
struct Watch {
    in_use: Stamp,
    refused: Option<Stamp>,
    last_look: Option<Stamp>,
    missing: bool,
}

impl CountryDatabase {
    /// Opens the file and checks all of it; takes some tens of milliseconds.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is broken, or has no countries in it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (countries, in_use) = Countries::load(path)?;
        let watch = Watch { in_use, refused: None, last_look: None, missing: false };
        Ok(Self {
            path: path.to_owned(),
            current: ArcSwap::from_pointee(countries),
            watch: Mutex::new(watch),
        })
    }

    /// Says in which country an address is, or `None` where the database does not know.
    ///
    /// `::ffff:8.8.8.8` is looked up as `8.8.8.8`, as the original did.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<CountryCode> {
        self.current.load().country(address.to_canonical())
    }

    /// Looks whether another file stands at the path, and takes it when it is whole.
    ///
    /// Blocks: call it every few seconds, off the runtime. A new file is read only when two looks in a row saw it
    /// unchanged, since a copy may be half-way; a bad or absent one is warned of once.
    pub fn reload_if_changed(&self) -> Reload {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) => return self.missing(&mut watch, &error),
        };
        watch.missing = false;
        let settled = watch.last_look.replace(seen) == Some(seen);
        if seen == watch.in_use || Some(seen) == watch.refused {
            return Reload::Unchanged;
        }
        if !settled {
            return Reload::Settling;
        }
        match Countries::load(&self.path) {
            Ok((countries, in_use)) => {
                self.current.store(countries.into());
                watch.in_use = in_use;
                watch.refused = None;
                tracing::info!(path = %self.path.display(), "country database replaced");
                Reload::Replaced
            }
            Err(OpenError::Changing { .. }) => Reload::Settling,
            Err(error) => {
                watch.refused = Some(seen);
                tracing::warn!(%error, "new country database refused, the old one stays");
                Reload::Refused(error)
            }
        }
    }

    fn missing(&self, watch: &mut Watch, error: &io::Error) -> Reload {
        watch.last_look = None;
        if !watch.missing {
            tracing::warn!(path = %self.path.display(), %error, "country database is gone, the old one stays");
        }
        watch.missing = true;
        Reload::Missing
    }
}

/// Where the code stands in a record: MaxMind nests it, others do not.
#[derive(Clone, Copy)]
enum Shape {
    Nested,
    Flat,
}

impl Shape {
    fn of<S: AsRef<[u8]>>(found: &LookupResult<'_, S>) -> Option<Self> {
        [Self::Nested, Self::Flat].into_iter().find(|shape| shape.code(found).is_some())
    }

    fn code<S: AsRef<[u8]>>(self, found: &LookupResult<'_, S>) -> Option<CountryCode> {
        const NESTED: &[PathElement<'_>] = &[PathElement::Key("country"), PathElement::Key("iso_code")];
        const FLAT: &[PathElement<'_>] = &[PathElement::Key("country_code")];
        let place = match self {
            Self::Nested => NESTED,
            Self::Flat => FLAT,
        };
        found.decode_path::<&str>(place).ok().flatten().and_then(CountryCode::parse)
    }
}

/// One file's content.
struct Countries {
    reader: Reader<Content>,
    /// By the place of a record in the file: there are as many records as countries, and thousands of times as many
    /// networks that point to them.
    codes: HashMap<usize, CountryCode>,
    blocks: Blocks,
}

impl Countries {
    fn load(path: &Path) -> Result<(Self, Stamp), OpenError> {
        let path_owned = || path.to_owned();
        let read_error = |source| OpenError::Read { path: path_owned(), source };
        let broken = |source| OpenError::Broken { path: path_owned(), source };

        let mut file = File::open(path).map_err(read_error)?;
        let before = Stamp::of(&file.metadata().map_err(read_error)?);
        let content = Content::copy_of(&mut file).map_err(read_error)?;
        let after = Stamp::of(&file.metadata().map_err(read_error)?);
        if before != after {
            return Err(OpenError::Changing { path: path_owned() });
        }
        let reader = Reader::from_source(content).map_err(broken)?;
        let codes = read_codes(&reader).map_err(broken)?;
        if codes.is_empty() {
            let kind = reader.metadata().database_type.clone();
            return Err(OpenError::NoCountries { path: path_owned(), kind });
        }
        let blocks = Blocks::build(|address| {
            let found = reader.lookup(address.into())?;
            Ok((found.network()?.prefix(), code_of(&codes, &found)))
        })
        .map_err(broken)?;
        Ok((Self { reader, codes, blocks }, after))
    }

    fn country(&self, address: IpAddr) -> Option<CountryCode> {
        if let IpAddr::V4(address) = address
            && let Some(country) = self.blocks.country(address)
        {
            return country;
        }
        code_of(&self.codes, &self.reader.lookup(address).ok()?)
    }
}

fn code_of<S: AsRef<[u8]>>(
    codes: &HashMap<usize, CountryCode>,
    found: &LookupResult<'_, S>,
) -> Option<CountryCode> {
    codes.get(&found.offset()?).copied()
}

/// Walks the whole tree, reads each record once, and gives those that hold a country, by their places in the file.
///
/// Not by [`Reader::verify`]: that refuses a database without a description, such as the one we ship.
fn read_codes<S: AsRef<[u8]>>(reader: &Reader<S>) -> Result<HashMap<usize, CountryCode>, MaxMindDbError> {
    let more_than_any_tree_has = u64::from(reader.metadata().node_count) * 3;
    let mut walked = 0;
    let mut read = HashSet::new();
    let mut shape = None;
    let mut codes = HashMap::new();
    // Empty networks too, or a circle without data would be walked for ever.
    for network in reader.networks(WithinOptions::default().include_networks_without_data())? {
        let found = network?;
        walked += 1;
        if walked > more_than_any_tree_has {
            return Err(MaxMindDbError::invalid_database("its search tree leads in circles"));
        }
        let Some(offset) = found.offset().filter(|offset| read.insert(*offset)) else { continue };
        found.decode::<IgnoredAny>()?;
        // No record before this one had a country.
        shape = shape.or_else(|| Shape::of(&found));
        if let Some(code) = shape.and_then(|shape| shape.code(&found)) {
            codes.insert(offset, code);
        }
    }
    Ok(codes)
}

/// The bytes of a database: never the user's file itself.
///
/// Someone may copy a new file over the old one, which cuts it short first, and reading a mapping beyond the end of
/// its file kills the process.
enum Content {
    /// Pages of a nameless temporary file: the system may drop and read them again as it likes.
    Mapped(Mmap),
    /// Where no temporary file can be had, as in a container without a writable disk.
    InMemory(Vec<u8>),
}

impl Content {
    fn copy_of(file: &mut File) -> io::Result<Self> {
        if let Ok(mapping) = map_copy(file) {
            return Ok(Self::Mapped(mapping));
        }
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self::InMemory(bytes))
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping) => mapping,
            Self::InMemory(bytes) => bytes,
        }
    }
}

#[expect(unsafe_code, reason = "a file can be mapped in no other way; see why it is sound below")]
fn map_copy(file: &mut File) -> io::Result<Mmap> {
    let mut copy = tempfile::tempfile()?;
    io::copy(file, &mut copy)?;
    // SAFETY: a mapping is unsound where someone else may write to the file or cut it short. This one has no name and
    // its only handle is closed at the end of this function, so nobody can open it.
    unsafe { Mmap::map(&copy) }
}
