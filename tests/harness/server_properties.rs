//! The broker's `server.properties`, in parts; of two lines with the same name the later one counts.

use std::fs;
use std::path::{Path, PathBuf};

use super::certificates::Authority;

/// What lets a benchmark delete what it has written before it goes on: a minute passes if left alone.
pub const BENCHMARK_PROPERTIES: &str = "log.segment.delete.delay.ms=500\n";

/// Returns the settings of one broker that is its own controller.
pub fn minimal_properties(logs: &Path, port: u16, controller_port: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=\
PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
# After SIGKILL a broker is let in again only when its former self has been silent for this long (9 s if left alone).
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
# On by default, and then it hides what an unknown topic does.
auto.create.topics.enable=false
log.dirs={}
",
        logs.display()
    )
}

/// Returns what makes one of several brokers out of the only one: all vote, and each keeps a copy of everything.
/// `controller_ports` are those of nodes 1, 2, 3.
pub fn cluster_properties(node: usize, controller_ports: &[u16]) -> String {
    let nodes = controller_ports.len();
    let voters: Vec<String> =
        (1..).zip(controller_ports).map(|(node, port)| format!("{node}@127.0.0.1:{port}")).collect();
    let in_sync = nodes.div_ceil(2);
    format!(
        "node.id={node}
controller.quorum.voters={}
default.replication.factor={nodes}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={nodes}
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr={in_sync}
",
        voters.join(",")
    )
}

/// Returns the password of a user of `users_properties`.
pub fn password(user: &str) -> String {
    format!("{user}-secret")
}

/// Returns what lets `users` in with a password, and asks of each what it may do.
pub fn users_properties(users: &[&str]) -> String {
    let mut module = "org.apache.kafka.common.security.plain.PlainLoginModule required".to_owned();
    for user in users {
        module += &format!(" user_{user}=\"{}\"", password(user));
    }
    format!(
        "sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={module};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
"
    )
}

/// Returns what a TLS listener needs that asks for client certificates, as Heroku has it: the name in the broker's own is
/// not the one by which it is reached.
pub fn tls_properties(authority: &Authority, directory: &Path) -> String {
    let server = authority.issue_for_host("broker", "ec2-203-0-113-7.compute-1.amazonaws.com");
    let read = |path: &PathBuf| fs::read_to_string(path).expect("openssl has written it");
    let keystore = directory.join("keystore.pem");
    let chain = read(&server.key) + &read(&server.certificate) + &read(&authority.certificate);
    fs::write(&keystore, chain).expect("the directory is ours");
    format!(
        "ssl.keystore.type=PEM
ssl.keystore.location={}
ssl.truststore.type=PEM
ssl.truststore.location={}
ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([a-zA-Z0-9._-]+).*$/$1/,DEFAULT
",
        keystore.display(),
        authority.certificate.display()
    )
}
