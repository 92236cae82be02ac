//! Integers that never wrap: a sum, difference or product that its type cannot hold is an error. So is a sum of decimals.
//!
//! DataFusion computes them modulo 2^64 and says nothing. [`check_integers`] puts checked operations in
//! their place:
//!
//! ```text
//! a + b, a - b, a * b, -a   a rule after DataFusion's analysis ──▶ arithmetic
//! SUM                       the same function, summed in 128 bits ──▶ sum
//! ```
//!
//! DataFusion itself checks division, remainders, powers and casts.

mod arithmetic;
mod totals;
mod accumulators;
mod sum;

use std::sync::Arc;

use datafusion::prelude::SessionContext;

use self::arithmetic::CheckedArithmetic;
use self::sum::CheckedSum;

/// Makes the queries of a session fail where an integer would wrap.
pub(crate) fn check_integers(context: &SessionContext) {
    context.add_analyzer_rule(Arc::new(CheckedArithmetic::default()));
    let sum = context.state().aggregate_functions().get("sum").cloned();
    if let Some(sum) = sum {
        context.register_udaf(CheckedSum::of(sum));
    }
}

#[cfg(test)]
mod tests;
