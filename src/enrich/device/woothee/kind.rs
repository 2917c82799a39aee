//! The kind of device.

use super::platform::is_desktop;
use super::words::{Marks, begins_with, has, words};

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
pub(super) fn kind(user_agent: &str, platform: Option<&str>) -> Option<&'static str> {
    if let Some(outright) = OUTRIGHT.meaning(user_agent) {
        return Some(outright);
    }
    let Some(platform) = platform else {
        return has(user_agent, "profile/midp").then_some("feature phone");
    };
    match platform {
        "android" | "yunos" | "cyanogenmod" | "mocordroid" => Some(android(user_agent)),
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
        | "symbian os series 60" => NO_SMARTPHONE.meaning(user_agent).or(Some("smartphone")),
        "symbian os series 40" | "brew" | "mtk / nucleus" | "threadx" => Some("feature phone"),
        "windows rt" | "blackberry tablet os" => Some("tablet"),
        computer if is_desktop(computer) => Some("desktop"),
        _ => None,
    }
}

/// Browsers say `Mobile` on telephones only; apps, which are no browsers, say it on neither.
fn android(user_agent: &str) -> &'static str {
    if begins_amazon_model(user_agent, "AFT") {
        return "tv";
    }
    if begins_amazon_model(user_agent, "KF") {
        return "tablet";
    }
    let is_browser = || begins_with(user_agent.as_bytes(), "mozilla/") && has(user_agent, "applewebkit/");
    match NO_SMARTPHONE.meaning(user_agent) {
        Some(other) => other,
        None if is_browser() && !has(user_agent, "mobile") => "tablet",
        None => "smartphone",
    }
}

/// Amazon's models are all capitals: `AFTS` and `AFTKA` televisions, `KFTT` and `KFMAWI` tablets.
fn begins_amazon_model(user_agent: &str, start: &str) -> bool {
    words(user_agent).any(|word| {
        word.strip_prefix(start.as_bytes()).and_then(<[u8]>::first).is_some_and(u8::is_ascii_uppercase)
    })
}
