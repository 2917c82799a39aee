//! Made-up lines that lie ready beside the queue, to be moved into it in no time.

use std::time::Duration;

use redis::Commands;

use crate::harness::Launch;
use crate::servers::{QUEUE, Servers};

const SEND_TIMEOUT: Duration = Duration::from_secs(600);

/// How many lines go through in a run; they are the same in every run.
#[derive(Clone)]
pub struct Load {
    /// Lines in the queue at once.
    pub lines: u64,
    /// How often the queue is filled with them, each time when it is empty again.
    pub times: u64,
    /// Share of user agents that no line had before.
    pub fresh_agents: f64,
    /// Whether the lines are made once and copied: quicker, but they take twice the memory.
    pub is_kept: bool,
}

impl Load {
    pub fn of(lines: u64, fresh_agents: f64) -> Load {
        Load { lines, times: 1, fresh_agents, is_kept: true }
    }

    /// Lines in all.
    pub fn total(&self) -> u64 {
        self.lines * self.times
    }

    /// Lays the lines of a run ready.
    pub fn prepare(&self, servers: &mut Servers) {
        if !self.is_kept {
            for time in 0..self.times {
                self.send(servers, &ready(time));
            }
            return;
        }
        let master = format!("master:{}:{}", self.lines, self.fresh_agents);
        let is_made: bool = servers.connections()[0].exists(&master).expect("redis answers");
        if !is_made {
            self.send(servers, &master);
        }
        for redis in servers.connections() {
            for time in 0..self.times {
                let _: bool = redis::cmd("COPY")
                    .arg(&master)
                    .arg(ready(time))
                    .arg("REPLACE")
                    .query(redis)
                    .expect("redis copies");
            }
        }
    }

    /// Makes what lies ready for this time the queue.
    pub fn put(&self, servers: &mut Servers, time: u64) {
        for redis in servers.connections() {
            let _: () = redis.rename(ready(time), QUEUE).expect("the lines lie ready");
        }
    }

    fn send(&self, servers: &Servers, list: &str) {
        let (lines, fresh_agents) = (self.lines.to_string(), self.fresh_agents.to_string());
        let sender = Launch::new(&["send", "--sample", &lines, "--fresh-agents", &fresh_agents])
            .variables(&[("REDIS_URL", &servers.redis_url()), ("QUEUE", list)])
            .start();
        assert!(sender.wait(SEND_TIMEOUT).success(), "lines were not sent: {}", sender.stderr_text());
    }
}

fn ready(time: u64) -> String {
    format!("ready:{time}")
}
