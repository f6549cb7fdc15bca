//! Which models, formats and engines are viable for a request, in order, and why the others are
//! not.

use serde::Serialize;

use super::catalogue::Model;
use super::device::{How, Runs};
use super::engine::{Engine, Rates};
use super::format::Format;
use super::licence::{Products, products};
use super::memory::{CacheType, MARGIN, MemoryNeed, need};
use super::request::{Asked, Request};
use super::time::{Times, slack};
use super::weights::Weights;

/// Most candidates of a plan.
const MOST: usize = 3;

/// The answer to a request.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub asked: Asked,
    pub candidates: Vec<Candidate>,
    /// What was looked at and is not viable.
    pub refused: Vec<Refused>,
    /// With what the least demanding of them would be viable; none where something is.
    pub would_be: Option<WouldBe>,
}

/// A model in a format on an engine.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    pub model: String,
    pub repository: String,
    pub licence: String,
    pub products: Products,
    /// Numbers in all its tensors.
    pub parameters: u64,
    pub format: String,
    pub file_bytes: u64,
    /// Of every format, and what was published of it.
    pub formats: Vec<FormatSize>,
    pub engine: Engine,
    pub context: usize,
    pub cache_type: CacheType,
    /// Keys and values of this context in F16 and in Q8_0.
    pub cache_f16_bytes: u64,
    pub cache_q8_0_bytes: u64,
    pub memory: MemoryNeed,
    pub needed_bytes: u64,
    pub needed_with_margin_bytes: u64,
    pub load_s: Option<f64>,
    pub prefill_ms: f64,
    pub prefill_tokens_per_s: f64,
    pub decode_ms: f64,
    pub verdict: Verdict,
    /// Joules of an answer above an idle device.
    pub energy_j: Option<f64>,
    /// W while it answers.
    pub busy_w: Option<f64>,
    /// The same file, where it is here.
    pub file: Option<String>,
    /// A file of the model in another format, where one is here.
    pub other_file: Option<String>,
    /// The same on other engines, where it is viable there.
    pub others: Vec<OtherEngine>,
}

/// What all of it takes on another engine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OtherEngine {
    pub engine: Engine,
    pub expected_ms: f64,
    pub bound_ms: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct FormatSize {
    pub format: String,
    pub file_bytes: u64,
    pub published_bytes: Option<u64>,
}

/// Of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Chunks of thought that fit by the bound, of so many.
    pub chunks: usize,
    pub of_chunks: usize,
    /// Expected of all of it, at the clock of seconds and of hours.
    pub expected_ms: f64,
    pub sustained_ms: f64,
    /// What all of it takes at most, and the mandatory part, at the clock of hours.
    pub bound_ms: f64,
    pub mandatory_bound_ms: f64,
    /// By what the bound is above what is expected.
    pub slack: f64,
    pub how: How,
}

impl Verdict {
    /// Every thought that was asked for fits.
    pub fn is_full(&self) -> bool {
        self.chunks == self.of_chunks
    }
}

/// A model that is not viable, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    pub model: String,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// In its least format, margin included.
    Memory {
        needs_bytes: u64,
        free_bytes: u64,
    },
    /// Of what fits into memory the fastest, the mandatory part.
    Deadline {
        least_ms: f64,
        deadline_ms: f64,
    },
    Context {
        needs: usize,
        has: usize,
    },
    /// Its weights are not on this machine.
    NotHere,
    /// A microcontroller starts no language model.
    NoEngine {
        smallest_bytes: u64,
        memory_bytes: u64,
    },
}

/// What would make the least demanding model viable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WouldBe {
    pub model: String,
    pub format: String,
    pub engine: Option<Engine>,
    pub deadline_ms: Option<f64>,
    pub ram_free_bytes: Option<u64>,
    pub products: Products,
}

/// The candidates for a request among `models`; `of_one` says whether the formats of one model are
/// compared, instead of models.
pub fn plan(request: &Request, models: &[Model], of_one: bool) -> Plan {
    let mut found = Vec::new();
    let mut refused = Vec::new();
    let mut nearest: Vec<WouldBe> = Vec::new();
    for model in models {
        match viable(request, model, &mut nearest) {
            Ok(options) => found.extend(best(options, of_one)),
            Err(why) => refused.push(Refused {
                model: model.name.clone(),
                why,
            }),
        }
    }
    found.sort_by(|a, b| order(a, b, of_one));
    found.truncate(MOST);
    let would_be = match found.is_empty() {
        true => least_demanding(nearest),
        false => None,
    };
    Plan {
        asked: request.asked(),
        candidates: found,
        refused,
        would_be,
    }
}

/// Of what is not viable, what asks for the least change: what products may use, of the deadline
/// alone before memory.
fn least_demanding(mut all: Vec<WouldBe>) -> Option<WouldBe> {
    let bytes = |one: &WouldBe| one.ram_free_bytes.unwrap_or(0);
    let ms = |one: &WouldBe| one.deadline_ms.unwrap_or(0.0);
    let forbidden = |one: &WouldBe| one.products == Products::Forbidden;
    all.sort_by(|a, b| {
        let licence = forbidden(a).cmp(&forbidden(b));
        licence
            .then(bytes(a).cmp(&bytes(b)))
            .then(ms(a).total_cmp(&ms(b)))
    });
    all.into_iter().next()
}

/// Which comes first. Products may use it; every thought fits; then of models the larger; of one
/// model what keeps the deadline by itself, then the format that loses least, then the faster.
fn order(a: &Candidate, b: &Candidate, of_one: bool) -> std::cmp::Ordering {
    let size = |c: &Candidate| if of_one { 0 } else { c.parameters };
    let forbidden = |c: &Candidate| c.products == Products::Forbidden;
    let other = |c: &Candidate| c.engine != Engine::Ours;
    let keeps = |c: &Candidate| fineness(&c.format);
    forbidden(a)
        .cmp(&forbidden(b))
        .then(b.verdict.is_full().cmp(&a.verdict.is_full()))
        .then(size(b).cmp(&size(a)))
        .then(b.verdict.chunks.cmp(&a.verdict.chunks))
        .then(other(a).cmp(&other(b)))
        .then(keeps(b).cmp(&keeps(a)))
        .then(a.verdict.bound_ms.total_cmp(&b.verdict.bound_ms))
}

/// How little a format loses. F16 stands last: it keeps next to nothing more than Q8_0 in twice the
/// bytes.
fn fineness(format: &str) -> usize {
    let order = ["F16", "Q4_0", "Q4_1", "Q4_K_M", "Q5_K_M", "Q8_0"];
    order.iter().position(|known| *known == format).unwrap_or(1)
}

/// Of a model's options the one that goes on.
fn best(mut options: Vec<Candidate>, of_one: bool) -> Vec<Candidate> {
    options.sort_by(|a, b| order(a, b, true));
    // Of one format the best engine; what the others take stands beside.
    for at in 0..options.len() {
        let one = &options[at];
        let same = |other: &&Candidate| other.format == one.format && other.engine != one.engine;
        let others = options.iter().filter(same).map(|other| OtherEngine {
            engine: other.engine,
            expected_ms: other.verdict.sustained_ms,
            bound_ms: other.verdict.bound_ms,
        });
        let others = others.collect();
        options[at].others = others;
    }
    let mut seen = Vec::new();
    options.retain(|option| {
        let new = !seen.contains(&option.format);
        seen.push(option.format.clone());
        new
    });
    if !of_one {
        options.truncate(1);
    }
    options
}

/// The formats of a model: as its file is, and what it can be made to.
fn formats(model: &Model) -> Vec<(String, Weights)> {
    let mut all = Vec::new();
    if let Some((_, weights)) = &model.file {
        let own = Format::ALL.into_iter().find(|format| {
            let made = model.shape.weights(*format, model.metadata_bytes);
            made.file_bytes().abs_diff(weights.file_bytes()) * 500 < weights.file_bytes()
        });
        let kind = weights.main_type().map_or("F32", |kind| kind.name());
        let name = own.map_or_else(|| kind.to_owned(), |format| format.name().to_owned());
        all.push((name, weights.clone()));
    }
    for format in Format::ALL {
        if !all.iter().any(|(name, _)| name == format.name()) {
            all.push((
                format.name().to_owned(),
                model.shape.weights(format, model.metadata_bytes),
            ));
        }
    }
    all
}

/// What of a model is viable; why nothing is.
fn viable(
    request: &Request,
    model: &Model,
    nearest: &mut Vec<WouldBe>,
) -> Result<Vec<Candidate>, Why> {
    let context = request.question.context();
    let formats = formats(model);
    let engines = Engine::of(&request.device);
    if request.device.runs == Runs::Microcontroller || engines.is_empty() {
        let smallest = formats
            .iter()
            .map(|(_, weights)| weights.file_bytes())
            .min();
        return Err(Why::NoEngine {
            smallest_bytes: smallest.unwrap_or(0),
            memory_bytes: request.device.memory_bytes(),
        });
    }
    if request.offline_only && !model.is_here() {
        return Err(Why::NotHere);
    }
    if context > model.shape.context {
        return Err(Why::Context {
            needs: context,
            has: model.shape.context,
        });
    }
    let sizes: Vec<FormatSize> = formats
        .iter()
        .map(|(name, weights)| FormatSize {
            format: name.clone(),
            file_bytes: weights.file_bytes(),
            published_bytes: model.published.get(name).copied(),
        })
        .collect();
    let slower = request.device.sustained_share().recip();
    let (mut least_memory, mut least_ms) = (u64::MAX, f64::MAX);
    let mut found = Vec::new();
    for (name, weights) in &formats {
        // Offline, only what lies here as it is.
        if request.offline_only && model.file.as_ref().is_some_and(|(_, own)| own != weights) {
            continue;
        }
        for engine in &engines {
            if *engine == Engine::Ours && weights.does_not_run().is_some() {
                continue;
            }
            let memory = need(*engine, &model.shape, weights, context, CacheType::F16);
            let with_margin = (memory.needed() as f64 * (1.0 + MARGIN)) as u64;
            let times = Times {
                rates: Rates::new(*engine, &request.device),
                shape: &model.shape,
                weights,
            };
            let split = times.split(&request.question, request.deadline, slower);
            let mandatory = match &split {
                Ok(split) => split.mandatory,
                Err(short) => short.needs,
            };
            let mandatory_ms = mandatory.as_secs_f64() * 1e3;
            let fits = with_margin <= request.ram_free;
            least_memory = least_memory.min(with_margin);
            if fits {
                least_ms = least_ms.min(mandatory_ms);
            }
            let Ok(split) = split.as_ref().map_err(|_| ()) else {
                nearest.push(would_be(
                    model,
                    name,
                    *engine,
                    Some(mandatory_ms),
                    (!fits).then_some(with_margin),
                ));
                continue;
            };
            if !fits {
                nearest.push(would_be(model, name, *engine, None, Some(with_margin)));
                continue;
            }
            let verdict = verdict(request, &times, split.chunks, mandatory_ms, slower);
            found.push(candidate(
                request, model, name, weights, *engine, memory, &times, verdict, &sizes,
            ));
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true if least_memory > request.ram_free => Err(Why::Memory {
            needs_bytes: least_memory,
            free_bytes: request.ram_free,
        }),
        true => Err(Why::Deadline {
            least_ms,
            deadline_ms: request.deadline.as_secs_f64() * 1e3,
        }),
    }
}

fn would_be(
    model: &Model,
    format: &str,
    engine: Engine,
    ms: Option<f64>,
    bytes: Option<u64>,
) -> WouldBe {
    // The margin for publishing comes on top.
    let whole = ms.map(|ms| (ms / 0.9).min(ms + 2.0).ceil());
    WouldBe {
        model: model.name.clone(),
        format: format.to_owned(),
        engine: Some(engine),
        deadline_ms: whole,
        ram_free_bytes: bytes,
        products: products(&model.licence),
    }
}

fn verdict(
    request: &Request,
    times: &Times,
    chunks: usize,
    mandatory_ms: f64,
    slower: f64,
) -> Verdict {
    let question = &request.question;
    let expected = times.bound_ms(question, 1.0) / slack(times.rates.how);
    Verdict {
        chunks,
        of_chunks: question.thoughts.div_ceil(question.chunk),
        expected_ms: expected,
        sustained_ms: expected * slower,
        bound_ms: times.bound_ms(question, slower),
        mandatory_bound_ms: mandatory_ms,
        slack: slack(times.rates.how),
        how: times.rates.how,
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "one place puts a candidate together"
)]
fn candidate(
    request: &Request,
    model: &Model,
    name: &str,
    weights: &Weights,
    engine: Engine,
    memory: MemoryNeed,
    times: &Times,
    verdict: Verdict,
    sizes: &[FormatSize],
) -> Candidate {
    let question = &request.question;
    let context = question.context();
    let prefill_ms = times.prefill_ms(question.prompt, question.cached);
    let device = &request.device;
    let busy = device.power.as_ref().and_then(|power| match engine {
        Engine::LlamaCppGpu => power.gpu_w,
        Engine::Ours | Engine::LlamaCpp { threads: 1 } => Some(power.one_core_w),
        Engine::LlamaCpp { .. } => Some(power.all_cores_w),
    });
    let above_idle = busy
        .zip(device.power.as_ref())
        .map(|(busy, power)| busy - power.idle_w);
    let file = model.file.as_ref().filter(|(_, own)| own == weights);
    let cache = |cache_type| need(engine, &model.shape, weights, context, cache_type).cache;
    Candidate {
        model: model.name.clone(),
        repository: model.repository.clone(),
        products: products(&model.licence),
        licence: model.licence.clone(),
        parameters: model.shape.parameters(),
        format: name.to_owned(),
        file_bytes: weights.file_bytes(),
        formats: sizes.to_vec(),
        engine,
        context,
        cache_type: CacheType::F16,
        cache_f16_bytes: cache(CacheType::F16),
        cache_q8_0_bytes: match engine {
            // Ours keeps F16 alone; what Q8_0 would take is llama.cpp's.
            Engine::Ours => {
                let other = Engine::LlamaCpp { threads: 1 };
                need(other, &model.shape, weights, context, CacheType::Q8_0).cache
            }
            _ => cache(CacheType::Q8_0),
        },
        memory,
        needed_bytes: memory.needed(),
        needed_with_margin_bytes: (memory.needed() as f64 * (1.0 + MARGIN)) as u64,
        load_s: load_s(request, engine, weights),
        prefill_ms,
        prefill_tokens_per_s: question.prompt as f64 / prefill_ms * 1e3,
        decode_ms: times.decode_ms(question.cached + question.prompt),
        verdict,
        energy_j: above_idle.map(|watts| watts.max(0.0) * verdict.expected_ms / 1e3),
        busy_w: busy,
        file: file.map(|(path, _)| path.display().to_string()),
        other_file: match (&model.file, file) {
            (Some((path, _)), None) => Some(path.display().to_string()),
            _ => None,
        },
        others: Vec::new(),
    }
}

/// Seconds from the file to the first question; none where the storage is not known.
fn load_s(request: &Request, engine: Engine, weights: &Weights) -> Option<f64> {
    let bytes = weights.file_bytes() as f64;
    let storage = request.device.storage.as_ref()?.read_mb_s * 1e6;
    let pack = request
        .device
        .kernels
        .as_ref()
        .map_or(0.3e9 * request.device.cpu.clock_ghz / 2.5, |k| {
            k.pack_gb_s * 1e9
        });
    let more = match engine {
        Engine::Ours => bytes / pack,
        Engine::LlamaCpp { .. } => 0.5 + bytes / (2.0 * pack),
        Engine::LlamaCppGpu => 1.5,
    };
    Some(bytes / storage + more)
}
