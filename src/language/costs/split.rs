//! How a deadline is spent: the answer is reserved first, then the prompt, then thoughts.

use std::time::Duration;

use super::table::Costs;

/// What a question needs, in tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// Of the prompt, cached, and to be fed.
    pub cached: usize,
    pub new: usize,
    /// Batches of an answer without a thought, whose first goes with the prompt, and after one.
    pub bare_answer: Vec<usize>,
    pub answer: Vec<usize>,
    /// Rows of the head that an answer takes, and choices by a grammar.
    pub rows: usize,
    pub choices: usize,
    /// Tokens that open a thought.
    pub opener: usize,
    /// Tokens of a chunk of thoughts, and chunks at most.
    pub chunk: usize,
    pub chunks: usize,
}

/// How a deadline is spent at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Until the answer without a thought.
    pub mandatory: Duration,
    /// Chunks of thought that fit, each with its answer.
    pub chunks: usize,
    /// All of it.
    pub all: Duration,
}

/// A deadline within which not even the mandatory part fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// Left of the deadline, and of it for the mandatory part.
    pub budget: Duration,
    pub needs: Duration,
    /// Tokens of the prompt that are new, and how many would fit; 0: not one.
    pub new: usize,
    pub fits: usize,
}

/// What of `budget` (the deadline less its margin) goes to what: the answer is reserved first,
/// then the prompt, then as many chunks of thought, each with an answer, as are left.
///
/// # Errors
/// Where prompt and answer do not fit.
pub fn split(budget: Duration, needs: &Needs, costs: &Costs) -> Result<Split, TooShort> {
    let first = mandatory(needs, needs.new, costs);
    if first > budget {
        let fits = (0..needs.new)
            .rev()
            .find(|new| mandatory(needs, *new, costs) <= budget);
        return Err(TooShort {
            budget,
            needs: first,
            new: needs.new,
            fits: fits.unwrap_or(0),
        });
    }
    let mut all = first;
    let mut chunks = 0;
    let asked = needs.cached + needs.new;
    while chunks < needs.chunks {
        let from = asked + needs.opener + chunks * needs.chunk;
        let more = chunk(needs, costs, asked, chunks, from);
        if all + more > budget {
            break;
        }
        all += more;
        chunks += 1;
    }
    Ok(Split {
        mandatory: first,
        chunks,
        all,
    })
}

/// What the mandatory part takes at most, with `new` new tokens of prompt.
pub fn mandatory(needs: &Needs, new: usize, costs: &Costs) -> Duration {
    let (first, rest) = match needs.bare_answer.split_first() {
        Some((first, rest)) => (new + first, rest),
        None => (new, &needs.bare_answer[..]),
    };
    costs.feed(first, needs.cached)
        + costs.answer(rest, needs.rows, needs.choices, needs.cached + first)
}

/// The next chunk with its answer, the opener included where it is the first.
fn chunk(needs: &Needs, costs: &Costs, asked: usize, done: usize, from: usize) -> Duration {
    let opener = match done {
        0 => costs.feed(needs.opener, asked),
        _ => Duration::ZERO,
    };
    let last = from + needs.chunk;
    opener
        + costs.token(last) * needs.chunk as u32
        + costs.answer(&needs.answer, needs.rows, needs.choices, last)
}

/// What the chunk after `done` others and its answer take at most.
pub fn next_chunk(needs: &Needs, costs: &Costs, done: usize) -> Duration {
    let asked = needs.cached + needs.new;
    chunk(
        needs,
        costs,
        asked,
        done,
        asked + needs.opener + done * needs.chunk,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `a` us a token, `b` us a batch, `c` us a position behind.
    fn costs(a: f64, b: f64, c: f64) -> Costs {
        let sizes = vec![1, 2, 4, 8, 16, 32, 64];
        let depths = vec![128, 512, 2048];
        let row = |depth: &usize| -> Vec<f64> {
            let of = |size: &usize| b + a * *size as f64 + c * *depth as f64;
            sizes.iter().map(of).collect()
        };
        Costs {
            batch_us: depths.iter().map(row).collect(),
            sizes,
            depths,
            head_us: a,
            rows_us: 1.0,
            mask_us: 0.0,
            layers: 2,
        }
    }

    fn needs(cached: usize, new: usize, chunk: usize, chunks: usize) -> Needs {
        Needs {
            cached,
            new,
            bare_answer: vec![2, 1],
            answer: vec![4, 1],
            rows: 3,
            choices: 0,
            opener: 2,
            chunk,
            chunks,
        }
    }

    proptest! {
        #[test]
        fn a_split_fits_and_leaves_no_room_for_one_chunk_more(
            a in 1.0..500.0f64, b in 0.0..2000.0f64, c in 0.0..2.0f64, budget_us in 0u64..900_000,
            cached in 0usize..300, new in 1usize..300, chunk in 1usize..20, chunks in 0usize..12,
        ) {
            let costs = costs(a, b, c);
            let needs = needs(cached, new, chunk, chunks);
            let budget = Duration::from_micros(budget_us);
            match split(budget, &needs, &costs) {
                Ok(split) => {
                    prop_assert!(split.mandatory <= split.all && split.all <= budget);
                    let mut sum = split.mandatory;
                    for done in 0..split.chunks {
                        sum += next_chunk(&needs, &costs, done);
                    }
                    prop_assert_eq!(sum, split.all);
                    let more = split.all + next_chunk(&needs, &costs, split.chunks);
                    prop_assert!(split.chunks == chunks || more > budget);
                }
                Err(short) => {
                    prop_assert!(short.fits < new);
                    prop_assert!(short.budget == budget && short.needs > budget);
                    prop_assert!(split(short.needs, &needs, &costs).is_ok(), "the advice does not work");
                    if short.fits > 0 {
                        let shorter = Needs { new: short.fits, ..needs };
                        prop_assert!(split(budget, &shorter, &costs).is_ok(), "nor this one");
                    }
                }
            }
        }

        #[test]
        fn more_tokens_or_more_behind_them_take_no_less(
            a in 1.0..500.0f64, b in 0.0..2000.0f64, c in 0.0..2.0f64, tokens in 1usize..200, from in 0usize..2000,
        ) {
            let costs = costs(a, b, c);
            prop_assert!(costs.feed(tokens, from) <= costs.feed(tokens, from + 100));
            // Never less than what it takes by the table's own rule.
            let true_us: f64 = (b + a) * (tokens as f64 / 64.0).floor();
            prop_assert!(costs.feed(tokens, from).as_secs_f64() * 1e6 + 1.0 >= true_us);
        }
    }
}
