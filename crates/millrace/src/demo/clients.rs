//! The shop's clients, and the `mysqldump` file of its database.

use std::io;

use super::calendar::{Calendar, date_text};
use super::dump::{DUMP_HEAD, DUMP_TABLE, DUMP_TAIL};
use super::output::Output;
use super::people::{COUNTRIES, mail_name};
use super::random::{Purpose, Random};

/// Id of the first client; the others follow in the order of their sign-up.
const FIRST_ID: u64 = 20_001;

/// Number of orders for each client.
const ORDERS_PER_CLIENT: u64 = 8;

/// Percentage of clients who signed up before the two years began, and the number of days before it
/// in which they did.
const FOUNDERS: u64 = 30;
const FOUNDING_DAYS: u64 = 1095;

/// Levels of loyalty: clients per thousand, and the relative frequency of their orders.
const LOYALTY: [(u64, u64); 6] = [(620, 1), (240, 2), (90, 4), (35, 8), (12, 15), (3, 25)];

/// Size in bytes after which mysqldump begins a new INSERT, its `net_buffer_length`.
const INSERT_BYTES: u64 = 1_046_528;

/// The clients. A client is stored as a number only; everything else follows from the number and
/// the seed, so that millions of clients need little memory.
pub(super) struct Clients {
    seed: u64,
    first_day: i64,
    founders: u64,
    /// Total number of clients at the end of each day.
    upto: Vec<u64>,
    /// The clients of each level of loyalty, in ascending order.
    levels: [Vec<u32>; LOYALTY.len()],
}

/// The clients who may order on one day.
pub(super) struct Visitors {
    /// The first client who signed up on this day.
    newcomers_from: u64,
    newcomers: u64,
    /// Clients of each level who signed up earlier.
    level_counts: [u64; LOYALTY.len()],
    /// Sum of their weights.
    total_weight: u64,
}

impl Clients {
    /// Distributes the clients over the calendar in proportion to its orders; at least one client.
    pub(super) fn new(calendar: &Calendar, seed: u64) -> Self {
        let orders: u64 = calendar.orders.iter().sum();
        let total = orders.div_ceil(ORDERS_PER_CLIENT).max(1);
        let founders = (total * FOUNDERS / 100).max(1);
        let mut so_far = 0;
        let upto = calendar.orders.iter().map(|today| {
            so_far += today;
            founders + (total - founders) * so_far / orders.max(1)
        });
        let upto: Vec<u64> = upto.collect();
        let mut levels: [Vec<u32>; LOYALTY.len()] = Default::default();
        for client in 0..upto.last().copied().unwrap_or(founders) {
            let mut random = Random::new(seed, Purpose::Loyalty, client);
            levels[random.weighted(LOYALTY.iter().map(|level| level.0))].push(client as u32);
        }
        Self { seed, first_day: calendar.first, founders, upto, levels }
    }

    /// Number of clients.
    pub(super) fn count(&self) -> u64 {
        self.upto.last().copied().unwrap_or(self.founders)
    }

    /// The clients who may order on a day of the calendar: those who signed up before, and the
    /// newcomers of the day, who each place one order.
    pub(super) fn visitors(&self, day: usize) -> Visitors {
        let before = day.checked_sub(1).map_or(self.founders, |day| self.upto[day]);
        let mut level_counts = [0; LOYALTY.len()];
        let mut total_weight = 0;
        for (place, level) in self.levels.iter().enumerate() {
            level_counts[place] = level.partition_point(|client| u64::from(*client) < before) as u64;
            total_weight += level_counts[place] * LOYALTY[place].1;
        }
        Visitors { newcomers_from: before, newcomers: self.upto[day] - before, level_counts, total_weight }
    }

    /// The id of the client who places order `nth` of `count` orders of a day. Newcomers are spread
    /// evenly over the day's orders; all other orders are drawn by loyalty.
    pub(super) fn choose(&self, visitors: &Visitors, nth: u64, count: u64, random: &mut Random) -> u64 {
        let newcomer = nth * visitors.newcomers / count;
        if (nth + 1) * visitors.newcomers / count > newcomer {
            return FIRST_ID + visitors.newcomers_from + newcomer;
        }
        let mut left = random.below(visitors.total_weight);
        for (place, (_, weight)) in LOYALTY.iter().enumerate() {
            let here = visitors.level_counts[place] * weight;
            if left < here {
                return FIRST_ID + u64::from(self.levels[place][(left / weight) as usize]);
            }
            left -= here;
        }
        FIRST_ID
    }

    /// The day on which a client signed up, in days since 1970-01-01.
    fn signup(&self, client: u64) -> i64 {
        if client < self.founders {
            // The square root makes sign-ups denser towards the first day, as in a growing shop.
            let offset = (client * FOUNDING_DAYS * FOUNDING_DAYS / self.founders).isqrt();
            return self.first_day - FOUNDING_DAYS as i64 + offset as i64;
        }
        self.first_day + self.upto.partition_point(|upto| *upto <= client) as i64
    }

    /// Writes the dump of table `clients` in the format of `mysqldump` of MySQL 8.0.
    pub(super) fn write(&self, output: &mut Output) -> io::Result<()> {
        let last_day = self.first_day + self.upto.len() as i64 - 1;
        output.text(DUMP_HEAD).number(FIRST_ID + self.count()).text(DUMP_TABLE);
        let mut statement_end = 0;
        for client in 0..self.count() {
            let opens = client == 0 || output.end_record()? > statement_end;
            if opens {
                statement_end =
                    output.text(if client == 0 { "" } else { ";\n" }).end_record()? + INSERT_BYTES;
            }
            output.text(if opens { "INSERT INTO `clients` VALUES (" } else { ",(" });
            self.write_row(client, last_day, output);
        }
        output.text(DUMP_TAIL).text(&date_text(last_day + 1)).text("  2:15:04\n").end_record()?;
        Ok(())
    }

    /// Writes one row. Name, e-mail, city and dates are drawn from the client's own random
    /// sequence.
    fn write_row(&self, client: u64, last_day: i64, output: &mut Output) {
        let mut random = Random::new(self.seed, Purpose::Client, client);
        let country = &COUNTRIES[random.weighted(COUNTRIES.iter().map(|country| country.share))];
        let first_name = random.pick_early(country.first_names);
        let last_name = random.pick_early(country.last_names);
        let id = FIRST_ID + client;
        output.number(id).text(",'").text(first_name).text(" ").text(&escaped(last_name)).text("',");
        if random.happens(40) {
            output.text("NULL,");
        } else {
            let host = random.pick(&["example.com", "example.org", "example.net"]);
            output.text("'").text(&mail_name(first_name)).text(".").text(&mail_name(last_name));
            output.number(id).text("@").text(host).text("',");
        }
        if random.happens(15) {
            output.text("NULL,");
        } else {
            output.text("'").text(&escaped(random.pick_early(country.cities))).text("',");
        }
        let signup = self.signup(client);
        let touched = signup + random.below((last_day - signup) as u64 + 1) as i64;
        output
            .text("'")
            .text(country.name)
            .text("','")
            .text(&date_text(signup))
            .text("','")
            .text(&date_text(touched));
        let (second, micro) = (random.below(86_400), random.below(1_000_000));
        output.text(&format!(
            " {:02}:{:02}:{:02}.{micro:06}')",
            second / 3600,
            second / 60 % 60,
            second % 60
        ));
    }
}

/// Escapes a text for a MySQL string literal in single quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
