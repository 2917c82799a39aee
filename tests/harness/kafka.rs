//! A real Apache Kafka broker, its own controller (KRaft).

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

use super::acl::{self, Operation, Resource};
use super::admin::Admin;
use super::certificates::{Authority, Certificate};
use super::installation::{Installation, Release};
use super::server_properties::{
    BENCHMARK_PROPERTIES, minimal_properties, password, tls_properties, users_properties,
};
use super::supervisor::Supervised;
use super::{READY_TIMEOUT, free_port, fresh_directory, wait_until};

/// What kind of broker to start; the default is a quick one that anyone may use.
#[derive(Clone, Copy, Default)]
pub struct KafkaOptions<'a> {
    pub release: Release,
    /// Flags for a steady broker instead of a quick start; and the files of a deleted topic go within half a second.
    pub benchmark: bool,
    /// Users with a password (SASL/PLAIN on a listener of its own). Where there are any, users and the holders of client
    /// certificates may do only what `allow` has allowed; the plain listener may still do everything.
    pub users: &'a [&'a str],
    /// Adds a TLS listener that asks for a client certificate; its common name is the user.
    pub tls: bool,
}

/// A broker on ports and in a directory of its own; it creates no topics unasked.
pub struct Kafka {
    server: Supervised,
    port: u16,
    sasl_port: u16,
    tls_port: u16,
    authority: Option<Authority>,
    admin: OnceLock<Admin>,
}

impl Kafka {
    /// Starts a broker and returns when it can be used.
    pub fn start(options: KafkaOptions) -> Kafka {
        let installation = Installation::get(options.release);
        let directory = fresh_directory("kafka");
        let logs = directory.path().join("logs");
        installation.copy_formatted(&logs);
        let [port, controller_port, sasl_port, tls_port] = [(); 4].map(|()| free_port());
        let authority = options.tls.then(|| Authority::create(directory.path()));

        let mut properties = minimal_properties(&logs, port, controller_port);
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}");
        if !options.users.is_empty() {
            listeners += &format!(",SASL_PLAINTEXT://127.0.0.1:{sasl_port}");
            properties += &users_properties(options.users);
        }
        if let Some(authority) = &authority {
            listeners += &format!(",SSL://127.0.0.1:{tls_port}");
            properties += &tls_properties(authority, directory.path());
        }
        if options.benchmark {
            properties += BENCHMARK_PROPERTIES;
        }
        properties += &format!("listeners={listeners}\n");
        let configuration = directory.path().join("server.properties");
        fs::write(&configuration, properties).expect("the directory is ours");

        let command = installation.broker_command(&configuration, !options.benchmark);
        let server = Supervised::new("kafka", directory, &command);
        let kafka = Kafka { server, port, sasl_port, tls_port, authority, admin: OnceLock::new() };
        kafka.start_again();
        kafka
    }

    /// Returns the address of the plain listener, where everything is allowed.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the address of the TLS listener.
    pub fn tls_bootstrap(&self) -> String {
        assert!(self.authority.is_some(), "the broker was started without tls");
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// Returns the variables with which the program is `user`.
    pub fn acl_variables(&self, user: &str) -> Vec<(&'static str, String)> {
        vec![
            ("KAFKA_URL", format!("127.0.0.1:{}", self.sasl_port)),
            ("KAFKA_PROPERTY_SECURITY_PROTOCOL", "sasl_plaintext".to_owned()),
            ("KAFKA_PROPERTY_SASL_MECHANISM", "PLAIN".to_owned()),
            ("KAFKA_PROPERTY_SASL_USERNAME", user.to_owned()),
            ("KAFKA_PROPERTY_SASL_PASSWORD", password(user)),
        ]
    }

    /// Returns the authority that has signed the certificate of the TLS listener.
    pub fn authority(&self) -> &Authority {
        self.authority.as_ref().expect("the broker was started with tls")
    }

    /// Issues a client certificate for the TLS listener.
    pub fn client_certificate(&self, user: &str) -> Certificate {
        self.authority().issue(user)
    }

    /// Allows `user` the operations, and returns when the broker knows it.
    #[track_caller]
    pub fn allow(&self, user: &str, resource: Resource, operations: &[Operation]) {
        acl::allow(&self.bootstrap(), user, resource, operations);
    }

    /// Creates a topic, and returns when it can be written to.
    #[track_caller]
    pub fn create_topic(&self, name: &str, partitions: i32, configuration: &[(&str, &str)]) {
        self.admin().create_topic(name, partitions, 1, configuration);
    }

    /// Deletes a topic, and returns when the broker no longer shows it.
    #[track_caller]
    pub fn delete_topic(&self, name: &str) {
        self.admin().delete_topic(name);
    }

    /// Returns where the broker keeps the files of its topics.
    pub fn log_directory(&self) -> PathBuf {
        self.server.directory().join("logs")
    }

    /// Starts the broker after `stop` or `kill`, on the same ports and with the same data; returns when it can be used.
    pub fn start_again(&self) {
        self.server.start();
        wait_until_ready(&self.server, self.port);
    }

    /// Ends the broker by SIGTERM (about two seconds), and returns when it is gone.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Ends the broker by SIGKILL, and returns when it is gone.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Makes the broker hang (SIGSTOP): connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.server.signal(Signal::STOP);
    }

    /// Lets the broker go on after `pause`.
    pub fn resume(&self) {
        self.server.signal(Signal::CONT);
    }

    pub fn process_id(&self) -> Option<i32> {
        self.server.pid().map(|pid| pid.as_raw_pid())
    }

    fn admin(&self) -> &Admin {
        self.admin.get_or_init(|| Admin::new(&self.bootstrap()))
    }
}

/// Returns settings for a client that soon comes back when a broker does.
pub fn client_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("reconnect.backoff.max.ms", "200");
    config
}

/// Waits until the port is open and the broker shows itself in its metadata.
pub(super) fn wait_until_ready(server: &Supervised, port: u16) {
    wait_until(READY_TIMEOUT, &format!("kafka listens on port {port}"), || {
        server.assert_running();
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let client: BaseConsumer =
        client_config(&format!("127.0.0.1:{port}")).create().expect("the settings are valid");
    wait_until(READY_TIMEOUT, &format!("kafka answers on port {port}"), || {
        server.assert_running();
        let metadata = client.fetch_metadata(None, Duration::from_secs(5));
        metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
    });
}
