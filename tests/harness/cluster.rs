//! Several real Apache Kafka brokers, or one, with listeners of their own for clients that come by way of a proxy.

use std::fs;

use super::admin::Admin;
use super::installation::{Installation, Release};
use super::kafka::wait_until_ready;
use super::server_properties::{cluster_properties, minimal_properties};
use super::supervisor::Supervised;
use super::{READY_TIMEOUT, free_port, fresh_directory, wait_until};

/// A listener besides the plain one: whoever comes to it is sent on to the port that it advertises.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub port: u16,
    pub advertised_port: u16,
}

/// Brokers that vote and replicate among themselves; each topic stands on all of them.
pub struct Cluster {
    brokers: Vec<Broker>,
    admin: Admin,
}

struct Broker {
    server: Supervised,
    port: u16,
}

impl Cluster {
    /// Starts one broker for each element of `listeners`, which are its listeners besides the plain one; returns when
    /// all can be used.
    pub fn start(listeners: &[Vec<Listener>]) -> Cluster {
        let ports: Vec<u16> = listeners.iter().map(|_| free_port()).collect();
        let controller_ports: Vec<u16> = listeners.iter().map(|_| free_port()).collect();
        let brokers: Vec<Broker> = (0..listeners.len())
            .map(|place| Broker::new(place, ports[place], &controller_ports, &listeners[place]))
            .collect();
        for broker in &brokers {
            broker.server.start();
        }
        let admin = Admin::new(&bootstrap(&ports));
        let cluster = Cluster { brokers, admin };
        for place in 0..listeners.len() {
            cluster.wait_for(place);
        }
        cluster
    }

    /// Returns the addresses of the plain listeners.
    pub fn bootstrap(&self) -> String {
        let ports: Vec<u16> = self.brokers.iter().map(|broker| broker.port).collect();
        bootstrap(&ports)
    }

    /// Creates a topic that stands on all brokers, and returns when it can be written to.
    #[track_caller]
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let replicas = i32::try_from(self.brokers.len()).expect("a handful");
        self.admin.create_topic(name, partitions, replicas, &[]);
    }

    /// Ends one broker by SIGKILL, and returns when it is gone.
    pub fn kill(&self, place: usize) {
        self.brokers[place].server.kill();
    }

    /// Ends one broker by SIGTERM, and returns when it is gone.
    pub fn stop(&self, place: usize) {
        self.brokers[place].server.stop();
    }

    /// Starts one broker after `kill` or `stop`, on the same ports and with the same data; returns when it can be used.
    pub fn start_again(&self, place: usize) {
        self.brokers[place].server.start();
        self.wait_for(place);
    }

    /// Panics with the end of its log if a broker has ended by itself.
    #[track_caller]
    pub fn assert_running(&self) {
        for broker in &self.brokers {
            broker.server.assert_running();
        }
    }

    #[track_caller]
    fn wait_for(&self, place: usize) {
        let broker = &self.brokers[place];
        wait_until_ready(&broker.server, broker.port);
        wait_until(READY_TIMEOUT, "all brokers know of each other", || {
            broker.server.assert_running();
            self.admin.brokers() == self.brokers.len()
        });
    }
}

impl Broker {
    /// Makes ready the broker at a place among `controller_ports`.
    fn new(place: usize, port: u16, controller_ports: &[u16], listeners: &[Listener]) -> Broker {
        let node = place + 1;
        let installation = Installation::get(Release::Current);
        let directory = fresh_directory("kafka");
        let logs = directory.path().join("logs");
        installation.copy_formatted_for(&logs, node);

        let mut properties = minimal_properties(&logs, port, controller_ports[place]);
        properties += &cluster_properties(node, controller_ports);
        properties += &listener_properties(port, controller_ports[place], listeners);
        let configuration = directory.path().join("server.properties");
        fs::write(&configuration, properties).expect("the directory is ours");

        let command = installation.small_broker_command(&configuration);
        Broker { server: Supervised::new("kafka", directory, &command), port }
    }
}

/// The plain listener, the controller's, and `EXTRA0`, `EXTRA1`, ... for the others.
fn listener_properties(port: u16, controller_port: u16, extra: &[Listener]) -> String {
    let plain = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut listeners = format!("{plain},CONTROLLER://127.0.0.1:{controller_port}");
    let mut advertised = plain;
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    for (number, Listener { port, advertised_port }) in extra.iter().enumerate() {
        listeners += &format!(",EXTRA{number}://127.0.0.1:{port}");
        advertised += &format!(",EXTRA{number}://127.0.0.1:{advertised_port}");
        protocols += &format!(",EXTRA{number}:PLAINTEXT");
    }
    format!(
        "listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
num.network.threads=1
num.io.threads=4
"
    )
}

fn bootstrap(ports: &[u16]) -> String {
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    addresses.join(",")
}
