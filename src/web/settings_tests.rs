//! Who may enter, as settings say it.

use super::*;
use crate::settings::{Refusal, Variables, parse};
use clap::Parser;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    web: Settings,
}

fn settings(variables: &[(&str, &str)]) -> Result<Settings, Refusal> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let variables = Variables::read(environment, file.path()).unwrap();
    parse::<Program>(["web".into()], &variables).map(|program| program.web)
}

fn provider(variables: &[(&str, &str)]) -> Result<Option<Provider>, String> {
    let client = [("GOOGLE_CLIENT_ID", "id"), ("GOOGLE_CLIENT_SECRET", "s")];
    settings(&[&client, variables].concat()).unwrap().access().map(|access| access.provider)
}

#[test]
fn a_client_without_anyone_who_may_enter_is_refused() {
    let refused = provider(&[]).err().unwrap();
    assert!(
        refused.starts_with("ACCESS_DOMAINS: it must name who may enter (or ACCESS_EMAILS)"),
        "{refused}"
    );
    assert!(provider(&[("ACCESS_DOMAINS", "a.example")]).unwrap().is_some());
    assert!(provider(&[("ACCESS_EMAILS", "me@a.example")]).unwrap().is_some());
    for half in ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"] {
        assert!(
            settings(&[(half, "x"), ("ACCESS_DOMAINS", "a.example")]).unwrap().access().is_err(),
            "{half}"
        );
    }
}

#[test]
fn only_a_listed_address_or_the_very_domain_is_admitted() {
    let variables = [("ACCESS_DOMAINS", "A.example, b.example"), ("ACCESS_EMAILS", "Me@c.example")];
    let provider = provider(&variables).unwrap().unwrap();
    for admitted in
        ["x@a.example", "X@A.EXAMPLE", "x@b.example", "me@c.example", "ME@C.example", "a@evil@a.example"]
    {
        assert!(provider.admits(admitted), "{admitted}");
    }
    for other in [
        "",
        "a.example",
        "@a.example",
        "x@sub.a.example",
        "x@aa.example",
        "x@a.example.evil",
        "x@a.example@evil.example",
        "x@a.example ",
        "x@a.example\n",
        "you@c.example",
        "x@c.example",
        "x@\u{212A}.example",
    ] {
        assert!(!provider.admits(other), "{other:?}");
    }
}

#[test]
fn a_wrong_value_is_named_with_what_is_allowed_but_not_shown() {
    for (name, value) in [
        ("WEB_PASSWORD", "1234567"),
        ("COOKIE_SECRET", "0123456789abcdef0123456789abcde"),
        ("GOOGLE_CLIENT_ID", "a b"),
        ("OIDC_ISSUER", "http://accounts.example"),
        ("OIDC_ISSUER", "https://user@accounts.example"),
        ("OIDC_ISSUER", "accounts.example"),
        ("ACCESS_DOMAINS", "@a.example"),
        ("ACCESS_DOMAINS", "a.example,"),
        ("ACCESS_DOMAINS", "nowhere"),
        ("ACCESS_EMAILS", "a.example"),
        ("ACCESS_EMAILS", "a@b@c.example"),
        ("PUBLIC_URL", "https://a.example/path"),
        ("PUBLIC_URL", "ftp://a.example"),
    ] {
        let Err(Refusal::Setting(line)) = settings(&[(name, value)]) else { panic!("{name}: {value}") };
        assert!(line.starts_with(&format!("{name}: ")) && !line.contains(value), "{line}");
    }
}

#[test]
fn what_is_right_is_taken() {
    for (name, value) in [
        ("OIDC_ISSUER", "http://127.0.0.1:3000"),
        ("OIDC_ISSUER", "http://localhost:3000/realm"),
        ("OIDC_ISSUER", "https://accounts.example/realm"),
        ("PUBLIC_URL", "https://clicks.example"),
        ("PUBLIC_URL", "http://localhost:5000/"),
        ("WEB_PASSWORD", "pass word ä"),
        ("COOKIE_SECRET", "0123456789abcdef0123456789abcdef"),
    ] {
        assert!(settings(&[(name, value)]).is_ok(), "{name}: {value}");
    }
}

#[test]
fn a_user_is_told_what_sign_ins_depend_on() {
    let password = ("WEB_PASSWORD", "12345678");
    let secret = ("COOKIE_SECRET", "0123456789abcdef0123456789abcdef");
    assert!(settings(&[]).unwrap().warnings()[0].contains("the pages stay shut"));
    assert!(settings(&[password]).unwrap().warnings()[0].contains("COOKIE_SECRET"));
    assert!(settings(&[password, secret]).unwrap().warnings().is_empty());
}
