//! What a model's licence lets a product do, as far as its name says. No legal advice.

use serde::Serialize;

/// May weights of this licence be in a product that is sold?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Products {
    /// Open source: yes.
    Allowed,
    /// With conditions of its own, which pass on to users.
    Conditions,
    /// Not stated, or not known here.
    Unknown,
    /// Not for products.
    Forbidden,
}

/// By the licence's name.
pub fn products(licence: &str) -> Products {
    let name = licence.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&[
        "-nc",
        "noncommercial",
        "non-commercial",
        "research",
        "cc-by-nc",
    ]) {
        Products::Forbidden
    } else if has(&["llama", "gemma", "community", "openrail", "terms"]) {
        Products::Conditions
    } else if has(&["apache", "mit", "bsd", "cc0", "cc-by-4"]) {
        Products::Allowed
    } else {
        Products::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_products_is_never_taken_for_it() {
        for (name, expected) in [
            ("Apache-2.0", Products::Allowed),
            ("MIT", Products::Allowed),
            ("CC-BY-NC-4.0", Products::Forbidden),
            ("Qwen Research (non-commercial)", Products::Forbidden),
            ("Llama 3.2 Community", Products::Conditions),
            ("Gemma Terms", Products::Conditions),
            ("", Products::Unknown),
            ("of my own", Products::Unknown),
        ] {
            assert_eq!(products(name), expected, "{name}");
        }
    }
}
