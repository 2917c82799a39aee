//! Asks what this user may do with topics. The safe calls of the `rdkafka` crate do not tell.

#![expect(unsafe_code, reason = "the crate has no call for it; see at each why it is sound")]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AclOperation_t, rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new,
    rd_kafka_AdminOptions_set_include_authorized_operations, rd_kafka_DescribeTopics,
    rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_authorized_operations,
    rd_kafka_TopicDescription_name, rd_kafka_TopicDescription_t, rd_kafka_admin_op_t, rd_kafka_error_destroy,
    rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy, rd_kafka_queue_destroy, rd_kafka_queue_new,
    rd_kafka_queue_poll,
};
use rdkafka::producer::Producer as _;

use super::publisher::{Publisher, blocking};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Of these topics, those that we may not write to. One of which Kafka tells nothing is none of them: brokers before 2.3
/// do not tell, nor do all of other makes.
pub async fn unwritable(publisher: &Publisher, topics: &[String]) -> Vec<String> {
    let client = publisher.client().clone();
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok()).collect();
    blocking(move || {
        let mut pointers: Vec<*const _> = names.iter().map(|name| name.as_ptr()).collect();
        let native = client.client().native_ptr();
        let mut unwritable = Vec::new();
        // SAFETY: the client lives until the end of this call, and the names as long as the collection. What is made here is
        // destroyed here, once, after the last use of what it holds: descriptions are read while their event is there.
        unsafe {
            let options =
                rd_kafka_AdminOptions_new(native, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
            let error = rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
            let queue = rd_kafka_queue_new(native);
            let collection = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            rd_kafka_DescribeTopics(native, collection, options, queue);
            let timeout = i32::try_from(ANSWER_TIMEOUT.as_millis()).expect("a few seconds");
            if let Some(event) = NonNull::new(rd_kafka_queue_poll(queue, timeout)) {
                let result = rd_kafka_event_DescribeTopics_result(event.as_ptr());
                let mut count = 0;
                if !result.is_null() {
                    let descriptions = rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
                    let each = (0..count).map(|place| *descriptions.add(place));
                    unwritable.extend(each.filter(|topic| lacks_write(*topic)).map(|topic| name(topic)));
                }
                rd_kafka_event_destroy(event.as_ptr());
            }
            rd_kafka_TopicCollection_destroy(collection);
            rd_kafka_queue_destroy(queue);
            if !error.is_null() {
                rd_kafka_error_destroy(error);
            }
            rd_kafka_AdminOptions_destroy(options);
        }
        unwritable
    })
    .await
}

/// # Safety
/// The description's event must still be there.
unsafe fn lacks_write(topic: *const rd_kafka_TopicDescription_t) -> bool {
    let mut count = 0;
    // SAFETY: as the caller has promised; librdkafka gives so many operations, or none.
    let operations = unsafe {
        let operations = rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
        if operations.is_null() || count == 0 {
            return false;
        }
        std::slice::from_raw_parts(operations, count)
    };
    !operations.contains(&rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE)
}

/// # Safety
/// As for [`lacks_write`].
unsafe fn name(topic: *const rd_kafka_TopicDescription_t) -> String {
    // SAFETY: as the caller has promised; a name ends with a NUL byte.
    let name = unsafe { CStr::from_ptr(rd_kafka_TopicDescription_name(topic)) };
    name.to_string_lossy().into_owned()
}
