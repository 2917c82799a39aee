//! An answer that is asked for again only when it has become old, however many want it.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// The last answer. Who asks while another waits for a new one gets that.
pub(super) struct Fresh<T> {
    keeps: Duration,
    last: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Fresh<T> {
    pub fn new(keeps: Duration) -> Self {
        Self { keeps, last: Mutex::new(None) }
    }

    pub async fn get(&self, ask: impl AsyncFnOnce() -> T) -> T {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < self.keeps
        {
            return answer.clone();
        }
        let answer = ask().await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_kept_until_it_is_old() {
        let kept = Fresh::new(Duration::from_secs(60));
        assert_eq!((kept.get(async || 1).await, kept.get(async || 2).await), (1, 1));
        let old = Fresh::new(Duration::ZERO);
        assert_eq!((old.get(async || 1).await, old.get(async || 2).await), (1, 2));
    }
}
