//! Hands many messages of one topic to librdkafka in one call, without a copy. The safe call of the `rdkafka` crate takes
//! one message: it looks its topic up by name, reads the clock three times, and copies.

#![expect(unsafe_code, reason = "the crate has no call for many messages; see at each why it is sound")]

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka::bindings::{
    rd_kafka_message_t, rd_kafka_produce_batch, rd_kafka_resp_err_t, rd_kafka_topic_destroy,
    rd_kafka_topic_new, rd_kafka_topic_t,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{PARTITION_UA, Producer as _};

use super::publisher::Client;

/// What a record of Kafka's format 2 has beside a message without key and headers: lengths, and differences to the first
/// record of its batch.
const RECORD_OVERHEAD_BYTES: usize = 12;

/// A topic of one producer, looked up once.
pub(super) struct TopicHandle {
    native: NonNull<rd_kafka_topic_t>,
    /// Outlives the handle.
    _client: Arc<Client>,
}

// SAFETY: librdkafka's handles may be used by any thread, and by several at a time.
unsafe impl Send for TopicHandle {}
// SAFETY: as above.
unsafe impl Sync for TopicHandle {}

impl TopicHandle {
    /// Nothing where librdkafka takes no such name.
    pub fn new(client: &Arc<Client>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client is alive, the name ends with a NUL byte, and no configuration means that of the client.
        let native =
            unsafe { rd_kafka_topic_new(client.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        Some(Self { native: NonNull::new(native)?, _client: Arc::clone(client) })
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: it came from `rd_kafka_topic_new` and is given back once; its client is still alive.
        unsafe { rd_kafka_topic_destroy(self.native.as_ptr()) };
    }
}

/// Messages of one topic that go to one partition: they are read where they stand, and not copied.
#[derive(Default)]
pub(super) struct Chunk {
    records: Vec<rd_kafka_message_t>,
    bytes: usize,
}

impl Chunk {
    /// Adds a message, and what it is named by.
    pub fn push(&mut self, message: &[u8], line: usize) {
        self.bytes += message.len() + RECORD_OVERHEAD_BYTES;
        self.records.push(rd_kafka_message_t {
            err: rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: 0,
            payload: message.as_ptr().cast_mut().cast(),
            len: message.len(),
            key: ptr::null_mut(),
            key_len: 0,
            offset: 0,
            _private: ptr::without_provenance_mut(line),
        });
    }

    /// Changes what each message is named by, in its report as well.
    pub fn rename(&mut self, name: impl Fn(usize) -> usize) {
        for record in &mut self.records {
            record._private = ptr::without_provenance_mut(name(record._private.addr()));
        }
    }

    /// About as many as its record batch will have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that librdkafka has not taken.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Drops what librdkafka has not taken, and tells each by its name.
    pub fn give_up(&mut self, mut dropped: impl FnMut(usize)) {
        for record in self.records.drain(..) {
            dropped(record._private.addr());
        }
    }

    /// Hands the first `most` messages to librdkafka: to a partition, or to whichever the partitioner gives for each.
    /// What it takes leaves the chunk; so does what it never will, which is told to `refused` by its name. What stays
    /// found librdkafka's queue full.
    ///
    /// # Safety
    /// The messages must stay where they are, as they are, until their reports have come or the client has ended.
    pub unsafe fn produce(
        &mut self,
        topic: &TopicHandle,
        partition: Option<i32>,
        most: usize,
        mut refused: impl FnMut(usize, RDKafkaErrorCode),
    ) {
        let most = most.min(self.records.len());
        let now = &mut self.records[..most];
        let count = i32::try_from(most).expect("no batch holds so many lines");
        let copied_and_freed_by_nobody = 0;
        // SAFETY: the topic is alive, and `now` holds `count` records; librdkafka only reads what they point to, for as
        // long as the caller has promised that it stays.
        unsafe {
            rd_kafka_produce_batch(
                topic.native.as_ptr(),
                partition.unwrap_or(PARTITION_UA),
                copied_and_freed_by_nobody,
                now.as_mut_ptr(),
                count,
            );
        }
        let mut tried = most;
        self.records.retain(|record| {
            if tried == 0 {
                return true;
            }
            tried -= 1;
            match RDKafkaErrorCode::from(record.err) {
                RDKafkaErrorCode::NoError => false,
                RDKafkaErrorCode::QueueFull => true,
                code => {
                    refused(record._private.addr(), code);
                    false
                }
            }
        });
    }
}
