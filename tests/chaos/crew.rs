//! The workers in their seats.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::fault::SPARE_SEAT;
use crate::harness::Program;

pub struct Crew {
    /// The variables of the worker of each seat.
    variables: Vec<Vec<(&'static str, String)>>,
    /// Whoever holds the lock of a seat is the one that has its worker come and go.
    pub seats: Vec<Mutex<Option<Program>>>,
    ended: Mutex<Vec<Program>>,
}

impl Crew {
    /// One worker in each seat but the last.
    pub fn start(variables: Vec<Vec<(&'static str, String)>>) -> Self {
        let seats = variables.iter().map(|_| Mutex::new(None)).collect();
        let crew = Self { variables, seats, ended: Mutex::default() };
        for seat in 0..SPARE_SEAT {
            *crew.seats[seat].lock().unwrap() = Some(crew.worker(seat));
        }
        crew
    }

    /// A new worker for a seat.
    pub fn worker(&self, seat: usize) -> Program {
        let variables: Vec<(&str, &str)> =
            self.variables[seat].iter().map(|(name, value)| (*name, value.as_str())).collect();
        Program::start(&["worker"], &variables)
    }

    /// Keeps what a worker that has ended had to say.
    pub fn remember(&self, ended: Program) {
        self.ended.lock().unwrap().push(ended);
    }

    /// Panics with the output of a worker that has ended by itself.
    pub fn assert_all_run(&self) {
        for seat in &self.seats {
            if let Some(worker) = &*seat.lock().unwrap() {
                assert!(worker.is_running(), "a worker has ended by itself:\n{}", worker.stderr_text());
            }
        }
    }

    /// Writes what each worker had to say to a file of its own.
    pub fn write_logs(&self, directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        let write = |worker: &Program| {
            let text = worker.stdout_text() + &worker.stderr_text();
            fs::write(directory.join(format!("worker-{}.log", worker.process_id())), text).unwrap();
        };
        self.ended.lock().unwrap().iter().for_each(write);
        self.seats.iter().filter_map(|seat| seat.lock().ok()).for_each(|seat| seat.iter().for_each(write));
    }
}
