//! A plan as text for people, in English or Spanish; machines take the plan itself as JSON.

mod language;
mod steps;

use std::fmt::Write;

use super::candidates::{Candidate, Plan, Refused, Verdict, Why, WouldBe};
use super::device::{Device, How, Runs};
use super::engine::Engine;
use super::licence::Products;
use super::memory::MARGIN;
use super::units::{shown, shown_ms};
pub use language::Lang;
pub use steps::{bundle, steps};

/// The plan as Markdown.
pub fn markdown(plan: &Plan, device: &Device, lang: Lang) -> String {
    let mut out = String::new();
    let asked = &plan.asked;
    let q = &asked.question;
    let _ = writeln!(out, "# {}\n", lang.pick("Does it fit?", "¿Cabe?"));
    let _ = writeln!(
        out,
        "- {}: {} ({}: {})",
        lang.pick("Device", "Dispositivo"),
        device.title,
        device.name,
        lang.pick(
            match device.cpu.how {
                How::Measured => "measured",
                How::DataSheet => "from its data sheet",
                How::Estimated => "estimated",
            },
            match device.cpu.how {
                How::Measured => "medido",
                How::DataSheet => "según su hoja de datos",
                How::Estimated => "estimado",
            },
        )
    );
    let _ = writeln!(
        out,
        "- {}: {}",
        lang.pick("Free memory", "Memoria libre"),
        shown(asked.ram_free_bytes)
    );
    let deadline = shown_ms(asked.deadline_ms);
    let _ = match lang {
        Lang::En => writeln!(
            out,
            "- Deadline: {deadline}, for {} new tokens of prompt (behind {} kept ones), an answer of up to {}, up to {} \
             of thought",
            q.prompt, q.cached, q.answer, q.thoughts
        ),
        Lang::Es => writeln!(
            out,
            "- Plazo: {deadline}, para {} tokens nuevos de pregunta (tras {} guardados), una respuesta de hasta {}, \
             hasta {} de razonamiento",
            q.prompt, q.cached, q.answer, q.thoughts
        ),
    };
    if plan.candidates.is_empty() {
        let _ = writeln!(out, "\n## {}\n", lang.pick("Not viable", "No viable"));
        for refused in &plan.refused {
            let _ = writeln!(out, "- {}", why(refused, lang));
        }
        match &plan.would_be {
            Some(would) => {
                let _ = writeln!(out, "\n{}", would_be(would, lang));
            }
            None if device.runs == Runs::Microcontroller => {
                let _ = writeln!(
                    out,
                    "\n{}",
                    lang.pick(
                        "Only a classifier can fit here (edge_reasoner plan --model models/terrain --device ...): \
                         export its weights as INT8 to an engine for microcontrollers; this program itself needs Linux.",
                        "Aquí solo cabe un clasificador (edge_reasoner plan --model models/terrain --device ...): \
                         exporte sus pesos en INT8 a un motor para microcontroladores; este programa necesita Linux.",
                    )
                );
            }
            None => {}
        }
        return out;
    }
    for (index, one) in plan.candidates.iter().enumerate() {
        let _ = writeln!(
            out,
            "\n## {}. {} {} — {}\n",
            index + 1,
            one.model,
            one.format,
            engine(one.engine, lang)
        );
        candidate(
            &mut out,
            one,
            device,
            asked.deadline_ms,
            asked.ram_free_bytes,
            lang,
        );
    }
    let _ = writeln!(
        out,
        "\n## {}\n",
        lang.pick("How they are ordered", "Cómo se ordenan")
    );
    let _ = writeln!(
        out,
        "{}",
        lang.pick(
            "Models that products may use come first, then those whose every thought fits the deadline by its bound, \
             then the larger model; of one model what edge_reasoner runs, which keeps the deadline by itself, then the format \
             that loses least (F16 last: it keeps next to nothing more than Q8_0), then the faster engine. A larger model is not always better at your task: measure.",
            "Primero los modelos que un producto puede usar, luego los que por su cota cumplen el plazo con todo el \
             razonamiento, luego el modelo mayor; de un mismo modelo, lo que ejecuta edge_reasoner, que cumple el plazo por sí \
             mismo, luego el formato que menos pierde (F16 al final: apenas \
             conserva más que Q8_0), luego el motor más rápido. Un modelo mayor no siempre hace mejor su tarea: mida.",
        )
    );
    if !plan.refused.is_empty() {
        let _ = writeln!(out, "\n## {}\n", lang.pick("Not viable", "No viables"));
        for refused in &plan.refused {
            let _ = writeln!(out, "- {}", why(refused, lang));
        }
    }
    out
}

fn candidate(
    out: &mut String,
    one: &Candidate,
    device: &Device,
    deadline_ms: f64,
    free: u64,
    lang: Lang,
) {
    let m = &one.memory;
    let item = |out: &mut String, en: &str, es: &str, text: String| {
        let _ = writeln!(out, "- {}: {text}", lang.pick(en, es));
    };
    item(
        out,
        "Deadline",
        "Plazo",
        verdict(&one.verdict, deadline_ms, lang),
    );
    let (rate, token) = (one.prefill_tokens_per_s, shown_ms(one.decode_ms));
    item(
        out,
        "Expected",
        "Esperado",
        match lang {
            Lang::En => format!(
                "prompt {} ({rate:.0} tokens/s), each token {token}",
                shown_ms(one.prefill_ms)
            ),
            Lang::Es => format!(
                "pregunta {} ({rate:.0} tokens/s), cada token {token}",
                shown_ms(one.prefill_ms)
            ),
        },
    );
    let total = one.needed_with_margin_bytes;
    item(
        out,
        "Memory",
        "Memoria",
        match lang {
            Lang::En => format!(
                "{} with a margin of {:.0} %, of {} free: weights {}, keys and values of {} tokens {} (F16; Q8_0 {}), \
                 buffers {}, tokenizer {}, process {}; besides {} of the file, which the system may drop",
                shown(total),
                MARGIN * 1e2,
                shown(free),
                shown(m.weights),
                one.context,
                shown(one.cache_f16_bytes),
                shown(one.cache_q8_0_bytes),
                shown(m.buffers),
                shown(m.tokenizer),
                shown(m.process),
                shown(m.mapped_file)
            ),
            Lang::Es => format!(
                "{} con un margen del {:.0} %, de {} libres: pesos {}, claves y valores de {} tokens {} (F16; Q8_0 {}), \
                 memoria de trabajo {}, vocabulario {}, proceso {}; además {} del archivo, que el sistema puede soltar",
                shown(total),
                MARGIN * 1e2,
                shown(free),
                shown(m.weights),
                one.context,
                shown(one.cache_f16_bytes),
                shown(one.cache_q8_0_bytes),
                shown(m.buffers),
                shown(m.tokenizer),
                shown(m.process),
                shown(m.mapped_file)
            ),
        },
    );
    let sizes = one.formats.iter().map(|size| {
        let published = size.published_bytes.map(|bytes| {
            format!(
                " ({} {})",
                lang.pick("published", "publicado"),
                shown(bytes)
            )
        });
        format!(
            "{} {}{}",
            size.format,
            shown(size.file_bytes),
            published.unwrap_or_default()
        )
    });
    item(
        out,
        "File by format",
        "Archivo por formato",
        sizes.collect::<Vec<_>>().join(", "),
    );
    if let Some(seconds) = one.load_s {
        item(out, "Load", "Carga", format!("{seconds:.1} s"));
    }
    match (one.energy_j, one.busy_w) {
        (Some(joules), Some(watts)) => item(
            out,
            "Energy",
            "Energía",
            match lang {
                Lang::En => format!(
                    "about {joules:.1} J an answer above idle, {watts:.0} W while it answers"
                ),
                Lang::Es => format!(
                    "unos {joules:.1} J por respuesta sobre el reposo, {watts:.0} W mientras responde"
                ),
            },
        ),
        _ => item(
            out,
            "Energy",
            "Energía",
            lang.pick(
                "the device file does not know",
                "el archivo del dispositivo no la sabe",
            )
            .to_owned(),
        ),
    }
    let share = device.sustained_share();
    if share < 0.995 {
        item(
            out,
            "Heat",
            "Calor",
            match lang {
                Lang::En => format!(
                    "{:.1} GHz for seconds, {:.1} GHz for hours: the verdict is of hours ({} instead of {} expected)",
                    device.cpu.clock_ghz,
                    device.cpu.sustained_clock_ghz,
                    shown_ms(one.verdict.sustained_ms),
                    shown_ms(one.verdict.expected_ms)
                ),
                Lang::Es => format!(
                    "{:.1} GHz durante segundos, {:.1} GHz durante horas: el veredicto es de horas ({} en vez de {} \
                     esperados)",
                    device.cpu.clock_ghz,
                    device.cpu.sustained_clock_ghz,
                    shown_ms(one.verdict.sustained_ms),
                    shown_ms(one.verdict.expected_ms)
                ),
            },
        );
    }
    item(out, "Licence", "Licencia", licence(one, lang));
    item(out, "Engine", "Motor", honest(one, device, lang));
    let _ = writeln!(out, "- {}:\n", lang.pick("Steps", "Pasos"));
    for (index, step) in steps(one, deadline_ms, lang).iter().enumerate() {
        let _ = writeln!(
            out,
            "  {}. {}\n     `{}`",
            index + 1,
            step.what,
            step.command
        );
    }
}

fn engine(engine: Engine, lang: Lang) -> String {
    match (engine, lang) {
        (Engine::Ours, Lang::Es) => String::from("edge_reasoner, 1 hilo"),
        (Engine::LlamaCpp { threads }, Lang::Es) => format!("llama.cpp, {threads} hilos"),
        (Engine::LlamaCppGpu, Lang::Es) => String::from("llama.cpp en la GPU"),
        (engine, Lang::En) => engine.name(),
    }
}

fn verdict(verdict: &Verdict, deadline_ms: f64, lang: Lang) -> String {
    let (bound, deadline) = (shown_ms(verdict.bound_ms), shown_ms(deadline_ms));
    let (mandatory, slack) = (shown_ms(verdict.mandatory_bound_ms), verdict.slack);
    let (chunks, of) = (verdict.chunks, verdict.of_chunks);
    match (verdict.is_full(), lang) {
        (true, Lang::En) => format!(
            "met: everything takes at most {bound} of {deadline} ({slack} times what is expected, as the device is \
             known; an answer without a thought at most {mandatory})"
        ),
        (true, Lang::Es) => format!(
            "se cumple: todo tarda como mucho {bound} de {deadline} ({slack} veces lo esperado, según se conoce el \
             dispositivo; una respuesta sin razonamiento como mucho {mandatory})"
        ),
        (false, Lang::En) => format!(
            "met with {chunks} of {of} chunks of thought: an answer without a thought takes at most {mandatory} of \
             {deadline}, all of it would take {bound} ({slack} times what is expected)"
        ),
        (false, Lang::Es) => format!(
            "se cumple con {chunks} de {of} tramos de razonamiento: una respuesta sin razonamiento tarda como mucho \
             {mandatory} de {deadline}, todo tardaría {bound} ({slack} veces lo esperado)"
        ),
    }
}

fn licence(one: &Candidate, lang: Lang) -> String {
    let name = match one.licence.as_str() {
        "" => lang.pick("not stated", "no declarada"),
        name => name,
    };
    let note = match one.products {
        Products::Allowed => return name.to_owned(),
        Products::Conditions => lang.pick(
            "**warning: no open-source licence**; its conditions pass on to your users: read it before you ship",
            "**aviso: no es de código abierto**; sus condiciones pasan a sus usuarios: léala antes de distribuir",
        ),
        Products::Unknown => lang.pick(
            "**warning: whether products may use it is not known here**; read it before you ship",
            "**aviso: aquí no se sabe si un producto puede usarlo**; léala antes de distribuir",
        ),
        Products::Forbidden => lang.pick(
            "**warning: it does not allow products**; for research alone",
            "**aviso: no permite productos**; solo para investigación",
        ),
    };
    format!("{name}; {note}")
}

/// Which engine serves the device, said as it is.
fn honest(one: &Candidate, device: &Device, lang: Lang) -> String {
    let mut words = String::from(match one.engine {
        Engine::Ours => lang.pick(
            "edge_reasoner runs it and keeps the deadline by itself",
            "edge_reasoner lo ejecuta y cumple el plazo por sí mismo",
        ),
        Engine::LlamaCpp { .. } | Engine::LlamaCppGpu => lang.pick(
            "llama.cpp serves this device and deadline better than edge_reasoner, which runs language models on one \
             thread of the processor; it has no bound on time: ask for few tokens, and cancel by a clock of your own",
            "llama.cpp sirve mejor a este dispositivo y plazo que edge_reasoner, que ejecuta los modelos de lenguaje en \
             un hilo del procesador; no tiene cota de tiempo: pida pocos tokens y cancele con un reloj propio",
        ),
    });
    for other in &one.others {
        let (name, expected, bound) = (
            engine(other.engine, lang),
            shown_ms(other.expected_ms),
            shown_ms(other.bound_ms),
        );
        let _ = match lang {
            Lang::En => write!(
                words,
                "; on {name} all of it is expected to take {expected}, at most {bound}"
            ),
            Lang::Es => write!(
                words,
                "; con {name} se espera que todo tarde {expected}, como mucho {bound}"
            ),
        };
    }
    if let Some(npu) = &device.npu {
        let _ = match lang {
            Lang::En => write!(
                words,
                "; its {} ({} TOPS) is run by {}, which was not planned with",
                npu.name, npu.int8_tops, npu.engine
            ),
            Lang::Es => write!(
                words,
                "; su {} ({} TOPS) lo usa {}, que no entra en este plan",
                npu.name, npu.int8_tops, npu.engine
            ),
        };
    }
    if device.gpu.as_ref().is_some_and(|gpu| gpu.api == "metal") {
        words.push_str(lang.pick(
            "; MLX or Core ML may serve it better still",
            "; MLX o Core ML pueden servirle aún mejor",
        ));
    }
    words
}

fn why(refused: &Refused, lang: Lang) -> String {
    let model = &refused.model;
    let because = match (&refused.why, lang) {
        (
            Why::Memory {
                needs_bytes,
                free_bytes,
            },
            Lang::En,
        ) => {
            format!(
                "it needs {} in its least format and {} are free",
                shown(*needs_bytes),
                shown(*free_bytes)
            )
        }
        (
            Why::Memory {
                needs_bytes,
                free_bytes,
            },
            Lang::Es,
        ) => {
            format!(
                "necesita {} en su menor formato y hay {} libres",
                shown(*needs_bytes),
                shown(*free_bytes)
            )
        }
        (
            Why::Deadline {
                least_ms,
                deadline_ms,
            },
            Lang::En,
        ) => format!(
            "an answer without a thought takes up to {} where it is fastest, the deadline is {}",
            shown_ms(*least_ms),
            shown_ms(*deadline_ms)
        ),
        (
            Why::Deadline {
                least_ms,
                deadline_ms,
            },
            Lang::Es,
        ) => format!(
            "una respuesta sin razonamiento tarda hasta {} donde es más rápida, el plazo es {}",
            shown_ms(*least_ms),
            shown_ms(*deadline_ms)
        ),
        (Why::Context { needs, has }, Lang::En) => {
            format!("it takes {needs} tokens and was made for {has}")
        }
        (Why::Context { needs, has }, Lang::Es) => {
            format!("ocupa {needs} tokens y está hecho para {has}")
        }
        (Why::NotHere, Lang::En) => {
            String::from("its weights are not on this machine (--offline-only)")
        }
        (Why::NotHere, Lang::Es) => {
            String::from("sus pesos no están en esta máquina (--offline-only)")
        }
        (
            Why::NoEngine {
                smallest_bytes,
                memory_bytes,
            },
            Lang::En,
        ) => format!(
            "its least format takes {}, the device has {} and nothing that runs language models",
            shown(*smallest_bytes),
            shown(*memory_bytes)
        ),
        (
            Why::NoEngine {
                smallest_bytes,
                memory_bytes,
            },
            Lang::Es,
        ) => format!(
            "su menor formato ocupa {}, el dispositivo tiene {} y nada que ejecute modelos de lenguaje",
            shown(*smallest_bytes),
            shown(*memory_bytes)
        ),
    };
    match lang {
        Lang::En => format!("not viable: {model}, because {because}"),
        Lang::Es => format!("no viable: {model}, porque {because}"),
    }
}

fn would_be(would: &WouldBe, lang: Lang) -> String {
    let mut with = Vec::new();
    if let Some(ms) = would.deadline_ms {
        with.push(format!("--deadline-ms {ms:.0}"));
    }
    if let Some(bytes) = would.ram_free_bytes {
        with.push(format!("--ram-free {}MiB", bytes.div_ceil(1 << 20)));
    }
    let run = would.engine.map_or_else(String::new, |of| engine(of, lang));
    let (model, format, with) = (&would.model, &would.format, with.join(" "));
    match lang {
        Lang::En => format!("It would be with `{with}`: {model} {format}, {run}."),
        Lang::Es => format!("Lo sería con `{with}`: {model} {format}, {run}."),
    }
}
