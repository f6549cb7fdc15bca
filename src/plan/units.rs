//! Sizes, times and counts as people write them: `4GiB`, `4 GB`, `4096M`, `800`.

/// Units of memory, longest first; bytes of each.
const UNITS: [(&str, u64); 13] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
];

/// Bytes of a size of memory with its unit. `KiB`, `MiB`, `GiB` and a bare `K`, `M`, `G` (as free
/// and docker have them) count in 1024; `kB`, `MB`, `GB` in 1000.
///
/// # Errors
/// A sentence: no number, no unit, zero, negative, or beyond what memory there is.
pub fn bytes(text: &str) -> Result<u64, String> {
    let expected = "expected a size above zero with its unit, such as 4GiB, 4 GB or 4096M";
    let word = text.trim().to_ascii_lowercase();
    let digits = word
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(word.len());
    let (number, unit) = (&word[..digits], word[digits..].trim());
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no size; {expected}"))?;
    if unit.is_empty() {
        return Err(format!("{text:?} has no unit; {expected}"));
    }
    let Some((_, by)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{text:?} has the unit {unit:?}; {expected}"));
    };
    let size = number * *by as f64;
    match size.is_finite() && (1.0..1e15).contains(&size) {
        true => Ok(size.round() as u64),
        false => Err(format!("{text:?} is not possible; {expected}")),
    }
}

/// A size for people, in 1024s.
pub fn shown(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1024.0 * 1024.0 * 1024.0 => format!("{:.2} GiB", b / 1024f64.powi(3)),
        b if b >= 1024.0 * 1024.0 => format!("{:.1} MiB", b / 1024f64.powi(2)),
        b if b >= 1024.0 => format!("{:.1} KiB", b / 1024.0),
        b => format!("{b:.0} B"),
    }
}

/// Milliseconds for people: three digits that count.
pub fn shown_ms(ms: f64) -> String {
    match ms {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms if ms >= 10.0 => format!("{ms:.1} ms"),
        ms if ms >= 0.1 => format!("{ms:.2} ms"),
        ms => format!("{:.1} µs", ms * 1e3),
    }
}

/// The word that is nearest to one that is not known, where one is near enough to be meant.
pub fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |text: &str| -> String {
        let kept = text.chars().filter(char::is_ascii_alphanumeric);
        kept.collect::<String>().to_ascii_lowercase()
    };
    let asked = plain(word);
    let mut all: Vec<(usize, &str)> = known
        .map(|name| {
            let name_plain = plain(name);
            let part =
                !asked.is_empty() && (name_plain.contains(&asked) || asked.contains(&name_plain));
            // A name that goes on behind what was written counts as near as well.
            let begins: String = name_plain.chars().take(asked.chars().count()).collect();
            let apart = match part {
                true => 1,
                false => distance(&asked, &name_plain).min(1 + distance(&asked, &begins)),
            };
            (apart, name)
        })
        .filter(|(apart, name)| *apart <= 1 + name.len().min(asked.len()) / 3)
        .collect();
    all.sort();
    all.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Letters that are other, more or fewer (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units_and_never_guessed() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("4 GB"), Ok(4_000_000_000));
        assert_eq!(bytes("4096M"), Ok(4 << 30));
        assert_eq!(bytes(" 1.5 gib "), Ok(3 << 29));
        assert_eq!(bytes("256KB"), Ok(256_000));
        assert_eq!(bytes("900b"), Ok(900));
        for wrong in [
            "",
            "4",
            "0GiB",
            "-1GB",
            "x",
            "GiB",
            "4 parsecs",
            "1e3GB",
            "9999999TB",
            "4Gi B",
            "nanGB",
            "--4GB",
        ] {
            let error = bytes(wrong).unwrap_err();
            assert!(
                error.contains("expected a size above zero with its unit"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn near_names_are_those_that_may_be_meant() {
        let known = [
            "raspberry-pi-4",
            "raspberry-pi-5",
            "jetson-orin-nano",
            "rk3588",
        ];
        let near = |word| super::near(word, known.into_iter());
        assert_eq!(near("raspbery-pi-5")[0], "raspberry-pi-5");
        assert_eq!(near("RK3558"), ["rk3588"]);
        assert_eq!(near("orin")[0], "jetson-orin-nano");
        assert!(near("mainframe").is_empty());
        let models = ["SmolLM2-135M-Instruct", "Phi-2"];
        assert_eq!(super::near("smolm2-135m", models.into_iter())[0], models[0]);
    }
}
