//! When runs start without a command: the scheduler.

pub mod scheduler;
