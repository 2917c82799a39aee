//! User agents made to cost as much as they can.

/// Only so much of a user agent is looked at.
const LONGEST: usize = 2048;

/// Builds long ones of the words of real ones, so that as many regexes as can be are tried, in as many places.
pub fn user_agents<'a>(real: impl Iterator<Item = &'a str>) -> Vec<String> {
    let words = real.step_by(7).flat_map(|user_agent| user_agent.split([' ', '/', ';', '(']));
    let mut words: Vec<&str> = words.filter(|word| word.len() > 1).collect();
    words.sort_unstable();
    words.dedup();
    let many =
        words.chunks(200).map(|words| fill(&words.iter().flat_map(|word| [word, "; "]).collect::<Vec<_>>()));
    let mut all: Vec<String> = many.collect();
    all.extend(
        words
            .iter()
            .step_by(20)
            .flat_map(|word| [fill(&[word]), fill(&[word, " "]), fill(&[";", word, "_"])]),
    );
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

fn fill(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts.iter().cycle() {
        if text.len() + part.len() > LONGEST {
            break;
        }
        text.push_str(part);
    }
    text
}
