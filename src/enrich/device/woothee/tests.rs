use super::{Device, Woothee};

/// Bot, kind, model and platform as one line, `-` for unknown.
fn seen(user_agent: &str) -> String {
    let Device { bot_name, device, device_name, platform } = Woothee::new().detect(user_agent);
    let unknown = || "-".to_owned();
    [
        bot_name.unwrap_or_else(unknown),
        device.map_or_else(unknown, str::to_owned),
        device_name.unwrap_or_else(unknown),
        platform.map_or_else(unknown, String::from),
    ]
    .join(" | ")
}

fn assert_seen(table: &[(&str, &str)]) {
    for (user_agent, expected) in table {
        assert_eq!(seen(user_agent), *expected, "{user_agent}");
    }
}

const ANDROID_CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/50.0.2661.89";
const IOS_SAFARI: &str = "AppleWebKit/601.1.46 (KHTML, like Gecko) Version/9.0 Mobile/13E230 Safari/601.1";

#[test]
fn recorded_user_agents_are_seen_as_the_original_saw_them() {
    assert_seen(&[
        ("", "- | - | - | -"),
        ("-", "- | - | - | -"),
        ("x", "- | - | - | -"),
        ("UA ü", "- | - | - | -"),
        ("UserAgent", "- | - | - | -"),
        ("okhttp/3.2.0", "- | - | - | -"),
        ("curl/7.43.0", "- | - | - | -"),
        ("iPhone Banana Phone", "- | smartphone | iPhone | ios"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X) AppleWebKit/601.1.46 (KHTML, like Gecko) Version/9.0 Mobile/13E230 Safari/601.1",
            "- | smartphone | iPhone | ios",
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot | - | - | -"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "BingBot | - | - | -"),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Facebook External Hit | - | - | -",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.84 Safari/537.36",
            "- | desktop | - | windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_5) AppleWebKit/601.6.17 (KHTML, like Gecko) Version/9.1.1 Safari/601.6.17",
            "- | desktop | - | mac",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.84 Safari/537.36",
            "- | desktop | - | gnu/linux",
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:46.0) Gecko/20100101 Firefox/46.0",
            "- | desktop | - | ubuntu",
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 8172.45.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.64 Safari/537.36",
            "- | desktop | - | chrome os",
        ),
        (
            "Mozilla/5.0 (X11; FreeBSD i386) AppleWebKit/535.2 (KHTML, like Gecko) Chrome/15.0.874.121 Safari/535.2",
            "- | desktop | - | freebsd",
        ),
        ("AmigaVoyager/3.2 (AmigaOS/MC680x0)", "- | desktop | - | amigaos"),
        (
            "Mozilla/5.0 (iPad; CPU OS 9_3 like Mac OS X) AppleWebKit/601.1.46 (KHTML, like Gecko) Version/9.0 Mobile/13E230 Safari/601.1",
            "- | tablet | iPad | ios",
        ),
        (
            "Mozilla/5.0 (iPod touch; CPU iPhone OS 9_3 like Mac OS X) AppleWebKit/601.1.46 (KHTML, like Gecko) Version/9.0 Mobile/13E230 Safari/601.1",
            "- | portable media player | iPod Touch | ios",
        ),
        (
            "Mozilla/5.0 (Windows Phone 10.0; Android 4.2.1; Microsoft; Lumia 950) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/46.0.2486.0 Mobile Safari/537.36 Edge/13.10586",
            "- | smartphone | Lumia 950 | windows phone",
        ),
        (
            "Mozilla/5.0 (PlayStation 4 3.50) AppleWebKit/537.73 (KHTML, like Gecko)",
            "- | console | PlayStation 4 | playstation",
        ),
        ("Dalvik/2.1.0 (Linux; U; Android 6.0; Nexus 5 Build/MRA58N)", "- | smartphone | Nexus 5 | android"),
        (
            "Opera/9.80 (J2ME/MIDP; Opera Mini/4.2/28.3590; U; en) Presto/2.8.119 Version/11.10",
            "- | - | - | -",
        ),
        // An iOS app; the trackers' detector says Mac too, and their answer is the one that must be met.
        ("MyGame/1.2 CFNetwork/758.4.3 Darwin/15.5.0", "- | desktop | - | mac"),
    ]);
}

/// Where the original had a list of models we give the model as written; and it took televisions for telephones.
#[test]
fn recorded_user_agents_differ_from_the_original_only_in_models_and_televisions() {
    assert_seen(&[
        (
            // GALAXY S4
            "Mozilla/5.0 (Linux; Android 4.4.2; GT-I9505 Build/KOT49H) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/50.0.2661.89 Mobile Safari/537.36",
            "- | smartphone | GT-I9505 | android",
        ),
        (
            // GALAXY Tab S 10.5" WiFi
            "Mozilla/5.0 (Linux; Android 5.0; SAMSUNG SM-T800 Build/LRX22G) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/3.0 Chrome/38.0.2125.102 Safari/537.36",
            "- | tablet | SM-T800 | android",
        ),
        (
            // smartphone, Browser
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 2.3) AppleWebkit/538.1 (KHTML, like Gecko) SamsungBrowser/1.0 TV Safari/538.1",
            "- | tv | - | tizen",
        ),
    ]);
}

#[test]
fn the_model_is_found_among_what_else_android_browsers_write() {
    let comments = [
        ("Linux; Android 13; Pixel 7", "Pixel 7"),
        ("Linux; Android 9; SM-G960F Build/PPR1.180610.011; wv", "SM-G960F"),
        ("Linux; U; Android 4.0.3; de-de; GT-I9100 Build/IML74K", "GT-I9100"),
        ("Linux; U; Android 10; en_US; vivo 1603 Build/QP1A", "vivo 1603"),
        ("Linux; arm_64; Android 11; M2101K6G", "M2101K6G"),
        ("Linux; Android 10; HarmonyOS; NOH-AN00; HMSCore 6.1.0.314", "NOH-AN00"),
        ("Linux; Android 6.0; LG-H815 (EU) Build/MRA58K", "LG-H815 (EU)"),
        ("Linux; Android 9; SAMSUNG- G960F", "G960F"),
        ("Linux; Android 10; K", "-"),
        ("Linux; Android 10", "-"),
    ];
    for (comment, model) in comments {
        let user_agent = format!("Mozilla/5.0 ({comment}) {ANDROID_CHROME} Mobile Safari/537.36");
        assert_eq!(seen(&user_agent), format!("- | smartphone | {model} | android"), "{user_agent}");
    }
    assert_seen(&[
        (
            "Mozilla/5.0 (Android 5.0; Mobile; rv:40.0) Gecko/40.0 Firefox/40.0",
            "- | smartphone | - | android",
        ),
        ("Mozilla/5.0 (Android 5.0; Tablet; rv:40.0) Gecko/40.0 Firefox/40.0", "- | tablet | - | android"),
        (
            "Opera/9.80 (Android; Opera Mini/7.5/35.5; U; en) Presto/2.8.119 Version/11.10",
            "- | smartphone | - | android",
        ),
    ]);
}

#[test]
fn tablets_are_no_smartphones() {
    let android =
        |model: &str| format!("Mozilla/5.0 (Linux; Android 11; {model}) {ANDROID_CHROME} Safari/537.36");
    for model in ["SM-X700", "KFTRWI", "Lenovo TB-X606F", "Nexus 7"] {
        assert_eq!(seen(&android(model)), format!("- | tablet | {model} | android"));
    }
    assert_seen(&[
        (&android("K"), "- | tablet | - | android"),
        ("Dalvik/2.1.0 (Linux; U; Android 9; SM-T510 Build/PPR1)", "- | tablet | SM-T510 | android"),
        (
            "Mozilla/5.0 (PlayBook; U; RIM Tablet OS 2.1.0; en-US) AppleWebKit/536.2+ (KHTML, like Gecko) Version/7.2.1.0 Safari/536.2+",
            "- | tablet | - | blackberry tablet os",
        ),
        // Windows has said so of every computer.
        (
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko",
            "- | desktop | - | windows",
        ),
    ]);
}

#[test]
fn televisions_consoles_and_cars_are_told_apart() {
    assert_seen(&[
        (
            "Mozilla/5.0 (Linux; Android 7.1.2; AFTMM Build/NS6265; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/70.0 Mobile Safari/537.36",
            "- | tv | AFTMM | android",
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; BRAVIA 4K UR2 Build/PTT1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0 Safari/537.36",
            "- | tv | BRAVIA 4K UR2 | android",
        ),
        // Spelled with a zero; the trackers' detector saw the Linux only.
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.79 Safari/537.36 WebAppManager",
            "- | tv | - | gnu/linux",
        ),
        (
            "AppleCoreMedia/1.0.0.12B466 (Apple TV; U; CPU OS 8_1_3 like Mac OS X; en_us)",
            "- | tv | Apple TV | ios",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0 Safari/537.36 Edge/17.17134",
            "- | console | Xbox One | windows",
        ),
        (
            "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
            "- | console | PlayStation 5 | -",
        ),
        (
            "Mozilla/4.0 (PSP (PlayStation Portable); 2.00)",
            "- | console | PlayStation Portable | playstation portable",
        ),
        ("Mozilla/5.0 (Nintendo 3DS; U; ; en) Version/1.7412.EU", "- | console | 3DS | nintendo mobile"),
        (
            "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/601.1 (KHTML, like Gecko) Tesla/2019.40.2.1 QtCarBrowser Safari/601.1",
            "- | car browser | - | gnu/linux",
        ),
    ]);
}

#[test]
fn older_telephones_keep_their_systems() {
    assert_seen(&[
        (
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; ARM; Touch; NOKIA; Lumia 920)",
            "- | smartphone | Lumia 920 | windows phone",
        ),
        // Of all systems it names, only the first is true.
        (
            "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; Trident/7.0; Touch; rv:11.0; IEMobile/11.0; NOKIA; Lumia 520) like iPhone OS 7_0_3 Mac OS X AppleWebKit/537 (KHTML, like Gecko) Mobile Safari/537",
            "- | smartphone | Lumia 520 | windows phone",
        ),
        (
            "BlackBerry9700/5.0.0.862 Profile/MIDP-2.1 Configuration/CLDC-1.1 VendorID/331",
            "- | smartphone | BlackBerry 9700 | blackberry os",
        ),
        ("Mozilla/5.0 (Mobile; rv:26.0) Gecko/26.0 Firefox/26.0", "- | smartphone | - | firefox os"),
        (
            "Mozilla/5.0 (Mobile; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5.1",
            "- | feature phone | - | firefox os",
        ),
        ("DoCoMo/2.0 N905i(c100;TB;W24H16)", "- | feature phone | - | -"),
        (
            "SonyEricssonJ300i/R2AL SEMC-Browser/4.0.3 Profile/MIDP-2.0 Configuration/CLDC-1.1",
            "- | feature phone | - | -",
        ),
        ("MyGame/1.0 CFNetwork/711.3.18 Darwin/14.0.0", "- | smartphone | - | ios"),
        ("MyGame/1.0 (iPhone; iOS 15.0; Scale/3.00)", "- | smartphone | iPhone | ios"),
    ]);
}

#[test]
fn bots_are_bots_and_nothing_else() {
    let disguised = format!(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X) {IOS_SAFARI} (compatible; Googlebot-Mobile/2.1)"
    );
    assert_seen(&[
        (&disguised, "Googlebot | - | - | -"),
        ("Twitterbot/1.0", "Twitterbot | - | - | -"),
        ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "Yandex Bot | - | - | -"),
        ("Mozilla/5.0 (compatible; Baiduspider/2.0)", "Baidu Spider | - | - | -"),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.0; +https://openai.com/gptbot)",
            "Generic Bot | - | - | -",
        ),
        // A maker of telephones.
        (
            "Mozilla/5.0 (Linux; Android 6.0; CUBOT_NOTE_S Build/MRA58K) AppleWebKit/537.36 Mobile Safari/537.36",
            "- | smartphone | CUBOT_NOTE_S | android",
        ),
        (
            "Mozilla/5.0 (Linux; Android 6.0; CUBOT Build/MRA58K) AppleWebKit/537.36 Mobile Safari/537.36",
            "- | smartphone | CUBOT | android",
        ),
    ]);
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "(",
        ")",
        ";",
        " ",
        "Android",
        "Windows Phone",
        "Build",
        "\u{0}",
        "ü",
        "💥",
        "bot",
        "BlackBerry",
        "_",
        "/",
        "K",
        "SAMSUNG ",
    ];
    let engine = Woothee::new();
    let mut state = 1_usize;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..state % 9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) % pieces.len()]);
        }
        state = state.wrapping_add(1);
        drop(engine.detect(&text));
    }
}
