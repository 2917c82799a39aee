//! The scripts, loaded into Redis when it does not know them yet.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident = $($file:literal),+;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $file))),+)));)*
    };
}

scripts! {
    ACKNOWLEDGE = "lines.lua", "acknowledge.lua";
    COUNT_INVALID = "count_invalid.lua";
    GIVE_BACK = "lines.lua", "give_back.lua";
    HEARTBEAT = "heartbeat.lua";
    PAUSE = "pause.lua";
    RECORD = "record.lua";
    PUT_BACK = "lines.lua", "put_back.lua";
    READ_INVALID = "read_invalid.lua";
    REJECT = "lines.lua", "reject.lua";
    RELEASE = "release.lua";
    RENEW = "renew.lua";
    RESERVE = "lines.lua", "reserve.lua";
    RETIRE = "retire.lua";
    SUSPECT = "suspect.lua";
    TAKE_INVALID = "take_invalid.lua";
    TAKE_OVER = "take_over.lua";
    TAKE_SLOT = "take_slot.lua";
}
