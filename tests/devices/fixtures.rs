//! The answers that are published with Matomo's files.

use std::fs;
use std::path::Path;

use kafkastore::enrich::device::matomo::Detected;
use yaml_serde::Value;

pub struct Fixture {
    pub user_agent: String,
    pub expected: Detected,
}

/// Reads all of them, but for those that need client hints: a payload has none.
pub fn read(folder: &Path) -> Vec<Fixture> {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}, run bin/setup test", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let all = paths.iter().flat_map(|path| {
        let fixtures: Vec<Value> = read_file(path);
        fixtures
            .into_iter()
            .filter(|fixture| fixture.get("headers").is_none())
            .filter_map(|fixture| read_one(&fixture))
    });
    all.collect()
}

fn read_file(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a file");
    yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_one(fixture: &Value) -> Option<Fixture> {
    let text = |part: &str, name: &str| {
        let value = fixture.get(part)?.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let kind = text("device", "type");
    let user_agent = fixture.get("user_agent")?.as_str()?.to_owned();
    let expected = Detected {
        bot: text("bot", "name"),
        system: text("os", "name"),
        system_version: text("os", "version"),
        client: text("client", "name"),
        kind: kind.map(|kind| &*kind.leak()),
        brand: text("device", "brand"),
        model: text("device", "model"),
    };
    // Ruby reads lines.
    (!user_agent.contains('\n')).then_some(Fixture { user_agent, expected })
}
