//! The kind of device.

use super::platform::is_desktop;
use super::words::{Marks, Words, begins_with};

/// Devices that tell themselves, whatever their system.
static OUTRIGHT: Marks = Marks::new(&[
    ("playstation", "console"),
    ("xbox", "console"),
    ("nintendo", "console"),
    ("smart-tv", "tv"),
    ("smarttv", "tv"),
    ("smart tv", "tv"),
    ("smart_tv", "tv"),
    ("hbbtv/", "tv"),
    ("apple tv", "tv"),
    ("appletv", "tv"),
    ("google tv", "tv"),
    ("googletv", "tv"),
    ("android tv", "tv"),
    ("androidtv", "tv"),
    ("opera tv", "tv"),
    ("tv safari", "tv"),
    ("netcast", "tv"),
    ("nettv", "tv"),
    ("web0s", "tv"),
    ("bravia", "tv"),
    ("viera", "tv"),
    ("roku", "tv"),
    ("crkey", "tv"),
    ("dtv", "tv"),
    ("mitv", "tv"),
    ("mibox", "tv"),
    ("inettvbrowser", "tv"),
    ("webtv/", "tv"),
    ("qtcarbrowser", "car browser"),
    ("tesla/", "car browser"),
    ("ek-gc", "camera"),
    ("coolpix", "camera"),
]);

/// What sets a device with a telephone's system apart from a telephone.
///
/// Not to be asked of computers: Windows said `Tablet PC` on every one.
static NO_SMARTPHONE: Marks = Marks::new(&[
    ("ipod", "portable media player"),
    ("kaios/", "feature phone"),
    ("ipad", "tablet"),
    ("tablet", "tablet"),
    ("playbook", "tablet"),
    ("touchpad", "tablet"),
    ("kindle", "tablet"),
    ("nexus 7", "tablet"),
    ("nexus 9", "tablet"),
    ("nexus 10", "tablet"),
    ("pixel c", "tablet"),
    ("pixel tablet", "tablet"),
    ("sm-p", "tablet"),
    ("sm-t", "tablet"),
    ("sm-x", "tablet"),
    ("gt-n80", "tablet"),
    ("gt-n51", "tablet"),
    ("gt-p", "tablet"),
    ("xoom", "tablet"),
    ("mediapad", "tablet"),
    ("lenovo tb", "tablet"),
    ("tb-", "tablet"),
    ("mi pad", "tablet"),
    ("redmi pad", "tablet"),
]);

/// Says what kind of device it is, or `None` where nothing tells.
pub(super) fn kind(words: &Words<'_>, platform: Option<&str>) -> Option<&'static str> {
    if let Some(outright) = OUTRIGHT.meaning(words) {
        return Some(outright);
    }
    let Some(platform) = platform else {
        return words.has("profile/midp").then_some("feature phone");
    };
    match platform {
        "android" | "yunos" | "cyanogenmod" | "mocordroid" => Some(android(words)),
        "ios"
        | "windows phone"
        | "windows mobile"
        | "windows ce"
        | "blackberry os"
        | "firefox os"
        | "tizen"
        | "webos"
        | "bada"
        | "sailfish os"
        | "maemo"
        | "meego"
        | "palmos"
        | "symbian"
        | "symbian os"
        | "symbian^3"
        | "symbian os series 60" => NO_SMARTPHONE.meaning(words).or(Some("smartphone")),
        "symbian os series 40" | "brew" | "mtk / nucleus" | "threadx" => Some("feature phone"),
        "windows rt" | "blackberry tablet os" => Some("tablet"),
        computer if is_desktop(computer) => Some("desktop"),
        _ => None,
    }
}

/// Browsers say `Mobile` on telephones only; apps, which are no browsers, say it on neither.
fn android(words: &Words<'_>) -> &'static str {
    if begins_amazon_model(words, "AFT") {
        return "tv";
    }
    if begins_amazon_model(words, "KF") {
        return "tablet";
    }
    let is_browser = || begins_with(words.text.as_bytes(), "mozilla/") && words.has("applewebkit/");
    match NO_SMARTPHONE.meaning(words) {
        Some(other) => other,
        None if is_browser() && !words.has("mobile") => "tablet",
        None => "smartphone",
    }
}

/// Amazon's models are all capitals: `AFTS` and `AFTKA` televisions, `KFTT` and `KFMAWI` tablets.
fn begins_amazon_model(words: &Words<'_>, start: &str) -> bool {
    words.iter().any(|word| {
        word.strip_prefix(start.as_bytes()).and_then(<[u8]>::first).is_some_and(u8::is_ascii_uppercase)
    })
}
