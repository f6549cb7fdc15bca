//! Upper bounds of the parts of an answer, as the scheduler's deliberate lane asks for them.

use std::time::Duration;

use super::split::{Needs, mandatory, next_chunk};
use super::table::Costs;
use crate::language::decoder::BATCH;
use crate::scheduler::questions::Part;

/// A layer that takes so many times its upper bound has stalled, and not before this long.
const STALLS: u32 = 16;
const LEAST_FAULT_TIME: Duration = Duration::from_secs(1);

/// How long an engine with these costs may be silent before it counts as stalled.
pub fn fault_time(costs: &Costs) -> Duration {
    let deepest = costs.depths.last().copied().unwrap_or(0);
    let longest = costs.layer(BATCH, deepest).max(costs.choice());
    (longest * STALLS).max(LEAST_FAULT_TIME)
}

/// What is new of the prompt, and the answer without a thought.
pub fn mandatory_part(needs: &Needs, costs: &Costs) -> Part {
    let first = needs.new + needs.bare_answer.first().unwrap_or(&0);
    let most = needs
        .bare_answer
        .iter()
        .fold(first, |most, batch| most.max(*batch));
    let depth = needs.cached + needs.new + needs.bare_answer.iter().sum::<usize>();
    Part {
        whole: mandatory(needs, needs.new, costs),
        step: costs.layer(most, depth) + within_answer(needs, costs),
    }
}

/// The chunk of thought behind `done` others, and the answer behind it.
pub fn thought_part(needs: &Needs, costs: &Costs, done: usize) -> Part {
    let most = needs
        .answer
        .iter()
        .fold(needs.opener, |most, batch| most.max(*batch));
    let depth = needs.cached + needs.new + needs.opener + needs.chunk * needs.chunks;
    let layer = costs.layer(most, depth + needs.answer.iter().sum::<usize>());
    Part {
        whole: next_chunk(needs, costs, done),
        step: layer + within_answer(needs, costs).max(costs.head()),
    }
}

/// What may lie between two layers in an answer.
fn within_answer(needs: &Needs, costs: &Costs) -> Duration {
    match needs.choices {
        0 => costs.rows(needs.rows),
        _ => costs.choice(),
    }
}
