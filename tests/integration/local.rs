//! What a user runs on his own machine: `dev`, `env`, and foreman.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use kafkastore::settings::Variables;
use tempfile::TempDir;

use crate::harness::{Authority, Launch, Program, Signal, package_root, wait_until};
use crate::scene::Scene;

const SOON: Duration = Duration::from_secs(20);

fn in_directory(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let program = Launch::new(arguments).directory(directory).start();
    (program.wait(SOON).code().unwrap(), program.stderr_text())
}

/// A directory with what foreman needs of the project: the Procfile, and the program where that looks for it.
pub fn checkout() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::copy(package_root().join("Procfile"), root.join("Procfile")).unwrap();
    fs::create_dir_all(root.join("target/release")).unwrap();
    symlink(env!("CARGO_BIN_EXE_kafkastore"), root.join("target/release/kafkastore")).unwrap();
    directory
}

pub fn foreman(root: &Path, arguments: &[&str]) -> Program {
    Launch::of(Path::new("foreman"), arguments).directory(root).start()
}

/// The environment that foreman makes of the `.env` file there, each variable with a NUL byte behind it.
fn shown_by_foreman(root: &Path) -> String {
    fs::write(root.join("Procfile"), "show: env -0 > shown\n").unwrap();
    foreman(root, &["start"]).wait(SOON);
    fs::read_to_string(root.join("shown")).unwrap()
}

fn copies(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".env.")).collect()
}

#[test]
fn dev_shows_enriched_messages_and_leaves_nothing_behind() {
    let started_at = Instant::now();
    let dev = Program::start(&["dev"], &[]);
    let page = dev.wait_for_line("/health", Duration::from_secs(5));
    let redis = dev.wait_for_line("redis://", SOON);
    dev.wait_for_line(" /t/", SOON);
    assert!(started_at.elapsed() < Duration::from_secs(5), "{:?}", started_at.elapsed());
    assert!(page.contains("http://127.0.0.1:"), "{page}");
    std::thread::sleep(Duration::from_secs(8));
    let messages = dev.stdout_text().lines().filter(|line| line.contains(" /t/")).count();
    assert!(messages > 100, "{messages} messages: 20 lines a second were pushed");
    dev.signal(Signal::INT);
    assert!(dev.wait(SOON).success());
    assert!(!dev.stderr_text().contains("WARN"), "{}", dev.stderr_text());
    let port: u16 = redis.split([':', ' ']).filter_map(|word| word.parse().ok()).next().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "its redis-server is still there");
}

#[test]
fn dev_takes_its_redis_with_it_even_when_it_is_killed() {
    let dev = Program::start(&["dev"], &[]);
    let redis = dev.wait_for_line("redis://", SOON);
    let port: u16 = redis.split([':', ' ']).filter_map(|word| word.parse().ok()).next().unwrap();
    dev.kill();
    wait_until(SOON, "its redis-server is gone", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    });
}

#[test]
fn dev_pushes_nothing_into_servers_that_were_named() {
    let mut scene = Scene::new(1);
    let dev = Program::start(&["dev"], &scene.variables(&[]));
    dev.wait_for_line("only with --sample", SOON);
    scene.push(&scene.lines(0..3));
    dev.wait_for_line(" /t/ist", SOON);
    scene.wait_until_drained(SOON);
    dev.signal(Signal::INT);
    assert!(dev.wait(SOON).success());
    scene.arrived().assert_each_once(0..3);
}

#[test]
fn env_keeps_what_is_set_and_the_former_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".env");
    assert_eq!(in_directory(directory.path(), &["env"]).0, 0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(copies(directory.path()).len(), 0);

    fs::write(&file, "QUEUE=mine\nMY_OWN='a b'\nKAFKA_HOST=\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let (code, said) = in_directory(directory.path(), &["env", "--set", "KAFKA_URL=k:1"]);
    assert_eq!(code, 0, "{said}");
    let written = fs::read_to_string(&file).unwrap();
    for line in ["QUEUE=mine", "MY_OWN='a b'", "KAFKA_URL=k:1", "KAFKA_HOST=", "INVALID_QUEUE=click_invalid"]
    {
        assert!(written.lines().any(|found| found == line), "{line} is not in\n{written}");
    }
    let [copy] = copies(directory.path()).try_into().unwrap();
    for name in [".env", &copy] {
        assert_eq!(fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert!(fs::read_to_string(directory.path().join(copy)).unwrap().starts_with("QUEUE=mine\n"));

    assert_eq!(in_directory(directory.path(), &["env"]).0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), written, "a second time changes nothing");
    assert_eq!(copies(directory.path()).len(), 1);
}

#[test]
fn foreman_starts_worker_and_web_with_a_generated_file() {
    let mut scene = Scene::new(1);
    let directory = checkout();
    let root = directory.path();
    let set = scene.variables(&[("AWKWARD", "it's $HOME \\ \"x\" #1")]);
    let set: Vec<String> =
        set.iter().flat_map(|(name, value)| ["--set".into(), format!("{name}={value}")]).collect();
    let arguments: Vec<&str> = std::iter::once("env").chain(set.iter().map(String::as_str)).collect();
    let (code, said) = in_directory(root, &arguments);
    assert_eq!(code, 0, "{said}");

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let foreman = foreman(root, &["start", "--port", &port]);
    foreman.wait_for_line("web started", SOON);
    foreman.wait_for_line("worker started", SOON);
    scene.push(&scene.lines(0..10));
    scene.wait_until_drained(SOON);
    foreman.signal(Signal::TERM);
    assert!(foreman.wait(SOON).code().is_some());
    let said = foreman.stdout_text();
    assert_eq!(said.matches("exited with code 0").count(), 2, "{said}");
    scene.arrived().assert_each_once(0..10);
}

#[test]
fn ruby_reads_what_env_writes() {
    let directory = tempfile::tempdir().unwrap();
    let awkward = ["it's", "a b", "$HOME", "\\", "a\\", "\"q\"", "a\nb", "a\\nb", "#x", "p'$\\\"\n"];
    let set: Vec<String> =
        awkward.iter().enumerate().map(|(at, value)| format!("--set=V{at}={value}")).collect();
    let arguments: Vec<&str> = std::iter::once("env").chain(set.iter().map(String::as_str)).collect();
    let (code, said) = in_directory(directory.path(), &arguments);
    assert_eq!(code, 0, "{said}");
    let shown = shown_by_foreman(directory.path());
    for (at, value) in awkward.iter().enumerate() {
        assert!(shown.split('\0').any(|found| found == format!("V{at}={value}")), "{value:?} in {shown:?}");
    }
}

/// In each of the ways in which people put PEM text into such a file; foreman knows no values of several lines.
#[test]
fn foreman_and_the_program_read_the_same_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::create(directory.path());
    let pem = fs::read_to_string(&authority.certificate).unwrap();
    let in_one_line = pem.replace('\n', "\\n");
    let file = directory.path().join(".env");
    let text = format!(
        "KAFKA_TRUSTED_CERT=\"{in_one_line}\"\nKAFKA_CLIENT_CERT='{in_one_line}'\nKAFKA_CLIENT_CERT_KEY=\"{in_one_line}\"\n\
         KAFKA_URL=kafka+ssl://a:9096,kafka+ssl://b:9096\nREDIS_URL=\"rediss://:p%24ss@host:6379\"\nQUEUE=\nWEB_TOKEN='a b'\n"
    );
    fs::write(&file, text).unwrap();
    let shown = shown_by_foreman(directory.path());
    let read = Variables::read([], &file).unwrap();
    for (name, expected) in [
        ("KAFKA_TRUSTED_CERT", &*pem),
        // What stands between single quotes is taken as it is; the program makes line ends of it.
        ("KAFKA_CLIENT_CERT", &in_one_line),
        ("KAFKA_CLIENT_CERT_KEY", &pem),
        ("KAFKA_URL", "kafka+ssl://a:9096,kafka+ssl://b:9096"),
        ("REDIS_URL", "rediss://:p%24ss@host:6379"),
        ("WEB_TOKEN", "a b"),
    ] {
        assert_eq!(read.get(name), Some(expected), "{name}");
        assert!(shown.split('\0').any(|found| found == format!("{name}={expected}")), "{name} in {shown}");
    }
    assert_eq!(read.get("QUEUE"), None);
}

/// Names as they were in 2016, some of no use any more, and much that is empty.
#[test]
fn a_file_of_the_original_works_as_it_is() {
    let mut scene = Scene::new(1);
    let directory = checkout();
    let variables = scene.variables(&[]);
    let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).unwrap().1.to_owned();
    let text = format!(
        "# kafkastore\n\nREDISTOGO_URL={}\nKAFKA_HOST={}\nQUEUE={}\nREDIS_URL=\nKAFKA_URL=\nREDIS_POOL_SIZE=5\nRACK_ENV=production\n\
         LIBRATO_USER=\nLIBRATO_TOKEN=x\nGOOGLE_CLIENT_ID=\nCOOKIE_SECRET=\nPORT=\nexport WEB_CONCURRENCY=2\n",
        value("REDIS_URL"),
        value("KAFKA_URL"),
        value("QUEUE")
    );
    fs::write(directory.path().join(".env"), text).unwrap();
    let foreman = foreman(directory.path(), &["start", "worker"]);
    let useless =
        "set, but of no use any more variables=\"LIBRATO_TOKEN, RACK_ENV, REDIS_POOL_SIZE, WEB_CONCURRENCY\"";
    foreman.wait_for_line(useless, SOON);
    scene.push(&scene.lines(0..10));
    scene.wait_until_drained(SOON);
    foreman.signal(Signal::TERM);
    foreman.wait(SOON);
    scene.arrived().assert_each_once(0..10);
}
