//! How long a string of a JSON schema's `pattern` can be, written as JSON.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Of all strings that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Bytes of the longest; none where there is no longest.
    pub bytes: Option<usize>,
    /// Bytes of a character at most.
    pub character: usize,
}

/// Of a pattern.
///
/// # Errors
/// One that is no regular expression, or says nothing about where the string begins and ends.
pub fn longest(pattern: &str) -> Result<Form, String> {
    let hir = regex_syntax::parse(pattern).map_err(|_| {
        format!("its pattern {pattern:?} is no regular expression that is known here")
    })?;
    let whole = |look, set: regex_syntax::hir::LookSet| set.contains(look);
    let properties = hir.properties();
    if !whole(Look::Start, properties.look_set_prefix())
        || !whole(Look::End, properties.look_set_suffix())
    {
        return Err(format!(
            "its pattern {pattern:?} may stand anywhere in the string; begin it with ^ and end it with $"
        ));
    }
    let mut character = 1;
    let bytes = walk(&hir, &mut character);
    Ok(Form { bytes, character })
}

/// Bytes of what matches at most, with quotes and backslashes escaped.
fn walk(hir: &Hir, character: &mut usize) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0);
            let sizes = text.chars().map(written);
            *character = sizes.clone().fold(*character, usize::max);
            Some(sizes.sum())
        }
        HirKind::Class(class) => {
            let most = match class {
                Class::Unicode(class) => class
                    .ranges()
                    .iter()
                    .map(|range| {
                        let escaped = ['"', '\\'].map(|c| range.start() <= c && c <= range.end());
                        let escaped = if escaped.contains(&true) { 2 } else { 1 };
                        range.end().len_utf8().max(escaped)
                    })
                    .max(),
                Class::Bytes(_) => Some(2),
            };
            let most = most.unwrap_or(0);
            *character = most.max(*character);
            Some(most)
        }
        HirKind::Repetition(repetition) => {
            let one = walk(&repetition.sub, character)?;
            match repetition.max {
                Some(most) => Some(one.saturating_mul(most as usize)),
                None => (one == 0).then_some(0),
            }
        }
        HirKind::Capture(capture) => walk(&capture.sub, character),
        HirKind::Concat(parts) => {
            // All of them, so that `character` is of all.
            let parts: Vec<Option<usize>> = parts.iter().map(|p| walk(p, character)).collect();
            parts
                .into_iter()
                .try_fold(0usize, |sum, part| Some(sum.saturating_add(part?)))
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<Option<usize>> = parts.iter().map(|p| walk(p, character)).collect();
            parts
                .into_iter()
                .try_fold(0usize, |most, part| Some(most.max(part?)))
        }
    }
}

fn written(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_is_counted_as_it_is_written() {
        for (pattern, bytes, character) in [
            ("^abc$", Some(3), 1),
            ("^(go|stop)$", Some(4), 1),
            ("^[a-z]{2,5}$", Some(5), 1),
            ("^[a-zä]{2,5}$", Some(10), 2),
            ("^[a-z]*$", None, 1),
            ("^x[a-z]+é*$", None, 2),
            ("^\"?$", Some(2), 2),
            ("^[ -~]{3}$", Some(6), 2),
            ("^$", Some(0), 1),
        ] {
            assert_eq!(longest(pattern), Ok(Form { bytes, character }), "{pattern}");
        }
        for (pattern, word) in [
            ("abc", "anywhere"),
            ("^abc", "anywhere"),
            ("^a$|b", "anywhere"),
            ("(", "no regular expression"),
            ("^(?=a)b$", "no regular expression"),
        ] {
            assert!(longest(pattern).unwrap_err().contains(word), "{pattern}");
        }
    }
}
