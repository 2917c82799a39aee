//! Reads topics without a group: nothing is committed, no other reader is disturbed.
