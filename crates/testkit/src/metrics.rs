//! The gateway's metrics, as Prometheus reads them.

/// One reading of `/metrics`.
#[derive(Debug, Clone)]
pub struct Metrics(pub String);

impl Metrics {
    /// The value of a sample, named as the text names it, with its labels; `None` when there is no such sample.
    pub fn value(&self, sample: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// The sum of all samples whose line begins with `start`.
    pub fn sum(&self, start: &str) -> f64 {
        let lines = self.0.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}
