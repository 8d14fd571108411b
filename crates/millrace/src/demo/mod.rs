//! Generator of the demo data: a shop with two years of plausible orders, in the formats of real
//! systems.
//!
//! The same options produce the same bytes on any machine: all random numbers come from [`random`],
//! and all arithmetic is on integers. Orders are written as they are drawn, so memory is only
//! needed for the clients: some megabytes for millions of orders.

mod calendar;
mod clients;
mod dump;
mod faults;
#[rustfmt::skip]
mod names;
mod orders;
mod output;
mod payments;
mod people;
mod products;
mod project;
mod random;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use millrace_core::value::{civil_from_days, days_from_civil};

use calendar::Calendar;
use clients::Clients;
use output::Output;
use payments::Payments;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DemoOptions {
    /// Number of records in the orders file, including faulty ones; at most a billion.
    pub(crate) orders: u64,
    /// Seed of the random numbers.
    pub(crate) seed: u64,
    /// The last day as year, month and day; the data covers the two years that end on it.
    pub(crate) until: (i32, u32, u32),
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { orders: 50_000, seed: 1, until: (2026, 10, 31) }
    }
}

/// Largest number of orders: small enough that no product of counts overflows.
const MOST_ORDERS: u64 = 1_000_000_000;

/// Years in which a demo may end, so that every date in the files has a year of four digits.
const YEARS: RangeInclusive<i32> = 1970..=9998;

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoSummary {
    /// Paths below the project's folder, with sizes in bytes.
    pub(crate) files: Vec<(String, u64)>,
    /// Records of the orders file, including faulty ones.
    pub(crate) orders: u64,
    /// Records of the orders file that belong in quarantine.
    pub(crate) faulty_orders: u64,
    /// Rows of table `clients`.
    pub(crate) clients: u64,
    /// Rows of the catalogue, including faulty ones.
    pub(crate) products: u64,
    /// Rows of the catalogue that belong in quarantine.
    pub(crate) faulty_products: u64,
    /// Records of the payments file; none is faulty.
    pub(crate) payments: u64,
}

/// Writes a project and its data into a folder, which is created if it is missing. Overwrites files
/// of the same names and leaves others. Refuses an `until` that is not a valid day, or more than a
/// billion orders, with `InvalidInput`.
pub(crate) fn write_demo(dir: &Path, options: &DemoOptions) -> io::Result<DemoSummary> {
    let (year, month, day) = options.until;
    let in_range = YEARS.contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let last = if in_range { days_from_civil(i64::from(year), month, day) } else { 0 };
    if !in_range || civil_from_days(last) != (i64::from(year), month, day) {
        let message = format!("a demo cannot end on {year:04}-{month:02}-{day:02}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if options.orders > MOST_ORDERS {
        let message = format!("a demo has at most {MOST_ORDERS} orders");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut files = project::write(dir)?;
    let calendar = Calendar::new(last, options.orders, options.seed);
    let clients = Clients::new(&calendar, options.seed);

    let mut dump = Output::create(dir, "data/crm.sql")?;
    clients.write(&mut dump)?;
    files.push(dump.finish()?);

    let mut catalogue = Output::create(dir, "data/produits.csv")?;
    let products = products::write(&mut catalogue)?;
    files.push(catalogue.finish()?);

    let mut records = Output::create(dir, "data/commandes.json")?;
    let mut payments = Payments::new(&calendar, Output::create(dir, "data/paiements.ndjson")?);
    let counts = orders::write(&calendar, &clients, options.seed, &mut records, &mut payments)?;
    files.push(records.finish()?);
    let (payments, payments_file) = payments.finish()?;
    files.push(payments_file);

    Ok(DemoSummary {
        files,
        orders: counts.orders,
        faulty_orders: counts.faulty,
        clients: clients.count(),
        products,
        faulty_products: 1,
        payments,
    })
}
