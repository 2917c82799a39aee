//! The pages for bad lines, used as a browser uses them; no Kafka is needed for that.

use std::time::Duration;

use redis::{Commands, Connection};

use crate::browser::{Answer, Browser};
use crate::harness::{self, Redis, wait_until};
use crate::invalid::{
    assert_all_are_back, assert_each_stands_once, cut_all_connections, payloads, record, redis_with_many,
    wait_until_some_are_back,
};

const SOON: Duration = Duration::from_secs(30);

/// The names of the lines on a page.
fn ids(page: &Answer) -> Vec<&str> {
    page.between("<button class=\"quiet small\" type=\"submit\" name=\"line\" value=\"", "\"")
}

fn older(page: &Answer) -> Option<String> {
    page.between("rel=\"next\" href=\"", "\"").first().map(|href| href.replace("&amp;", "&"))
}

fn reject(connection: &mut Connection, reason: &str, payload: &str) {
    let _: u64 = connection.rpush("click_invalid", record(reason, payload)).unwrap();
}

/// A database with `lines` rejected lines, `line 0` the oldest.
fn list_of(lines: u64) -> (String, Connection) {
    let url = harness::redis().fresh_database();
    let mut connection = harness::connect(&url);
    for number in 0..lines {
        reject(&mut connection, "ip", &format!("line {number}"));
    }
    (url, connection)
}

fn queue(connection: &mut Connection) -> Vec<String> {
    let lines: Vec<Vec<u8>> = connection.lrange("click_queue", 0, -1).unwrap();
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[test]
fn strangers_see_and_change_nothing() {
    let (url, mut connection) = list_of(1);
    let mut browser = Browser::sign_in(&url);
    browser.cookie.clear();
    assert_eq!(browser.get("/badclicks?reason=ip").location(), "/auth?next=%2Fbadclicks%3Freason%3Dip");
    assert_eq!(browser.get("/explain").status, 303);
    for path in ["/badclicks/replay_all", "/badclicks/clear_all", "/badclicks/line", "/explain"] {
        assert_ne!(browser.post(path, &[("confirm", "yes"), ("text", "x")]).status, 200, "{path}");
    }
    assert_eq!((payloads(&mut connection).len(), queue(&mut connection).len()), (1, 0));
}

#[test]
fn a_form_without_our_token_or_from_elsewhere_changes_nothing() {
    let (url, mut connection) = list_of(1);
    let browser = Browser::sign_in(&url);
    let id = ids(&browser.get("/badclicks"))[0].to_owned();
    for path in ["replay", "clear", "replay_all", "clear_all", "line"] {
        let path = format!("/badclicks/{path}");
        let fields = [("confirm", "yes"), ("line", &*id)];
        assert_eq!(browser.send(&path, &fields).status, 403, "{path}");
        assert_eq!(browser.send(&path, &[&fields[..], &[("csrf", "wrong")]].concat()).status, 403, "{path}");
        let form = format!("csrf={}&confirm=yes&line={id}", browser.csrf);
        let headers = format!(
            "Origin: https://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n",
            form.len()
        );
        assert_eq!(browser.ask(&format!("POST {path}"), &headers, &form).status, 403, "{path}");
    }
    assert_eq!(browser.send("/explain", &[("text", "x")]).status, 403);
    assert_eq!((payloads(&mut connection).len(), queue(&mut connection).len()), (1, 0));
}

#[test]
fn lines_are_looked_through_page_by_page_and_by_reason() {
    let (url, mut connection) = list_of(0);
    for number in 0..700 {
        let reason = if number % 10 == 0 { "path" } else { "ip" };
        reject(&mut connection, reason, &format!("<b>{number}</b> 1 t / p"));
    }
    let _: u64 = connection.rpush("click_invalid", "no record").unwrap();
    let browser = Browser::sign_in(&url);
    for (reason, expected) in [("", 700), ("reason=ip", 630), ("reason=path", 70), ("reason=size", 0)] {
        let mut seen = Vec::new();
        let mut page = browser.get(&format!("/badclicks?{reason}"));
        loop {
            assert!(!page.body.contains("<b>"), "{}", page.body);
            assert!(ids(&page).len() <= 50);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(older) = older(&page) else { break };
            page = browser.get(&older);
        }
        assert_eq!(seen.len(), expected, "{reason}");
        let places: Vec<u64> = seen.iter().map(|id| id.split('-').next().unwrap().parse().unwrap()).collect();
        assert!(places.is_sorted_by(|newer, older| newer > older), "{places:?}");
    }
    let page = browser.get("/badclicks?reason=path");
    let back = browser.post("/badclicks/replay", &[("line", ids(&page)[0]), ("reason", "path")]);
    assert_eq!(back.location(), "/badclicks?reason=path&done=replayed&lines=1");
    assert_eq!(page.between("<span class=\"count\">", "</span>"), ["700", "630", "70"]);
    assert!(page.body.contains("1 entries of the list are no records"), "{}", page.body);
    assert!(page.body.contains("<time datetime=\"2016-06-07T08:10:57Z\">2016-06-07 08:10:57</time>"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for nonsense in ["server=9", "server=x"] {
        assert_eq!(browser.get(&format!("/badclicks?{nonsense}")).status, 404);
    }
    assert_eq!(browser.get("/badclicks?reason=%3Cb%3E&before=x&done=%3Cb%3E&lines=x&before=1").status, 200);
}

#[test]
fn one_line_is_replayed_as_it_is_or_as_it_was_mended() {
    let (url, mut connection) = list_of(3);
    let browser = Browser::sign_in(&url);
    let page = browser.get("/badclicks");
    let ids = ids(&page);
    assert_eq!(browser.told("/badclicks/replay", &[("line", ids[1])]), "1 line was put back on the queue.");
    assert_eq!((queue(&mut connection), payloads(&mut connection).len()), (vec!["line 1".to_owned()], 2));

    // It stands one place further down by now.
    let line = browser.get(&format!("/badclicks/line?server=0&line={}", ids[0]));
    assert!(line.body.contains(">line 2</textarea>"), "{}", line.body);
    let mended = "8.8.8.8 1465287056 clicks /t a=\\xFF agent";
    let fields = [("line", ids[0]), ("text", mended)];
    let shown = browser.post("/badclicks/line", &fields);
    assert!(shown.body.contains("This line is fine") && shown.body.contains("a=%FF"), "{}", shown.body);
    assert_eq!(payloads(&mut connection).len(), 2, "to look changes nothing");
    assert_eq!(browser.told("/badclicks/replay", &fields), "1 line was put back on the queue.");
    let pushed: Vec<u8> = connection.lindex("click_queue", -1).unwrap();
    assert_eq!(pushed, b"8.8.8.8 1465287056 clicks /t a=\xff agent");
    assert_eq!(payloads(&mut connection), ["line 0"]);

    assert!(browser.told("/badclicks/replay", &fields).contains("not in the list any more"));
    let tombstone = [("line", ids[2]), ("text", "\\x00kafkastore:rejected")];
    assert_eq!(browser.post("/badclicks/replay", &tombstone).status, 403);
    assert_eq!((queue(&mut connection).len(), payloads(&mut connection).len()), (2, 1));
    for nonsense in ["", "0", "x-y", "0-0000000000000000x"] {
        assert_eq!(browser.post("/badclicks/replay", &[("line", nonsense)]).status, 404);
    }
}

#[test]
fn lines_are_replayed_by_reason_and_all_at_once() {
    let (url, mut connection) = list_of(1200);
    reject(&mut connection, "path", "line 1200");
    let browser = Browser::sign_in(&url);
    assert!(browser.told("/badclicks/replay_all", &[("reason", "path")]).starts_with("1 line was put back"));
    assert_eq!(queue(&mut connection), ["line 1200"]);
    assert_eq!(browser.post("/badclicks/replay_all", &[("reason", "pathos")]).status, 404);
    assert_eq!(queue(&mut connection).len(), 1);
    assert!(
        browser.told("/badclicks/replay_all", &[]).starts_with("1,200 lines were put back on the queue.")
    );
    assert_eq!((queue(&mut connection).len(), payloads(&mut connection).len()), (1201, 0));
    assert_eq!(queue(&mut connection)[1..3], ["line 0", "line 1"]);
}

#[test]
fn nothing_is_cleared_before_somebody_says_yes() {
    let (url, mut connection) = list_of(2);
    reject(&mut connection, "path", "line 2");
    let browser = Browser::sign_in(&url);
    let id = ids(&browser.get("/badclicks?reason=path"))[0].to_owned();
    for (path, fields, which) in [
        ("/badclicks/clear_all", vec![], "3 lines"),
        ("/badclicks/clear_all", vec![("reason", "path"), ("confirm", "no")], "1 line rejected for “path”"),
        ("/badclicks/clear", vec![("line", &*id)], "this line"),
    ] {
        let question = browser.post(path, &fields);
        assert_eq!(question.status, 200);
        assert!(question.body.contains(&format!("Throw {which} away for good?")), "{}", question.body);
        assert!(question.body.contains("name=\"confirm\" value=\"yes\""), "{}", question.body);
    }
    assert_eq!(payloads(&mut connection).len(), 3);
    assert_eq!(
        browser.told("/badclicks/clear", &[("line", &id), ("confirm", "yes")]),
        "1 line was thrown away."
    );
    assert_eq!(payloads(&mut connection), ["line 0", "line 1"]);
    let wrong = browser.post("/badclicks/clear_all", &[("reason", "nonsense"), ("confirm", "yes")]);
    assert_eq!((wrong.status, payloads(&mut connection).len()), (404, 2));
    // As the original had it.
    assert_eq!(browser.told("/badclicks/clear_all", &[("confirm", "yes")]), "2 lines were thrown away.");
    assert_eq!((payloads(&mut connection).len(), queue(&mut connection).len()), (0, 0));
    assert_eq!(browser.get("/badclicks/clear_all").location(), "/badclicks");
}

#[test]
fn a_line_that_moved_between_look_and_click_is_found_and_no_other_taken() {
    let (url, mut connection) = list_of(1000);
    let browser = Browser::sign_in(&url);
    let id = ids(&browser.get("/badclicks"))[0].to_owned();
    assert!(id.starts_with("999-"), "{id}");
    // The oldest go when the list is full; new ones come.
    let _: () = connection.ltrim("click_invalid", 700, -1).unwrap();
    reject(&mut connection, "ip", "line 1000");
    browser.told("/badclicks/replay", &[("line", &id)]);
    assert_eq!((queue(&mut connection), payloads(&mut connection).len()), (vec!["line 999".to_owned()], 300));
    assert!(
        browser.told("/badclicks/clear", &[("line", &id), ("confirm", "yes")]).contains("not in the list")
    );
    assert!(browser.told("/badclicks/clear", &[("line", &id)]).contains("not in the list"));
    assert_eq!(payloads(&mut connection).len(), 300);
}

#[test]
fn each_server_has_its_own_table_and_all_means_all() {
    let ((first, mut one), (second, mut other)) = (list_of(2), list_of(3));
    let browser = Browser::sign_in(&format!("{first},{second}"));
    assert_eq!(ids(&browser.get("/badclicks")).len(), 2);
    let page = browser.get("/badclicks?server=1");
    assert_eq!(ids(&page).len(), 3);
    browser.told("/badclicks/replay", &[("server", "1"), ("line", ids(&page)[0])]);
    browser.told("/badclicks/replay_all", &[("server", "1"), ("reason", "ip")]);
    assert_eq!((queue(&mut one).len(), queue(&mut other).len()), (0, 3));
    assert_eq!(browser.post("/badclicks/clear_all", &[("server", "2"), ("confirm", "yes")]).status, 404);
    reject(&mut other, "ip", "line 3");
    assert_eq!(browser.told("/badclicks/clear_all", &[("confirm", "yes")]), "3 lines were thrown away.");
    assert_eq!((payloads(&mut one).len(), payloads(&mut other).len()), (0, 0));
}

#[test]
fn a_line_is_explained_and_stands_in_no_log() {
    let (url, _) = list_of(0);
    let browser = Browser::sign_in(&url);
    let text = "<script>alert(1)</script> 1465287056 clicks /t p secret-agent";
    let rejected = browser.post("/explain", &[("text", text)]);
    assert!(rejected.body.contains("This line is rejected"), "{}", rejected.body);
    let marked = "<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark>";
    assert!(rejected.body.contains(marked) && !rejected.body.contains("<script"), "{}", rejected.body);
    let fine =
        browser.post("/explain", &[("text", "188.103.17.61 1465287056 inapp /t/ist a=b secret-agent\r\n")]);
    assert!(fine.body.contains("This line is fine"), "{}", fine.body);
    assert!(
        fine.body.contains("country=DE&amp;device&amp;device_name&amp;ip=3160871229&amp;klag="),
        "{}",
        fine.body
    );
    assert_eq!(browser.post("/explain", &[("text", &"x".repeat(500_000))]).status, 413);
    let said = browser.web.stderr_text() + &browser.web.stdout_text();
    assert!(!said.contains("secret-agent") && !said.contains("188.103"), "{said}");
}

#[test]
fn redis_away_is_told_on_the_page_and_it_comes_back_by_itself() {
    let redis = Redis::start(&[]);
    let browser = Browser::sign_in(&redis.url());
    assert_eq!(browser.get("/badclicks").status, 200);
    redis.kill();
    let away = browser.get("/badclicks");
    assert_eq!((away.status, away.header("refresh").is_some()), (503, true));
    assert!(away.body.contains("Redis does not answer just now."), "{}", away.body);
    assert_eq!(browser.post("/badclicks/replay_all", &[]).status, 503);
    assert_eq!(browser.post("/explain", &[("text", "x")]).status, 200, "that needs no redis");
    redis.start_again();
    wait_until(SOON, "it is back", || browser.get("/badclicks").status == 200);
}

fn replay_while(strike: impl Fn(&Redis)) {
    let redis = redis_with_many();
    let browser = Browser::sign_in(&redis.url());
    let status = std::thread::scope(|threads| {
        let replay = threads.spawn(|| browser.post("/badclicks/replay_all", &[]));
        wait_until_some_are_back(&mut redis.connection());
        strike(&redis);
        replay.join().unwrap().status
    });
    assert_eq!(status, 503);
    assert_each_stands_once(&mut redis.connection());
    wait_until(SOON, "redis is back", || browser.get("/badclicks").status == 200);
    assert!(browser.told("/badclicks/replay_all", &[]).contains("put back on the queue."));
    assert_all_are_back(&mut redis.connection());
}

#[test]
fn a_connection_that_is_cut_while_the_page_replays_loses_and_doubles_nothing() {
    replay_while(|redis| cut_all_connections(&mut redis.connection()));
}

#[test]
fn a_redis_that_is_killed_while_the_page_replays_loses_and_doubles_nothing() {
    replay_while(|redis| {
        redis.kill();
        redis.start_again();
    });
}
