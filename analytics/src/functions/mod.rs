//! The functions of the AWS dialect, as DataFusion calls them.
//!
//! [`register`] puts them into a session; where DataFusion has a function of the same name that answers differently,
//! ours takes its place. A function that cannot answer for a row fails with `DataFusionError::Execution`, whose message
//! names the function and the value. NULL gives NULL, except where a page says otherwise.
//!
//! A query calls most functions by their own names. What has a syntax of its own is called by these names, which are
//! not for users. `unit` is `'YEAR'`, `'MONTH'`, `'DAY'`, `'HOUR'`, `'MINUTE'` or `'SECOND'`; `fields` is a unit, or two
//! as in `'DAY TO SECOND(3)'`. Units, fields, precisions and lengths are literals.
//!
//! | the dialect says | the call |
//! |---|---|
//! | `FLOOR(t TO unit)`, `CEIL(t TO unit)` | `aws_floor_time(t, unit)`, `aws_ceil_time(t, unit)` |
//! | `STEP(t BY INTERVAL ..)`, `STEP(i BY n)` | `aws_step(t, interval)`, `aws_step(i, n)` |
//! | `EXTRACT(SECOND FROM t)`, and so on | `aws_extract_second(t)`, `.._minute`, `_hour`, `_day`, `_month`, `_year` |
//! | `INTERVAL '1:30' MINUTE TO SECOND` | `aws_interval('1:30', fields)`; signs stand before the text |
//! | `(a - b) fields` of times | `aws_difference(a, b, fields)` |
//! | `t + i`, `t - i`, `i + i`, `i - i` | `aws_plus(t, i)`, `aws_minus(t, i)` |
//! | `i * n`, `n * i`, `i / n` | `aws_interval_times(i, n)`, `aws_interval_divide(i, n)` |
//! | `(s, e) CONTAINS (s2, e2)`, and so on | `aws_period('STRICTLY CONTAINS', s, e, s2, e2)`; of a time without the last |
//! | `a / b` of DOUBLE or REAL | `aws_divide(a, b)`, which fails where b is 0 |
//! | `CAST(x AS INTEGER)`, and so on | `aws_cast_integer(x)`, `_tinyint`, `_smallint`, `_bigint`, `_real`, `_double`, `_boolean` |
//! | `CAST(x AS DECIMAL(p, s))` | `aws_cast_decimal(x, p, s)` |
//! | `CAST(x AS VARCHAR(n))`, `CHAR(n)` | `aws_cast_varchar(x, n)`, without n of any length; `aws_cast_char(x, n)` |
//! | `CAST(x AS TIMESTAMP)`, and so on | `aws_cast_timestamp(x)`, `aws_cast_date(x)`, `aws_cast_time(x)` |
//! | `CAST(i AS BIGINT)` of an interval | `aws_cast_interval_bigint(i, unit)`, `aws_cast_interval_decimal(i, unit, p, s)` |
//! | `CAST(i AS VARCHAR(n))` of an interval | `aws_cast_interval_varchar(i, fields, n)` |
//! | `OVERLAY(t PLACING r FROM p FOR n)` | `aws_overlay(t, r, p, n)`, or without n |
//! | `POSITION(a IN b)` | `aws_position(a, b)` |
//! | `SUBSTRING(t FROM p FOR n)` | `aws_substring_from(t, p, n)`, or without n |
//! | `SUBSTRING(t, p, n)` | `aws_substring(t, p, n)`, or without n: NULL beyond the end |
//! | `SUBSTRING(t FROM 'regex')` | `aws_substring_regex(t, regex)` |
//! | `SUBSTRING(t SIMILAR p ESCAPE e)` | `aws_substring_similar(t, p, e)` |
//! | `TRIM(BOTH c FROM t)` | `aws_trim('BOTH', c, t)`, also `'LEADING'` and `'TRAILING'`; c is a blank if not given |
//! | `t SIMILAR TO p ESCAPE e` | `aws_similar_to(t, p, e)`, or without e |
//! | `EXP_AVG(x, INTERVAL ..)` | `aws_exp_avg(x, interval, rowtime)`, an aggregate |
//! | `ANY(b)`, `EVERY(b)` | `bool_or(b)`, `bool_and(b)`, also called `every(b)` |
//!
//! An interval is Arrow's interval of months and nanoseconds; see [`span`]. `CURRENT_TIMESTAMP`, `LOCALTIMESTAMP`,
//! `CURRENT_DATE`, `CURRENT_TIME`, `LOCALTIME` become constants when a query is planned; `CURRENT_ROW_TIMESTAMP()` does
//! not. Log parsers give a struct: its fields are `COLUMN1` and so on, or have the names that the query lists.
//!
//! ```text
//!   span ◀─ value ◀─ function ◀─ numbers, time, text, casts, log lines ..      one row at a time
//!   averages, decaying                                                         aggregates
//! ```

mod span;
mod value;
mod memo;
mod function;

mod exact;
mod numbers;
mod cast;

mod calendar;
mod time;
mod extract;
mod clock;
mod cast_text;

mod time_pattern;
mod time_print;
mod time_fields;
mod time_read;
mod time_format;

mod qualifier;
mod intervals;
mod periods;

mod text;
mod java_regex;
mod similar;
mod regex_text;

mod log_columns;
mod fast_regex;
mod web_log;
mod log_regex;
mod log_split;

mod averages;
mod decaying;

use datafusion::prelude::SessionContext;

/// Aggregates that DataFusion has under another name.
const OTHER_NAMES: [(&str, &str); 3] = [("bool_or", "any"), ("bool_and", "every"), ("stddev", "std_dev")];

/// Puts the functions of the dialect into a session.
pub(crate) fn register(context: &SessionContext) {
    numbers::register(context);
    cast::register(context);
    time::register(context);
    extract::register(context);
    clock::register(context);
    cast_text::register(context);
    time_format::register(context);
    intervals::register(context);
    periods::register(context);
    text::register(context);
    regex_text::register(context);
    log_regex::register(context);
    log_split::register(context);
    averages::register(context);
    decaying::register(context);
    for (name, other) in OTHER_NAMES {
        let function = context.state().aggregate_functions().get(name).cloned();
        if let Some(function) = function {
            context.register_udaf(function.as_ref().clone().with_aliases([other]));
        }
    }
}

#[cfg(test)]
mod tests;
