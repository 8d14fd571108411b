//! Faulty records, so that the demo has rows in quarantine.

use super::calendar::Calendar;
use super::orders::{Order, write_rest};
use super::output::Output;
use super::products;
use super::random::{Purpose, Random};

/// One order in this many is faulty.
const ORDERS_PER_FAULT: u64 = 1000;

/// Number of orders from which on a file has every kind of fault.
const ALL_KINDS_FROM: u64 = 1000;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `"Quantite": "deux"`.
    QuantityInWords,
    /// `"Quantite": null`.
    QuantityNull,
    /// No `Quantite` at all.
    QuantityMissing,
    /// No `CommandeID`, which is the key.
    IdMissing,
    /// A date that does not exist.
    NoSuchDay,
    /// Invalid JSON.
    BrokenJson,
}

/// All kinds, used in turn.
const KINDS: [Fault; 6] = [
    Fault::QuantityInWords,
    Fault::QuantityNull,
    Fault::QuantityMissing,
    Fault::IdMissing,
    Fault::NoSuchDay,
    Fault::BrokenJson,
];

/// Chooses the faulty records: the file is divided into as many equal sections as there are faults,
/// and one record of each section is faulty.
pub(super) struct Faults {
    seed: u64,
    orders: u64,
    /// Number of faults.
    count: u64,
    /// Number of the next fault.
    next: u64,
    /// Position of the next faulty record; `u64::MAX` after the last one.
    next_at: u64,
}

impl Faults {
    /// The faults of a file with this many orders: about one in a thousand.
    pub(super) fn new(orders: u64, seed: u64) -> Self {
        let least = if orders >= ALL_KINDS_FROM { KINDS.len() as u64 } else { 0 };
        let mut faults =
            Self { seed, orders, count: (orders / ORDERS_PER_FAULT).max(least), next: 0, next_at: 0 };
        faults.next_at = faults.place(0);
        faults
    }

    /// The position of a fault, drawn within its section.
    fn place(&self, fault: u64) -> u64 {
        if fault >= self.count {
            return u64::MAX;
        }
        let start =
            |fault: u64| (u128::from(fault) * u128::from(self.orders) / u128::from(self.count)) as u64;
        let mut random = Random::new(self.seed, Purpose::Fault, fault);
        start(fault) + random.below(start(fault + 1) - start(fault))
    }

    /// The fault of the order at this position, if any. Must be called once for each position, in
    /// ascending order.
    pub(super) fn at(&mut self, place: u64) -> Option<Fault> {
        if place != self.next_at {
            return None;
        }
        let kind = KINDS[(self.next % KINDS.len() as u64) as usize];
        self.next += 1;
        self.next_at = self.place(self.next);
        Some(kind)
    }
}

impl Fault {
    /// Writes the JSON object of an order with this fault.
    pub(super) fn write(self, order: &Order, calendar: &Calendar, output: &mut Output) {
        output.text("{");
        if self != Self::IdMissing {
            output.text("\"CommandeID\": ").number(order.id).text(", ");
        }
        if self == Self::BrokenJson {
            output.text("\"ClientID\": }");
            return;
        }
        output.text("\"ClientID\": ").number(order.client);
        output.text(", \"ProduitID\": ").number(products::FIRST_ID + order.product as u64);
        match self {
            Self::QuantityInWords => output.text(", \"Quantite\": \"deux\""),
            Self::QuantityNull => output.text(", \"Quantite\": null"),
            Self::QuantityMissing => output,
            _ => output.text(", \"Quantite\": ").number(order.quantity),
        };
        let day = if self == Self::NoSuchDay { "2026-13-45" } else { &calendar.texts[order.day] };
        write_rest(order, day, output);
    }
}
