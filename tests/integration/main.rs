//! The program as its users run it, on a real Redis and a real Apache Kafka.

#[path = "../harness/mod.rs"]
mod harness;
mod scene;

mod delivery;
mod kills;
mod outages;
mod protocol;
mod rejected;
mod secured;
mod settings;
