//! Clients that are slow, or send too much.

use super::*;
use std::time::Duration;
use tokio::time::Instant;

const PASSWORD: &str = "--web-password=correct horse";

#[tokio::test]
async fn heads_have_a_size() {
    let web = Served::start(&[]).await;
    let fits = format!("X-Long: {}\r\n", "a".repeat(8_000));
    assert_eq!(web.ask("GET /auth", &fits, "").await.status(), 403);
    for head in [
        format!("GET /auth HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(40_000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(40_000)),
        format!("GET /auth HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(200)),
    ] {
        let mut stream = web.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "), "{answer}");
    }
    web.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let web = Served::start(&[]).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\0B: c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = web.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(web.get("/sidekiq").await.status(), 303, "it goes on");
    web.stop().await;
}

#[tokio::test]
async fn forms_have_a_size_and_a_kind() {
    let web = Served::start(&[PASSWORD]).await;
    let large = format!("password={}", "a".repeat(SIGN_IN_BYTES));
    assert_eq!(web.post("/auth", "", &large).await.status(), 413);
    let origin = format!("Origin: http://{}\r\n", web.address);
    let chunked =
        format!("{origin}Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n");
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    assert_eq!(web.ask("POST /auth", &chunked, &chunk).await.status(), 413);
    for kind in ["", "Content-Type: multipart/form-data; boundary=a\r\n", "Content-Type: text/plain\r\n"] {
        let headers = format!("{origin}{kind}Content-Length: 10\r\n");
        assert_eq!(web.ask("POST /auth", &headers, "password=a").await.status(), 415, "{kind}");
    }
    for malformed in ["password=a&password=b", "password=%ff%fe", "%", "&&&", "="] {
        let status = web.post("/auth", "", malformed).await.status();
        assert!(status == 400 || status == 403, "{malformed}: {status}");
    }
    web.stop().await;
}

/// Time stands still, and jumps to the next thing that is waited for.
#[tokio::test(start_paused = true)]
async fn slow_clients_lose_their_connection() {
    let web = Served::start(&[PASSWORD]).await;
    let form = format!(
        "POST /auth HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Length: 20\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\npass",
        web.address
    );
    for (begun, answered) in [
        ("", ""),
        ("GET /auth HTT", ""),
        ("GET /auth HTTP/1.1\r\nHost: a\r\nX: ", ""),
        (form.as_str(), "HTTP/1.1 408 "),
    ] {
        let mut stream = web.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let begun_at = Instant::now();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(answered), "{begun}: {answer}");
        assert!(begun_at.elapsed() < Duration::from_secs(16), "{begun}: {:?}", begun_at.elapsed());
    }
    let mut idle = web.connect().await;
    idle.write_all(b"GET /sidekiq HTTP/1.1\r\nHost: a\r\n\r\nGET /sid").await.unwrap();
    let begun_at = Instant::now();
    assert!(rest(&mut idle).await.starts_with("HTTP/1.1 303 "));
    assert!((90..100).contains(&begun_at.elapsed().as_secs()), "{:?}", begun_at.elapsed());
    web.stop().await;
}
