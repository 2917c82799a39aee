//! The program: reads the command line and turns what comes of it into an exit code.
//!
//! 0 done; 64 wrong usage; 69 something needed is not there; 78 wrong setting (`sysexits.h`).

use std::path::Path;
use std::process::ExitCode;

use kafkastore::cli::{Cli, Command};
use kafkastore::commands::{self, Failure};
use kafkastore::settings::{self, Refusal, Variables};

const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let (code, line) = match start() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(line)) => (USAGE, line),
        Err(Failure::Unavailable(line)) => (UNAVAILABLE, line),
        Err(Failure::Setting(line)) => (CONFIGURATION, line),
    };
    eprintln!("kafkastore: {line}");
    ExitCode::from(code)
}

fn start() -> Result<(), Failure> {
    let variables = Variables::read(std::env::vars_os(), Path::new(".env")).map_err(Failure::Setting)?;
    let cli: Cli = match settings::parse(std::env::args_os(), &variables) {
        Ok(cli) => cli,
        Err(Refusal::Text(text)) => {
            anstream::print!("{text}");
            return Ok(());
        }
        Err(Refusal::Usage(line)) => return Err(Failure::Usage(line)),
        Err(Refusal::Setting(line)) => return Err(Failure::Setting(line)),
    };
    cli.log.start().map_err(Failure::Unavailable)?;
    #[cfg(feature = "fail_points")]
    let _scenario = fail::FailScenario::setup();
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(run(cli.command, &variables));
    // A thread that still waits for Kafka or standard input must not hold us up.
    runtime.shutdown_background();
    outcome
}

async fn run(command: Command, variables: &Variables) -> Result<(), Failure> {
    match command {
        Command::Worker(arguments) => commands::worker::run(arguments, variables).await,
        Command::Enrich(arguments) => commands::enrich::run(&arguments),
        Command::Send(arguments) => commands::send::run(arguments).await,
    }
}
