//! A slot whose lease Redis forgot for a moment, in which another lane may have been meanwhile.

use clap::Parser;
use kafkastore::queue::{Delivery, Reservation, Server, Settings, Slot, rest};
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

/// What is known of its place is out of date: it was given a list of its own, and what others have pushed has joined the
/// former one.
#[tokio::test]
async fn a_batch_is_read_where_it_stands_now() {
    let redis = Redis::start(&[]);
    let (mut slot, mut connection) = slot(&redis).await;
    let Reservation::Batch(batch) = reserve(&mut slot).await else { panic!("nothing was reserved") };
    let before = slot.read(&batch).await.unwrap();
    assert_eq!(before.len(), 2);
    let _: u64 = connection.rpush("q", &["later 0"]).unwrap();
    rest::put_back(&mut server(&redis.url()).link(), true).await.unwrap();
    let lists: Vec<String> = connection.keys("q:inflight:*").unwrap();
    assert!(lists.len() == 1 && lists[0].ends_with(":own"), "{lists:?}");
    // As if that were still under way.
    let former = lists[0].strip_suffix(":own").unwrap();
    let _: u64 = connection.rpush(former, &["line 2", "line 3", "later 0", "later 1"]).unwrap();
    assert_eq!(slot.read(&batch).await.unwrap(), before);
}
