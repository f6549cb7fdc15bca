//! YAML events by libyaml, with which rcl reads params files: here its translation to Rust.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use unsafe_libyaml as unsafe_sys;

/// An event of yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A scalar.
    Scalar {
        /// Its text.
        text: String,
        /// Whether it stands in single or double quotes.
        quoted: bool,
        /// Its tag, in full.
        tag: Option<String>,
    },
    /// A list begins.
    ListStart,
    /// A list ends.
    ListEnd,
    /// A map begins.
    MapStart,
    /// A map ends.
    MapEnd,
    /// What stands elsewhere under this name.
    Alias(String),
    /// A document begins or ends.
    Document,
    /// There is no more.
    End,
}

/// Why it is no yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    /// From 1, where it is known.
    pub line: Option<u64>,
    /// libyaml's message.
    pub problem: String,
}

/// Reads a text from its beginning to its end.
pub(super) struct Parser<'t> {
    /// It refers to itself, so it stays where it is.
    raw: Box<unsafe_sys::yaml_parser_t>,
    text: PhantomData<&'t [u8]>,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t [u8]) -> Parser<'t> {
        let mut raw = Box::new(MaybeUninit::<unsafe_sys::yaml_parser_t>::uninit());
        // SAFETY: initialize writes the whole structure; without memory the process ends in it. The
        // text outlives the parser by `'t`, and no pointer to it is null.
        let raw = unsafe {
            let initialized = unsafe_sys::yaml_parser_initialize(raw.as_mut_ptr()).ok;
            assert!(initialized, "libyaml initialises its parser");
            unsafe_sys::yaml_parser_set_input_string(
                raw.as_mut_ptr(),
                text.as_ptr(),
                text.len() as u64,
            );
            Box::from_raw(Box::into_raw(raw).cast::<unsafe_sys::yaml_parser_t>())
        };
        Parser {
            raw,
            text: PhantomData,
        }
    }

    /// The next event, with the line it begins in (from 1). After an error or the end it is that
    /// again.
    pub fn next(&mut self) -> Result<(Event, u64), YamlError> {
        if self.raw.error != unsafe_sys::YAML_NO_ERROR {
            return Err(self.error());
        }
        let mut event = MaybeUninit::<unsafe_sys::yaml_event_t>::uninit();
        // SAFETY: the parser is sound; where parse succeeds it wrote the event, which is deleted
        // once, after everything in it was copied.
        unsafe {
            if unsafe_sys::yaml_parser_parse(&mut *self.raw, event.as_mut_ptr()).fail {
                return Err(self.error());
            }
            let mut event = event.assume_init();
            let copied = copy(&event);
            let line = event.start_mark.line + 1;
            unsafe_sys::yaml_event_delete(&mut event);
            Ok((copied, line))
        }
    }

    fn error(&self) -> YamlError {
        let of_bytes = self.raw.error == unsafe_sys::YAML_READER_ERROR;
        YamlError {
            line: (!of_bytes).then_some(self.raw.problem_mark.line + 1),
            // SAFETY: null, or a constant of the library.
            problem: unsafe { text_of(self.raw.problem.cast()) }.unwrap_or_default(),
        }
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, deleted here alone.
        unsafe { unsafe_sys::yaml_parser_delete(&mut *self.raw) }
    }
}

/// The event must be as libyaml wrote it: its type says which part of it is there.
unsafe fn copy(event: &unsafe_sys::yaml_event_t) -> Event {
    // SAFETY: as the caller promises; libyaml's strings are terminated, and a scalar has the length
    // that it says.
    unsafe {
        match event.type_ {
            unsafe_sys::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let bytes = std::slice::from_raw_parts(scalar.value, scalar.length as usize);
                Event::Scalar {
                    text: String::from_utf8_lossy(bytes).into_owned(),
                    quoted: matches!(
                        scalar.style,
                        unsafe_sys::YAML_SINGLE_QUOTED_SCALAR_STYLE
                            | unsafe_sys::YAML_DOUBLE_QUOTED_SCALAR_STYLE
                    ),
                    tag: text_of(scalar.tag),
                }
            }
            unsafe_sys::YAML_SEQUENCE_START_EVENT => Event::ListStart,
            unsafe_sys::YAML_SEQUENCE_END_EVENT => Event::ListEnd,
            unsafe_sys::YAML_MAPPING_START_EVENT => Event::MapStart,
            unsafe_sys::YAML_MAPPING_END_EVENT => Event::MapEnd,
            unsafe_sys::YAML_ALIAS_EVENT => {
                Event::Alias(text_of(event.data.alias.anchor).unwrap_or_default())
            }
            // Behind the end there is no event.
            unsafe_sys::YAML_STREAM_END_EVENT | unsafe_sys::YAML_NO_EVENT => Event::End,
            _ => Event::Document,
        }
    }
}

/// Null, or a terminated string.
unsafe fn text_of(pointer: *const u8) -> Option<String> {
    // SAFETY: as the caller promises.
    let text = (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer.cast()) });
    text.map(|text| text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &[u8]) -> Result<Vec<Event>, YamlError> {
        let mut parser = Parser::new(text);
        let mut events = Vec::new();
        loop {
            match parser.next()?.0 {
                Event::End => return Ok(events),
                event => events.push(event),
            }
        }
    }

    #[test]
    fn events_come_as_they_stand_and_end() {
        let word = |text: &str, quoted| Event::Scalar {
            text: text.into(),
            quoted,
            tag: None,
        };
        let all = events("{a: ['é', *b]}".as_bytes()).unwrap();
        let inner: Vec<Event> = all.into_iter().filter(|e| *e != Event::Document).collect();
        let alias = Event::Alias("b".into());
        assert_eq!(
            inner,
            [
                Event::MapStart,
                word("a", false),
                Event::ListStart,
                word("é", true),
                alias,
                Event::ListEnd,
                Event::MapEnd
            ]
        );
        assert!(events(b"").unwrap().iter().all(|e| *e == Event::Document));
        let mut parser = Parser::new(b"");
        for _ in 0..5 {
            let _ = parser.next();
        }
        assert_eq!(parser.next().unwrap().0, Event::End);
    }

    #[test]
    fn an_error_has_its_line_and_stays() {
        let mut parser = Parser::new(b"a: 1\nb: [\n}");
        let error = loop {
            if let Err(error) = parser.next() {
                break error;
            }
        };
        assert_eq!(error.line, Some(3));
        assert_eq!(parser.next(), Err(error));
        assert!(events(b"\xff\xff").unwrap_err().line.is_none());
    }

    /// Other translations of libyaml end in a panic here.
    #[test]
    fn block_text_at_the_very_end_and_a_tag_in_front_of_a_comma_are_read() {
        let tagged = |text: &str, tag: Option<&str>| Event::Scalar {
            text: text.into(),
            quoted: false,
            tag: tag.map(str::to_owned),
        };
        for (text, last) in [
            ("a: >-\n  yes", tagged("yes", None)),
            ("a: |\n  5", tagged("5", None)),
            ("[!x,a]", tagged("a", None)),
        ] {
            let events = events(text.as_bytes()).unwrap();
            assert!(events.contains(&last), "{text}: {events:?}");
        }
    }
}
