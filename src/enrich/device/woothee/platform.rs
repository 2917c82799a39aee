//! The operating system, in the names and with the precedence of the original's detector.
//!
//! Woothee's own answer is too coarse: it knows no Linux distribution, no Tizen and one BSD, and takes apps on `Darwin`
//! for iOS. A system that came after 2016 gets what the trackers' detector says, which may be nothing (`PlayStation 5`)
//! or an older name (`firefox os` for `KaiOS`), since the trackers hash that.

use super::words::{Marks, Words};

/// Marks of operating systems with their names; of all that stand in a user agent, the uppermost counts.
///
/// Windows Phone also says Android and iPhone, Android and Tizen also say Linux, iOS also says Mac OS X.
static MARKS: Marks = Marks::new(&[
    ("tizen", "tizen"),
    ("sailfish", "sailfish os"),
    ("jolla", "sailfish os"),
    ("yunos", "yunos"),
    ("aliyunos", "yunos"),
    ("windows phone", "windows phone"),
    ("xblwp7", "windows phone"),
    ("windows ce", "windows ce"),
    ("iemobile", "windows mobile"),
    ("windows mobile", "windows mobile"),
    ("windows nt 6.2; arm;", "windows rt"),
    ("windows nt 6.3; arm;", "windows rt"),
    ("cyanogenmod", "cyanogenmod"),
    ("mocordroid", "mocordroid"),
    ("android", "android"),
    ("adr ", "android"),
    ("silk-accelerated=", "android"),
    ("amiga", "amigaos"),
    ("threadx", "threadx"),
    ("nucleus", "mtk / nucleus"),
    ("mtk", "mtk / nucleus"),
    ("maemo", "maemo"),
    ("archlinux", "arch linux"),
    ("arch linux", "arch linux"),
    ("debian", "debian"),
    ("knoppix", "knoppix"),
    ("mint", "mint"),
    ("ubuntu", "ubuntu"),
    ("kubuntu", "kubuntu"),
    ("xubuntu", "xubuntu"),
    ("lubuntu", "lubuntu"),
    ("fedora", "fedora"),
    ("red hat", "red hat"),
    ("mandriva", "mandriva"),
    ("gentoo", "gentoo"),
    ("sabayon", "sabayon"),
    ("slackware", "slackware"),
    ("suse", "suse"),
    ("centos", "centos"),
    ("webos", "webos"),
    ("palm", "palmos"),
    ("morphos", "morphos"),
    ("windows", "windows"),
    ("winnt", "windows"),
    ("win98", "windows"),
    ("win95", "windows"),
    ("win32", "windows"),
    ("win 9x", "windows"),
    ("cpu os ", "ios"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("ipod", "ios"),
    ("ios ", "ios"),
    ("iph os ", "ios"),
    // Apps on Apple's own network library: its builds of iOS 4 to 9.1, which the detector of 2016 knew.
    // Later ones say nothing but Darwin, and it took them for a Mac.
    ("cfnetwork/485.", "ios"),
    ("cfnetwork/548.", "ios"),
    ("cfnetwork/602", "ios"),
    ("cfnetwork/609", "ios"),
    ("cfnetwork/672.", "ios"),
    ("cfnetwork/711.", "ios"),
    ("cfnetwork/758.0.2", "ios"),
    ("cfnetwork/758.1.6", "ios"),
    ("mac os x", "mac"),
    ("darwin", "mac"),
    ("macintosh", "mac"),
    ("mac_powerpc", "mac"),
    ("ppc", "mac"),
    ("cros ", "chrome os"),
    ("bb10;", "blackberry os"),
    ("rim tablet os", "blackberry tablet os"),
    ("qnx", "blackberry tablet os"),
    ("playbook", "blackberry tablet os"),
    ("blackberry", "blackberry os"),
    ("haiku", "haiku os"),
    ("beos", "beos"),
    ("symbian/3", "symbian^3"),
    ("series60", "symbian os series 60"),
    ("series 60", "symbian os series 60"),
    ("symbos", "symbian os series 60"),
    ("s60", "symbian os series 60"),
    ("series40", "symbian os series 40"),
    ("symbianos/", "symbian os"),
    ("meego", "meego"),
    ("wetab", "meego"),
    ("symbian os", "symbian os"),
    ("nokia", "symbian"),
    (FIREFOX_OS, "firefox os"),
    ("risc os", "risc os"),
    ("bada", "bada"),
    ("brew", "brew"),
    ("bmp", "brew"),
    ("googletv", "google tv"),
    ("appletv", "apple tv"),
    ("webtv/", "webtv"),
    ("sunos", "solaris"),
    ("solaris", "solaris"),
    ("aix", "aix"),
    ("hp-ux", "hp-ux"),
    ("freebsd", "freebsd"),
    ("netbsd", "netbsd"),
    ("openbsd", "openbsd"),
    ("dragonfly", "dragonfly"),
    ("nintendo wii", "nintendo"),
    ("playstation 3", "playstation"),
    ("playstation 4", "playstation"),
    ("xbox", "xbox"),
    ("nintendo ds", "nintendo mobile"),
    ("nintendo 3ds", "nintendo mobile"),
    ("nitro", "nintendo mobile"),
    ("playstation portable", "playstation portable"),
    ("playstation vita", "playstation portable"),
    ("os/2", "os/2"),
    (LINUX, "gnu/linux"),
]);

/// Firefox writes no system at all on its own phones and tablets.
const FIREFOX_OS: &str = "firefox/";
/// Counts only as a whole word.
const LINUX: &str = "linux";

/// Names the operating system, or `None` where the detector of 2016 knew none.
pub(super) fn platform(words: &Words<'_>) -> Option<&'static str> {
    MARKS.meaning_where(words, |mark, word| match mark {
        FIREFOX_OS => words.has("mobile;") || words.has("tablet;"),
        LINUX => word.get(mark.len()).is_some_and(|next| !next.is_ascii_alphabetic()),
        _ => true,
    })
}

/// Says whether the system is one of computers, where a device that is nothing else is a desktop.
pub(super) fn is_desktop(platform: &str) -> bool {
    matches!(platform, "windows" | "mac" | "chrome os" | "amigaos" | "morphos" | "beos" | "haiku os" | "os/2")
        || is_linux(platform)
        || is_unix(platform)
}

fn is_linux(platform: &str) -> bool {
    matches!(
        platform,
        "gnu/linux"
            | "arch linux"
            | "debian"
            | "knoppix"
            | "mint"
            | "ubuntu"
            | "kubuntu"
            | "xubuntu"
            | "lubuntu"
    ) || matches!(
        platform,
        "fedora" | "red hat" | "mandriva" | "gentoo" | "sabayon" | "slackware" | "suse" | "centos"
    )
}

fn is_unix(platform: &str) -> bool {
    matches!(platform, "solaris" | "aix" | "hp-ux" | "freebsd" | "netbsd" | "openbsd" | "dragonfly")
}
