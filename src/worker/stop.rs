//! How a worker ends: it is told to, finishes what is in flight, and gives up at a deadline.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells a worker to stop.
pub struct Stopper {
    deadline: watch::Sender<Option<Instant>>,
    timeout: Duration,
}

/// What a worker sees of it; cheap to clone.
#[derive(Clone)]
pub struct Stop {
    deadline: watch::Receiver<Option<Instant>>,
}

impl Stopper {
    /// `timeout` is how long what is in flight may take after [`Stopper::stop`].
    pub fn new(timeout: Duration) -> (Self, Stop) {
        let (deadline, receiver) = watch::channel(None);
        (Self { deadline, timeout }, Stop { deadline: receiver })
    }

    pub fn stop(&self) {
        self.deadline.send_replace(Some(Instant::now() + self.timeout));
    }
}

impl Stop {
    pub fn is_requested(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    pub fn is_overdue(&self) -> bool {
        self.deadline.borrow().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Returns once the worker is to stop.
    pub async fn requested(&self) {
        let mut deadline = self.deadline.clone();
        if deadline.wait_for(Option::is_some).await.is_err() {
            // Nobody is left who could ask for it.
            std::future::pending::<()>().await;
        }
    }

    /// Returns once it has taken too long.
    pub async fn overdue(&self) {
        self.requested().await;
        let deadline = *self.deadline.borrow();
        if let Some(deadline) = deadline {
            tokio::time::sleep_until(deadline).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_is_overdue_after_its_timeout() {
        let (stopper, stop) = Stopper::new(Duration::from_secs(4));
        assert!(!stop.is_requested());
        let asked_at = Instant::now();
        stopper.stop();
        stop.requested().await;
        assert!(!stop.is_overdue());
        stop.overdue().await;
        assert!(stop.is_overdue() && asked_at.elapsed() >= Duration::from_secs(4));
    }
}
