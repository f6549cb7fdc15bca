//! The table of variants as markdown.

use std::collections::BTreeSet;

use crate::learn::report::variant::Variant;

/// The table in Markdown.
pub(in crate::learn) fn table(variants: &[Variant]) -> String {
    let robots: BTreeSet<&String> = variants
        .iter()
        .flat_map(|variant| variant.balanced_accuracy.keys())
        .collect();
    let names: String = robots.iter().map(|robot| format!(" {robot} |")).collect();
    let mut text = format!(
        "| | weights of the blocks | parameters | bytes on disk | RAM | scored by |{names} `fastest` agrees, stages |\n"
    );
    text += &format!(
        "|---|---:|---:|---:|---:|---|{}---:|\n",
        "---|".repeat(robots.len())
    );
    for variant in variants {
        let scores: String = robots
            .iter()
            .map(|robot| {
                let exits = variant.balanced_accuracy.get(*robot);
                let figures = exits.into_iter().flatten();
                let figures = figures.map(|s| s.map_or("-".into(), |s| format!("{s:.3}")));
                format!(" {} |", figures.collect::<Vec<String>>().join(" "))
            })
            .collect();
        let fastest = match (variant.fastest_agreement, variant.fastest_stages) {
            (Some(share), Some(stages)) => format!("{:.2} %, {stages:.2}", 100.0 * share),
            _ => "-".into(),
        };
        text += &format!(
            "| {} | {} | {} | {} | {} KiB | {} |{scores} {fastest} |\n",
            variant.name,
            variant.block_weights,
            variant.parameters,
            variant.bytes_on_disk,
            variant.ram_bytes / 1024,
            variant.engine
        );
    }
    text + "\nPer robot: balanced accuracy by exit, on the left-out groups. RAM: weights and scratch of \
            the packed engine, packed_f32 for f32 and packed_int8 for integers.\n"
}
