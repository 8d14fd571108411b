//! Cancellation of a run from outside.

use tokio::sync::watch;

/// A flag that is set once and can be awaited. Clones share the flag.
#[derive(Debug, Clone)]
pub struct Cancel {
    flag: watch::Sender<bool>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { flag: watch::Sender::new(false) }
    }
}

impl Cancel {
    /// Sets the flag. Whoever waits for it stops shortly afterwards: the statement in progress is
    /// interrupted and its transaction rolled back.
    pub fn cancel(&self) {
        self.flag.send_replace(true);
    }

    /// Whether it is set.
    pub fn is_cancelled(&self) -> bool {
        *self.flag.borrow()
    }

    /// Returns when it is set.
    pub async fn cancelled(&self) {
        let mut flag = self.flag.subscribe();
        // Cannot fail, because `self` owns a sender.
        let _ = flag.wait_for(|set| *set).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_seen_by_every_clone_also_later() {
        let cancel = Cancel::default();
        let clone = cancel.clone();
        assert!(!clone.is_cancelled());
        cancel.cancel();
        clone.cancelled().await;
        assert!(clone.is_cancelled());
    }
}
