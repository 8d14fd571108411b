//! Turns rows of SQL results into the numbers that pages show: divides quotients exactly, fills
//! gaps in time, computes shares and changes.

use crate::metric::query::{Compiled, MetricColumns};
use crate::metric::time_range::Days;
use crate::value::{Decimal, Value};

/// An answer in columns: one for each dimension and one for each metric, all of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The columns of the dimensions.
    pub dimensions: Vec<Vec<Value>>,
    /// The columns of the metrics, in the order of the question.
    pub metrics: Vec<Vec<Value>>,
    /// Whether rows beyond the limit were cut off.
    pub truncated: bool,
}

impl Answer {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.dimensions.first().or(self.metrics.first()).map_or(0, Vec::len)
    }
}

/// Builds an answer from the columns that a compiled question returned. Drops the extra row beyond
/// the limit and divides quotients.
pub fn answer(compiled: &Compiled, columns: &[Vec<Value>]) -> Answer {
    let mut rows = columns.first().map_or(0, Vec::len);
    let mut truncated = false;
    if let Some(limit) = compiled.limit
        && rows > limit
    {
        rows = limit;
        truncated = true;
    }
    let metric = |metric: &MetricColumns| -> Vec<Value> {
        match *metric {
            MetricColumns::One(at) => columns[at][..rows].to_vec(),
            MetricColumns::Quotient(above, below) => {
                (0..rows).map(|row| quotient(&columns[above][row], &columns[below][row])).collect()
            }
        }
    };
    Answer {
        dimensions: columns[..compiled.dimensions].iter().map(|column| column[..rows].to_vec()).collect(),
        metrics: compiled.metrics.iter().map(metric).collect(),
        truncated,
    }
}

/// `above / below`. Exact numbers are divided by [`Decimal::divide`]. The result is NULL if either
/// operand is NULL or not numeric, if `below` is zero, or if the quotient has too many digits.
pub fn quotient(above: &Value, below: &Value) -> Value {
    match (above.as_decimal(), below.as_decimal()) {
        (Some(above), Some(below)) => above.divide(below).map_or(Value::Null, Value::Decimal),
        _ => match (as_float(above), as_float(below)) {
            (Some(above), Some(below)) if below != 0.0 => Value::Float(above / below),
            _ => Value::Null,
        },
    }
}

/// The number as a float; exact numbers are converted through their text.
fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        other => other.as_decimal().and_then(|d| d.to_string().parse().ok()),
    }
}

/// The relative change `(now − before) / |before|`, rounded to four digits. The result is NULL if
/// an operand is NULL or not numeric, `before` is zero, or the result does not fit.
pub fn change(now: &Value, before: &Value) -> Value {
    match (now.as_decimal(), before.as_decimal()) {
        (Some(now), Some(before)) => {
            let ratio = now.subtract(before).and_then(|difference| difference.divide(before.abs()));
            ratio.map_or(Value::Null, |ratio| Value::Decimal(ratio.round(4)))
        }
        _ => match (as_float(now), as_float(before)) {
            (Some(now), Some(before)) if before != 0.0 => {
                let scaled = ((now - before) / before.abs() * 10_000.0).round_ties_even();
                // Beyond this the number does not fit the mantissa of a decimal.
                if scaled.abs() < 1e30 {
                    Value::Decimal(Decimal { mantissa: scaled as i128, scale: 4 })
                } else {
                    Value::Null
                }
            }
            _ => Value::Null,
        },
    }
}

/// The share of each value in the total, rounded to four digits. All shares are NULL if the total
/// is zero, negative or NULL; that of an infinity or NaN is NULL.
pub fn shares(values: &[Value], total: &Value) -> Vec<Value> {
    let positive = total.as_decimal().is_some_and(|total| total.mantissa > 0)
        || as_float(total).is_some_and(|t| t > 0.0);
    let share = |value: &Value| match quotient(value, total) {
        Value::Decimal(d) => Value::Decimal(d.round(4)),
        Value::Float(x) if x.is_finite() => {
            Value::Decimal(Decimal { mantissa: (x * 10_000.0).round_ties_even() as i128, scale: 4 })
        }
        // The share of an infinity, or of no number, is unknown.
        Value::Float(_) => Value::Null,
        other => other,
    };
    values.iter().map(|value| if positive { share(value) } else { Value::Null }).collect()
}

/// Inserts missing time steps into an answer whose only dimension is time. `steps` are the first
/// days of consecutive steps.
///
/// A step without a value becomes zero if it lies within the days of `zero` (from the step of its
/// first day to that of its last), otherwise NULL: outside the range of the data it is unknown
/// whether there was anything (ADR 33). A row without a date is dropped, because it belongs to no
/// step.
pub fn fill_steps(answer: &mut Answer, steps: &[i32], zero: Option<Days>) {
    let [dates] = answer.dimensions.as_slice() else { return };
    let found: std::collections::BTreeMap<i32, usize> = dates
        .iter()
        .enumerate()
        .filter_map(|(row, value)| match value {
            Value::Date(day) => Some((*day, row)),
            _ => None,
        })
        .collect();
    // A step extends to the start of the next one.
    let zeros = zero.map_or(0..0, |days| {
        let from = steps.partition_point(|step| *step <= days.from).saturating_sub(1);
        from..steps.partition_point(|step| *step <= days.to)
    });
    for column in &mut answer.metrics {
        let empty = zero_like(column);
        let filled = steps.iter().enumerate().map(|(at, step)| match found.get(step) {
            Some(row) if !column[*row].is_null() => column[*row].clone(),
            _ if zeros.contains(&at) => empty.clone(),
            _ => Value::Null,
        });
        *column = filled.collect();
    }
    answer.dimensions = vec![steps.iter().map(|step| Value::Date(*step)).collect()];
}

/// Zero in the type of the column's values; an integer if the column has no values.
fn zero_like(column: &[Value]) -> Value {
    match column.iter().find(|value| !value.is_null()) {
        Some(Value::Decimal(d)) => Value::Decimal(Decimal { mantissa: 0, scale: d.scale }),
        Some(Value::Float(_)) => Value::Float(0.0),
        _ => Value::Int(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(cents: i128) -> Value {
        Value::Decimal(Decimal { mantissa: cents, scale: 2 })
    }

    #[test]
    fn changes_and_shares() {
        assert_eq!(change(&money(115_283), &money(98_000)).to_string(), "0.1764");
        assert_eq!(change(&money(100), &money(0)), Value::Null);
        assert_eq!(change(&Value::Int(5), &Value::Int(-10)).to_string(), "1.5000");
        assert_eq!(change(&Value::Null, &Value::Int(1)), Value::Null);
        let parts: Vec<_> =
            shares(&[Value::Int(7), Value::Int(7), Value::Int(6), Value::Null], &Value::Int(20))
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(parts, ["0.3500", "0.3500", "0.3000", ""]);
        for odd in [f64::NAN, f64::INFINITY] {
            let parts = shares(&[Value::Float(odd), Value::Float(1.0)], &Value::Float(4.0));
            assert_eq!((parts[0].is_null(), parts[1].to_string().as_str()), (true, "0.2500"));
        }
    }

    #[test]
    fn gaps_are_filled_in_the_column_s_type() {
        let mut answer = Answer {
            dimensions: vec![vec![Value::Date(2), Value::Date(4), Value::Null]],
            metrics: vec![vec![money(150), Value::Null, money(1)]],
            truncated: false,
        };
        fill_steps(&mut answer, &[1, 2, 3, 4], Some(Days { from: 1, to: 4 }));
        let shown: Vec<_> = answer.metrics[0].iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0.00", "1.50", "0.00", "0.00"]);
        assert_eq!(answer.rows(), 4);
    }

    #[test]
    fn nothing_is_known_before_the_first_day_and_after_the_last() {
        // Weeks that start on these days; data from Wednesday of the second week to Monday of the
        // fourth.
        let steps = [0, 7, 14, 21, 28];
        let filled = |zero| {
            let mut answer = Answer {
                dimensions: vec![vec![Value::Date(14)]],
                metrics: vec![vec![Value::Int(5)]],
                truncated: false,
            };
            fill_steps(&mut answer, &steps, zero);
            answer.metrics[0].iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(filled(Some(Days { from: 9, to: 21 })), ["", "0", "5", "0", ""]);
        assert_eq!(filled(Some(Days { from: -90, to: 90 })), ["0", "0", "5", "0", "0"]);
        assert_eq!(filled(Some(Days { from: -90, to: -1 })), ["", "", "5", "", ""]);
        assert_eq!(filled(None), ["", "", "5", "", ""]);
    }
}
