//! The reader of messages.

use kafkastore::enrich::country::CountryCode;
use kafkastore::message::{self, DeviceMeta, Message};
use kafkastore::payload::Payload;

/// Any bytes are refused, or read to something that can be written and read again with the same outcome.
pub fn holds(bytes: &[u8]) {
    let Ok(first) = Message::parse(bytes) else { return };
    // A country is written as it is, since only two letters are ever handed in.
    let country = first.country.as_deref().and_then(CountryCode::parse);
    let Some(written) = written(&first, country.as_ref()) else { return };
    let second = Message::parse(&written).unwrap();
    let has_control = |text: &str| text.bytes().any(|byte| byte.is_ascii_control());
    if !has_control(&first.path) && !has_control(&first.params) {
        let country = country.map(|code| code.to_string());
        assert_eq!(second, Message { country, ..first });
    }
    let again = self::written(&second, country.as_ref()).unwrap();
    assert_eq!(again, written, "a message that was read is written with the same bytes");
}

/// The message as the program would have written it; nothing where no time of reservation gives its `klag`.
fn written(message: &Message, country: Option<&CountryCode>) -> Option<Vec<u8>> {
    let device = DeviceMeta::new(
        message.bot_name.as_deref(),
        message.device.as_deref(),
        message.device_name.as_deref(),
        message.platform.as_deref(),
    );
    let timestamp = message.ts.to_string();
    let payload = Payload {
        address: message.address(),
        epoch: message.ts,
        timestamp: timestamp.as_bytes(),
        topic: "clicks",
        path: message.path.as_bytes(),
        params: message.params.as_bytes(),
        raw_user_agent: b"",
        is_printable: false,
    };
    let reserved_at = message.ts.checked_add(message.klag)?;
    let mut bytes = Vec::new();
    message::write(&mut bytes, &payload, &device, country.map(CountryCode::as_bytes), reserved_at);
    Some(bytes)
}
