//! Demo data: a shop with two years of believable orders, in the formats that real ones come in.
//!
//! The same options give the same bytes on any machine: chance comes from [`random`], and everything is worked out in
//! integers. Orders are written as they are drawn, so that millions of them take the memory of their clients only, some
//! megabytes.

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

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DemoOptions {
    /// Records of the orders file, faulty ones among them; at most a billion.
    pub(crate) orders: u64,
    /// Another seed gives another shop.
    pub(crate) seed: u64,
    /// The last day, as year, month and day; the data are of the two years that end on it.
    pub(crate) until: (i32, u32, u32),
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { orders: 50_000, seed: 1, until: (2026, 10, 31) }
    }
}

/// More orders than anybody's disk wants, and few enough that no product of counts overflows.
const MOST_ORDERS: u64 = 1_000_000_000;

/// Years in which a demo may end: those whose days before and after are written with four digits everywhere.
const YEARS: RangeInclusive<i32> = 1970..=9998;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoSummary {
    /// Files below the project folder, with their sizes in bytes.
    pub(crate) files: Vec<(String, u64)>,
    /// Records of the orders file, faulty ones among them.
    pub(crate) orders: u64,
    /// Records of the orders file that belong in quarantine.
    pub(crate) faulty_orders: u64,
    /// Rows of table `clients`.
    pub(crate) clients: u64,
    /// Rows of the catalogue, faulty ones among them.
    pub(crate) products: u64,
    /// Rows of the catalogue that belong in quarantine.
    pub(crate) faulty_products: u64,
    /// Records of the payments file; all are good.
    pub(crate) payments: u64,
}

/// Writes a project and its data into a folder, which is made where it is missing. Files of the same names are
/// overwritten, others stay. An `until` that is no day, or more than a billion orders, is refused as `InvalidInput`.
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
