//! A line with all that became of it, for people to look at.

use serde_json::{Value, json};

use super::country::CountryCode;
use super::device::Device;
use crate::message::Message;
use crate::payload::Payload;

/// What [`Enricher::explain`](super::Enricher::explain) found.
#[derive(Debug)]
pub struct Explained<'a> {
    pub payload: Payload<'a>,
    pub device: Device,
    pub country: Option<CountryCode>,
    /// As Kafka gets it.
    pub message: Vec<u8>,
}

impl Explained<'_> {
    /// The message, read back as its consumers do.
    pub fn read_back(&self) -> Message {
        Message::parse(&self.message).expect("it was written just now, and each message can be read back")
    }

    /// The query string, taken apart; what is not UTF-8 is replaced.
    pub fn params(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.payload.params).into_owned().collect()
    }

    /// Each field, and the message.
    pub fn to_json(&self) -> Value {
        let Self { payload, device, country, message } = self;
        let read_back = self.read_back();
        json!({
            "topic": payload.topic,
            "payload": {
                "ip": payload.address.to_string(),
                "timestamp": payload.epoch,
                "path": String::from_utf8_lossy(payload.path),
                "params": String::from_utf8_lossy(payload.params),
                "user_agent": String::from_utf8_lossy(&payload.user_agent()),
            },
            "bot_name": device.bot_name,
            "country": country.map(|country| country.as_str().to_owned()),
            "device": device.device,
            "device_name": device.device_name,
            "ip": read_back.ip.to_string(),
            "klag": read_back.klag,
            "platform": device.platform,
            "ts": read_back.ts,
            "params": self.params(),
            "message": String::from_utf8_lossy(message),
        })
    }
}
