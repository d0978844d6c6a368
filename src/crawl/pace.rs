//! How long one action may take, and how much it may transfer: pure, and told the time.

use std::time::{Duration, Instant};

/// The limits of one task; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `MaxTaskDuration`: no page is visited after it; the next action goes on from there.
    pub duration_max: Option<Duration>,
    /// `MaxKBytesPerSec`, in bytes: an average, kept by pausing between pages.
    pub bytes_per_second_max: Option<u64>,
}

/// What has been spent since the start.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    started: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(limits: Limits, started: Instant) -> Pace {
        Pace { limits, started, bytes: 0 }
    }

    /// Notes a body of this length, as it came over the wire after decompression.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// When the time is up.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.started.checked_add(self.limits.duration_max?)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends_at().is_some_and(|ends_at| now >= ends_at)
    }

    /// When the next request may leave, if that is later than now.
    pub(super) fn waits_until(&self, now: Instant) -> Option<Instant> {
        let rate = self.limits.bytes_per_second_max?.max(1);
        let micros = u64::try_from(u128::from(self.bytes) * 1_000_000 / u128::from(rate)).unwrap_or(u64::MAX);
        let at = self.started.checked_add(Duration::from_micros(micros))?;
        (at > now).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cost_time_and_time_runs_out() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let limits = Limits { duration_max: Some(Duration::from_secs(3)), bytes_per_second_max: Some(1000) };
        let mut pace = Pace::new(limits, start);
        assert_eq!(pace.waits_until(at(0)), None);
        pace.spend(1500);
        assert_eq!(pace.waits_until(at(100)), Some(at(1500)));
        assert_eq!(pace.waits_until(at(1500)), None);
        assert!(!pace.is_over(at(2999)));
        assert!(pace.is_over(at(3000)));
        let free = Pace::new(Limits::default(), start);
        assert_eq!((free.waits_until(at(0)), free.ends_at(), free.is_over(at(9_999_999))), (None, None, false));
    }
}
