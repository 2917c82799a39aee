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
        Ok(()) | Err(Failure::OutputClosed) => return ExitCode::SUCCESS,
        Err(Failure::Usage(line)) => (USAGE, line),
        Err(Failure::Unavailable(line)) => (UNAVAILABLE, line),
        Err(Failure::Setting(line)) => (CONFIGURATION, line),
    };
    eprintln!("kafkastore: {line}");
    ExitCode::from(code)
}

fn start() -> Result<(), Failure> {
    // `env` mends a file that cannot be read, and needs nothing of what is in it before.
    let writes_file = std::env::args_os().nth(1).is_some_and(|command| command == "env");
    let file = Path::new(if writes_file { "" } else { ".env" });
    let variables = Variables::read(std::env::vars_os(), file).map_err(Failure::Setting)?;
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
        Command::Web(arguments) => commands::web::run(&arguments, variables).await,
        Command::Dev(arguments) => commands::dev::run(*arguments, variables).await,
        Command::Env(arguments) => commands::env::run(&arguments),
        Command::Tail(arguments) => commands::tail::run(arguments).await,
        Command::Check(arguments) => commands::check::run(&arguments, variables).await,
        Command::Status(arguments) => commands::status::run(arguments).await,
        Command::Pause(arguments) => commands::pause::run(&arguments, true).await,
        Command::Resume(arguments) => commands::pause::run(&arguments, false).await,
        Command::Invalid(arguments) => commands::invalid::run(arguments).await,
        Command::GiveBack(arguments) => commands::give_back::run(&arguments).await,
    }
}
