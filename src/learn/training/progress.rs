//! Progress bars of a fit.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal, a line per epoch elsewhere.
pub(in crate::learn) struct FitProgress {
    bar: Option<ProgressBar>,
    name: String,
    epochs: usize,
    start: Instant,
}

impl FitProgress {
    pub(in crate::learn) fn new(name: String, epochs: usize, steps: usize) -> FitProgress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} {bar:32} {pos}/{len} {msg} {eta} left")
            {
                bar.set_style(style);
            }
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        FitProgress {
            bar,
            name,
            epochs,
            start: Instant::now(),
        }
    }

    pub(in crate::learn) fn step(&mut self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    pub(in crate::learn) fn resumed(&mut self, done: usize, file: &Path) {
        let file = file.display();
        let word = format!(
            "{} goes on after epoch {done}/{} ({file})",
            self.name, self.epochs
        );
        self.say(word);
    }

    pub(in crate::learn) fn stopped(&self, best: usize) {
        let word = format!(
            "{} stops early: no epoch since {best} has a lower loss on what it is watched on",
            self.name
        );
        self.say(word);
    }

    fn say(&self, word: String) {
        match &self.bar {
            Some(bar) => bar.println(word),
            None => eprintln!("{word}"),
        }
    }

    pub(in crate::learn) fn epoch(&mut self, number: usize, loss: f64, watched: Option<f64>) {
        let watched = watched.map_or(String::new(), |loss| format!(" ({loss:.4} watched)"));
        match &self.bar {
            Some(bar) => bar.set_message(format!(
                "epoch {number}/{} loss {loss:.4}{watched}",
                self.epochs
            )),
            None => eprintln!(
                "{} epoch {number}/{}: loss {loss:.4}{watched}, {:.0} s",
                self.name,
                self.epochs,
                self.start.elapsed().as_secs_f64()
            ),
        }
    }

    pub(in crate::learn) fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
