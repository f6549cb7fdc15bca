//! Derived features, checked and compiled.

use super::{Layout, in_range};
use crate::features::auxiliary_value::{AuxiliaryValue, MotionComponent};
use crate::features::derived::{
    ArcClearance, ArcColumns, ArcDrive, Derived, ProjectedClearance, SampleColumn,
};
use crate::features::fields::{Field, known_paths};
use crate::features::scaled_field::within;
use crate::features::window_spec::{DerivedSpec, MotionSpec, SpecError};
use crate::messages::MessageType;

/// Speeds beyond this (m/s) are sensor faults on the robots this is for.
const MAX_SPEED: f64 = 5.0;
/// Likewise for turn rates, rad/s.
const MAX_TURN_RATE: f64 = 10.0;

/// Types of which derived features can read the motion, beside their fields.
const ON_THE_WAY: [MessageType; 2] = [MessageType::Odometry, MessageType::LaserScan];
/// The names of that, for error messages.
const BY_THE_WAY: &str = "travelled(MS).forward, travelled(MS).turn";

impl Layout {
    pub(super) fn add_derived(&mut self, at: &str, spec: &DerivedSpec) -> Result<(), SpecError> {
        let (DerivedSpec::ProjectedClearance {
            scan,
            half_angle_deg,
            far_m,
            ..
        }
        | DerivedSpec::ArcClearance {
            scan,
            half_angle_deg,
            far_m,
            ..
        }) = spec;
        in_range(&format!("{at}.half_angle_deg"), *half_angle_deg, 0.1, 180.0)?;
        in_range(&format!("{at}.far_m"), *far_m, 0.01, 1000.0)?;
        let scan = self.laser(&format!("{at}.scan"), scan)?;
        let half_angle = half_angle_deg.to_radians();
        let clearance = self.add_auxiliary(scan, AuxiliaryValue::Clearance { half_angle });
        match spec {
            DerivedSpec::ProjectedClearance {
                speeds, horizon_s, ..
            } => {
                in_range(&format!("{at}.horizon_s"), *horizon_s, 0.0, 60.0)?;
                let speeds = speeds.iter().enumerate();
                let projected = ProjectedClearance {
                    offset: self.features,
                    clearance,
                    speeds: speeds
                        .map(|(i, speed)| self.speed(&format!("{at}.speeds[{i}]"), speed))
                        .collect::<Result<_, _>>()?,
                    horizon: *horizon_s,
                    far: *far_m,
                };
                self.derived.push(Derived::Projected(projected));
                self.features += ProjectedClearance::WIDTH;
            }
            DerivedSpec::ArcClearance {
                motions,
                horizons_s,
                near_m,
                ..
            } => {
                // From 90 degrees on there is no tangent.
                in_range(&format!("{at}.half_angle_deg"), *half_angle_deg, 0.1, 89.0)?;
                let number = format!("{at}.horizons_s, in number,");
                within(&number, horizons_s.len(), 1, 64)?;
                for (i, horizon) in horizons_s.iter().enumerate() {
                    in_range(&format!("{at}.horizons_s[{i}]"), *horizon, 0.0, 60.0)?;
                }
                in_range(&format!("{at}.near_m"), *near_m, 0.0, far_m - 0.001)?;
                let motions = motions.iter().enumerate();
                let drive = ArcDrive {
                    clearance,
                    points: self.add_auxiliary(scan, AuxiliaryValue::Points),
                    motions: motions
                        .map(|(i, motion)| self.motion(&format!("{at}.motions[{i}]"), motion))
                        .collect::<Result<_, _>>()?,
                    slope: half_angle.tan(),
                    horizons: horizons_s.clone(),
                };
                let view = ArcColumns {
                    offset: self.features,
                    near: *near_m,
                    far: *far_m,
                };
                self.features += drive.width();
                self.add_view(drive, view);
            }
        }
        Ok(())
    }

    /// A view of a drive that another feature shows already is computed along with it.
    fn add_view(&mut self, drive: ArcDrive, view: ArcColumns) {
        let same = self.derived.iter_mut().find_map(|derived| match derived {
            Derived::Arc(arc) if arc.drive == drive => Some(arc),
            _ => None,
        });
        match same {
            Some(arc) => arc.views.push(view),
            None => self.derived.push(Derived::Arc(ArcClearance {
                drive,
                views: vec![view],
            })),
        }
    }

    fn laser(&self, at: &str, name: &str) -> Result<usize, SpecError> {
        let scan = self.input(at, name)?;
        match self.inputs[scan].kind {
            MessageType::LaserScan => Ok(scan),
            kind => Err(SpecError::Value {
                at: at.to_owned(),
                found: format!("an input of type {kind}"),
                expected: format!("one of type {}", MessageType::LaserScan),
            }),
        }
    }

    fn speed(&mut self, at: &str, speed: &str) -> Result<SampleColumn, SpecError> {
        let Some((name, path)) = speed.split_once(':') else {
            return Err(SpecError::Value {
                at: at.to_owned(),
                found: format!("`{speed}`"),
                expected: "`input:path`, such as `odom:twist.twist.linear.x`".to_owned(),
            });
        };
        let input = self.input(at, name)?;
        self.add_rate(at, input, path, MAX_SPEED)
    }

    /// Places of the forward speed and of the turn rate.
    fn motion(
        &mut self,
        at: &str,
        spec: &MotionSpec,
    ) -> Result<(SampleColumn, SampleColumn), SpecError> {
        let input = self.input(&format!("{at}.source"), &spec.source)?;
        let forward = self.add_rate(&format!("{at}.forward"), input, &spec.forward, MAX_SPEED)?;
        let input = match &spec.turn_source {
            Some(source) => self.input(&format!("{at}.turn_source"), source)?,
            None => input,
        };
        let turn = self.add_rate(&format!("{at}.turn"), input, &spec.turn, MAX_TURN_RATE)?;
        Ok((forward, turn))
    }

    fn add_rate(
        &mut self,
        at: &str,
        input: usize,
        path: &str,
        most: f64,
    ) -> Result<SampleColumn, SpecError> {
        let kind = self.inputs[input].kind;
        if let Some((span_ms, part)) = travelled(path) {
            within(&format!("{at}, the ms of `{path}`,"), span_ms, 10, 10_000)?;
            if !ON_THE_WAY.contains(&kind) {
                let [odometry, scan] = ON_THE_WAY;
                return Err(SpecError::Value {
                    at: at.to_owned(),
                    found: format!("`{path}` of a {kind}"),
                    expected: format!("an input of type {odometry} or {scan}"),
                });
            }
            let motion_history = self.add_motion_history(input, span_ms as i64 * 1_000_000);
            return Ok(self.add_auxiliary(
                input,
                AuxiliaryValue::Travelled {
                    motion_history,
                    part,
                    most,
                },
            ));
        }
        let field = Field::resolve(kind, path).ok_or_else(|| SpecError::UnknownField {
            at: at.to_owned(),
            kind,
            path: path.to_owned(),
            known: match ON_THE_WAY.contains(&kind) {
                true => format!("{}, {BY_THE_WAY}", known_paths(kind)),
                false => known_paths(kind),
            },
        })?;
        Ok(self.add_auxiliary(input, AuxiliaryValue::Rate { field, most }))
    }

    /// Place of a trail, which both parts of a motion share.
    fn add_motion_history(&mut self, input: usize, span_ns: i64) -> usize {
        let spans = &mut self.inputs[input].spans_ns;
        let place = spans.iter().position(|there| *there == span_ns);
        place.unwrap_or_else(|| {
            spans.push(span_ns);
            spans.len() - 1
        })
    }

    /// Place of an extra, which several derived features may share.
    fn add_auxiliary(&mut self, input: usize, auxiliary: AuxiliaryValue) -> SampleColumn {
        let own = self.inputs[input].own_values();
        let auxiliaries = &mut self.inputs[input].auxiliaries;
        let place = auxiliaries.iter().position(|there| *there == auxiliary);
        let place = place.unwrap_or_else(|| {
            auxiliaries.push(auxiliary);
            auxiliaries.len() - 1
        });
        let before: usize = auxiliaries[..place].iter().map(AuxiliaryValue::width).sum();
        (input, own + before)
    }
}

/// Reads `travelled(300).forward` and `travelled(300).turn`.
fn travelled(path: &str) -> Option<(usize, MotionComponent)> {
    let (span_ms, part) = path.strip_prefix("travelled(")?.split_once(").")?;
    let part = match part {
        "forward" => MotionComponent::Forward,
        "turn" => MotionComponent::Turn,
        _ => return None,
    };
    Some((span_ms.parse().ok()?, part))
}
