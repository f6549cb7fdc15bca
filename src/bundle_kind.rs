//! What kind of bundle a folder holds, by the key `kind` of its `model.yaml`.

use std::path::Path;

use serde::Deserialize;

/// Decides which reader a bundle is for, and so what a verb does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// Decides on features: a `model.yaml` without the key, or one that is no YAML, of which its
    /// reader says what is wrong.
    Classifier,
    /// A language model: `kind: language`.
    Language,
    /// Another kind, which nothing here reads.
    Unknown,
}

impl BundleKind {
    /// By the text of a `model.yaml`.
    pub fn of(model_yaml: &str) -> BundleKind {
        #[derive(Deserialize)]
        struct Only {
            kind: Option<String>,
        }
        let kind = serde_yaml::from_str::<Only>(model_yaml).map(|only| only.kind);
        match kind.ok().flatten().as_deref() {
            None => BundleKind::Classifier,
            Some("language") => BundleKind::Language,
            Some(_) => BundleKind::Unknown,
        }
    }

    /// By a folder's `model.yaml`; a classifier where there is none.
    pub fn in_folder(folder: &Path) -> BundleKind {
        let text = std::fs::read_to_string(folder.join("model.yaml"));
        text.map_or(BundleKind::Classifier, |text| BundleKind::of(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_alone_decides() {
        for (text, kind) in [
            ("format: 1\nkind: language\n", BundleKind::Language),
            ("{kind: language, format: 1}", BundleKind::Language),
            (
                "format: 1\nkind: \"language\" # quoted\n",
                BundleKind::Language,
            ),
            ("kind: vision\n", BundleKind::Unknown),
            ("format: 3\nname: clearance\n", BundleKind::Classifier),
            ("text: |\n  kind: language\n", BundleKind::Classifier),
            ("kind: [", BundleKind::Classifier),
        ] {
            assert_eq!(BundleKind::of(text), kind, "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(BundleKind::in_folder(folder.path()), BundleKind::Classifier);
    }
}
