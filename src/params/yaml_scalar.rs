//! Types a scalar of a params file as rcl does: yaml 1.1's words for true and false, C's numbers,
//! text for all else.

use std::ffi::CStr;

use super::value::Value;

const TRUE: [&str; 11] = [
    "Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
];
const FALSE: [&str; 11] = [
    "N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];
const TEXT_TAG: &str = "tag:yaml.org,2002:str";

/// A scalar of yaml with its style.
pub(super) struct ScalarText<'t> {
    /// Its text.
    pub text: &'t str,
    /// Whether it stands in single or double quotes.
    pub quoted: bool,
    /// Its tag, in full.
    pub tag: Option<&'t str>,
}

/// A C string ends at its first zero, and rcl reads C strings.
pub(super) fn until_zero(text: &str) -> &str {
    text.split('\0').next().unwrap_or(text)
}

/// Its value: bool, integer, double or text.
pub(super) fn typed(word: &ScalarText) -> Value {
    let text = until_zero(word.text);
    if word.tag == Some(TEXT_TAG) || word.quoted {
        return Value::String(text.to_owned());
    }
    if TRUE.contains(&text) {
        return Value::Bool(true);
    }
    if FALSE.contains(&text) {
        return Value::Bool(false);
    }
    if let Some(number) = integer(text) {
        return Value::Integer(number);
    }
    match double(text) {
        Some(number) => Value::Double(number),
        None => Value::String(text.to_owned()),
    }
}

fn integer(text: &str) -> Option<i64> {
    // Base 0: 0x1f is hexadecimal and 017 is octal.
    by_c(text, |text, end| {
        // SAFETY: see `by_c`.
        unsafe { libc::strtoll(text, end, 0) }
    })
}

fn double(text: &str) -> Option<f64> {
    let number = |text| {
        by_c(text, |text, end| {
            // SAFETY: see `by_c`.
            unsafe { libc::strtod(text, end) }
        })
    };
    let (sign, word) = match text.as_bytes() {
        [b'-', ..] => (-1.0, &text[1..]),
        [b'+', ..] => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match word {
        ".inf" | ".Inf" | ".INF" => Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if word.len() == text.len() => Some(f64::NAN),
        _ => number(text),
    }
}

/// What a function of C makes of all of `text`; none if it leaves some of it or finds it out of
/// range. The function is handed a terminated string that outlives the call and a place for the end
/// of what it read.
fn by_c<T>(
    text: &str,
    read: impl FnOnce(*const libc::c_char, *mut *mut libc::c_char) -> T,
) -> Option<T> {
    let mut terminated = Vec::with_capacity(text.len() + 1);
    terminated.extend_from_slice(text.as_bytes());
    terminated.push(0);
    let terminated = CStr::from_bytes_with_nul(&terminated).ok()?;
    let mut end = std::ptr::null_mut();
    // SAFETY: errno is this thread's own, and its address is good as long as the thread lives.
    unsafe { *libc::__errno_location() = 0 };
    let number = read(terminated.as_ptr(), &mut end);
    // SAFETY: as above.
    let in_range = unsafe { *libc::__errno_location() } == 0;
    let whole = end.cast_const() == terminated.as_ptr().wrapping_add(text.len());
    (in_range && whole && !text.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Value {
        typed(&ScalarText {
            text,
            quoted: false,
            tag: None,
        })
    }

    #[test]
    fn words_are_typed_as_by_rcl() {
        for (text, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("n", Value::Bool(false)),
            ("17", Value::Integer(17)),
            ("-0x1F", Value::Integer(-31)),
            ("010", Value::Integer(8)),
            ("08", Value::Double(8.0)),
            ("9223372036854775808", Value::Double(9223372036854775808.0)),
            ("1e3", Value::Double(1000.0)),
            (".5", Value::Double(0.5)),
            ("0x1.8p1", Value::Double(3.0)),
            ("-.Inf", Value::Double(f64::NEG_INFINITY)),
            ("infinity", Value::Double(f64::INFINITY)),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
        for text in [
            "yEs", "1_000", "0b1", "1e400", "5e-324", "5 ", "0x", "~", "null", "+.nan", "1,5", "é1",
        ] {
            assert_eq!(plain(text), Value::String(text.into()), "{text}");
        }
        assert!(matches!(plain(".nan"), Value::Double(nan) if nan.is_nan()));
        assert_eq!(plain("a\0b"), Value::String("a".into()));
    }

    #[test]
    fn quotes_and_the_tag_of_text_make_text() {
        let text = |quoted, tag| {
            typed(&ScalarText {
                text: "5",
                quoted,
                tag,
            })
        };
        assert_eq!(text(true, None), Value::String("5".into()));
        assert_eq!(text(false, Some(TEXT_TAG)), Value::String("5".into()));
        let number = Some("tag:yaml.org,2002:int");
        assert_eq!(text(false, number), Value::Integer(5));
        assert_eq!(text(true, number), Value::String("5".into()));
    }
}
