//! `edge_reasoner plan`: does a model fit a device; the catalogue; device files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::command_result::CommandResult;
use crate::bundle_kind::BundleKind;
use crate::configure::find_bundle;
use crate::language::bundle::Bundle as LanguageBundle;
use crate::model::Bundle;
use crate::plan::candidates::plan;
use crate::plan::catalogue::{self, Model};
use crate::plan::classifier::Classifier;
use crate::plan::device::measure::{Effort, measure, place};
use crate::plan::device::{self, Device};
use crate::plan::format::Format;
use crate::plan::report::{self, Lang};
use crate::plan::request::{Request, about_tokens};
use crate::plan::time::Question;
use crate::plan::units;
use crate::profile::{Machine, Profile};

/// Tokens of thought from one exit to the next, as of the bundle that ships.
const CHUNK: usize = 8;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Device: the name of one that ships, a device file, or here (see --measure)
    #[arg(long, default_value = "here")]
    device: String,
    /// What it is for: the name of a bundle that ships, or words, which the model is told before every question
    #[arg(long)]
    task: Option<String>,
    /// Memory that is free for it, with its unit: 4GiB, "4 GB", 4096M [default: half of the device's]
    #[arg(long, value_parser = units::bytes, allow_hyphen_values = true)]
    ram_free: Option<u64>,
    /// Milliseconds from a question to its answer
    #[arg(long, value_parser = deadline, default_value = "1000", allow_negative_numbers = true)]
    deadline_ms: f64,
    /// New tokens of a question
    #[arg(long, default_value_t = 200, allow_negative_numbers = true)]
    prompt_tokens: usize,
    /// Tokens of the longest answer
    #[arg(long, default_value_t = 16, allow_negative_numbers = true)]
    answer_tokens: usize,
    /// Tokens of thought at most
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    thoughts: usize,
    /// One model: a GGUF file, a config.json, a bundle, or a name of the catalogue
    #[arg(long)]
    model: Option<String>,
    /// Only models whose weights are on this machine
    #[arg(long)]
    offline_only: bool,
    /// Language of the report
    #[arg(long, value_enum, default_value = "en")]
    lang: Lang,
    /// Print JSON
    #[arg(long, conflicts_with = "lang")]
    json: bool,
    /// File to write a node's parameters to, for a classifier that is viable
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Folder to write a language bundle to, for `reason`, of the GGUF file that --model names
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
    /// Measure this machine and write its device file [default: where --device here looks for it]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    measure: Option<Option<PathBuf>>,
    /// With --measure: seconds instead of two minutes; less to be relied on
    #[arg(long, requires = "measure")]
    quick: bool,
    /// With --measure: a folder on the storage that models will be read from
    #[arg(long, requires = "measure", default_value = ".")]
    storage: PathBuf,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the models that are known
    Catalogue {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a model to your catalogue, from its own header or configuration
    Add {
        /// A GGUF file or a config.json
        file: PathBuf,
        /// Name it
        #[arg(long)]
        name: Option<String>,
        /// Its licence, as its makers name it
        #[arg(long)]
        licence: Option<String>,
        /// Your catalogue [default: in the user's cache folder]
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// List the devices that ship
    Devices,
}

fn deadline(text: &str) -> Result<f64, String> {
    let expected = "expected 0.1 to 600000 ms";
    let ms: f64 = text
        .trim()
        .parse()
        .map_err(|_| format!("{text:?} is no number; {expected}"))?;
    match (0.1..=600_000.0).contains(&ms) {
        true => Ok(ms),
        false => Err(String::from(expected)),
    }
}

pub fn run(args: Args) -> CommandResult {
    match &args.verb {
        Some(Verb::Catalogue { json }) => return list(*json),
        Some(Verb::Add {
            file,
            name,
            licence,
            to,
        }) => return add(file, name, licence, to.as_deref()),
        Some(Verb::Devices) => {
            for name in device::names() {
                println!("{name}: {}", device::find(name)?.title);
            }
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    if let Some(file) = &args.measure {
        return write_measured(file.as_deref(), &args);
    }
    if let Some(folder) = &args.bundle {
        return write_bundle(folder, &args);
    }
    let device = device::find(&args.device)?;
    let deadline = Duration::from_secs_f64(args.deadline_ms / 1e3);
    let free = args.ram_free.unwrap_or(device.memory_bytes() / 2);
    if let Some(classifier) = classifier(&args)? {
        return of_classifier(&classifier, &device, deadline, free, &args);
    }
    let (models, of_one) = models(&args)?;
    let request = Request {
        ram_free: free,
        task: args.task.clone(),
        deadline,
        question: question(&args),
        offline_only: args.offline_only,
        device,
    };
    if let Some(fault) = request.fault() {
        return Err(fault.into());
    }
    if args.params.is_some() {
        return Err("--params writes what a node takes, which runs no language model: --model FILE.gguf --bundle FOLDER \
            writes what `reason` takes"
            .into());
    }
    let answer = plan(&request, &models, of_one);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&answer)?),
        false => print!("{}", report::markdown(&answer, &request.device, args.lang)),
    }
    Ok(viable(!answer.candidates.is_empty()))
}

/// Exit code 1: nothing is viable.
fn viable(is: bool) -> ExitCode {
    if is {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn question(args: &Args) -> Question {
    Question {
        cached: args.task.as_deref().map_or(0, about_tokens),
        prompt: args.prompt_tokens,
        answer: args.answer_tokens,
        thoughts: args.thoughts,
        chunk: CHUNK,
    }
}

/// The models to look at, and whether it is one by name.
fn models(args: &Args) -> Result<(Vec<Model>, bool), Box<dyn std::error::Error>> {
    let known = catalogue::all(catalogue::own().as_deref())?;
    let Some(name) = &args.model else {
        let mut all = known;
        if let Some(here) = shipped() {
            match all
                .iter_mut()
                .find(|model| model.shape == here.shape && model.file.is_none())
            {
                Some(same) => same.file = here.file,
                None => all.push(here),
            }
        }
        return Ok((all, false));
    };
    let path = Path::new(name);
    let model = if name.ends_with(".gguf") {
        Model::of_file(path)?
    } else if name.ends_with(".json") {
        Model::of_config(path)?
    } else if let Some(folder) = find_bundle(name)
        .ok()
        .filter(|folder| BundleKind::in_folder(folder) == BundleKind::Language)
    {
        let bundle = LanguageBundle::load(&folder)?;
        let mut model = Model::of_file(&bundle.weights()?)?;
        model.licence = bundle.manifest.licence;
        model
    } else {
        catalogue::find(&known, name)?
    };
    Ok((vec![model], true))
}

/// The language model that ships, where its weights were fetched.
fn shipped() -> Option<Model> {
    let bundle = LanguageBundle::load(&find_bundle("assistant-smollm2").ok()?).ok()?;
    let mut model = Model::of_file(&bundle.weights().ok()?).ok()?;
    model.licence = bundle.manifest.licence;
    Some(model)
}

/// A classifier that is meant by --model, or by the name of a task.
fn classifier(args: &Args) -> Result<Option<Classifier>, Box<dyn std::error::Error>> {
    let Some(name) = args.model.as_ref().or(args.task.as_ref()) else {
        return Ok(None);
    };
    let found = find_bundle(name)
        .ok()
        .filter(|folder| BundleKind::in_folder(folder) != BundleKind::Language);
    let Some(folder) = found else {
        return Ok(None);
    };
    let bundle = Bundle::load(&folder)?;
    let here = args.device == "here";
    let machine = Machine::this();
    let file = Profile::place(bundle.id(), &machine).filter(|file| here && file.is_file());
    let profile = file.and_then(|file| Profile::load(&file, bundle.id(), &machine).ok());
    let profiled = profile.and_then(|profile| {
        let engine = profile.engines.into_iter().next()?;
        let us = engine
            .loaded
            .to_exit
            .iter()
            .map(|cost| cost.p999_us)
            .collect();
        Some((engine.engine, us))
    });
    let manifest = &bundle.manifest;
    let sizes = &manifest.architecture;
    let parameters = (sizes.features * sizes.width
        + sizes.depth * (4 * sizes.width * sizes.inner() + 2 * sizes.width * sizes.ffn)
        + sizes.depth * sizes.width * manifest.labels.len()) as u64;
    Ok(Some(Classifier {
        name: manifest.name.clone(),
        id: bundle.id().to_owned(),
        folder: name.clone(),
        stage_macs: sizes.stage_macs(manifest.labels.len()),
        weights_bytes: bundle.weights_bytes(),
        parameters,
        profiled_us: profiled,
    }))
}

fn of_classifier(
    classifier: &Classifier,
    device: &Device,
    deadline: Duration,
    free: u64,
    args: &Args,
) -> CommandResult {
    let answer = classifier.plan(device, deadline, free);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&answer)?),
        false => print!("{}", answer.markdown(args.lang)),
    }
    if let Some(file) = &args.params {
        if !answer.viable {
            return Err(format!("{}: not written: the plan is not viable", file.display()).into());
        }
        std::fs::write(file, answer.params())
            .map_err(|cause| format!("{}: {cause}", file.display()))?;
        eprintln!("written to {}", file.display());
    }
    Ok(viable(answer.viable))
}

fn list(json: bool) -> CommandResult {
    let models = catalogue::all(catalogue::own().as_deref())?;
    let sizes = |model: &Model| -> Vec<(Format, u64)> {
        let size = |format| {
            (
                format,
                model
                    .shape
                    .weights(format, model.metadata_bytes)
                    .file_bytes(),
            )
        };
        Format::ALL.map(size).to_vec()
    };
    if json {
        let rows = models.iter().map(|model| {
            let files: serde_json::Map<_, _> =
                sizes(model).into_iter().map(|(format, bytes)| (format.to_string(), bytes.into())).collect();
            serde_json::json!({
                "model": model.name, "repository": model.repository, "licence": model.licence, "shape": model.shape,
                "parameters": model.shape.parameters(), "file_bytes": files, "published_bytes": model.published,
                "source": model.source, "here": model.is_here(),
            })
        });
        println!(
            "{}",
            serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "| model | licence | parameters | F16 | Q8_0 | Q5_K_M | Q4_K_M | Q4_0 | published | KV a token |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for model in &models {
        let files = sizes(model)
            .into_iter()
            .map(|(_, bytes)| units::shown(bytes));
        let published = model
            .published
            .iter()
            .map(|(format, bytes)| format!("{format} {}", units::shown(*bytes)));
        println!(
            "| {} | {} | {:.0} M | {} | {} | {} |",
            model.name,
            if model.licence.is_empty() {
                "not stated"
            } else {
                &model.licence
            },
            model.shape.parameters() as f64 / 1e6,
            files.collect::<Vec<_>>().join(" | "),
            published.collect::<Vec<_>>().join(", "),
            units::shown(model.shape.kv_bytes(1, 64, |_| usize::MAX))
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn add(
    file: &Path,
    name: &Option<String>,
    licence: &Option<String>,
    to: Option<&Path>,
) -> CommandResult {
    let config = file.extension().is_some_and(|end| end == "json");
    let path = std::path::absolute(file)?;
    let mut model = if config {
        Model::of_config(&path)?
    } else {
        Model::of_file(&path)?
    };
    if let Some(name) = name {
        model.name.clone_from(name);
    }
    if let Some(licence) = licence {
        model.licence.clone_from(licence);
    }
    let to = to.map(Path::to_owned).or_else(catalogue::own);
    let to = to.ok_or("there is neither XDG_CACHE_HOME nor HOME; name a file with --to")?;
    catalogue::add(&model, &to)?;
    println!("{} added to {}", model.name, to.display());
    Ok(ExitCode::SUCCESS)
}

fn write_measured(file: Option<&Path>, args: &Args) -> CommandResult {
    let file = file.map(Path::to_owned).or_else(place);
    let file =
        file.ok_or("there is neither XDG_CACHE_HOME nor HOME; name a file with --measure FILE")?;
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let device = measure(effort, &args.storage, &|what| eprintln!("{what}"))?;
    let wrong = |cause: std::io::Error| format!("{}: {cause}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    std::fs::write(&file, serde_yaml::to_string(&device)?).map_err(wrong)?;
    println!("written to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

fn write_bundle(folder: &Path, args: &Args) -> CommandResult {
    let name = args.model.as_deref().filter(|name| name.ends_with(".gguf"));
    let file = name.ok_or("--bundle needs the weights: --model FILE.gguf")?;
    let model = Model::of_file(Path::new(file))?;
    let path = folder.join("model.yaml");
    if path.exists() {
        return Err(format!("{} is there already; name another folder", path.display()).into());
    }
    let weights = std::path::absolute(file)?;
    let text = report::bundle(
        &model.name,
        &model.licence,
        &weights,
        args.task.as_deref(),
        &question(args),
    )?;
    let wrong = |cause: std::io::Error| format!("{}: {cause}", path.display());
    std::fs::create_dir_all(folder).map_err(wrong)?;
    std::fs::write(&path, text).map_err(wrong)?;
    LanguageBundle::load(folder)?;
    println!(
        "written to {}; put your prompt, labels and examples into it",
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}
