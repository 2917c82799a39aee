//! The model of a device, as far as its user agent writes it out.

use super::words::{Marks, Words, begins_with};

/// Devices that go by one name, uppermost first: an `iPod` also says `iPhone`, an `Xbox One` also `Xbox`.
static NAMED: Marks = Marks::new(&[
    ("apple tv", "Apple TV"),
    ("appletv", "Apple TV"),
    ("ipod", "iPod Touch"),
    ("ipad", "iPad"),
    ("iphone", "iPhone"),
    ("playstation portable", "PlayStation Portable"),
    ("playstation vita", "PlayStation Vita"),
    ("playstation 3", "PlayStation 3"),
    ("playstation 4", "PlayStation 4"),
    ("playstation 5", "PlayStation 5"),
    ("xbox series x", "Xbox Series X"),
    ("xbox one", "Xbox One"),
    ("xbox", "Xbox 360"),
    ("nintendo switch", "Switch"),
    ("nintendo wiiu", "Wii U"),
    ("nintendo wii", "Wii"),
    ("nintendo 3ds", "3DS"),
    ("nintendo dsi", "DSi"),
]);

/// Makers that stand before the model in user agents of Windows Phone.
const WINDOWS_PHONE_MAKERS: &[&str] =
    &["microsoft", "nokia", "htc", "samsung", "huawei", "lg", "acer", "alcatel"];

/// Names the model, or `None` where the user agent hides it or has none.
pub(super) fn model(words: &Words<'_>, platform: Option<&str>) -> Option<String> {
    match platform {
        Some("windows phone") if !words.has("xbox") => windows_phone(words.text),
        Some("android" | "yunos" | "cyanogenmod" | "mocordroid") => android(words.text),
        Some("blackberry os") => blackberry(words.text),
        _ => NAMED.meaning(words).map(str::to_owned),
    }
}

/// `(Windows Phone 10.0; Android 4.2.1; Microsoft; Lumia 950)` is a `Lumia 950`.
fn windows_phone(user_agent: &str) -> Option<String> {
    let mut parts = parts_after(user_agent, "Windows Phone")?;
    parts.find(|part| WINDOWS_PHONE_MAKERS.iter().any(|maker| part.eq_ignore_ascii_case(maker)))?;
    parts.next().filter(|model| !model.is_empty()).map(str::to_owned)
}

/// `(Linux; U; Android 4.0.3; de-de; GT-I9100 Build/IML74K)` is a `GT-I9100`.
fn android(user_agent: &str) -> Option<String> {
    parts_after(user_agent, "Android")?
        .map(|part| part.split("Build").next().unwrap_or(part).trim())
        .map(without_maker)
        .find(|part| is_model(part))
        .map(str::to_owned)
}

/// `BlackBerry9700/5.0.0.862` is a `BlackBerry 9700`; a BB10 hides its model.
fn blackberry(user_agent: &str) -> Option<String> {
    let (_, rest) = user_agent.split_once("BlackBerry")?;
    let number: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    (!number.is_empty()).then(|| format!("BlackBerry {number}"))
}

/// Yields the parts between semicolons that follow the part with the mark, up to the closing bracket.
fn parts_after<'a>(user_agent: &'a str, mark: &str) -> Option<impl Iterator<Item = &'a str>> {
    let (_, rest) = user_agent.split_once(mark)?;
    let mut depth = 0_usize;
    let closing = rest.find(|letter| match letter {
        '(' => {
            depth += 1;
            false
        }
        ')' if depth > 0 => {
            depth -= 1;
            false
        }
        letter => letter == ')',
    });
    let comment = &rest[..closing.unwrap_or(rest.len())];
    Some(comment.split(';').skip(1).map(str::trim))
}

/// Samsung's own browser writes the maker before the model, all others do not: one name for one device.
fn without_maker(part: &str) -> &str {
    part.strip_prefix("SAMSUNG ").or_else(|| part.strip_prefix("SAMSUNG-")).unwrap_or(part).trim_start()
}

/// Tells a model from the other things that stand in its place.
fn is_model(part: &str) -> bool {
    const OTHERS: &[&str] = &[
        "U",
        "K",
        "wv",
        "Linux",
        "Mobile",
        "Tablet",
        "TV",
        "HarmonyOS",
        "Opera Mobi",
        "Opera Tablet",
        "Touch",
        "Unknown",
    ];
    !part.is_empty()
        && part.chars().any(char::is_alphabetic)
        && !part.contains('/')
        && !is_locale(part)
        && !OTHERS.iter().any(|other| part.eq_ignore_ascii_case(other))
        && !["rv:", "Android ", "arm_", "HMSCore "].iter().any(|start| begins_with(part.as_bytes(), start))
}

/// `de`, `de-de`, `en_US`, `zh-Hans-CN`; a model has capitals or digits before the first dash.
fn is_locale(part: &str) -> bool {
    let mut subtags = part.split(['-', '_']);
    let language = subtags.next().unwrap_or_default();
    matches!(language.len(), 2 | 3)
        && language.bytes().all(|letter| letter.is_ascii_lowercase())
        && subtags.all(|subtag| {
            (2..=4).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}
