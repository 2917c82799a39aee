//! Made-up lines, pushed as trackers do, a few of them bad.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::commands::send::push;
use crate::queue::{Link, Server};
use crate::sample::{Mix, Sample};

pub(super) const LINES_A_SECOND: u32 = 20;
const BAD_LINES: f64 = 0.02;

/// Pushes one line after another, round robin over the servers; never returns.
pub(super) async fn run(servers: Vec<Server>) {
    let mix = Mix { bad_lines: BAD_LINES, ..Mix::default() };
    let seed = rand::random();
    let mut sample = match tokio::task::spawn_blocking(move || Sample::new(seed, mix)).await {
        Ok(sample) => sample,
        Err(error) => return warn!(%error, "no made-up lines"),
    };
    let mut links: Vec<Link> = servers.iter().map(Server::link).collect();
    let mut is_away = false;
    let mut pace = interval(Duration::from_secs(1) / LINES_A_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for turn in 0.. {
        pace.tick().await;
        let mut line = Vec::with_capacity(512);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        sample.write_line(since_1970.as_secs(), &mut line);
        let turn: usize = turn;
        let link = &mut links[turn % servers.len()];
        match push(link, &[line]).await {
            Ok(()) if is_away => {
                is_away = false;
                info!("made-up lines are pushed again");
            }
            Ok(()) => {}
            Err(error) => {
                if !is_away {
                    warn!(%error, "made-up lines cannot be pushed, trying again");
                }
                is_away = true;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
