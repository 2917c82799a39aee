//! The way in by password, and all that is not one.

use super::*;

const PASSWORD: &str = "--web-password=correct horse";
const RIGHT: &str = "password=correct+horse";

async fn cookie(web: &Served) -> String {
    web.post("/auth", "", RIGHT).await.cookie().unwrap()
}

/// The field of the form on the page that asks whether to sign out.
async fn csrf(web: &Served, cookie: &str) -> String {
    let page = web.ask("GET /auth/logout", cookie, "").await;
    let after = page.body().split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("{}", page.0));
    after.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_password_opens_the_pages_and_the_queues() {
    let web = Served::start(&[PASSWORD, "--web-token=token"]).await;
    let away = web.get("/auth/logout").await;
    assert_eq!((away.status(), away.header("location")), (303, Some("/auth?next=%2Fauth%2Flogout")));
    assert_eq!(web.get("/queues").await.status(), 401);

    let entered = web.post("/auth", "", &format!("{RIGHT}&next=%2Fbadclicks%3Fpage%3D2")).await;
    assert_eq!((entered.status(), entered.header("location")), (303, Some("/badclicks?page=2")));
    let cookie = entered.cookie().unwrap();
    assert_eq!(web.ask("GET /auth/logout", &cookie, "").await.status(), 200);
    assert_eq!(web.ask("GET /queues", &cookie, "").await.status(), 503, "let in, and Redis is away");
    assert_eq!(web.ask("GET /auth?next=/explain", &cookie, "").await.header("location"), Some("/explain"));
    web.stop().await;
}

#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    let web = Served::start(&[PASSWORD]).await;
    for wrong in ["password=", "", "password=Correct+horse", "password=correct+horse+"] {
        let refused = web.post("/auth", "", wrong).await;
        assert_eq!((refused.status(), refused.cookie()), (403, None), "{wrong}");
        assert!(!refused.body().contains("orse"), "{}", refused.0);
    }
    web.stop().await;
}

#[tokio::test]
async fn after_a_few_tries_one_has_to_wait() {
    let web = Served::start(&[PASSWORD]).await;
    let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    for _ in 0..5 {
        assert_eq!(web.post("/auth", &from("192.0.2.1"), "password=x").await.status(), 403);
    }
    let refused = web.post("/auth", &from("192.0.2.1"), RIGHT).await;
    assert_eq!((refused.status(), refused.cookie()), (429, None));
    assert!((1..=60).contains(&refused.header("retry-after").unwrap().parse::<u64>().unwrap()));
    for at in 2..27 {
        assert_eq!(web.post("/auth", &from(&format!("192.0.2.{at}")), "password=x").await.status(), 403);
    }
    assert_eq!(web.post("/auth", &from("192.0.2.200"), RIGHT).await.status(), 429);
    web.stop().await;
}

#[tokio::test]
async fn where_one_goes_afterwards_is_one_of_our_pages() {
    let web = Served::start(&[PASSWORD]).await;
    for next in ["//evil.example", "/%5Cevil.example", "https://evil.example", "/%0d%0aSet-Cookie:x=y"] {
        let page = web.get(&format!("/auth?next={next}")).await;
        assert!(page.body().contains("name=\"next\" value=\"/\""), "{}", page.0);
    }
    for next in ["//evil.example", "https:evil.example", "/%0D%0ALocation:%20x", "%00", "/auth/logout"] {
        let entered =
            web.post("/auth", "X-Forwarded-For: 192.0.2.1\r\n", &format!("{RIGHT}&next={next}")).await;
        assert_eq!(entered.header("location"), Some("/"), "{next}");
    }
    let script = web.get("/auth?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(!script.body().contains("<script"), "{}", script.0);
    web.stop().await;
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing() {
    let web = Served::start(&[PASSWORD]).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 22\r\n";
    assert_eq!(RIGHT.len(), 22);
    for origin in ["", "Origin: null\r\n", "Origin: https://evil.example\r\n"] {
        let refused = web.ask("POST /auth", &format!("{form}{origin}"), RIGHT).await;
        assert_eq!((refused.status(), refused.cookie()), (403, None), "{origin}");
    }
    let ours = format!("Origin: http://{}\r\nOrigin: https://evil.example\r\n", web.address);
    assert_eq!(web.ask("POST /auth", &format!("{form}{ours}"), RIGHT).await.status(), 403);

    let cookie = cookie(&web).await;
    let csrf = csrf(&web, &cookie).await;
    let field = format!("csrf={csrf}");
    let length =
        format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", field.len());
    let foreign = format!("{cookie}{length}Origin: https://evil.example\r\n");
    assert_eq!(web.ask("POST /auth/logout", &foreign, &field).await.status(), 403);
    for wrong in ["", "csrf=", "csrf=00000000000000000000000000000000", &csrf, &format!("Csrf={csrf}")] {
        assert_eq!(web.post("/auth/logout", &cookie, wrong).await.status(), 403, "{wrong}");
    }
    let other = self::cookie(&web).await;
    assert_eq!(web.post("/auth/logout", &other, &field).await.status(), 403, "another's token");
    web.stop().await;
}

#[tokio::test]
async fn signing_out_forgets_the_cookie() {
    let web = Served::start(&[PASSWORD]).await;
    let cookie = cookie(&web).await;
    let csrf = csrf(&web, &cookie).await;
    let out = web.post("/auth/logout", &cookie, &format!("csrf={csrf}")).await;
    assert_eq!((out.status(), out.header("location")), (303, Some("/auth")));
    let forgotten = out.header("set-cookie").unwrap();
    assert!(forgotten.contains("Max-Age=0") && forgotten.starts_with("kafkastore_session=;"), "{forgotten}");
    web.stop().await;
}

#[tokio::test]
async fn a_forged_cookie_is_none() {
    let web = Served::start(&[PASSWORD]).await;
    let other = Served::start(&[PASSWORD]).await;
    let foreign = cookie(&other).await;
    let own = cookie(&web).await;
    let cut = format!("{}\r\n", &own[..own.len() - 4]);
    for forged in [
        foreign.as_str(),
        cut.as_str(),
        "Cookie: kafkastore_session=\r\n",
        "Cookie: kafkastore_session=e30\r\n",
        "Cookie: kafkastore_session=\"\r\n",
        "Cookie: ;;;==;\u{1}\r\n",
        &own.replace("kafkastore_session", "__Host-kafkastore_session"),
    ] {
        assert_ne!(web.ask("GET /auth/logout", forged, "").await.status(), 200, "{forged}");
    }
    let by_tls = format!("{own}X-Forwarded-Proto: https\r\n");
    assert_eq!(web.ask("GET /auth/logout", &by_tls, "").await.status(), 303, "not one for TLS");
    web.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn sign_ins_outlive_the_process_with_a_secret_and_end_with_the_password() {
    let secret = "--cookie-secret=0123456789abcdef0123456789abcdef";
    let first = Served::start(&[PASSWORD, secret]).await;
    let cookie = cookie(&first).await;
    first.stop().await;
    let second = Served::start(&[PASSWORD, secret]).await;
    assert_eq!(second.ask("GET /auth/logout", &cookie, "").await.status(), 200);
    second.stop().await;
    let third = Served::start(&["--web-password=another password", secret]).await;
    assert_eq!(third.ask("GET /auth/logout", &cookie, "").await.status(), 303);
    third.stop().await;
}

#[tokio::test]
async fn behind_tls_cookies_are_for_tls() {
    let web = Served::start(&[PASSWORD, "--public-url=https://pages.example"]).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 22\r\n";
    let entered = web.ask("POST /auth", &format!("{form}Origin: https://pages.example\r\n"), RIGHT).await;
    let set = entered.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-kafkastore_session="), "{set}");
    for attribute in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert_eq!(
        web.ask("POST /auth", &format!("{form}Origin: http://pages.example\r\n"), RIGHT).await.status(),
        403
    );
    web.stop().await;
}

#[tokio::test]
async fn with_nothing_set_the_pages_are_shut_save_in_dev_on_this_machine() {
    let shut = Served::start(&[]).await;
    for path in ["/auth", "/auth/logout"] {
        let answer = shut.get(path).await;
        assert_eq!(answer.status(), 403, "{path}");
        assert!(answer.body().contains("WEB_PASSWORD"), "{}", answer.0);
    }
    assert_eq!(shut.post("/auth", "", "password=").await.status(), 403);
    shut.stop().await;

    let dev = Served::start_as(&[], Access::open_to_this_machine).await;
    assert_eq!(dev.get("/auth/logout").await.header("location"), Some("/"));
    for proxied in ["X-Forwarded-For: 192.0.2.1\r\n", "X-Forwarded-Host: a\r\n", "Forwarded: for=a\r\n"] {
        assert_eq!(dev.ask("GET /auth/logout", proxied, "").await.status(), 403, "{proxied}");
    }
    let mut rebound = dev.connect().await;
    rebound.write_all(b"GET /auth/logout HTTP/1.0\r\nHost: evil.example\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    rebound.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 403 "), "{answer}");
    dev.stop().await;

    let with_password = Served::start_as(&[PASSWORD], Access::open_to_this_machine).await;
    assert_eq!(
        with_password.get("/auth/logout").await.header("location"),
        Some("/auth?next=%2Fauth%2Flogout")
    );
    with_password.stop().await;
}

#[tokio::test]
async fn the_address_of_2016_leads_to_the_start() {
    let web = Served::start(&[]).await;
    assert_eq!(web.get("/sidekiq").await.header("location"), Some("/"));
    web.stop().await;
}
