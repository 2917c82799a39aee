//! The program as its users run it, on a real Redis and a real Apache Kafka.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]

mod browser;
#[path = "../harness/mod.rs"]
mod harness;
mod http;
mod scene;

mod badclicks;
mod changes;
mod chromium;
mod commands;
mod delivery;
mod dynos;
mod exactly_once;
mod heroku_kafka;
mod heroku_redis;
mod invalid;
mod kills;
mod local;
mod metrics;
mod old_consumers;
mod operations;
mod outages;
mod protocol;
mod rejected;
mod secured;
mod settings;
mod sign_in;
mod slot;
mod web;
