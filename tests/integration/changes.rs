//! What changes around batches in flight: the mode, what Kafka has stored, Redis itself, who else is there. Nothing is
//! lost, and nothing is unlinked that was not sent.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use redis::Commands;

use crate::harness::{self, Kafka, KafkaOptions, Program, Redis, client_config, wait_until};
use crate::scene::{MINUTE, Scene, TAKEN_OVER};

const EXACTLY_ONCE: (&str, &str) = ("DELIVERY", "exactly-once");
const AT_LEAST_ONCE: (&str, &str) = ("DELIVERY", "at-least-once");

const OFFSETS: &str = "kafkastore-offsets";

/// Leaves batches in flight of which Kafka has the first ones: the worker is killed while it stands at a step.
fn leave_in_flight(scene: &mut Scene, mode: (&str, &str), step: &str) {
    let hang = format!("{step}=5*off->sleep(600000)");
    let worker = scene.worker(&[mode, ("LANES", "1"), ("BATCH_SIZE", "100"), ("FAILPOINTS", &hang)]);
    let mut seen = (u64::MAX, 0);
    let mut since = std::time::Instant::now();
    wait_until(MINUTE, "the worker stands still", || {
        let now = (scene.depth(), scene.delivered());
        if now != seen {
            (seen, since) = (now, std::time::Instant::now());
        }
        scene.batches() > 0 && since.elapsed() > Duration::from_millis(2500)
    });
    worker.kill();
}

#[test]
fn batches_are_finished_in_the_mode_that_they_were_reserved_in() {
    std::thread::scope(|threads| {
        for [first, second] in [[AT_LEAST_ONCE, EXACTLY_ONCE], [EXACTLY_ONCE, AT_LEAST_ONCE]] {
            threads.spawn(move || {
                let mut scene = Scene::new(2);
                scene.push(&scene.lines(0..3000));
                // In exactly-once Kafka has the batch already: to send it again would double it.
                let step = if first == EXACTLY_ONCE { "committed" } else { "sent" };
                leave_in_flight(&mut scene, first, step);
                let worker = scene.worker(&[second]);
                worker.wait_for_line("slot recovered", MINUTE + TAKEN_OVER);
                scene.wait_until_drained(MINUTE);
                let arrived = scene.arrived();
                if first == EXACTLY_ONCE {
                    arrived.assert_each_once(0..3000);
                } else {
                    arrived.assert_all_of(0..3000);
                }
            });
        }
    });
}

#[test]
fn one_slot_with_batches_of_both_modes_is_finished() {
    let mut scene = Scene::new(1);
    scene.push(&scene.lines(0..3000));
    leave_in_flight(&mut scene, EXACTLY_ONCE, "committed");
    // As no worker leaves it, but a dump that was put together by hand may.
    let batch = scene.lines(3000..3100);
    let _: u64 = scene.connection.rpush(scene.key("inflight:0:7"), batch).unwrap();
    let entry = "1 1465287057000000 at-least-once 0 - -";
    let _: u64 = scene.connection.hset(scene.key("batches"), "0:7", entry).unwrap();
    let _worker = scene.worker(&[EXACTLY_ONCE]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_each_once(0..3100);
}

/// Until someone says what is to be done: then the lines go back, and those that Kafka has may come twice.
#[test]
fn a_stored_seq_that_has_gone_stops_the_slot_and_give_back_ends_it() {
    let kafka = Kafka::start(KafkaOptions::default());
    let mut scene = Scene::on(harness::redis(), &kafka, 1);
    scene.push(&scene.lines(0..2000));
    leave_in_flight(&mut scene, EXACTLY_ONCE, "stored");
    let in_flight = scene.batches();
    kafka.delete_topic(OFFSETS);
    {
        let worker = scene.worker(&[EXACTLY_ONCE]);
        let told = worker.wait_for_line("give-back --accept-duplicates", MINUTE + TAKEN_OVER);
        assert!(told.contains("OFFSETS_TOPIC") && told.contains("slot=0"), "{told}");
        wait_until(MINUTE, "the other slots go on", || scene.depth() == 0 && scene.batches() == in_flight);
    }
    // The worker's heartbeat and its leases have to run out.
    std::thread::sleep(Duration::from_secs(17));
    let refused = Program::start(&["give-back"], &scene.variables(&[]));
    assert_eq!(refused.wait(MINUTE).code(), Some(69));
    assert!(refused.stderr_text().contains("--accept-duplicates"), "{}", refused.stderr_text());
    assert_eq!((scene.depth(), scene.batches()), (0, in_flight));
    let given = Program::start(&["give-back", "--accept-duplicates"], &scene.variables(&[]));
    assert!(given.wait(MINUTE).success(), "{}", given.stderr_text());
    assert_eq!((scene.depth(), scene.batches()), (in_flight * 100, 0));
    let _worker = scene.worker(&[EXACTLY_ONCE]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_all_of(0..2000);
}

#[test]
fn give_back_returns_only_what_kafka_does_not_have() {
    let mut scene = Scene::new(1);
    scene.push(&scene.lines(0..2000));
    leave_in_flight(&mut scene, EXACTLY_ONCE, "committed");
    assert_eq!(scene.batches(), 1);
    let depth = scene.depth();
    // The worker's heartbeat and its lease have to run out.
    std::thread::sleep(Duration::from_secs(17));
    let given = Program::start(&["give-back"], &scene.variables(&[]));
    assert!(given.wait(MINUTE).success(), "{}", given.stderr_text());
    assert_eq!((scene.depth(), scene.batches()), (depth, 0), "it was delivered");
    let _worker = scene.worker(&[AT_LEAST_ONCE]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..2000);
}

/// The batch that was being committed is Kafka's, all else is gone, and the worker goes on.
#[test]
fn a_redis_that_came_back_empty_is_a_new_database() {
    let redis = Redis::start(&[]);
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    let worker = scene.worker(&[EXACTLY_ONCE, ("LANES", "2"), ("BATCH_SIZE", "100")]);
    scene.push(&scene.lines(0..1000));
    scene.wait_until_drained(MINUTE);
    let former: String = scene.connection.get(scene.key("id")).unwrap();
    redis.kill();
    redis.start_again();
    scene.reconnect();
    scene.push(&scene.lines(1000..3000));
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    worker.wait_for_line("redis lost what it had acknowledged", MINUTE);
    let id: String = scene.connection.get(scene.key("id")).unwrap();
    assert_ne!(id, former);
    scene.arrived().assert_each_once(0..3000);
}

/// The dump is of a moment at which one batch was committed and not acknowledged, and others waited. What the worker has
/// done since is forgotten by Redis, but not by Kafka: the batch is not sent again, and what stands in the queue is.
#[test]
fn a_redis_from_an_old_dump_unlinks_nothing_that_was_not_sent() {
    let redis = Redis::start(&["--appendonly", "no"]);
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    scene.push(&scene.lines(0..1000));
    leave_in_flight(&mut scene, EXACTLY_ONCE, "committed");
    let waiting = scene.depth();
    let _: () = redis::cmd("SAVE").query(&mut scene.connection).unwrap();
    let _: u64 = scene.connection.del(scene.key("lease:0")).unwrap();
    {
        let _second = scene.worker(&[EXACTLY_ONCE, ("LANES", "1")]);
        scene.wait_until_drained(MINUTE + TAKEN_OVER);
        scene.push(&scene.lines(1000..2000));
        scene.wait_until_drained(MINUTE);
        scene.arrived().assert_each_once(0..2000);
        redis.kill();
        redis.start_again();
        scene.reconnect();
        assert_eq!((scene.depth(), scene.batches()), (waiting, 1));
        scene.wait_until_drained(MINUTE + TAKEN_OVER);
    }
    let arrived = scene.arrived();
    // Those that waited were brought back by Redis, and nobody can tell them from new ones.
    assert_eq!((arrived.len(), arrived.duplicates()), (2000, waiting));
}

#[test]
fn two_redis_servers_and_two_installations_share_a_kafka() {
    let (first, second) = (Redis::start(&[]), Redis::start(&[]));
    let mut scene = Scene::on(&first, harness::kafka(), 2);
    // The same queue on another server, and the same on a third: the names of all their slots differ.
    let both = format!("{},{}", scene.redis_url(), second.url());
    let mut other = Scene::on(harness::redis(), harness::kafka(), 0);
    (other.queue, other.topics) = (scene.queue.clone(), scene.topics.clone());
    scene.push(&scene.lines(0..20_000));
    let mut on_second = harness::connect(&second.url());
    let _: u64 = on_second.rpush(&scene.queue, scene.lines(20_000..40_000)).unwrap();
    other.push(&scene.lines(40_000..60_000));
    let variables = [EXACTLY_ONCE, ("LANES", "2"), ("BATCH_SIZE", "500")];
    let worker = scene.worker(&[&variables[..], &[("REDIS_URL", &both)]].concat());
    let _neighbour = other.worker(&variables);
    wait_until(MINUTE, "they are in mid-run", || scene.delivered() > 5000);
    worker.kill();
    let _successor = scene.worker(&[&variables[..], &[("REDIS_URL", &both)]].concat());
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    other.wait_until_drained(MINUTE);
    let batches = format!("{}:batches", scene.queue);
    wait_until(MINUTE + TAKEN_OVER, "the second server is drained", || {
        harness::waiting(&mut on_second, &scene.queue).unwrap() == 0
            && on_second.hlen::<_, u64>(&batches).unwrap() == 0
    });
    scene.arrived().assert_each_once(0..60_000);
}

/// Offsets expire; an idle lane stores its seq again once a day, which a fail point makes each time that it looks.
#[test]
fn a_seq_is_stored_again_before_it_expires() {
    let kafka = Kafka::start(KafkaOptions::default());
    let mut scene = Scene::on(harness::redis(), &kafka, 1);
    let _worker = scene.worker(&[EXACTLY_ONCE, ("LANES", "1"), ("FAILPOINTS", "a_day_later=return")]);
    scene.push(&scene.lines(0..10));
    scene.wait_until_drained(MINUTE);
    let id: String = scene.connection.get(scene.key("id")).unwrap();
    let consumer: BaseConsumer = client_config(&kafka.bootstrap())
        .set("group.id", format!("kafkastore.{}.{id}.0", scene.queue))
        .create()
        .unwrap();
    let stored = || {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(OFFSETS, 0);
        let answer = consumer.committed_offsets(asked, MINUTE).unwrap();
        answer.find_partition(OFFSETS, 0).unwrap().offset()
    };
    let before = stored();
    assert!(matches!(before, Offset::Offset(_)), "{before:?}");
    // With the topic goes what was stored for it, as if it had expired.
    kafka.delete_topic(OFFSETS);
    kafka.create_topic(OFFSETS, 1, &[]);
    wait_until(MINUTE, "the same seq is stored again", || stored() == before);
    scene.push(&scene.lines(10..20));
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..20);
}
