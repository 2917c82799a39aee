//! What Kafkastore can do on a real Redis and a real Apache Kafka; `bin/bench` runs it.
//!
//! - `command_line`: what can be measured, and how much of it
//! - `throughput`, `latency`, `scaling`, `web_load`: a measurement each
//! - `report`, `tables`, `figures`, `targets`, `machine`: what becomes of the figures
//!
//! and behind them
//!
//! - `servers`, `load`: what lines come from and go to; the lines
//! - `contender`, `bare_copy`: who moves the lines
//! - `run`: one contender over all lines, measured
//! - `sender`, `reader`: a tracker, and a consumer that tells how long each line took
//! - `statistics`: who runs when, medians, intervals

#[path = "../../tests/harness/mod.rs"]
mod harness;

mod bare_copy;
mod command_line;
mod contender;
mod figures;
mod latency;
mod load;
mod machine;
mod reader;
mod report;
mod run;
mod scaling;
mod sender;
mod servers;
mod statistics;
mod tables;
mod targets;
mod throughput;
mod web_load;

use clap::Parser as _;

use command_line::{Command, CommandLine};
use contender::{AT_LEAST_ONCE, EXACTLY_ONCE};
use load::Load;
use servers::Servers;

/// The broker's compiler needs some millions of messages to finish its work.
const WARM_UP_ROUNDS: usize = 3;

fn main() {
    // `cargo bench` adds this to whatever is asked.
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    if arguments.get(1).is_some_and(|command| command == bare_copy::COMMAND) {
        bare_copy::run();
        return;
    }
    let CommandLine { command, record } = CommandLine::parse_from(&arguments);
    let asked = [&["bin/bench".to_owned()], &arguments[1..]].concat().join(" ");
    match command {
        None => run_of_record(&record, &asked),
        Some(Command::Throughput(command)) => throughput_alone(&command),
        Some(Command::Latency(command)) => latency_alone(&command),
        Some(Command::Scaling(command)) => scaling(&command, &asked),
        Some(Command::WebLoad(command)) => web_load::measure(&Servers::start(), &command.settings),
    }
}

fn run_of_record(record: &command_line::Record, asked: &str) {
    let command_line::Record { rounds, lines, fresh_agents, write, settings } = record;
    let mut servers = Servers::start();
    let everyone = throughput::contenders(&[AT_LEAST_ONCE, EXACTLY_ONCE]);
    let load = Load::of(*lines, 0.0);
    let plain = throughput::measure(&mut servers, &everyone, settings, load, WARM_UP_ROUNDS, *rounds);
    let promised = throughput::contenders(&[AT_LEAST_ONCE]);
    let load = Load::of(*lines, *fresh_agents);
    let fresh = throughput::measure(&mut servers, &promised, settings, load, 0, *rounds);
    let latencies = latency::both(&mut servers, settings);
    let measured = report::Record { plain, fresh, latencies };
    let text = measured.text(&mut servers, asked);
    println!("{text}");
    if *write {
        measured.write(&text);
    }
}

fn throughput_alone(command: &command_line::Throughput) {
    let command_line::Throughput { rounds, lines, fresh_agents, settings } = command;
    let everyone = throughput::contenders(&[AT_LEAST_ONCE, EXACTLY_ONCE]);
    let load = Load::of(*lines, *fresh_agents);
    let measured =
        throughput::measure(&mut Servers::start(), &everyone, settings, load, WARM_UP_ROUNDS, *rounds);
    println!("{}", tables::throughput(&measured));
}

fn latency_alone(command: &command_line::Latency) {
    println!("{}", tables::latency(&latency::both(&mut Servers::start(), &command.settings)));
}

fn scaling(command: &command_line::Scaling, asked: &str) {
    let command_line::Scaling { rounds, lines, delivery, write, settings } = command;
    let delivery = if delivery == EXACTLY_ONCE { EXACTLY_ONCE } else { AT_LEAST_ONCE };
    let mut servers = Servers::start();
    let groups = scaling::measure(&mut servers, delivery, settings, *lines, WARM_UP_ROUNDS, *rounds);
    let text = report::scaling(&mut servers, &groups, delivery, *rounds, asked);
    println!("{text}");
    if *write {
        report::write_scaling(&text);
    }
}
