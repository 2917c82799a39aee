//! What Kafka's word for a line that it did not take means for that line.

use rdkafka::error::RDKafkaErrorCode;

/// What is to be done about a line that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its record batch was refused for what is in it. Whether it is this line only shows when it is sent alone.
    Refused,
    /// Its topic is not there, or not there any more.
    NoTopic,
    /// We may not write to its topic.
    NotPermitted,
    /// The producer is of no use any more.
    Fatal,
    /// Anything else passes, or is a setting that someone will mend: it is sent again.
    Again,
}

/// Judges one report.
pub fn judge(code: RDKafkaErrorCode) -> Verdict {
    use RDKafkaErrorCode as Code;
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::PolicyViolation
        | Code::UnsupportedForMessageFormat => Verdict::Refused,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::InvalidTopic => {
            Verdict::NoTopic
        }
        Code::TopicAuthorizationFailed => Verdict::NotPermitted,
        Code::Fatal | Code::PurgeQueue | Code::PurgeInflight => Verdict::Fatal,
        _ => Verdict::Again,
    }
}
