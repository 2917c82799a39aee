//! How a fault strikes, and how it is over.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::Connection;

use crate::fault::{Fault, SPARE_SEAT, Strike};
use crate::harness::{Program, Signal};
use crate::queue;
use crate::sender::Sender;
use crate::stage::{Stage, last};
use crate::watch::Watch;

/// How much longer than planned a fault may last until it has met with something.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a fault waits for its worker to have something in flight: without, there is nothing to lose.
const IN_FLIGHT_PATIENCE: Duration = Duration::from_secs(15);
/// A stop takes no longer, even of a worker that is cut off: it gives up after 4 seconds, and then may wait for Redis.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A fault that has struck.
#[derive(Clone, Copy, Debug)]
pub struct Struck {
    pub fault: Fault,
    /// Whether it met with anything: a call on the wire, a push at the memory limit, a batch in flight.
    pub has_met: bool,
}

/// Who makes the faults of a part strike.
pub struct Striker<'a> {
    pub stage: &'a Stage,
    pub sender: &'a Sender<'a>,
    pub watch: &'a Watch<'a>,
}

impl Striker<'_> {
    /// Strikes, and returns when the fault is over.
    pub fn strike(&self, strike: &Strike) -> Struck {
        let Strike { lasts, fault, .. } = *strike;
        let has_met = match fault {
            Fault::KillWorker { seat } => self.end_worker(strike, seat, Signal::KILL),
            Fault::StopWorker { seat } => self.end_worker(strike, seat, Signal::TERM),
            Fault::FreezeWorker { seat } => self.freeze_worker(strike, seat),
            Fault::AddWorker => self.add_worker(strike),
            Fault::KillRedis => {
                let _turn = self.stage.redis_turn.lock().unwrap();
                self.stage.tell(fault);
                self.stage.redis.kill();
                sleep(lasts);
                self.stage.redis.start_again();
                true
            }
            Fault::FillRedis => self.fill_redis(strike),
            Fault::KillBroker { place } => self.restart_broker(strike, place, false),
            Fault::RestartBroker { is_clean } => self.restart_broker(strike, 0, is_clean),
            Fault::Network { line, whose, weather } => {
                self.stage.tell(fault);
                self.stage.make_weather(line, whose, weather, lasts, PATIENCE)
            }
        };
        self.stage.tell(format_args!("over: {fault}{}", if has_met { "" } else { " (met with nothing)" }));
        Struck { fault, has_met }
    }

    /// Kills the worker of a seat when it has something in flight for certain, and leaves the seat empty; says whether it
    /// had.
    pub fn kill_in_flight(&self, seat: usize) -> bool {
        /// What it has sent has arrived by then.
        const STILL: Duration = Duration::from_millis(300);
        let mut seat = self.stage.crew.seats[seat].lock().unwrap();
        let worker = seat.take().expect("a fault that empties a seat fills it again");
        let deadline = Instant::now() + IN_FLIGHT_PATIENCE;
        loop {
            self.wait_for_batches(&worker);
            worker.signal(Signal::STOP);
            sleep(STILL);
            let batches = self.batches_of(&worker);
            if !batches.is_empty() || Instant::now() >= deadline {
                break;
            }
            worker.signal(Signal::CONT);
        }
        let has_met = self.kill(&worker);
        self.stage.crew.remember(worker);
        has_met
    }

    pub fn fill_seat(&self, seat: usize) {
        let worker = self.stage.crew.worker(seat);
        let former = self.stage.crew.seats[seat].lock().unwrap().replace(worker);
        assert!(former.is_none(), "only an empty seat is filled");
    }

    /// Kills a worker, and has the watch see what becomes of the batches that it leaves.
    fn kill(&self, worker: &Program) -> bool {
        let has_met = !self.wait_for_batches(worker).is_empty();
        worker.kill();
        let at = Instant::now();
        // Redis may be away just now; then this take-over is not timed.
        let left = self.batches_of(worker);
        self.stage.tell(format_args!("killed with {} batches in flight", left.len()));
        if !left.is_empty() {
            self.watch.add_death(at, left);
        }
        has_met
    }

    /// What a worker has in flight, as far as Redis can be asked.
    fn batches_of(&self, worker: &Program) -> BTreeMap<String, u32> {
        let connection = queue::connect(&self.stage.redis.url());
        let batches =
            connection.and_then(|mut connection| queue::batches_of(&mut connection, worker.process_id()));
        batches.unwrap_or_default()
    }

    fn end_worker(&self, strike: &Strike, seat: usize, signal: Signal) -> bool {
        let mut place = self.stage.crew.seats[seat].lock().unwrap();
        self.stage.tell(strike.fault);
        let worker = place.take().expect("a fault that empties a seat fills it again");
        let has_met = if signal == Signal::KILL {
            self.kill(&worker)
        } else {
            let batches = self.wait_for_batches(&worker);
            stop(&worker);
            !batches.is_empty()
        };
        self.stage.crew.remember(worker);
        sleep(strike.lasts);
        *place = Some(self.stage.crew.worker(seat));
        has_met
    }

    fn freeze_worker(&self, strike: &Strike, seat: usize) -> bool {
        let place = self.stage.crew.seats[seat].lock().unwrap();
        self.stage.tell(strike.fault);
        let worker = place.as_ref().expect("a fault that empties a seat fills it again");
        let batches = self.wait_for_batches(worker);
        worker.signal(Signal::STOP);
        sleep(strike.lasts);
        worker.signal(Signal::CONT);
        !batches.is_empty()
    }

    fn add_worker(&self, strike: &Strike) -> bool {
        let mut place = self.stage.crew.seats[SPARE_SEAT].lock().unwrap();
        self.stage.tell(strike.fault);
        let worker = place.insert(self.stage.crew.worker(SPARE_SEAT));
        let process_id = worker.process_id();
        let has_met = last(strike.lasts, PATIENCE, || {
            let connection = queue::connect(&self.stage.redis.url());
            let batches =
                connection.and_then(|mut connection| queue::batches_of(&mut connection, process_id));
            batches.is_ok_and(|batches| !batches.is_empty())
        });
        stop(worker);
        self.stage.crew.remember(place.take().expect("it was set above"));
        has_met
    }

    fn fill_redis(&self, strike: &Strike) -> bool {
        const BELOW: u64 = 16 * 1024;
        const TIGHTENED_EVERY: Duration = Duration::from_millis(200);
        let _turn = self.stage.redis_turn.lock().unwrap();
        self.stage.tell(strike.fault);
        let mut connection = self.stage.redis.connection();
        let (since, refused) = (Instant::now(), self.sender.refused());
        let has_met = || self.sender.refused() > refused;
        while since.elapsed() < strike.lasts || !has_met() && since.elapsed() < strike.lasts + PATIENCE {
            // Again and again: as workers drain it there is room.
            let used = used_memory(&mut connection);
            set_memory_limit(&mut connection, used.saturating_sub(BELOW));
            sleep(TIGHTENED_EVERY);
        }
        set_memory_limit(&mut connection, 0);
        has_met()
    }

    fn restart_broker(&self, strike: &Strike, place: usize, is_clean: bool) -> bool {
        let _turn = self.stage.brokers_turn.lock().unwrap();
        self.stage.tell(strike.fault);
        if is_clean {
            self.stage.cluster.stop(place);
        } else {
            self.stage.cluster.kill(place);
        }
        sleep(strike.lasts);
        self.stage.cluster.start_again(place);
        true
    }

    /// Waits a little for the worker to have something in flight.
    fn wait_for_batches(&self, worker: &Program) -> BTreeMap<String, u32> {
        let mut batches = BTreeMap::new();
        let mut connection = None;
        last(Duration::ZERO, IN_FLIGHT_PATIENCE, || {
            if connection.is_none() {
                connection = queue::connect(&self.stage.redis.url()).ok();
            }
            let Some(open) = &mut connection else { return false };
            match queue::batches_of(open, worker.process_id()) {
                Ok(found) => batches = found,
                Err(_) => connection = None,
            }
            !batches.is_empty()
        });
        batches
    }
}

#[track_caller]
fn stop(worker: &Program) {
    worker.signal(Signal::TERM);
    let status = worker.wait(STOP_TIMEOUT);
    assert!(status.success(), "a worker that was told to stop ended with {status}");
}

fn used_memory(connection: &mut Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("memory").query(connection).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.and_then(|bytes| bytes.trim().parse().ok()).expect("redis says how much it uses")
}

fn set_memory_limit(connection: &mut Connection, bytes: u64) {
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(connection).unwrap();
}
