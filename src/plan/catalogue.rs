//! The catalogue of small language models: sizes, licences and sources, and what a user added.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::format::Format;
use super::shape::{Shape, text};
use super::units;
use super::weights::Weights;
use crate::language::gguf::Gguf;
use crate::user_cache::user_cache;

const SHIPPED: &str = include_str!("../../catalogue/slm_catalogue.csv");
/// What stands in front of the path of a file whose header a row is from.
const FROM_FILE: &str = "GGUF header of ";

/// A model that may be planned with.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub name: String,
    /// Where it is fetched from; empty: nowhere that is known.
    pub repository: String,
    pub licence: String,
    pub shape: Shape,
    pub metadata_bytes: u64,
    /// Its own tensors, where a file of it is here.
    pub file: Option<(PathBuf, Weights)>,
    /// Where its sizes are from.
    pub source: String,
    /// Bytes that were published, by format.
    pub published: BTreeMap<String, u64>,
}

impl Model {
    /// Of a file's own header.
    ///
    /// # Errors
    /// A file that is cut or no model, by name.
    pub fn of_file(path: &Path) -> Result<Model, String> {
        let file = Gguf::open(path).map_err(|error| error.to_string())?;
        let weights = Weights::of_file(&file);
        let stem = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Ok(Model {
            name: text(&file, "general.name")
                .filter(|name| !name.trim().is_empty())
                .unwrap_or(stem),
            repository: String::new(),
            licence: text(&file, "general.license").unwrap_or_default(),
            shape: Shape::of_file(&file)?,
            metadata_bytes: weights.metadata_bytes,
            source: format!("{FROM_FILE}{}", path.display()),
            file: Some((path.to_owned(), weights)),
            published: BTreeMap::new(),
        })
    }

    /// Of a `config.json`.
    ///
    /// # Errors
    /// The file and the key that is wrong.
    pub fn of_config(path: &Path) -> Result<Model, String> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|cause| wrong(cause.to_string()))?;
        let shape = Shape::of_config(&text).map_err(wrong)?;
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let named = json
            .get("_name_or_path")
            .and_then(|name| name.as_str())
            .unwrap_or("");
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        let name = named
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        Ok(Model {
            name: name.or(folder).unwrap_or_else(|| String::from("model")),
            repository: named.to_owned(),
            licence: String::new(),
            metadata_bytes: shape.metadata_bytes(),
            shape,
            source: path.display().to_string(),
            file: None,
            published: BTreeMap::new(),
        })
    }

    /// Whether its weights are on this machine.
    pub fn is_here(&self) -> bool {
        self.file.is_some()
    }
}

/// All models: those that ship, then a user's own.
///
/// # Errors
/// A user's catalogue that cannot be read, by file, line and column.
pub fn all(own: Option<&Path>) -> Result<Vec<Model>, String> {
    let mut models = read(SHIPPED, Path::new("slm_catalogue.csv"))?;
    if let Some(path) = own.filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| format!("{}: {cause}", path.display()))?;
        for model in read(&text, path)? {
            models.retain(|known| known.name != model.name);
            models.push(model);
        }
    }
    Ok(models)
}

/// Where a user's own rows are; none where the system names no such place.
pub fn own() -> Option<PathBuf> {
    Some(user_cache()?.join("catalogue.csv"))
}

/// The model of a name.
///
/// # Errors
/// A sentence with the names that are near.
pub fn find(models: &[Model], name: &str) -> Result<Model, String> {
    let exact = models
        .iter()
        .find(|model| model.name.eq_ignore_ascii_case(name) || model.repository == name);
    exact.cloned().ok_or_else(|| {
        let near = units::near(name, models.iter().map(|model| model.name.as_str()));
        let meant = match near.is_empty() {
            true => String::new(),
            false => format!("; did you mean {}?", near.join(" or ")),
        };
        format!(
            "model {name:?} is neither a file nor in the catalogue{meant}; edge_reasoner plan catalogue lists it, \
             edge_reasoner plan add MODEL.gguf adds to it"
        )
    })
}

fn read(text: &str, path: &Path) -> Result<Vec<Model>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let wrong = |line: usize, what: String| format!("{}, line {line}: {what}", path.display());
    let columns = reader
        .headers()
        .map_err(|cause| wrong(1, cause.to_string()))?
        .clone();
    let mut models = Vec::new();
    for (index, row) in reader.records().enumerate() {
        let line = index + 2;
        let row = row.map_err(|cause| wrong(line, cause.to_string()))?;
        let cell = |name: &str| {
            let place = columns.iter().position(|column| column == name);
            place
                .and_then(|place| row.get(place))
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
        };
        let word = |name: &str| cell(name).map(str::to_owned).unwrap_or_default();
        let size = |name: &str| match cell(name).and_then(|cell| cell.parse::<usize>().ok()) {
            Some(size) if size > 0 => Ok(size),
            _ => Err(wrong(
                line,
                format!("{name} is {:?}; expected a positive number", word(name)),
            )),
        };
        let number = |name: &str| cell(name).and_then(|cell| cell.parse::<u64>().ok());
        let shape = Shape {
            architecture: word("arch"),
            layers: size("layers")?,
            width: size("hidden")?,
            ffn: size("ffn")?,
            heads: size("heads")?,
            kv_heads: size("kv_heads")?,
            head: size("head_dim")?,
            vocabulary: size("vocab")?,
            context: size("context")?,
            tied: cell("tied_embeddings") == Some("1"),
            window: number("sliding_window")
                .filter(|window| *window > 0)
                .map(|window| window as usize),
        };
        if let Some(what) = shape.fault() {
            return Err(wrong(line, what));
        }
        let metadata = number("Q4_K_M_bytes_with_metadata_est")
            .zip(number("Q4_K_M_bytes_computed"))
            .and_then(|(with, without)| with.checked_sub(without));
        let source = word("config_source");
        // A row of a user's file, which may be gone since.
        let file = source
            .strip_prefix(FROM_FILE)
            .map(PathBuf::from)
            .filter(|file| file.is_file());
        let file = file.and_then(|path| {
            let weights = Weights::of_file(&Gguf::open(&path).ok()?);
            Some((path, weights))
        });
        let published = ["Q4_K_M", "Q4_0", "Q8_0", "F16"]
            .into_iter()
            .filter_map(|format| {
                Some((
                    format.to_owned(),
                    number(&format!("{format}_bytes_published"))?,
                ))
            });
        models.push(Model {
            name: word("model"),
            repository: word("hf_repo"),
            licence: word("licence"),
            metadata_bytes: metadata.unwrap_or_else(|| shape.metadata_bytes()),
            shape,
            file,
            source,
            published: published.collect(),
        });
    }
    Ok(models)
}

/// Adds a model to a user's catalogue, with the columns of the one that ships.
///
/// # Errors
/// The file that cannot be written or read.
pub fn add(model: &Model, path: &Path) -> Result<(), String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let columns = SHIPPED.lines().next().unwrap_or_default();
    let before = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => format!("{columns}\n"),
        Err(cause) => return Err(wrong(cause.to_string())),
    };
    read(&before, path)?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut reader = csv::Reader::from_reader(before.as_bytes());
    let headers = reader
        .headers()
        .map_err(|cause| wrong(cause.to_string()))?
        .clone();
    writer
        .write_record(&headers)
        .map_err(|cause| wrong(cause.to_string()))?;
    for row in reader
        .records()
        .flatten()
        .filter(|row| row.get(0) != Some(&model.name))
    {
        writer
            .write_record(&row)
            .map_err(|cause| wrong(cause.to_string()))?;
    }
    let cells = headers.iter().map(|column| cell(model, column));
    writer
        .write_record(cells)
        .map_err(|cause| wrong(cause.to_string()))?;
    let bytes = writer
        .into_inner()
        .map_err(|cause| wrong(cause.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|cause| wrong(cause.to_string()))?;
    }
    // Whole or not at all.
    let part = path.with_extension("part");
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|cause| wrong(cause.to_string()))
}

/// What a row has under a column.
fn cell(model: &Model, column: &str) -> String {
    let shape = &model.shape;
    let computed = |format: Format| shape.weights(format, 0).bytes();
    let kv = |of_32: u64| shape.kv_bytes(1, of_32, |_| usize::MAX);
    let at = |context: usize| match context <= shape.context {
        true => shape.kv_bytes(context, 64, |window| window).to_string(),
        false => String::new(),
    };
    for format in Format::ALL {
        if column == format!("{format}_bytes_computed") {
            return computed(format).to_string();
        }
        if column == format!("{format}_bytes_with_metadata_est") {
            return (computed(format) + model.metadata_bytes).to_string();
        }
    }
    match column {
        "model" => model.name.clone(),
        "hf_repo" => model.repository.clone(),
        "licence" => model.licence.clone(),
        "arch" => shape.architecture.clone(),
        "layers" => shape.layers.to_string(),
        "hidden" => shape.width.to_string(),
        "heads" => shape.heads.to_string(),
        "kv_heads" => shape.kv_heads.to_string(),
        "head_dim" => shape.head.to_string(),
        "ffn" => shape.ffn.to_string(),
        "vocab" => shape.vocabulary.to_string(),
        "context" => shape.context.to_string(),
        "tied_embeddings" => u8::from(shape.tied).to_string(),
        "params_matmul" => {
            let head = (shape.vocabulary * shape.width) as u64;
            (shape.body() + head).to_string()
        }
        "params_body" => shape.body().to_string(),
        "decode_weight_bytes_per_token_Q4_K_M" => {
            let weights = shape.weights(Format::Q4_K_M, 0);
            let body: u64 = weights.body().map(super::weights::Tensor::bytes).sum();
            (body + weights.head().map_or(0, super::weights::Tensor::bytes)).to_string()
        }
        "kv_bytes_per_token_f16" => kv(64).to_string(),
        "kv_bytes_per_token_q8_0" => kv(34).to_string(),
        "sliding_window" => shape
            .window
            .map_or_else(String::new, |window| window.to_string()),
        "kv_bytes_f16_ctx1024" => at(1024),
        "kv_bytes_f16_ctx2048" => at(2048),
        "kv_bytes_f16_ctx4096" => at(4096),
        "prefill_flops_per_token" => {
            (2 * (shape.body() + (shape.vocabulary * shape.width) as u64)).to_string()
        }
        "config_source" => model.source.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_sizes_are_those_published_to_a_hundredth() {
        let models = all(None).unwrap();
        assert_eq!(models.len(), 18);
        let mut compared = 0;
        for model in &models {
            for format in Format::ALL {
                if let Some(published) = model.published.get(format.name()) {
                    let computed = model
                        .shape
                        .weights(format, model.metadata_bytes)
                        .file_bytes();
                    let apart = computed as f64 / *published as f64 - 1.0;
                    // Many are published to two digits behind the point alone.
                    assert!(
                        apart.abs() < 0.011,
                        "{} {format}: {computed} for {published}",
                        model.name
                    );
                    compared += 1;
                }
            }
        }
        assert!(compared >= 18, "{compared}");
    }

    #[test]
    fn the_columns_of_the_catalogue_are_what_this_program_computes() {
        let mut reader = csv::Reader::from_reader(SHIPPED.as_bytes());
        let columns = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let models = all(None).unwrap();
        for (row, model) in rows.iter().zip(&models) {
            for (column, found) in columns.iter().zip(row.iter()) {
                // Without norms and biases in the catalogue.
                let close = column.contains("_bytes_computed") || column.contains("metadata");
                let skip = [
                    "published",
                    "source",
                    "hf_repo",
                    "ctx",
                    "params_matmul",
                    "flops",
                    "decode",
                ];
                if found.is_empty() || skip.iter().any(|word| column.contains(word)) {
                    continue;
                }
                let ours = cell(model, column);
                match (close, found.parse::<f64>(), ours.parse::<f64>()) {
                    (true, Ok(found), Ok(ours)) => {
                        assert!(
                            (ours / found - 1.0).abs() < 0.005,
                            "{} {column}: {ours} for {found}",
                            model.name
                        );
                    }
                    _ => assert_eq!(ours, found, "{} {column}", model.name),
                }
            }
        }
    }

    #[test]
    fn a_model_that_was_added_is_found_again_and_a_wrong_name_is_answered_by_near_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.csv");
        let config = folder.path().join("config.json");
        std::fs::write(
            &config,
            r#"{"model_type":"qwen2","_name_or_path":"me/tiny, with a comma","num_hidden_layers":4,"hidden_size":256,
                "intermediate_size":512,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":1000,
                "tie_word_embeddings":true,"max_position_embeddings":2048}"#,
        )
        .unwrap();
        let model = Model::of_config(&config).unwrap();
        add(&model, &path).unwrap();
        add(&model, &path).unwrap();
        let models = all(Some(&path)).unwrap();
        assert_eq!(models.len(), 19);
        assert_eq!(
            find(&models, "tiny, with a comma").unwrap().shape,
            model.shape
        );
        let error = find(&models, "smollm2-135").unwrap_err();
        assert!(
            error.contains("did you mean SmolLM2-135M-Instruct"),
            "{error}"
        );
        std::fs::write(&path, "model,layers\nx,-3\n").unwrap();
        let error = all(Some(&path)).unwrap_err();
        assert!(
            error.contains("own.csv, line 2: layers is \"-3\""),
            "{error}"
        );
        for (text, word) in [
            ("{", "no JSON"),
            ("{}", "model_type"),
            (r#"{"model_type":"llama"}"#, "num_attention_heads"),
            (
                r#"{"model_type":"mamba","num_attention_heads":1,"hidden_size":32,"num_hidden_layers":1,"intermediate_size":32,"vocab_size":10}"#,
                "mamba",
            ),
        ] {
            std::fs::write(&config, text).unwrap();
            let error = Model::of_config(&config).unwrap_err();
            assert!(
                error.contains(word) && error.contains("config.json"),
                "{error}"
            );
        }
    }
}
