//! The shop's clients, and the dump of its database.

use std::io;

use super::calendar::{Calendar, date_text};
use super::dump::{DUMP_HEAD, DUMP_TABLE, DUMP_TAIL};
use super::output::Output;
use super::people::{COUNTRIES, mail_name};
use super::random::{Purpose, Random};

/// The number of the first client; the others follow in the order in which they signed up.
const FIRST_ID: u64 = 20_001;

/// One client for so many orders.
const ORDERS_PER_CLIENT: u64 = 8;

/// How many of a hundred signed up before the two years began, and within how many days.
const FOUNDERS: u64 = 30;
const FOUNDING_DAYS: u64 = 1095;

/// Clients of a thousand, and how often they order beside the others: a few order all the time.
const LOYALTY: [(u64, u64); 6] = [(620, 1), (240, 2), (90, 4), (35, 8), (12, 15), (3, 25)];

/// Bytes after which mysqldump begins a new INSERT, its `net_buffer_length`.
const INSERT_BYTES: u64 = 1_046_528;

/// Who the clients are. A client is a number; all else follows from it and the seed, so that millions take little room.
pub(super) struct Clients {
    seed: u64,
    first_day: i64,
    founders: u64,
    /// Clients at the end of each day.
    upto: Vec<u64>,
    /// Clients of each level of loyalty, in ascending order.
    levels: [Vec<u32>; LOYALTY.len()],
}

/// Who may order on one day.
pub(super) struct Visitors {
    newcomers_from: u64,
    newcomers: u64,
    level_counts: [u64; LOYALTY.len()],
    total_weight: u64,
}

impl Clients {
    /// Clients that fit the calendar's orders; at least one.
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

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.upto.last().copied().unwrap_or(self.founders)
    }

    /// Who may order on a day of the calendar: those who signed up before, and, for their first order, that day's newcomers.
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

    /// The number of the client who gives order `nth` of `count` orders of a day. Newcomers are spread over the day.
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

    /// The day on which a client signed up.
    fn signup(&self, client: u64) -> i64 {
        if client < self.founders {
            // The shop grew before, too: the root makes the later days the busier ones.
            let offset = (client * FOUNDING_DAYS * FOUNDING_DAYS / self.founders).isqrt();
            return self.first_day - FOUNDING_DAYS as i64 + offset as i64;
        }
        self.first_day + self.upto.partition_point(|upto| *upto <= client) as i64
    }

    /// Writes the dump of table `clients`, as `mysqldump` of MySQL 8.0 does.
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

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
