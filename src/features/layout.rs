//! The window's specification, checked and compiled: which sample fills which columns of a row.

use super::auxiliary_value::AuxiliaryValue;
use super::chunk::{Chunk, Scratch};
use super::derived::Derived;
use super::ego_motion::MotionHistory;
use super::fields::{Field, known_paths};
use super::input_fault::InvalidSample;
use super::laser::scan_check::{ScanFault, check};
use super::laser::{PreparedScan, ScanPreparation};
use super::scaled_field::{Scaled, within};
use super::window_spec::{
    ExtractorSpec, FieldSpec, InputSpec, SourceSettings, SpecError, WindowSpec,
};
use crate::messages::{Message, MessageType};
use crate::time::Stamp;

/// Columns that every input has after its features: valid flag, age.
pub(super) const INPUT_AUXILIARIES: usize = 2;

#[derive(Debug)]
pub(super) struct Layout {
    pub inputs: Vec<Input>,
    pub derived: Vec<Derived>,
    /// Columns of a row.
    pub features: usize,
}

/// One input: how a message becomes a sample, and where the sample goes.
#[derive(Debug)]
pub(super) struct Input {
    pub name: String,
    pub kind: MessageType,
    pub required: bool,
    pub timeout_ns: i64,
    /// First column.
    pub offset: usize,
    settings: SourceSettings,
    pub extractor: Extractor,
    /// Values that derived features need, kept behind the features of a sample.
    auxiliaries: Vec<AuxiliaryValue>,
    /// Spans over which the source's way is followed, ns.
    pub spans_ns: Vec<i64>,
}

#[derive(Debug)]
pub(super) enum Extractor {
    Sectors { count: usize, far: f32 },
    Fields(Vec<Scaled>),
    Chunk(Chunk),
}

impl Input {
    /// Features of this input in a row, without flag and age.
    pub(super) fn features(&self) -> usize {
        match &self.extractor {
            Extractor::Sectors { count, .. } => 2 * count,
            Extractor::Fields(fields) => fields.len(),
            Extractor::Chunk(chunk) => chunk.features(),
        }
    }

    /// What its scans go through first; none where it has other messages.
    pub(super) fn preparation(&self) -> Option<ScanPreparation> {
        let scans = self.kind == MessageType::LaserScan;
        scans.then(|| ScanPreparation::new(&self.settings))
    }

    /// Elements of arrays that are read by their place, from the first to the last of each.
    pub(super) fn places(&self) -> Vec<(usize, usize)> {
        let own = match &self.extractor {
            Extractor::Fields(fields) | Extractor::Chunk(Chunk { fields, .. }) => fields.as_slice(),
            Extractor::Sectors { .. } => &[],
        };
        let own = own.iter().map(|scaled| &scaled.field);
        let auxiliaries = self
            .auxiliaries
            .iter()
            .filter_map(|auxiliary| match auxiliary {
                AuxiliaryValue::Rate { field, .. } => Some(field),
                _ => None,
            });
        own.chain(auxiliaries).filter_map(Field::places).collect()
    }

    /// Without a past yet, one per span.
    pub(super) fn motion_histories(&self) -> Vec<MotionHistory> {
        let spans = self.spans_ns.iter();
        spans
            .filter_map(|span_ns| MotionHistory::new(self.kind, *span_ns))
            .collect()
    }

    /// Values of a sample that its features are made of.
    fn own_values(&self) -> usize {
        match &self.extractor {
            Extractor::Chunk(chunk) => chunk.fields.len(),
            _ => self.features(),
        }
    }

    /// Values of a sample.
    pub(super) fn width(&self) -> usize {
        self.own_values()
            + self
                .auxiliaries
                .iter()
                .map(AuxiliaryValue::width)
                .sum::<usize>()
    }

    /// Checks and prepares a scan; none where the message is another.
    pub(super) fn prepare<'a>(
        &self,
        message: &Message,
        arrival: Stamp,
        preparation: Option<&'a mut ScanPreparation>,
    ) -> Result<Option<&'a PreparedScan>, ScanFault> {
        let (Message::LaserScan(scan), Some(preparation)) = (message, preparation) else {
            return Ok(None);
        };
        check(scan)?;
        let prepared = preparation.prepare(scan, arrival);
        if let Some((hidden, ahead)) = prepared.hidden_ahead() {
            return Err(ScanFault::Hidden { hidden, ahead });
        }
        let (share, least) = (prepared.returns(), self.settings.min_returns);
        match share < least {
            true => Err(ScanFault::Blind { share, least }),
            false => Ok(Some(prepared)),
        }
    }

    /// Turns a message, with its beams where it is a scan, into a sample of `width` values and
    /// notes it in the trails, one per span, or says why it cannot be used. The sample is undefined
    /// after a fault.
    pub(super) fn extract(
        &self,
        (message, beams): (&Message, Option<&PreparedScan>),
        arrival: Stamp,
        motion_histories: &mut [MotionHistory],
        sample: &mut [f32],
    ) -> Result<(), InvalidSample> {
        let (features, auxiliaries) = sample.split_at_mut(self.own_values());
        match (&self.extractor, beams) {
            (Extractor::Sectors { far, .. }, Some(beams)) => beams.sectors(*far, features),
            // `Layout::new` lets sectors have LaserScans only.
            (Extractor::Sectors { .. }, None) => features.fill(0.0),
            (Extractor::Fields(fields) | Extractor::Chunk(Chunk { fields, .. }), _) => {
                for (feature, scaled) in features.iter_mut().zip(fields) {
                    let value = scaled.field.finite(message)? - scaled.offset;
                    let value = value / scaled.scale;
                    *feature = value.clamp(-scaled.limit, scaled.limit) as f32;
                }
            }
        }
        for motion_history in &mut *motion_histories {
            motion_history.note((message, beams), arrival);
        }
        let mut rest = auxiliaries;
        for auxiliary in &self.auxiliaries {
            let (values, behind) = rest.split_at_mut(auxiliary.width());
            auxiliary.write((message, beams), motion_histories, values)?;
            rest = behind;
        }
        Ok(())
    }
}

impl Layout {
    pub(super) fn new(spec: &WindowSpec, settings: &[SourceSettings]) -> Result<Layout, SpecError> {
        within("frames", spec.frames, 1, 1024)?;
        within("period_ms", spec.period_ms as usize, 1, 60_000)?;
        within("min_frames", spec.min_frames, 1, spec.frames)?;
        within("number of inputs", spec.inputs.len(), 1, 32)?;
        if settings.len() != spec.inputs.len() {
            return Err(SpecError::Settings {
                found: settings.len(),
                expected: spec.inputs.len(),
            });
        }
        let mut layout = Layout {
            inputs: Vec::with_capacity(spec.inputs.len()),
            derived: Vec::with_capacity(spec.derived.len()),
            features: 0,
        };
        for (i, (input, settings)) in spec.inputs.iter().zip(settings).enumerate() {
            layout.add_input(&format!("inputs[{i}]"), input, settings)?;
        }
        layout.input("trigger", &spec.trigger)?;
        for (i, derived) in spec.derived.iter().enumerate() {
            layout.add_derived(&format!("derived[{i}]"), derived)?;
        }
        Ok(layout)
    }

    /// Room for the slots of the largest chunk.
    pub(super) fn scratch(&self) -> Scratch {
        let chunks = self
            .inputs
            .iter()
            .filter_map(|input| match &input.extractor {
                Extractor::Chunk(chunk) => Some(chunk),
                _ => None,
            });
        Scratch::new(chunks)
    }

    /// The input with this name, for a part of the specification that refers to it.
    pub(super) fn input(&self, at: &str, name: &str) -> Result<usize, SpecError> {
        let found = self.inputs.iter().position(|input| input.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.inputs.iter().map(|i| i.name.as_str()).collect();
            SpecError::UnknownInput {
                at: at.to_owned(),
                name: name.to_owned(),
                known: names.join(", "),
            }
        })
    }

    fn add_input(
        &mut self,
        at: &str,
        spec: &InputSpec,
        settings: &SourceSettings,
    ) -> Result<(), SpecError> {
        let name = &spec.source;
        if name.is_empty() || name.contains(':') || self.inputs.iter().any(|i| i.name == *name) {
            return Err(SpecError::Value {
                at: format!("{at}.source"),
                found: format!("`{name}`"),
                expected: "a name that is not empty, has no colon and is used once".to_owned(),
            });
        }
        within(
            &format!("{at}.timeout_ms"),
            spec.timeout_ms as usize,
            1,
            3_600_000,
        )?;
        let timeout = settings.timeout.as_nanos();
        if timeout == 0 || timeout > 3_600_000_000_000 {
            return Err(SpecError::Value {
                at: format!("the timeout set for `{name}`"),
                found: format!("{} s", settings.timeout.as_secs_f64()),
                expected: "more than 0 and at most 3600 s".to_owned(),
            });
        }
        in_range(
            &format!("the yaw set for `{name}`"),
            settings.yaw,
            -6.3,
            6.3,
        )?;
        let extractor = extractor(at, spec)?;
        let input = Input {
            name: name.clone(),
            kind: spec.message,
            required: spec.required,
            timeout_ns: timeout as i64,
            offset: self.features,
            settings: settings.clone(),
            extractor,
            auxiliaries: Vec::new(),
            spans_ns: Vec::new(),
        };
        self.features += input.features() + INPUT_AUXILIARIES;
        self.inputs.push(input);
        Ok(())
    }
}

fn extractor(at: &str, spec: &InputSpec) -> Result<Extractor, SpecError> {
    match &spec.extractor {
        ExtractorSpec::Sectors { count, far_m } => {
            within(&format!("{at}.extractor.count"), *count, 1, 720)?;
            in_range(&format!("{at}.extractor.far_m"), *far_m, 0.01, 1000.0)?;
            if spec.message != MessageType::LaserScan {
                return Err(SpecError::Value {
                    at: format!("{at}.type"),
                    found: spec.message.to_string(),
                    expected: format!("{}, because sectors need one", MessageType::LaserScan),
                });
            }
            Ok(Extractor::Sectors {
                count: *count,
                far: *far_m,
            })
        }
        ExtractorSpec::Fields { fields } => Ok(Extractor::Fields(all_scaled(at, spec, fields)?)),
        ExtractorSpec::Chunk { fields, .. } => {
            let fields = all_scaled(at, spec, fields)?;
            Ok(Extractor::Chunk(Chunk::new(at, &spec.extractor, fields)?))
        }
    }
}

fn all_scaled(at: &str, spec: &InputSpec, fields: &[FieldSpec]) -> Result<Vec<Scaled>, SpecError> {
    let number = format!("{at}.extractor.fields, in number,");
    within(&number, fields.len(), 1, 1024)?;
    let fields = fields.iter().enumerate();
    fields
        .map(|(i, field)| scaled(&format!("{at}.extractor.fields[{i}]"), spec.message, field))
        .collect()
}

fn scaled(at: &str, kind: MessageType, spec: &FieldSpec) -> Result<Scaled, SpecError> {
    in_range(&format!("{at}.offset"), spec.offset, -1e9, 1e9)?;
    in_range(&format!("{at}.scale"), spec.scale, 1e-6, 1e9)?;
    in_range(&format!("{at}.limit"), spec.limit, 1e-3, 1.0)?;
    Ok(Scaled {
        field: field(&format!("{at}.path"), kind, &spec.path)?,
        offset: f64::from(spec.offset),
        scale: f64::from(spec.scale),
        limit: f64::from(spec.limit),
    })
}

fn field(at: &str, kind: MessageType, path: &str) -> Result<Field, SpecError> {
    Field::resolve(kind, path).ok_or_else(|| SpecError::UnknownField {
        at: at.to_owned(),
        kind,
        path: path.to_owned(),
        known: known_paths(kind),
    })
}

/// NaN is in no range.
fn in_range(at: &str, found: f32, least: f32, most: f32) -> Result<(), SpecError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(SpecError::Value {
        at: at.to_owned(),
        found: found.to_string(),
        expected: format!("{least} to {most}"),
    })
}

mod derive;
#[cfg(test)]
mod tests;
