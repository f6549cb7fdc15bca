//! The samples of one source that a window can still ask for, in memory fixed at the start.

/// A ring of samples in order of arrival. It keeps the last sample of every bucket of time, so a
/// source of any rate costs the same memory, and samples that another of the same bucket follows
/// leave no trace.
#[derive(Clone, Debug)]
pub(super) struct History {
    width: usize,
    bucket_ns: i64,
    arrivals: Vec<i64>,
    values: Vec<f32>,
    /// Samples of each bucket.
    counts: Vec<u32>,
    /// Slot of the newest sample.
    newest: usize,
    len: usize,
}

impl History {
    pub(super) fn new(capacity: usize, width: usize, bucket_ns: i64) -> Self {
        let capacity = capacity.max(1);
        History {
            width,
            bucket_ns: bucket_ns.max(1),
            arrivals: vec![0; capacity],
            values: vec![0.0; capacity * width],
            counts: vec![0; capacity],
            newest: 0,
            len: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Keeps a sample of `width` values. An arrival before the newest one's counts as equal to it.
    pub(super) fn push(&mut self, arrival: i64, values: &[f32]) {
        let start = self.open(arrival);
        self.values[start..start + self.width].copy_from_slice(&values[..self.width]);
    }

    /// As `push`, but the samples of a bucket are averaged.
    pub(super) fn average(&mut self, arrival: i64, values: &[f32]) {
        let start = self.open(arrival);
        if self.counts[self.newest] == 1 {
            // What was there before leaves no trace, not even a NaN.
            return self.values[start..start + self.width].copy_from_slice(&values[..self.width]);
        }
        let share = 1.0 / self.counts[self.newest] as f32;
        for (mean, value) in self.values[start..start + self.width]
            .iter_mut()
            .zip(values)
        {
            *mean = *mean * (1.0 - share) + value * share;
        }
    }

    /// Makes room for a sample; where its values go.
    fn open(&mut self, arrival: i64) -> usize {
        let mut arrival = arrival;
        let mut another = false;
        if let Some(last) = self.arrival(0) {
            arrival = arrival.max(last);
            if arrival.div_euclid(self.bucket_ns) != last.div_euclid(self.bucket_ns) {
                self.newest = (self.newest + 1) % self.arrivals.len();
                self.len = (self.len + 1).min(self.arrivals.len());
            } else {
                another = true;
            }
        } else {
            self.len = 1;
        }
        self.arrivals[self.newest] = arrival;
        let count = &mut self.counts[self.newest];
        *count = if another { count.saturating_add(1) } else { 1 };
        self.newest * self.width
    }

    /// Samples that the values `back` steps before the newest stand for.
    pub(super) fn count(&self, back: usize) -> u32 {
        if back < self.len {
            self.counts[self.slot(back)]
        } else {
            0
        }
    }

    /// When the sample `back` steps before the newest arrived.
    pub(super) fn arrival(&self, back: usize) -> Option<i64> {
        (back < self.len).then(|| self.arrivals[self.slot(back)])
    }

    /// The values of the sample `back` steps before the newest.
    pub(super) fn values(&self, back: usize) -> Option<&[f32]> {
        (back < self.len).then(|| {
            let start = self.slot(back) * self.width;
            &self.values[start..start + self.width]
        })
    }

    fn slot(&self, back: usize) -> usize {
        let capacity = self.arrivals.len();
        (self.newest + capacity - back) % capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(history: &History) -> Vec<i64> {
        (0..history.len())
            .filter_map(|back| history.arrival(back))
            .collect()
    }

    #[test]
    fn the_last_sample_of_each_bucket_stays() {
        let mut history = History::new(4, 1, 10);
        for t in [1, 5, 9, 12, 18, 31] {
            history.push(t, &[t as f32]);
        }
        assert_eq!(arrivals(&history), [31, 18, 9]);
        assert_eq!(history.values(1), Some(&[18.0][..]));
        assert_eq!(history.values(3), None);
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let mut history = History::new(3, 2, 10);
        for t in (0..100).step_by(10) {
            history.push(t, &[t as f32, 0.0]);
        }
        assert_eq!(arrivals(&history), [90, 80, 70]);
        history.clear();
        assert_eq!(arrivals(&history), [0; 0]);
        history.push(-25, &[1.0, 2.0]);
        assert_eq!(arrivals(&history), [-25]);
    }

    #[test]
    fn a_slightly_early_arrival_keeps_the_order() {
        let mut history = History::new(3, 1, 10);
        history.push(20, &[1.0]);
        history.push(19, &[2.0]);
        assert_eq!(arrivals(&history), [20]);
        assert_eq!(history.values(0), Some(&[2.0][..]));
    }
}
