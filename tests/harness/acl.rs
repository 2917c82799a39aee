//! What a user of a broker may do.
//!
//! librdkafka's calls for this are not wrapped in safe Rust, and the broker's own tool needs a JVM for a second each time;
//! the two requests are short, so they are written here byte by byte, as the Kafka protocol has them in version 1.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::wait_until;

const DESCRIBE_ACLS: i16 = 29;
const CREATE_ACLS: i16 = 30;

const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALLOW: i8 = 3;

/// How long a change may take to reach the part of the broker that decides.
const SEEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a permission is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Topic(&'a str),
    TopicPrefix(&'a str),
    GroupPrefix(&'a str),
    TransactionalIdPrefix(&'a str),
}

/// The operations of Kafka's protocol by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Describe = 8,
}

#[track_caller]
pub(super) fn allow(broker: &str, user: &str, resource: Resource, operations: &[Operation]) {
    for operation in operations {
        let entry = [&1i32.to_be_bytes()[..], &entry(user, resource, *operation)].concat();
        // Throttle time and the number of results come before the result's error code.
        let response = call(broker, CREATE_ACLS, &entry);
        assert_eq!(response[8..10], [0, 0], "{user} {operation:?} {resource:?}: {response:?}");
        wait_until(SEEN_TIMEOUT, "the broker knows what is allowed", || {
            is_known(broker, user, resource, *operation)
        });
    }
}

fn is_known(broker: &str, user: &str, resource: Resource, operation: Operation) -> bool {
    let response = call(broker, DESCRIBE_ACLS, &entry(user, resource, operation));
    assert_eq!(response[4..6], [0, 0], "describing permissions: {response:?}");
    // The last field is the list of resources; an empty list is its length alone, four zero bytes.
    let message_length = usize::try_from(i16::from_be_bytes([response[6], response[7]])).unwrap_or(0);
    response[8 + message_length..][..4] != [0; 4]
}

/// One permission as `CreateAcls` has it; the filters of the other two requests have the same fields.
fn entry(user: &str, resource: Resource, operation: Operation) -> Vec<u8> {
    let (kind, name, pattern) = match resource {
        Resource::Topic(name) => (2, name, LITERAL),
        Resource::TopicPrefix(name) => (2, name, PREFIXED),
        Resource::GroupPrefix(name) => (3, name, PREFIXED),
        Resource::TransactionalIdPrefix(name) => (5, name, PREFIXED),
    };
    let mut bytes = vec![kind];
    bytes.extend(string(name));
    bytes.extend(pattern.to_be_bytes());
    bytes.extend(string(&format!("User:{user}")));
    bytes.extend(string("*")); // from any host
    bytes.extend((operation as i8).to_be_bytes());
    bytes.extend(ALLOW.to_be_bytes());
    bytes
}

/// Sends one request, and returns the response behind its correlation id.
#[track_caller]
fn call(broker: &str, request_kind: i16, body: &[u8]) -> Vec<u8> {
    const VERSION: i16 = 1;
    let mut request = Vec::new();
    request.extend(request_kind.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(0i32.to_be_bytes()); // correlation id
    request.extend(string("kafkastore-tests"));
    request.extend(body);

    let mut connection = TcpStream::connect(broker).expect("the broker runs");
    connection.set_read_timeout(Some(Duration::from_secs(30))).expect("not zero");
    let size = i32::try_from(request.len()).expect("a short request").to_be_bytes();
    connection.write_all(&[&size[..], &request].concat()).expect("the broker takes it");

    let mut size = [0; 4];
    connection.read_exact(&mut size).expect("the broker answers");
    let mut response = vec![0; u32::from_be_bytes(size) as usize];
    connection.read_exact(&mut response).expect("the broker answers in full");
    response.split_off(4)
}

fn string(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("a short text").to_be_bytes();
    [&length[..], text.as_bytes()].concat()
}
