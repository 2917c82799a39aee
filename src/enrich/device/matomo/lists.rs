//! Lists of patterns, and what each of them stands for.

use std::ops::Range;

use super::Detected;
use super::files::{Brand, File, Named, System, Version};
use super::index::{Builder, Found, Text};
use super::template::Template;

/// Patterns that each stand for a name.
pub(super) struct Names {
    patterns: Range<u32>,
    names: Vec<Template>,
}

pub(super) struct Systems {
    names: Names,
    versions: Vec<Versions>,
}

/// How the version of an operating system is told.
struct Versions {
    version: Template,
    better: Names,
}

pub(super) struct Devices {
    patterns: Range<u32>,
    brands: Vec<Models>,
}

/// The models of a brand; where none matches, or there are none, the brand itself.
struct Models {
    brand: Option<String>,
    kind: Option<&'static str>,
    model: Option<Template>,
    patterns: Range<u32>,
    models: Vec<Model>,
}

struct Model {
    model: Option<Template>,
    kind: Option<&'static str>,
    brand: Option<String>,
}

/// Kinds of devices that the files name.
const KINDS: &[&str] = &[
    "camera",
    "car browser",
    "console",
    "desktop",
    "feature phone",
    "notebook",
    "peripheral",
    "phablet",
    "portable media player",
    "smart display",
    "smart speaker",
    "smartphone",
    "tablet",
    "tv",
    "wearable",
];

impl Names {
    pub(super) fn add(index: &mut Builder, files: Vec<File<Named>>) -> Self {
        let from = index.next();
        let mut names = Vec::new();
        for File { path, entries } in files {
            index.begin(path);
            for Named { regex, name } in entries {
                index.add(regex);
                names.push(Template::new(&name));
            }
        }
        Self { patterns: from..index.next(), names }
    }

    pub(super) fn first(&self, text: &mut Text<'_>) -> Option<String> {
        let Found { pattern, groups } = text.first(self.patterns.clone())?;
        let name = self.names[(pattern - self.patterns.start) as usize].fill(text.original(), &groups);
        (!name.is_empty()).then_some(name)
    }
}

impl Systems {
    pub(super) fn add(index: &mut Builder, File { path, entries }: File<System>) -> Self {
        index.begin(path.clone());
        let from = index.next();
        for system in &entries {
            index.add(system.regex.clone());
        }
        let patterns = from..index.next();
        let names = entries.iter().map(|system| Template::new(&system.name)).collect();
        let versions = entries.into_iter().map(|system| {
            let named = |version: Version| Named { regex: version.regex, name: version.version };
            let better = system.versions.into_iter().map(named).collect();
            Versions {
                version: Template::new(system.version.as_deref().unwrap_or_default()),
                better: Names::add(index, vec![File { path: path.clone(), entries: better }]),
            }
        });
        let versions = versions.collect();
        Self { names: Names { patterns, names }, versions }
    }

    pub(super) fn first(&self, text: &mut Text<'_>) -> (Option<String>, Option<String>) {
        let Some(Found { pattern, groups }) = text.first(self.names.patterns.clone()) else {
            return (None, None);
        };
        let which = (pattern - self.names.patterns.start) as usize;
        let name = self.names.names[which].fill(text.original(), &groups);
        let versions = &self.versions[which];
        let version =
            versions.better.first(text).unwrap_or_else(|| versions.version.fill(text.original(), &groups));
        let version = version.replace('_', ".");
        let version = version.trim_matches('.').to_owned();
        (Some(name), (!version.is_empty()).then_some(version))
    }
}

impl Devices {
    pub(super) fn add(index: &mut Builder, files: Vec<File<(String, Brand)>>) -> Result<Self, String> {
        let from = index.next();
        for File { path, entries } in &files {
            index.begin(path.clone());
            for (_, brand) in entries {
                index.add(brand.regex.clone());
            }
        }
        let patterns = from..index.next();
        let mut brands = Vec::new();
        for File { path, entries } in files {
            index.begin(path.clone());
            for (name, brand) in entries {
                brands.push(Models::add(index, name, brand).map_err(|error| format!("{path}: {error}"))?);
            }
        }
        Ok(Self { patterns, brands })
    }

    pub(super) fn first(&self, text: &mut Text<'_>, detected: &mut Detected) -> bool {
        let Some(found) = text.first(self.patterns.clone()) else { return false };
        self.brands[(found.pattern - self.patterns.start) as usize].tell(&found, text, detected);
        true
    }
}

impl Models {
    pub(super) fn add(index: &mut Builder, name: String, brand: Brand) -> Result<Self, String> {
        let from = index.next();
        let mut models = Vec::with_capacity(brand.models.len());
        for model in brand.models {
            index.add(model.regex);
            models.push(Model {
                model: model.model.as_deref().map(Template::new),
                kind: kind(model.device.as_deref(), &name)?,
                brand: model.brand,
            });
        }
        Ok(Self {
            kind: kind(brand.device.as_deref(), &name)?,
            model: brand.model.as_deref().map(Template::new),
            brand: (name != "Unknown").then_some(name),
            patterns: from..index.next(),
            models,
        })
    }

    fn tell(&self, found: &Found, text: &mut Text<'_>, detected: &mut Detected) {
        detected.brand.clone_from(&self.brand);
        detected.kind = self.kind;
        detected.model = self.model.as_ref().and_then(|model| named(model, text.original(), found));
        let Some(found) = text.first(self.patterns.clone()) else { return };
        let model = &self.models[(found.pattern - self.patterns.start) as usize];
        if model.model.is_some() {
            detected.model = model.model.as_ref().and_then(|model| named(model, text.original(), &found));
        }
        if let Some(brand) = &model.brand {
            detected.brand = Some(brand.clone());
        }
        detected.kind = model.kind.or(detected.kind);
    }
}

fn kind(name: Option<&str>, brand: &str) -> Result<Option<&'static str>, String> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let known = KINDS.iter().find(|known| **known == name);
    known.map(|known| Some(*known)).ok_or_else(|| format!("unknown device type {name} of {brand}"))
}

/// A model as it is shown: with blanks for underscores, and without a trailing `TD`, which says how it transmits.
fn named(model: &Template, original: &str, found: &Found) -> Option<String> {
    let mut name = model.fill(original, &found.groups).replace('_', " ");
    if name.len() > 3
        && name.is_char_boundary(name.len() - 3)
        && name[name.len() - 3..].eq_ignore_ascii_case(" td")
    {
        name.truncate(name.len() - 3);
    }
    let name = name.trim();
    (!name.is_empty() && name != "Build").then(|| name.to_owned())
}
