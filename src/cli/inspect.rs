//! `edge_reasoner inspect`: what a bundle, a recording or a GGUF file holds.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::command_result::CommandResult;
use crate::bag::Bag;
use crate::bundle_kind::BundleKind;
use crate::features::frames::MountingParameters;
use crate::features::{BelowMinStatistics, ScanPreparation, SourceSettings};
use crate::language::bundle as language;
use crate::language::gguf::Gguf;
use crate::language::summary::Summary;
use crate::messages::{Message, MessageType};
use crate::model::Bundle;
use crate::replay::RecordedTransforms;

#[derive(clap::Args)]
pub struct Args {
    /// A bundle's directory, a recording, or a language model (.gguf)
    path: PathBuf,
    /// Frame of the robot that the mountings of a recording's lasers are told in
    #[arg(long, default_value = "base_link")]
    base_frame: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn inspect(args: Args) -> CommandResult {
    let facts = match args.path.join("model.yaml").is_file() {
        true if BundleKind::in_folder(&args.path) == BundleKind::Language => {
            language_bundle(&args)?
        }
        true => bundle(&args)?,
        false if args.path.extension().is_some_and(|end| end == "gguf") => language_model(&args)?,
        false => recording(&args)?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&facts)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn language_model(args: &Args) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let summary = Summary::of(&Gguf::open(&args.path)?);
    if !args.json {
        print!("{summary}");
    }
    let mut facts = serde_json::to_value(&summary)?;
    facts["kind"] = json!("language model");
    Ok(facts)
}

fn language_bundle(args: &Args) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let bundle = language::Bundle::load(&args.path)?;
    let weights = bundle.weights();
    let summary = match &weights {
        Ok(file) => Some(Summary::of(&Gguf::open(file)?)),
        Err(_) => None,
    };
    if !args.json {
        print!("{bundle}");
        match (&weights, &summary) {
            (Ok(file), Some(summary)) => print!("weights: {}\n{summary}", file.display()),
            (Err(why), _) => println!("! {why}"),
            (Ok(_), None) => {}
        }
    }
    Ok(json!({
        "kind": "language bundle",
        "manifest": bundle.manifest,
        "weights": weights.as_ref().ok(),
        "missing": weights.as_ref().err().map(ToString::to_string),
        "model": summary,
    }))
}

fn bundle(args: &Args) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let bundle = Bundle::load(&args.path)?;
    let manifest = &bundle.manifest;
    if !args.json {
        let sizes = &manifest.architecture;
        println!("{}: decides {}", bundle.id(), manifest.labels.join(", "));
        println!("safe label: {}", manifest.safe_label);
        if let Some(bins) = &manifest.bins {
            println!(
                "free way: a distribution over {} bins, edges {:?} m",
                bins.count(),
                bins.edges_m
            );
        }
        println!(
            "window: {} frames of {} features, {} ms apart, at every message of {}",
            sizes.frames, sizes.features, manifest.window.period_ms, manifest.window.trigger
        );
        for input in &manifest.window.inputs {
            println!(
                "  {} ({}){}, stale after {} ms",
                input.source,
                input.message.ros_name(),
                if input.required { "" } else { ", optional" },
                input.timeout_ms
            );
        }
        println!(
            "encoder: width {}, {} heads of {}, ffn {}, {} parameters stored in {}",
            sizes.width,
            sizes.heads,
            sizes.head_width(),
            sizes.ffn,
            bundle.weights().parameters(),
            manifest.weights.precision
        );
        let engines = manifest.stage_cost_us.iter().map(|(name, _)| name);
        println!(
            "exit  balanced accuracy  threshold  µs per stage where trained: {}",
            engines.collect::<Vec<_>>().join(", ")
        );
        for (index, exit) in manifest.exits.iter().enumerate() {
            let costs = manifest.stage_cost_us.iter();
            let costs = costs.map(|(_, costs)| format!("{:.1}", costs[index]));
            let costs = costs.collect::<Vec<_>>().join(", ");
            println!(
                "{:>4}  {:>17.3}  {:>9.3}  {costs}",
                index + 1,
                exit.balanced_accuracy,
                exit.threshold
            );
        }
        println!("trained by: {}", manifest.training.command);
        println!("on {} recordings", manifest.training.recordings.len());
    }
    Ok(json!({
        "kind": "bundle",
        "id": bundle.id(),
        "parameters": bundle.weights().parameters(),
        "manifest": manifest,
    }))
}

fn recording(args: &Args) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let bag = Bag::open(&args.path)?;
    let seconds = bag
        .time_range()
        .map(|(first, last)| last.since(first).as_secs_f64());
    if !args.json {
        match seconds {
            Some(seconds) => println!("{}: {seconds:.1} s", bag.name()),
            None => println!("{}: no messages known", bag.name()),
        }
        for topic in bag.topics() {
            let count = topic.messages.map_or(String::from("?"), |n| n.to_string());
            let kind = match topic.type_name.as_str() {
                "" => "(no schema: its type is not recorded)",
                kind => kind,
            };
            println!("{count:>9}  {}  {kind}", topic.name);
            if let Some(what) = topic.unreadable() {
                println!("           ! {what}");
            }
        }
    }
    let lasers = lasers(&bag)?;
    if !args.json {
        for (topic, finding) in &lasers {
            println!("{topic}: {finding}");
        }
        if let Some(cut) = bag.cut() {
            println!("! {cut}");
        }
    }
    let mountings = mountings(&bag, args)?;
    let topics = bag.topics().iter().map(|topic| {
        json!({
            "name": topic.name,
            "type": topic.type_name,
            "messages": topic.messages,
            "encoding": topic.encoding,
            "schema_encoding": topic.schema_encoding,
        })
    });
    Ok(json!({
        "kind": "recording",
        "name": bag.name(),
        "seconds": seconds,
        "topics": topics.collect::<Vec<_>>(),
        "cut": bag.cut(),
        "mountings": mountings,
        "lasers": lasers.iter().map(|(topic, finding)| json!({
            "topic": topic,
            "range_min_m": finding.range_min,
            "beams": finding.beams,
            "below_range_min": finding.below,
            "measured_below_range_min": finding.measured,
            "minus_inf": finding.minus_inf,
            "codes_m": finding.codes(),
            "held": finding.held,
        })).collect::<Vec<_>>(),
    }))
}

/// The mounting of each laser, by the recording's tf.
fn mountings(bag: &Bag, args: &Args) -> Result<Vec<serde_json::Value>, Box<dyn std::error::Error>> {
    let said = MountingParameters {
        base_frame: args.base_frame.clone(),
        needs_place: true,
        ..MountingParameters::default()
    };
    let scans = MessageType::LaserScan.ros_name();
    let mut all = Vec::new();
    for topic in bag.topics().iter().filter(|topic| topic.type_name == scans) {
        let frames = RecordedTransforms::of(bag, &topic.name)?;
        let Some(looked) = frames.look(bag, &topic.name, &said)? else {
            continue;
        };
        let (frame, name, base) = (&looked.frame, &topic.name, &args.base_frame);
        if !args.json {
            match &looked.mounting {
                Ok(mount) => println!("{name}: frame {frame}, by tf in {base}: {mount}"),
                Err(why) => println!("{name}: frame {frame}, mounting in {base} not known: {why}"),
            }
        }
        all.push(match looked.mounting {
            Ok(mount) => json!({
                "topic": name,
                "frame": frame,
                "base_frame": base,
                "yaw": mount.yaw,
                "upside_down": mount.upside_down,
                "x": mount.x,
                "y": mount.y,
            }),
            Err(why) => {
                json!({"topic": name, "frame": frame, "base_frame": base, "not_known": why})
            }
        });
    }
    Ok(all)
}

/// The values below range_min in the scans of each laser, read under the defaults.
fn lasers(bag: &Bag) -> Result<Vec<(String, BelowMinStatistics)>, Box<dyn std::error::Error>> {
    let kind = MessageType::LaserScan;
    let topics = bag.topics().iter();
    let topics = topics.filter(|topic| topic.type_name == kind.ros_name());
    let names: Vec<&str> = topics.map(|topic| topic.name.as_str()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let fresh = || ScanPreparation::new(&SourceSettings::default());
    let mut lasers: Vec<ScanPreparation> = names.iter().map(|_| fresh()).collect();
    for message in &mut bag.read(&names)? {
        let message = message?;
        // What cannot be read is the replay's to refuse.
        if let Ok(Message::LaserScan(scan)) = Message::decode(kind, &message.data) {
            lasers[message.topic].prepare(&scan, message.log_time);
        }
    }
    let found = names.into_iter().zip(&lasers);
    Ok(found
        .map(|(name, laser)| (name.to_owned(), *laser.finding()))
        .collect())
}
