//! A slot whose lease Redis forgot for a moment, in which another lane may have been meanwhile.

use clap::Parser;
use kafkastore::queue::{Delivery, Reservation, Server, Settings, Slot};
use redis::{Commands, Connection};

use crate::harness::{self, Redis};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    settings: Settings,
}

/// Slot 0 of a queue with four lines.
async fn slot(redis: &Redis) -> (Slot, Connection) {
    let mut connection = harness::connect(&redis.url());
    let _: u64 = connection.rpush("q", &["line 0", "line 1", "line 2", "line 3"]).unwrap();
    (Slot::take(&server(&redis.url())).await.unwrap(), connection)
}

/// The server at this address, with the queue `q`.
pub fn server(url: &str) -> Server {
    let program = Program::parse_from(["test", "--queue", "q", "--redis-url", url]);
    program.settings.servers().unwrap().remove(0)
}

/// Reserves two lines; the first call after a cut fails.
async fn reserve(slot: &mut Slot) -> Reservation {
    for _ in 0..3 {
        if let Ok(reservation) = slot.reserve(2, Delivery::AtLeastOnce).await {
            return reservation;
        }
    }
    panic!("redis does not answer");
}

fn forget_lease(connection: &mut Connection) {
    let _: u64 = connection.del("q:lease:0").unwrap();
    let _: u64 = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query(connection).unwrap();
}

#[tokio::test]
async fn a_lane_goes_on_where_nobody_was() {
    let redis = Redis::start(&[]);
    let (mut slot, mut connection) = slot(&redis).await;
    assert!(matches!(reserve(&mut slot).await, Reservation::Batch(_)));
    forget_lease(&mut connection);
    assert!(matches!(reserve(&mut slot).await, Reservation::Batch(_)));
    assert!(matches!(reserve(&mut slot).await, Reservation::Empty));
}

/// The seq of another's batch is the very one that comes next.
#[tokio::test]
async fn a_lane_takes_no_batch_of_another_for_its_own() {
    let redis = Redis::start(&[]);
    let (mut slot, mut connection) = slot(&redis).await;
    let field = format!("0:{}", slot.start().unwrap() + 1);
    let _: u64 = connection.rpush(format!("q:inflight:{field}"), "line of another").unwrap();
    let _: u64 = connection.hset("q:batches", &field, "1 5 at-least-once 0 - -").unwrap();
    forget_lease(&mut connection);
    assert!(matches!(reserve(&mut slot).await, Reservation::Strange));
}

#[tokio::test]
async fn a_lane_leaves_a_slot_in_which_its_seq_is_refused() {
    let redis = Redis::start(&[]);
    let (mut slot, mut connection) = slot(&redis).await;
    let an_hour_later = slot.start().unwrap() + 3_600_000_000;
    let _: u64 = connection.hset("q:seq", 0, an_hour_later).unwrap();
    assert!(matches!(reserve(&mut slot).await, Reservation::Strange));
    assert_eq!(connection.llen::<_, u64>("q").unwrap(), 4);
}

/// What is known of its place is out of date: others have overtaken it, and it was given a list of its own.
#[tokio::test]
async fn a_batch_is_read_where_it_stands_now() {
    let redis = Redis::start(&[]);
    let mut connection = harness::connect(&redis.url());
    let lines: Vec<String> = (0..220_000).map(|number| format!("line {number}")).collect();
    let _: u64 = connection.rpush("q", &lines).unwrap();
    let mut slot = Slot::take(&server(&redis.url())).await.unwrap();
    let mut batches = Vec::new();
    for size in [3000, 100_000, 100_000] {
        let reservation = slot.reserve(size, Delivery::AtLeastOnce).await.unwrap();
        let Reservation::Batch(batch) = reservation else { panic!("{reservation:?}") };
        batches.push(batch);
    }
    let before = slot.read(&batches[0]).await.unwrap();
    assert_eq!(before.len(), 3000);
    slot.acknowledge(&batches[1], &[]).await.unwrap();
    slot.acknowledge(&batches[2], &[]).await.unwrap();
    let lists: Vec<String> = connection.keys("q:inflight:*").unwrap();
    assert!(lists.iter().any(|list| list.ends_with(":own")), "{lists:?}");
    assert_eq!(slot.read(&batches[0]).await.unwrap(), before);
}
