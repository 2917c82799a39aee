//! The scripts by themselves: what a second, late or lost call does, and what they leave alone.

use redis::{Commands, Value};

mod queue;
mod ranges;

use queue::{Queue, TOMBSTONE, first, script};

#[test]
fn a_reservation_whose_answer_was_lost_is_given_again() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    let once = queue.reserve("a", 0, 5, 3).unwrap();
    let twice = queue.reserve("a", 0, 5, 3).unwrap();
    assert_eq!(first(&once), "batch");
    assert_eq!(once, twice);
    assert_eq!(queue.batch("0:5"), ["line 0", "line 1", "line 2"]);
    assert_eq!(queue.waiting(), 7);
}

#[test]
fn a_queue_that_is_taken_whole_outlives_the_time_it_was_given() {
    let mut queue = Queue::with_lines(3);
    queue.take_slot("a");
    let _: bool = queue.connection.expire("q", 60).unwrap();
    let once = queue.reserve("a", 0, 5, 3).unwrap();
    assert_eq!(once, queue.reserve("a", 0, 5, 3).unwrap());
    assert_eq!(queue.batch("0:5"), ["line 0", "line 1", "line 2"]);
    assert_eq!(queue.list("q").len(), 0);
    let left: i64 = queue.connection.ttl("q:inflight:0:5").unwrap();
    assert_eq!(left, -1, "it would vanish in {left} s");
}

#[test]
fn a_late_copy_of_a_reservation_takes_nothing() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    assert_eq!(queue.acknowledge("a", "0:5"), "ok");
    assert_eq!(queue.reserve_status("a", 0, 5), "stale");
    assert_eq!(queue.reserve_status("a", 0, 4), "stale");
    assert_eq!(queue.waiting(), 7);
}

#[test]
fn nothing_is_done_without_the_lease() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    assert_eq!(queue.reserve_status("b", 0, 6), "lost");
    assert_eq!(first(&queue.reject("b", "0:5", 0)), "lost");
    assert_eq!(queue.acknowledge("b", "0:5"), "lost");
    queue.end_lease();
    assert_eq!(queue.reserve_status("a", 0, 6), "absent");
    assert_eq!(first(&queue.reject("a", "0:5", 0)), "absent");
    assert_eq!(queue.acknowledge("a", "0:5"), "absent");
    assert_eq!(queue.batch("0:5").len(), 3);
}

#[test]
fn a_lease_is_set_again_by_its_owner_but_never_taken_from_another() {
    let mut queue = Queue::with_lines(0);
    queue.take_slot("a");
    assert_eq!((queue.renew("a"), queue.renew("b")), ("ok".into(), "lost".into()));
    queue.end_lease();
    assert_eq!(queue.renew("a"), "absent");
    let left: u64 = queue.connection.pttl("q:lease:0").unwrap();
    assert!((14_000..=15_000).contains(&left), "{left}");
}

#[test]
fn a_fresh_lane_takes_the_lowest_slot_without_lease_and_batches() {
    let mut queue = Queue::with_lines(10);
    assert_eq!((queue.take_slot("a"), queue.take_slot("b"), queue.take_slot("c")), (0, 1, 2));
    queue.reserve("a", 0, 5, 3).unwrap();
    queue.end_lease();
    let _: u64 = queue.connection.del("q:lease:1").unwrap();
    assert_eq!(queue.take_slot("d"), 1);
}

#[test]
fn a_rejected_line_is_moved_once_and_leaves_a_tombstone() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    for expected in [1, 0] {
        let (status, moved, _): (String, u64, u64) =
            redis::from_redis_value(Value::Array(queue.reject("a", "0:5", 1))).unwrap();
        assert_eq!((status.as_str(), moved), ("ok", expected));
    }
    assert_eq!(queue.batch("0:5"), ["line 0", TOMBSTONE, "line 2"]);
    assert_eq!(queue.list("invalid"), ["record 1"]);
    let counted: u64 = queue.connection.hget("q:stats:totals", "invalid:ip").unwrap();
    assert_eq!(counted, 1);
}

#[test]
fn acknowledging_twice_counts_once() {
    let mut queue = Queue::with_lines(3);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    assert_eq!((queue.acknowledge("a", "0:5"), queue.acknowledge("a", "0:5")), ("ok".into(), "gone".into()));
    assert_eq!(first(&queue.reject("a", "0:5", 1)), "gone");
    let delivered: u64 = queue.connection.hget("q:stats:totals", "delivered").unwrap();
    assert_eq!(delivered, 2);
    let left: Vec<String> = queue.connection.keys("q:inflight:*").unwrap();
    assert!(left.is_empty() && queue.list("invalid").is_empty());
}

#[test]
fn a_key_of_another_type_stops_a_reservation_before_it_moves_anything() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    let _: () = queue.connection.set("q:seq", "oops").unwrap();
    let error = queue.reserve("a", 0, 5, 3).unwrap_err();
    assert!(error.contains("holds another type"), "{error}");
    assert_eq!(queue.list("q").len(), 10);
}

#[test]
fn a_slot_is_taken_over_in_order_and_only_when_nobody_holds_it() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    for seq in [9, 10, 11] {
        queue.reserve("a", 0, seq, 2).unwrap();
    }
    assert_eq!(queue.take_over(0, "b"), ["held"]);
    queue.end_lease();
    let answer = queue.take_over(0, "b");
    assert_eq!(answer[0], "ok");
    assert_eq!(answer[1], "id of a");
    let seqs: Vec<&String> = answer[2..].iter().step_by(3).collect();
    assert_eq!(seqs, ["9", "10", "11"]);
    assert!(answer[3].ends_with("at-least-once 1 - - 0:9 10 8"), "{}", answer[3]);
    assert_eq!(queue.take_over(7, "b"), ["empty"]);
}

#[test]
fn batches_of_a_newer_release_or_another_mode_are_left_alone() {
    let mut queue = Queue::with_lines(0);
    for entry in [
        "3 5 at-least-once 0 - - 0:5 9 0",
        "2 5 at-most-once 0 - - 0:5 9 0",
        "2 5 at-least-once 0 - -",
        "what",
    ] {
        let _: u64 = queue.connection.hset("q:batches", "0:5", entry).unwrap();
        assert_eq!(queue.take_over(0, "b"), ["unknown"], "{entry}");
        assert_eq!(queue.connection.hget::<_, _, String>("q:batches", "0:5").unwrap(), entry);
        assert!(!queue.connection.exists::<_, bool>("q:lease:0").unwrap());
    }
}

#[test]
fn a_line_is_convicted_when_two_take_overs_in_a_row_end_at_it() {
    let mut queue = Queue::with_lines(3);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    let mut convicted = Vec::new();
    // It ends at line 1, at 2, somewhere else, at 2, at 2 again; and once more before the line was rejected.
    for ended_at in ["1", "2", "-", "2", "2", "2"] {
        queue.end_lease();
        convicted.push(queue.take_over(0, "b")[4].clone());
        queue.suspect("b", "0:5", ended_at);
    }
    queue.end_lease();
    convicted.push(queue.take_over(0, "b")[4].clone());
    assert_eq!(convicted, ["-", "-", "-", "-", "-", "2", "2"]);
}

#[test]
fn a_database_has_one_name_for_all_and_under_another_nothing_is_reserved() {
    let mut queue = Queue::with_lines(10);
    queue.take_slot("a");
    queue.take_slot("b");
    assert_eq!(queue.id, "id of a");
    assert_eq!(queue.reserve_status("a", 0, 5), "batch");
    let _: () = queue.connection.set("q:id", "of an older dump").unwrap();
    assert_eq!(queue.reserve_status("a", 0, 6), "strange");
    let _: u64 = queue.connection.del("q:id").unwrap();
    assert_eq!(queue.reserve_status("a", 0, 6), "strange");
    assert_eq!(queue.waiting(), 7);
}

#[test]
fn lines_given_back_stand_at_the_head_in_their_order_without_tombstones() {
    let mut queue = Queue::with_lines(5);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    queue.reject("a", "0:5", 1);
    while queue.put_back(true) {}
    assert_eq!(queue.list("q"), ["line 3", "line 4"]);
    for given in [2, 0] {
        assert_eq!(queue.give_back("a", "0:5"), ("ok".to_owned(), given, 0));
    }
    assert_eq!(queue.list("q"), ["line 0", "line 2", "line 3", "line 4"]);
    assert!(queue.connection.keys::<_, Vec<String>>("q:inflight:*").unwrap().is_empty());
    assert!(!queue.connection.exists::<_, bool>("q:batches").unwrap());
}

#[test]
fn a_batch_of_many_lines_is_given_back_in_parts() {
    let mut queue = Queue::with_lines(0);
    let lines: Vec<String> = (0..2500).map(|number| format!("line {number}")).collect();
    let _: u64 = queue.connection.rpush("q", &lines).unwrap();
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 2400).unwrap();
    while queue.put_back(true) {}
    let answers: Vec<_> = (0..3).map(|_| queue.give_back("a", "0:5")).collect();
    let answers: Vec<_> = answers.iter().map(|(_, given, left)| (*given, *left)).collect();
    assert_eq!(answers, [(1000, 1400), (1000, 400), (400, 0)]);
    assert_eq!(queue.list("q"), lines);
}

/// Whether batches end first to last or not, what stands in Redis is what nobody has acknowledged.
#[test]
fn a_list_goes_as_its_first_batches_do_and_no_line_moves() {
    for order in [[5, 6, 7], [6, 5, 7], [7, 6, 5]] {
        let mut queue = Queue::with_lines(9);
        queue.take_slot("a");
        for seq in [5, 6, 7] {
            queue.reserve("a", 0, seq, 3).unwrap();
        }
        assert_eq!(
            (queue.waiting(), queue.batch("0:6")),
            (0, vec!["line 3".into(), "line 4".into(), "line 5".into()])
        );
        for (at, seq) in order.into_iter().enumerate() {
            assert_eq!(queue.acknowledge("a", &format!("0:{seq}")), "ok");
            let first = order[at + 1..].iter().min();
            let expected: Vec<String> = first
                .map(|first| (3 * (first - 5)..9).map(|number| format!("line {number}")).collect())
                .unwrap_or_default();
            assert_eq!(queue.list("q:inflight:0:5"), expected, "{order:?}, {seq} acknowledged");
        }
    }
}

#[test]
fn lines_pushed_later_are_reserved_after_those_that_wait() {
    let mut queue = Queue::with_lines(4);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    let _: u64 = queue.connection.rpush("q", &["later 0", "later 1"]).unwrap();
    queue.take_slot("b");
    assert_eq!(first(&queue.reserve("b", 1, 2, 3).unwrap()), "batch");
    assert_eq!(queue.batch("1:2"), ["line 3"]);
    assert_eq!(first(&queue.reserve("b", 1, 3, 3).unwrap()), "batch");
    assert_eq!(queue.batch("1:3"), ["later 0", "later 1"]);
    assert_eq!(first(&queue.reserve("b", 1, 4, 3).unwrap()), "empty");
}

#[test]
fn lines_that_somebody_has_deleted_are_not_waited_for() {
    let mut queue = Queue::with_lines(9);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    let _: u64 = queue.connection.del("q:inflight:0:5").unwrap();
    assert_eq!(first(&queue.reserve("a", 0, 6, 3).unwrap()), "empty");
    assert_eq!(queue.waiting(), 0);
    let _: u64 = queue.connection.rpush("q", "later").unwrap();
    assert_eq!(first(&queue.reserve("a", 0, 6, 3).unwrap()), "batch");
    assert_eq!(queue.batch("0:6"), ["later"]);

    let mut queue = Queue::with_lines(9);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    let _: () = queue.connection.ltrim("q:inflight:0:5", 4, -1).unwrap();
    assert_eq!(queue.acknowledge("a", "0:5"), "ok");
    assert_eq!(first(&queue.reserve("a", 0, 6, 9).unwrap()), "batch");
    assert_eq!(queue.batch("0:6"), ["line 4", "line 5", "line 6", "line 7", "line 8"]);
}

#[test]
fn lines_that_wait_become_the_queue_again() {
    let mut queue = Queue::with_lines(7);
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3).unwrap();
    assert!(!queue.put_back(false), "a batch stands before them");
    assert_eq!(queue.list("q").len(), 0);
    assert_eq!(queue.acknowledge("a", "0:5"), "ok");
    let later: Vec<String> = (0..1500).map(|number| format!("later {number}")).collect();
    let _: u64 = queue.connection.rpush("q", &later).unwrap();
    let mut expected: Vec<String> = (3..7).map(|number| format!("line {number}")).collect();
    expected.extend(later);
    while queue.put_back(false) {
        assert_eq!(queue.waiting(), 1504);
    }
    assert_eq!(queue.list("q"), expected);
    let left: Vec<String> = queue.connection.keys("q:*").unwrap();
    assert!(!left.iter().any(|key| key.starts_with("q:inflight") || key == "q:rest"), "{left:?}");
    assert!(!queue.put_back(false));
}

/// A batch stands before them, and what was pushed since is now more, now less than they are.
#[test]
fn lines_that_wait_are_put_back_in_parts() {
    for later in [0, 1400, 4000] {
        let mut queue = Queue::with_lines(0);
        let lines: Vec<String> = (0..2503 + later).map(|number| format!("line {number}")).collect();
        let _: u64 = queue.connection.rpush("q", &lines[..2503]).unwrap();
        queue.take_slot("a");
        queue.reserve("a", 0, 5, 3).unwrap();
        assert!(!queue.put_back(false), "somebody is at work");
        if later > 0 {
            let _: u64 = queue.connection.rpush("q", &lines[2503..]).unwrap();
        }
        while queue.put_back(true) {
            assert_eq!(queue.waiting(), 2500 + later as u64);
        }
        assert_eq!(queue.list("q"), lines[3..]);
        assert_eq!(queue.give_back("a", "0:5"), ("ok".to_owned(), 3, 0));
        assert_eq!(queue.list("q"), lines);
        assert!(queue.connection.keys::<_, Vec<String>>("q:inflight:*").unwrap().is_empty());
    }
}

/// It is overtaken by far: nothing else is kept for its sake, and it is where its record says.
#[test]
fn a_batch_that_holds_up_a_long_list_gets_one_of_its_own() {
    let mut queue = Queue::with_lines(0);
    let lines: Vec<String> = (0..230_000).map(|number| format!("line {number}")).collect();
    let _: u64 = queue.connection.rpush("q", &lines).unwrap();
    queue.take_slot("a");
    for (seq, size) in [(4, 2), (5, 3), (6, 100_000), (7, 99_000), (8, 20_000), (9, 5)] {
        queue.reserve("a", 0, seq, size).unwrap();
    }
    assert_eq!(queue.acknowledge("a", "0:6"), "ok");
    assert_eq!(queue.acknowledge("a", "0:7"), "ok");
    assert_eq!(queue.list("q:inflight:0:4").len(), 230_000);
    assert_eq!(queue.acknowledge("a", "0:8"), "ok");
    assert_eq!(queue.range_of("0:4"), ("q:inflight:0:4:own".to_owned(), 2, 0));
    assert_eq!(queue.acknowledge("a", "0:9"), "ok");
    assert_eq!(queue.range_of("0:5"), ("q:inflight:0:5:own".to_owned(), 3, 0));
    assert_eq!(queue.list("q:inflight:0:4"), lines[100_002..], "so much is freed at once");
    queue.reject("a", "0:5", 1);
    assert_eq!(queue.batch("0:5"), ["line 2", TOMBSTONE, "line 4"]);
    queue.end_lease();
    assert!(queue.take_over(0, "b")[6].ends_with("1 - - 0:5:own 3 0"));
    assert_eq!(queue.give_back("b", "0:5"), ("ok".to_owned(), 2, 0));
    assert_eq!(queue.list("q"), ["line 2", "line 4"]);
    assert!(!queue.connection.exists::<_, bool>("q:inflight:0:5:own").unwrap());
}

#[test]
fn long_lines_make_small_batches() {
    for (first_lines, expected) in [(0, [83, 83]), (300, [483, 83]), (400, [483, 83])] {
        let mut queue = Queue::with_lines(first_lines);
        let long = vec!["x".repeat(100_000); 1000];
        let _: u64 = queue.connection.rpush("q", &long).unwrap();
        queue.take_slot("a");
        for (seq, expected) in [(5, expected[0]), (6, expected[1])] {
            queue.reserve("a", 0, seq, 3000).unwrap();
            let (_, from, to) = queue.range_of(&format!("0:{seq}"));
            assert_eq!(from - to, expected, "after {first_lines} short ones");
        }
    }
    let mut queue = Queue::with_lines(0);
    let _: u64 = queue.connection.rpush("q", &["x".repeat(9_000_000), "x".repeat(9_000_000)]).unwrap();
    queue.take_slot("a");
    queue.reserve("a", 0, 5, 3000).unwrap();
    assert_eq!(queue.batch("0:5").len(), 1, "one at least");
}

/// In format 1 each batch had a list of its own.
#[test]
fn batches_of_the_release_before_are_taken_over() {
    let mut queue = Queue::with_lines(0);
    let _: u64 = queue.connection.rpush("q:inflight:0:5", &["line 0", "line 1"]).unwrap();
    let _: u64 = queue.connection.hset("q:batches", "0:5", "1 7 exactly-once 1 - 1").unwrap();
    assert_eq!(queue.take_over(0, "b")[3], "2 7 exactly-once 2 1 - 0:5 2 0");
    assert_eq!(queue.batch("0:5"), ["line 0", "line 1"]);
    // Redis forgets that: what was read is rejected and acknowledged all the same.
    let _: u64 = queue.connection.hset("q:batches", "0:5", "1 7 exactly-once 1 - 1").unwrap();
    assert_eq!(first(&queue.reject("b", "0:5", 1)), "ok");
    assert_eq!(queue.list("q:inflight:0:5"), ["line 0", TOMBSTONE]);
    queue.suspect("b", "0:5", "0");
    assert_eq!(queue.connection.hget::<_, _, String>("q:batches", "0:5").unwrap(), "1 7 exactly-once 1 - 0");
    assert_eq!(queue.acknowledge("b", "0:5"), "ok");
    assert!(queue.connection.keys::<_, Vec<String>>("q:inflight:*").unwrap().is_empty());
}

#[test]
fn a_replayed_line_is_in_one_list_at_any_time_and_one_that_moved_is_passed_over() {
    let mut queue = Queue::with_lines(0);
    for record in ["a", "b", "c"] {
        let _: u64 = queue.connection.rpush("invalid", record).unwrap();
    }
    let mut take = |replay: u8| -> u64 {
        script!("take_invalid")
            .key("invalid")
            .key("q")
            .arg(TOMBSTONE)
            .arg(replay)
            .arg(0)
            .arg("a")
            .arg("payload a")
            .arg(1)
            .arg("not b")
            .arg("payload b")
            .invoke(&mut queue.connection)
            .unwrap()
    };
    assert_eq!((take(1), take(1)), (1, 0));
    assert_eq!(queue.list("q"), ["payload a"]);
    assert_eq!(queue.list("invalid"), ["b", "c"]);
}

#[test]
fn the_invalid_list_is_read_from_either_end_within_lines_and_bytes() {
    let mut queue = Queue::with_lines(0);
    for number in 0..10 {
        let reason = if number % 3 == 0 { "path" } else { "ip" };
        let record = format!(r#"{{"reason":"{reason}","n":{number}}}"#);
        let _: u64 = queue.connection.rpush("invalid", record).unwrap();
    }
    let mut read = |at: u64, step: i64, look_at: u64, wanted: u64, bytes: u64, reason: &str| {
        let (next, looked_at, found): (i64, u64, Vec<(u64, String)>) = script!("read_invalid")
            .key("invalid")
            .arg(at)
            .arg(step)
            .arg(look_at)
            .arg(wanted)
            .arg(bytes)
            .arg(reason)
            .invoke(&mut queue.connection)
            .unwrap();
        assert!(found.iter().all(|(index, line)| line.ends_with(&format!(r#""n":{index}}}"#))), "{found:?}");
        (next, looked_at, found.iter().map(|(index, _)| *index).collect::<Vec<u64>>())
    };
    assert_eq!(read(0, 1, 4, 100, 1000, ""), (4, 4, vec![0, 1, 2, 3]));
    assert_eq!(read(8, 1, 4, 100, 1000, ""), (-1, 2, vec![8, 9]));
    assert_eq!(read(0, 1, 100, 100, 1, ""), (1, 1, vec![0]));
    assert_eq!(read(0, 1, 0, 100, 1000, ""), (-1, 0, vec![]));
    assert_eq!(read(10, 1, 4, 100, 1000, ""), (-1, 0, vec![]));
    assert_eq!(read(99, -1, 100, 3, 1000, ""), (6, 3, vec![9, 8, 7]));
    assert_eq!(read(99, -1, 100, 3, 1000, "path"), (2, 7, vec![9, 6, 3]));
    assert_eq!(read(2, -1, 100, 3, 1000, "path"), (-1, 3, vec![0]));
    assert_eq!(read(5, -1, 2, 3, 1000, "path"), (3, 2, vec![]));
    assert_eq!(read(5, -1, 100, 3, 1, ""), (4, 1, vec![5]));
}

#[test]
fn an_empty_invalid_list_is_read_and_counted() {
    let mut queue = Queue::with_lines(0);
    for step in [1, -1] {
        let answer: (i64, u64, Vec<(u64, String)>) = script!("read_invalid")
            .key("invalid")
            .arg(0)
            .arg(step)
            .arg(10)
            .arg(10)
            .arg(1000)
            .arg("")
            .invoke(&mut queue.connection)
            .unwrap();
        assert_eq!(answer, (-1, 0, vec![]));
    }
    let counted: (u64, Vec<(String, u64)>) =
        script!("count_invalid").key("invalid").arg(0).arg(10).invoke(&mut queue.connection).unwrap();
    assert_eq!(counted, (0, vec![]));
}
