//! Noise, bias and gain of the numbers that an input reads of its messages, for augmentation and
//! robustness tests.

use super::fields::Field;
use super::window_spec::{ExtractorSpec, InputSpec};
use crate::messages::Message;

/// The numeric fields that an input shows, each with the step that the model sees best.
#[derive(Clone, Debug)]
pub struct FieldNoise {
    /// Field, and the least of its scales.
    fields: Vec<(Field, f64)>,
}

impl FieldNoise {
    /// Of an input; empty where it shows no numeric fields, as for scans.
    pub fn of(input: &InputSpec) -> FieldNoise {
        let (ExtractorSpec::Fields { fields } | ExtractorSpec::Chunk { fields, .. }) =
            &input.extractor
        else {
            return FieldNoise { fields: Vec::new() };
        };
        let mut found: Vec<(Field, f64)> = Vec::new();
        for spec in fields {
            let Some(field) = Field::resolve(input.message, &spec.path) else {
                continue;
            };
            let scale = f64::from(spec.scale);
            // One field may be shown in several scales.
            match found.iter_mut().find(|(known, _)| *known == field) {
                Some((_, least)) => *least = least.min(scale),
                None => found.push((field, scale)),
            }
        }
        FieldNoise { fields: found }
    }

    /// Whether there is anything to blur.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds to every field the `error` of its value, both as shares of the field's scale.
    pub fn apply(&self, message: &mut Message, mut error: impl FnMut(f64) -> f64) {
        for (field, scale) in &self.fields {
            field.add(message, |value| scale * error(value / scale));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing;
    use crate::features::window_spec::FieldSpec;
    use crate::messages::MessageType;

    #[test]
    fn a_field_shown_in_two_scales_is_blurred_once_by_the_finer() {
        let field = |path: &str, scale: f32| FieldSpec {
            path: path.into(),
            offset: 0.0,
            scale,
            limit: 1.0,
        };
        let mut input = InputSpec {
            source: "cmd".into(),
            message: MessageType::Twist,
            extractor: ExtractorSpec::Fields {
                fields: vec![
                    field("linear.x", 4.0),
                    field("linear.x", 2.0),
                    field("angular.z", 3.0),
                ],
            },
            required: true,
            timeout_ms: 100,
        };
        let mut message = testing::twist(1.0, 1.0);
        let mut shares = Vec::new();
        FieldNoise::of(&input).apply(&mut message, |value| {
            shares.push(value);
            0.5
        });
        assert_eq!(message, testing::twist(2.0, 2.5));
        assert_eq!(shares, [0.5, 1.0 / 3.0]);
        input.extractor = ExtractorSpec::Sectors {
            count: 8,
            far_m: 4.0,
        };
        assert!(FieldNoise::of(&input).is_empty());
    }
}
