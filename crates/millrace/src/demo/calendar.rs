//! The two years of the demo, and the number of orders on each day.
//!
//! The weight of a day is the product of growth, season, weekday, special events, noise and
//! newsletters, in integers. The requested number of orders is distributed in proportion to the
//! weights.

use millrace_core::value::{civil_from_days, days_from_civil};

use super::random::{Purpose, Random};

/// The days of the demo: two years including the last day. Days are counted from 1970-01-01.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The first day.
    pub(super) first: i64,
    /// Each day as text, such as `2026-10-31`.
    pub(super) texts: Vec<String>,
    /// Month of each day, 0 for January.
    pub(super) months: Vec<u8>,
    /// Number of orders on each day.
    pub(super) orders: Vec<u64>,
}

impl Calendar {
    /// The two years that end on day `last`, with `orders` distributed over them. The sum is exact:
    /// each day gets the difference of two rounded cumulative shares.
    pub(super) fn new(last: i64, orders: u64, seed: u64) -> Self {
        let (year, month, day) = civil_from_days(last);
        // Two years before a leap year there is no 29 February.
        let day_before = if month == 2 { day.min(28) } else { day };
        let first = days_from_civil(year - 2, month, day_before) + 1;
        let length = last - first + 1;
        let weights: Vec<u64> = (first..=last).map(|day| weight(day, first, length, seed)).collect();
        let total: u128 = weights.iter().copied().map(u128::from).sum();
        let mut upto: u128 = 0;
        let mut dealt = 0;
        let share = |weight: u64| {
            upto += u128::from(weight);
            let until_here = (u128::from(orders) * upto / total) as u64;
            let today = until_here - dealt;
            dealt = until_here;
            today
        };
        Self {
            first,
            texts: (first..=last).map(date_text).collect(),
            months: (first..=last).map(|day| civil_from_days(day).1 as u8 - 1).collect(),
            orders: weights.into_iter().map(share).collect(),
        }
    }

    /// Number of days.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}

/// A day as text, such as `2026-10-31`.
pub(super) fn date_text(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The weekday, 0 for Monday. 1970-01-01 was a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// Growth of the shop from the first day to the last, in thousandths.
const GROWTH: i64 = 450;

/// Season on the 15th of each month, in thousandths.
const SEASON: [i64; 12] = [920, 860, 910, 940, 960, 980, 880, 720, 970, 1040, 1240, 1420];

/// Weekdays from Monday to Sunday, in thousandths: most orders come on Sundays and Mondays.
const WEEK: [u64; 7] = [1160, 1030, 1040, 980, 920, 780, 1090];

/// Days with a discount newsletter, per thousand days.
const NEWSLETTERS: u64 = 12;

/// The weight of a day, without a unit; below 10^11.
fn weight(day: i64, first: i64, length: i64, seed: u64) -> u64 {
    let mut random = Random::new(seed, Purpose::Day, (day - first) as u64);
    let trend = (1000 + GROWTH * (day - first) / (length - 1)) as u64;
    let noise = 920 + random.below(81) + random.below(81);
    let newsletter = if random.happens(NEWSLETTERS) { 1500 } else { 1000 };
    let week = WEEK[weekday(day) as usize];
    trend * season(day) * week / 1000 * event(day) / 1000 * noise * newsletter / 1000
}

/// The season of a day in thousandths, interpolated linearly between the 15ths of two months.
fn season(day: i64) -> u64 {
    let (year, month, of_month) = civil_from_days(day);
    let (from_year, from_month) = match (of_month >= 15, month) {
        (true, _) => (year, month),
        (false, 1) => (year - 1, 12),
        (false, _) => (year, month - 1),
    };
    let (to_year, to_month) = if from_month == 12 { (from_year + 1, 1) } else { (from_year, from_month + 1) };
    let from = days_from_civil(from_year, from_month, 15);
    let to = days_from_civil(to_year, to_month, 15);
    let (a, b) = (SEASON[from_month as usize - 1], SEASON[to_month as usize - 1]);
    (a + (b - a) * (day - from) / (to - from)) as u64
}

/// Factor of single days, in thousandths: sales, holidays and feasts as in France, and Black
/// Friday.
fn event(day: i64) -> u64 {
    let (year, month, of_month) = civil_from_days(day);
    // The first Wednesday (2), Thursday (3) … of this month.
    let first = |wanted: i64| {
        let start = days_from_civil(year, month, 1);
        start + (wanted - weekday(start)).rem_euclid(7)
    };
    match (month, of_month) {
        (1, 1) => 600,
        // Winter sales, from the second Wednesday.
        (1, _) if (0..5).contains(&(day - first(2) - 7)) => 1350,
        // Before Valentine's Day, while a parcel still arrives in time.
        (2, 10..=13) => 1200,
        // Mother's Day in France is the last Sunday of May.
        (5, 19..) if (1..=6).contains(&(last_weekday(year, 5, 6) - day)) => 1250,
        // Summer sales, from the last Wednesday.
        (6, 24..) if day >= last_weekday(year, 6, 2) => 1300,
        (7, 14) | (8, 15) => 800,
        // Back to school.
        (9, 1..=7) => 1150,
        // Black Friday follows the fourth Thursday; its week, and the Monday after.
        (11, _) | (12, 1) => {
            let november = days_from_civil(year, 11, 1);
            let friday = november + (3 - weekday(november)).rem_euclid(7) + 22;
            match day - friday {
                -4..=-1 => 1450,
                0 => 2600,
                1 => 1600,
                2 => 1700,
                3 => 1900,
                _ => 1000,
            }
        }
        (12, 20..=23) => 850,
        (12, 24 | 25) => 450,
        (12, 26..) => 700,
        _ => 1000,
    }
}

/// The last day of a month that is the weekday `wanted` (0 for Monday). Not for December.
fn last_weekday(year: i64, month: u32, wanted: i64) -> i64 {
    let last = days_from_civil(year, month + 1, 1) - 1;
    last - (weekday(last) - wanted).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_add_up_over_two_years() {
        let last = days_from_civil(2026, 10, 31);
        for orders in [0, 1, 999, 50_000, 5_000_000] {
            let calendar = Calendar::new(last, orders, 7);
            assert_eq!(calendar.orders.iter().sum::<u64>(), orders);
            assert_eq!(calendar.texts[0], "2024-11-01");
            assert_eq!(calendar.texts.last().map(String::as_str), Some("2026-10-31"));
        }
        let leap = Calendar::new(days_from_civil(2028, 2, 29), 10, 7);
        assert_eq!(leap.texts[0], "2026-03-01");
    }

    #[test]
    fn feasts_fall_on_their_days() {
        assert_eq!(event(days_from_civil(2024, 11, 29)), 2600, "Black Friday of 2024");
        assert_eq!(event(days_from_civil(2025, 11, 28)), 2600, "Black Friday of 2025");
        assert_eq!(event(days_from_civil(2025, 12, 1)), 1900, "Cyber Monday of 2025");
        assert_eq!(event(days_from_civil(2026, 1, 14)), 1350, "winter sales of 2026");
        assert_eq!(event(days_from_civil(2026, 5, 30)), 1250, "the day before Mother's Day of 2026");
        assert_eq!(event(days_from_civil(2026, 5, 31)), 1000, "Mother's Day of 2026");
        assert_eq!(event(days_from_civil(2026, 6, 24)), 1300, "summer sales of 2026");
    }
}
