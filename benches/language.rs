//! Our side of `make bench-language`; the comparison itself is `benches/language/run.py`.
//!
//! `language serve WEIGHTS CONTEXT` loads a model and answers lines on standard input, times in
//! milliseconds, one for each run: `prefill TOKENS RUNS` feeds so many tokens behind none; `decode
//! DEPTH RUNS` feeds a token behind so many and chooses the next from the whole head; `forced DEPTH
//! RUNS` feeds a token and computes sixteen rows of the head; `batch DEPTH TOKENS RUNS` feeds so
//! many together; `label THOUGHTS RUNS` and `json RUNS` answer behind a cached prompt (see
//! [`Question`]); `cold DEPTH RUNS` is `decode` with other things in the caches. `memory` says bytes
//! resident, `work DEPTH` what a token reads and multiplies, `tokens TEXT` what a text is cut
//! into. `language probe BYTES` measures what this core reads and multiplies at most.

use std::error::Error;
use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_reasoner::language::answer::Structured;
use edge_reasoner::language::bundle::sha256;
use edge_reasoner::language::decoder::Decoder;
use edge_reasoner::language::gguf::Gguf;
use edge_reasoner::language::sampler::{Sampler, Sampling};
use edge_reasoner::language::tokenizer::Tokenizer;

#[path = "engine/probe.rs"]
mod probe;

type Done<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", weights, context, ..] => serve(Path::new(weights), context.parse()?),
        ["probe", bytes, ..] => probe_memory(bytes.parse()?),
        // What `cargo test` and `cargo bench` call: nothing is measured without the driver.
        _ => {
            println!("this is run by `make bench-language`");
            Ok(())
        }
    }
}

/// Tokens of what is asked: a prefix that stays cached, what is new of each question, and what
/// stands before a thought, behind it, and before the answer. The same for all engines.
struct Question {
    prefix: Vec<u32>,
    new: Vec<u32>,
    opener: Vec<u32>,
    cue: Vec<u32>,
    labels: Vec<u32>,
}

impl Question {
    /// Of the five lines that `run.py` sends.
    fn read(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Done<Question> {
        let mut tokens = || -> Done<Vec<u32>> {
            let line = lines.next().ok_or("a line of tokens is missing")??;
            let numbers = line.split_whitespace().map(str::parse);
            Ok(numbers.collect::<Result<_, _>>()?)
        };
        Ok(Question {
            prefix: tokens()?,
            new: tokens()?,
            opener: tokens()?,
            cue: tokens()?,
            labels: tokens()?,
        })
    }
}

struct Engine {
    decoder: Decoder,
    tokenizer: Arc<Tokenizer>,
    sampler: Sampler,
    question: Option<Question>,
    structured: Option<Structured>,
    logits: Vec<f32>,
    /// What sweeps the caches.
    sweep: Vec<u64>,
}

fn serve(weights: &Path, context: usize) -> Done {
    let before = memory()?;
    let begun = Instant::now();
    // As a bundle opens them: their sum is checked first.
    let sum = sha256(weights)?;
    let file = Gguf::open(weights)?;
    let tokenizer = Arc::new(Tokenizer::read(&file)?);
    let mut engine = Engine {
        decoder: Decoder::new(file, context)?,
        tokenizer,
        sampler: Sampler::new(Sampling::default(), 0),
        question: None,
        structured: None,
        logits: Vec::new(),
        sweep: Vec::new(),
    };
    engine.take(&[1])?;
    let path = engine.decoder.path();
    let seconds = begun.elapsed().as_secs_f64();
    println!("ready {seconds:.4} {} {path} {sum}", memory()? - before);
    std::io::stdout().flush()?;
    let mut lines = std::io::stdin().lock().lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let answer = match line.split_once(' ').unwrap_or((&line, "")) {
            ("question", _) => {
                engine.question = Some(Question::read(&mut lines)?);
                String::from("0")
            }
            ("schema", text) => {
                engine.structured = Some(Structured::schema(text, &engine.tokenizer)?);
                String::from("0")
            }
            ("tokens", text) => words(&engine.tokenizer.encode(text, false)),
            ("memory", _) => (memory()? - before).to_string(),
            (order, rest) => {
                let numbers: Result<Vec<usize>, _> = rest.split(' ').map(str::parse).collect();
                engine.answer(order, &numbers?)?
            }
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn words<T: ToString>(of: &[T]) -> String {
    let words: Vec<String> = of.iter().map(T::to_string).collect();
    words.join(" ")
}

fn milliseconds(times: &[Duration]) -> String {
    let times = times
        .iter()
        .map(|time| format!("{:.4}", time.as_secs_f64() * 1e3));
    words(&times.collect::<Vec<_>>())
}

/// Any tokens.
fn some(count: usize) -> Vec<u32> {
    (0..count as u32).map(|at| 1000 + at * 7 % 4096).collect()
}

impl Engine {
    fn take(&mut self, tokens: &[u32]) -> Done {
        let done = self.decoder.take(tokens, || ControlFlow::Continue(()));
        done.map_err(|_| "abandoned".into())
    }

    fn pick(&mut self) -> Done<u32> {
        let token = self.sampler.pick(self.decoder.logits(), &[]);
        token.ok_or_else(|| "the logits are no numbers".into())
    }

    fn answer(&mut self, order: &str, numbers: &[usize]) -> Done<String> {
        let (runs, rest) = numbers.split_last().ok_or("how many runs?")?;
        let first = rest.first().copied().unwrap_or(0);
        let mut times = Vec::with_capacity(*runs);
        match order {
            "work" => {
                let work = self.decoder.work_of_a_token(*runs);
                let bytes = [work.body_bytes, work.head_bytes, work.cache_bytes];
                return Ok(format!("{} {}", words(&bytes), work.body_products));
            }
            "prefill" => {
                let tokens = some(first);
                for _ in 0..*runs {
                    self.decoder.rewind(0);
                    let start = Instant::now();
                    self.take(&tokens)?;
                    self.pick()?;
                    times.push(start.elapsed());
                }
            }
            "decode" | "cold" | "forced" => {
                self.fill(first)?;
                let mut token = self.pick()?;
                for _ in 0..*runs {
                    if order == "cold" {
                        self.sweep();
                    }
                    let start = Instant::now();
                    self.take(&[token])?;
                    match order {
                        "forced" => self.decoder.logits_of(&[token], &mut self.logits),
                        _ => token = self.pick()?,
                    }
                    times.push(start.elapsed());
                }
            }
            "batch" => {
                let tokens = some(rest.get(1).copied().unwrap_or(1));
                for _ in 0..*runs {
                    self.fill(first)?;
                    let start = Instant::now();
                    self.take(&tokens)?;
                    times.push(start.elapsed());
                }
            }
            "label" => {
                for _ in 0..*runs {
                    times.push(self.label(first)?);
                }
            }
            "json" => {
                for _ in 0..*runs {
                    let (time, text) = self.json()?;
                    times.push(time);
                    if times.len() == *runs {
                        return Ok(format!("{} {text}", milliseconds(&times)));
                    }
                }
            }
            _ => return Err(format!("{order} is no order").into()),
        }
        Ok(milliseconds(&times))
    }

    /// To a depth; what was fed before is taken for it as far as it goes.
    fn fill(&mut self, depth: usize) -> Done {
        self.decoder.rewind(depth.saturating_sub(1));
        let missing = depth - self.decoder.filled();
        self.take(&some(missing))
    }

    /// Writes through more memory than the last cache is likely to keep for one core.
    fn sweep(&mut self) {
        self.sweep.resize(128 << 20 >> 3, 0);
        self.sweep.iter_mut().step_by(8).for_each(|x| *x += 1);
    }

    /// Feeds the cached part again where it is gone.
    fn prefix(&mut self) -> Done<Question> {
        let question = self.question.take().ok_or("no question")?;
        self.decoder.rewind(0);
        self.take(&question.prefix)?;
        Ok(question)
    }

    /// As a session answers: what is new and the answer without a thought, then so many thoughts
    /// and the answer behind them.
    fn label(&mut self, thoughts: usize) -> Done<Duration> {
        let question = self.prefix()?;
        let start = Instant::now();
        let first = [&question.new[..], &question.cue].concat();
        self.take(&first)?;
        self.decoder.logits_of(&question.labels, &mut self.logits);
        if thoughts > 0 {
            self.decoder
                .rewind(question.prefix.len() + question.new.len());
            self.take(&question.opener)?;
            let mut token = self.pick()?;
            for _ in 1..thoughts {
                self.take(&[token])?;
                token = self.pick()?;
            }
            let last = [&[token][..], &question.cue].concat();
            self.take(&last)?;
            self.decoder.logits_of(&question.labels, &mut self.logits);
        }
        let time = start.elapsed();
        self.question = Some(question);
        Ok(time)
    }

    /// An answer of the schema behind a whole prompt that is cached but for its cue; and its tokens.
    fn json(&mut self) -> Done<(Duration, String)> {
        let question = self.prefix()?;
        self.take(&question.new)?;
        let mut structured = self.structured.take().ok_or("no schema")?;
        let start = Instant::now();
        let written = structured.write(&mut self.decoder, &question.cue, &mut || {
            ControlFlow::Continue(())
        });
        let time = start.elapsed();
        let written = written.map_err(|why| format!("{why:?}"))?;
        self.structured = Some(structured);
        self.question = Some(question);
        let text = self.tokenizer.decode(&written.tokens);
        Ok((time, format!("{} {text}", written.tokens.len())))
    }
}

/// Bytes of this process that are resident.
fn memory() -> Done<usize> {
    let facts = std::fs::read_to_string("/proc/self/status")?;
    let line = facts.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("no VmRSS")?.parse::<usize>()? * 1024)
}

/// Multiply-adds per ns by kind, and GB/s read from memory over and over, as a model's weights are.
fn probe_memory(bytes: usize) -> Done {
    let mut peaks = probe::peaks();
    let values = vec![1_u64; bytes / 8];
    let best = (0..20).map(|_| {
        let start = Instant::now();
        let parts = std::hint::black_box(&values).chunks_exact(64);
        let sum = parts.fold([0u64; 64], |mut sums, part| {
            ask_for(part.as_ptr().wrapping_add(2048));
            sums.iter_mut().zip(part).for_each(|(sum, x)| *sum ^= x);
            sums
        });
        std::hint::black_box(sum);
        start.elapsed().as_nanos()
    });
    let nanoseconds = best.min().unwrap_or(1);
    peaks.insert("memory_gb_s", bytes as f64 / nanoseconds as f64);
    println!("{}", serde_json::to_string(&peaks)?);
    Ok(())
}

/// Asks for 512 bytes, as our own products do.
fn ask_for(_from: *const u64) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..8 {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(_from.wrapping_add(8 * line).cast()) };
    }
}
