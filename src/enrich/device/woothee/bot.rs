//! Bots and their names.

use ::woothee::parser::{Parser, WootheeResult};

use super::words::{Marks, Words};

/// Crawlers by the words that give them away, with the names that the original gave them.
static CRAWLERS: Marks = Marks::new(&[
    ("googlebot", "Googlebot"),
    ("adsbot-google", "Googlebot"),
    ("mediapartners-google", "Googlebot"),
    ("mediapartners (google", "Googlebot"),
    ("feedfetcher-google", "Googlebot"),
    ("google web preview", "Googlebot"),
    ("google-read-aloud", "Googlebot"),
    ("google favicon", "Googlebot"),
    ("googleproducer", "Googlebot"),
    ("google-site-verification", "Googlebot"),
    ("google-adwords", "Googlebot"),
    ("bingbot", "BingBot"),
    ("bingpreview", "BingBot"),
    ("msnbot", "BingBot"),
    ("adidxbot", "BingBot"),
    ("baiduspider", "Baidu Spider"),
    ("yandex.com/bots", "Yandex Bot"),
    ("yandex.gazeta", "Yandex Bot"),
    ("yandexbot", "Yandex Bot"),
    ("yandexmobilebot", "Yandex Bot"),
    ("yandeximages", "Yandex Bot"),
    ("yadirectfetcher", "Yandex Bot"),
    ("yahoo! slurp", "Yahoo! Slurp"),
    ("yahoo link preview", "Yahoo! Link Preview"),
    ("yahoo:linkexpander", "Yahoo! Link Preview"),
    ("facebookexternalhit", "Facebook External Hit"),
    ("facebookplatform", "Facebook External Hit"),
    ("ahrefsbot", "aHrefs Bot"),
    ("semrushbot", "Semrush Bot"),
    ("mj12bot", "MJ12 Bot"),
    ("linkedinbot", "LinkedIn Bot"),
    ("redditbot", "Reddit Bot"),
    ("telegrambot", "TelgramBot"),
    ("twitterbot", "Twitterbot"),
    ("pinterest/0", "Pinterest"),
    ("applebot", "Applebot"),
    ("archive.org_bot", "archive.org bot"),
    ("heritrix", "Heritrix"),
    ("openindexspider", "Openindex Spider"),
    ("360spider", "360Spider"),
    ("orangebot", "Orange Bot"),
    ("seznambot", "Seznam Bot"),
    ("sogou web spider", "Sogou Spider"),
    ("sogou inst spider", "Sogou Spider"),
    ("sogou pic spider", "Sogou Spider"),
    ("new-sogou-spider", "Sogou Spider"),
    ("sosospider", "Soso Spider"),
    ("easouspider", "Easou Spider"),
    ("yrspider", "Yunyun Bot"),
    ("youdaobot", "Youdao Bot"),
    ("duckduckbot", "DuckDuckGo Bot"),
    ("exabot", "ExaBot"),
    ("linkdex", "Linkdex Bot"),
    ("rogerbot", "Rogerbot"),
    ("dotbot", "DotBot"),
    ("butterfly/", "Butterfly Robot"),
    ("daum/", "Daum"),
    ("daum 4", "Daum"),
    ("domainreanimator", "Domain Re-Animator Bot"),
    ("domain re-animator", "Domain Re-Animator Bot"),
    ("grapeshot", "Grapeshot"),
    ("mail.ru_bot", "Mail.Ru Bot"),
    ("psbot", "Picsearch bot"),
    ("qwantify", "Qwantify"),
    ("tweetedtimes", "TweetedTimes Bot"),
    ("yacybot", "YaCy"),
    ("zumbot", "ZumBot"),
    ("netresearchserver", "NetResearchServer"),
    ("charlotte/", "Charlotte"),
    ("slackbot", "Slackbot"),
    ("skypeuripreview", "Skype URI Preview"),
    ("cloudflare-alwaysonline", "CloudFlare Always Online"),
    ("ia_archiver", "Alexa Crawler"),
    ("ccbot", "ccBot crawler"),
    ("blexbot", "BLEXBot Crawler"),
    ("nutch", "Nutch-based Bot"),
    ("magpie-crawler", "Magpie-Crawler"),
    ("scrapy", "Scrapy"),
    ("screaming frog", "Screaming Frog SEO Spider"),
    ("seokicks-robot", "SEOkicks-Robot"),
    ("sistrix", "SISTRIX Crawler"),
    ("turnitinbot", "TurnitinBot"),
    ("paperlibot", "PaperLiBot"),
    ("trendiction", "Trendiction Bot"),
    ("yeti/", "Yeti/Naverbot"),
    ("aboundex", "Aboundexbot"),
    ("acoonbot", "Acoon"),
    ("amorankspider", "Amorank Spider"),
    ("backlinkcrawler", "BacklinkCrawler"),
    ("baidu transcoder", "Baidu Spider"),
    ("bitlybot", "BitlyBot"),
    ("blekkobot", "Blekkobot"),
    ("bubing", "BUbiNG"),
    ("google-publisher-plugin", "Googlebot"),
    ("duckduckgo-", "DuckDuckGo Bot"),
    ("sputnikbot", "Sputnik Bot"),
    ("sputnikimagebot", "Sputnik Bot"),
    ("ask jeeves", "Ask Jeeves"),
    ("dataprovider", "Dataprovider"),
    ("careerbot", "CareerBot"),
    ("cliqzbot", "Cliqzbot"),
]);

/// The same of what reads feeds, watches servers and validates pages.
static SERVICES: Marks = Marks::new(&[
    ("google-structured-data", "Google Structured Data Testing Tool"),
    ("google page speed", "Google PageSpeed Insights"),
    ("uptimerobot", "Uptime Robot"),
    ("pingdom", "Pingdom Bot"),
    ("feedlybot", "Feedly"),
    ("feedly", "Feedly"),
    ("netvibes", "Netvibes"),
    ("feedbin", "Feedbin"),
    ("commafeed", "CommaFeed"),
    ("tiny tiny rss", "Tiny Tiny RSS"),
    ("simplepie", "SimplePie"),
    ("kouio", "Kouio"),
    ("bloglovin", "Bloglovin"),
    ("wordpress", "WordPress"),
    ("netcraft", "Netcraft Survey Bot"),
    ("validator.nu", "W3C Markup Validation Service"),
    ("w3c_validator", "W3C Markup Validation Service"),
    ("w3c-checklink", "W3C Link Checker"),
    ("w3c_css_validator", "W3C CSS Validator"),
    ("munin", "Munin"),
    ("masscan", "masscan"),
    ("zgrab", "zgrab"),
    ("nmap scripting", "Nmap"),
    ("lighthouse", "Lighthouse"),
    ("apachebench", "ApacheBench"),
    ("site24x7", "Site24x7 Website Monitoring"),
    ("statuscake", "StatusCake"),
    ("superfeedr", "Superfeedr Bot"),
    ("datadog agent", "Datadog Agent"),
    ("blogtrottr", "Blogtrottr"),
    ("flipboardproxy", "Flipboard"),
    ("flipboardrss", "Flipboard"),
    ("newsblur favicon", "NewsBlur"),
    ("newsblur feed", "NewsBlur"),
    ("newsblur page", "NewsBlur"),
    ("catchpoint", "Catchpoint"),
    ("browsershots", "Browsershots"),
    ("collectd", "Collectd"),
    ("bazqux", "BazQux Reader"),
    ("check_http", "Nagios check_http"),
    ("phpservermon", "PHP Server Monitor"),
    ("feedburner", "FeedBurner"),
    ("ssl labs", "SSL Labs"),
    ("w3c_i18n", "W3C I18N Checker"),
    ("w3c-mobileok", "W3C MobileOK Checker"),
    ("w3c_unicorn", "W3C Unified Validator"),
]);

/// How the original named bots that it did not know.
const GENERIC: &str = "Generic Bot";

/// How the words of bots end; what follows must not be a letter.
const ENDINGS: &[&str] = &["bot", "bots", "checker", "crawl", "crawler", "robots", "spider"];

/// Names the bot, or `None` where a person may sit behind the user agent.
pub(super) fn name(parser: &Parser, words: &Words<'_>) -> Option<&'static str> {
    if let Some(name) = CRAWLERS.meaning(words).or_else(|| SERVICES.meaning(words)) {
        return Some(name);
    }
    let mut answer = WootheeResult::new();
    // Telephones are called `M bot 60` or `Spider 8`; a bot on Android says who it is.
    let may_be_model = words.has("android") && !words.has("compatible") && !words.has("http");
    let says_so = !may_be_model && says_so_itself(words.text);
    (says_so || parser.try_crawler(words.text, &mut answer)).then_some(GENERIC)
}

/// Says whether a word, or a part of one up to a dash or a digit, ends as those of bots do (`coccocbot-web`).
fn says_so_itself(user_agent: &str) -> bool {
    user_agent.as_bytes().split(|byte| !byte.is_ascii_alphabetic()).any(|letters| {
        let ends_with = |ending: &str| {
            let start = letters.len().checked_sub(ending.len());
            start.is_some_and(|start| letters[start..].eq_ignore_ascii_case(ending.as_bytes()))
        };
        // `Cubot` makes telephones.
        ENDINGS.iter().any(|ending| ends_with(ending)) && !ends_with("cubot")
    })
}
