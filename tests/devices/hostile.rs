//! User agents made to cost as much as they can.

use std::fs;
use std::path::Path;

use kafkastore::enrich::device::USER_AGENT_MAX_BYTES;

/// Builds long ones of the words of real ones and of the regexes, so that as many regexes as can be are tried, in as many
/// places.
pub fn user_agents<'a>(real: impl Iterator<Item = &'a str>, regexes: &Path) -> Vec<String> {
    let real = words(real.step_by(7).flat_map(|user_agent| user_agent.split([' ', '/', ';', '('])));
    let sources = sources(regexes);
    let of_regexes = words(sources.iter().flat_map(|source| words_of(source)));
    let many = |words: &[&str]| -> Vec<String> {
        let listed = |words: &[&str]| fill(&words.iter().flat_map(|word| [word, "; "]).collect::<Vec<_>>());
        words.chunks(200).map(listed).collect()
    };
    let mut all = [many(&real), many(&of_regexes)].concat();
    for word in real.iter().step_by(20).chain(of_regexes.iter().step_by(20)) {
        all.extend([fill(&[word]), fill(&[word, " "]), fill(&[";", word, "_"])]);
    }
    // Look-around is what can cost most.
    for source in sources.iter().filter(|source| source.contains("(?!") || source.contains("(?<")) {
        let words: Vec<&str> = words_of(source).collect();
        let (Some(first), Some(last)) = (words.first(), words.last()) else { continue };
        all.extend([fill(&[first, " "]), fill(&[last, " "]), fill(&[first, " ", last, "; "])]);
    }
    let common = [
        "Android ",
        "Chrome/1.",
        "Opera ",
        "Windows NT ",
        "bot",
        "cubot",
        "Linux; ",
        "K ",
        "1.",
        "a_",
        "Build ",
    ];
    all.extend(common.iter().map(|word| fill(&[word])));
    all.push(fill(&common));
    all
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut words: Vec<&str> = words.filter(|word| word.len() > 1).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn words_of(source: &str) -> impl Iterator<Item = &str> {
    source.split(|letter| r"|()[]?+*^$\{}!<=:'".contains(letter)).filter(|word| word.len() > 1)
}

/// All regexes of the files, as they are written there.
fn sources(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of_path = |path: std::path::PathBuf| {
        if path.is_dir() {
            return sources(&path);
        }
        let text = fs::read_to_string(path).expect("a file");
        text.lines()
            .filter_map(|line| line.split_once("regex: "))
            .map(|(_, regex)| regex.to_owned())
            .collect()
    };
    paths.flat_map(of_path).collect()
}

fn fill(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts.iter().cycle() {
        if text.len() + part.len() > USER_AGENT_MAX_BYTES {
            break;
        }
        text.push_str(part);
    }
    text
}
