//! The endpoints over a real socket; what needs a Redis is tested in `tests/`.

use super::*;
use crate::queue;
use clap::Parser;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    redis: queue::Settings,
    #[command(flatten)]
    web: Settings,
}

/// Serves a Redis that is not there, and gives the answers to `requests`.
async fn answers<const N: usize>(arguments: &[&str], requests: [&str; N]) -> [String; N] {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let redis = format!("--redis-url=redis://{nobody}");
    let program = Program::try_parse_from([&["web", redis.as_str()], arguments].concat()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async move { stopped.await.unwrap_or_default() };
        serve(listener, &program.redis.servers().unwrap(), program.web.access().unwrap(), stopped).await
    });
    let mut answers = [const { String::new() }; N];
    for (request, answer) in requests.into_iter().zip(&mut answers) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(answer).await.unwrap();
    }
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    answers
}

#[tokio::test]
async fn without_redis_it_says_so_at_once() {
    let [health, pingdom, queues] = answers(&[], ["GET /health", "GET /pingdom", "GET /queues"]).await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(health.ends_with(r#"{"ok":false,"reasons":["redis does not answer"]}"#), "{health}");
    assert!(pingdom.starts_with("HTTP/1.1 503 "), "{pingdom}");
    assert!(queues.starts_with("HTTP/1.1 503 "), "{queues}");
    assert!(queues.contains(r#""error":"redis does not answer""#), "{queues}");
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_refused() {
    let requests = ["GET /", "GET /health/", "POST /health", "DELETE /queues"];
    let [root, slash, post, delete] = answers(&[], requests).await;
    assert!(root.starts_with("HTTP/1.1 403 "), "{root}");
    assert!(slash.starts_with("HTTP/1.1 404 "), "{slash}");
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    assert!(delete.starts_with("HTTP/1.1 405 "), "{delete}");
}

#[tokio::test]
async fn the_queues_ask_for_the_token() {
    let [queues, health] = answers(&["--web-token=s"], ["GET /queues", "GET /health"]).await;
    assert!(queues.starts_with("HTTP/1.1 401 "), "{queues}");
    assert!(queues.to_lowercase().contains("www-authenticate: bearer"), "{queues}");
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
}
