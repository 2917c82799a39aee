//! Lines that stand in an in-flight list and that no batch has yet.

use redis::RedisError;

use super::batch::TOMBSTONE;
use super::scripts;
use super::server::Link;

/// Makes them the head of the queue again, for programs that know the queue alone. Where batches stand before them in their
/// list somebody is at work, or has died: then they stay, unless `beside_batches`. May be repeated after an error.
///
/// # Errors
/// When Redis does not answer.
pub async fn put_back(link: &mut Link, beside_batches: bool) -> Result<(), RedisError> {
    let keys = link.server().keys().clone();
    let mut script = scripts::PUT_BACK.prepare_invoke();
    script
        .key(&keys.queue)
        .key(&keys.rest)
        .key(&keys.batches)
        .arg(keys.inflight_prefix())
        .arg(TOMBSTONE)
        .arg(u8::from(beside_batches));
    while link.run(&script).await? {}
    Ok(())
}
