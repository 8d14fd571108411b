//! The orders file: one JSON array, a record a line.

use std::io;

use super::calendar::Calendar;
use super::clients::Clients;
use super::faults::{Fault, Faults};
use super::output::Output;
use super::payments::Payments;
use super::products::{self, Demand, PRODUCTS};
use super::random::{Purpose, Random};

/// The number of the first order; the others follow in the order in which they were given.
const FIRST_ID: u64 = 100_001;

/// Orders of a thousand that reach the file late, and by how many days at most.
const LATE: u64 = 5;
const LATE_DAYS: u64 = 6;

/// Quantities 1 to 5, and how often of a hundred.
const QUANTITIES: [u64; 5] = [72, 17, 6, 3, 2];

/// From this price on nobody takes more than two.
const EXPENSIVE: u64 = 9_000;

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Validee,
    Annulee,
    EnAttente,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Validee => "Validee",
            Self::Annulee => "Annulee",
            Self::EnAttente => "En attente",
        }
    }
}

/// One order.
#[derive(Debug)]
pub(super) struct Order {
    /// `CommandeID`.
    pub(super) id: u64,
    /// `ClientID`.
    pub(super) client: u64,
    /// Place in [`PRODUCTS`].
    pub(super) product: usize,
    /// `Quantite`.
    pub(super) quantity: u64,
    /// Place in the calendar.
    pub(super) day: usize,
    /// `Statut`.
    pub(super) status: Status,
    /// What goes on being drawn for it: its payments.
    pub(super) random: Random,
}

/// How many records were written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Records, the faulty ones among them.
    pub(super) orders: u64,
    /// Records that belong in quarantine.
    pub(super) faulty: u64,
}

/// Writes all orders and their payments, day by day. In memory are at most the orders that are late.
pub(super) fn write(
    calendar: &Calendar,
    clients: &Clients,
    seed: u64,
    output: &mut Output,
    payments: &mut Payments<'_>,
) -> io::Result<Counts> {
    let demand = Demand::new();
    let mut faults = Faults::new(calendar.orders.iter().sum(), seed);
    let mut file = OrdersFile { calendar, output, payments, counts: Counts::default() };
    let mut late: Vec<(usize, Order)> = Vec::new();
    let mut number = 0;
    file.output.text("[");
    for (day, today) in calendar.orders.iter().enumerate() {
        for (_, order) in late.extract_if(.., |(arrives, _)| *arrives <= day) {
            file.good(order)?;
        }
        let visitors = clients.visitors(day);
        for nth in 0..*today {
            let mut random = Random::new(seed, Purpose::Order, number);
            let client = clients.choose(&visitors, nth, *today, &mut random);
            let product = demand.choose(calendar.months[day], &mut random);
            let quantity = quantity(PRODUCTS[product].cents, &mut random);
            let status = status(calendar.len() - 1 - day, &mut random);
            let mut order = Order { id: FIRST_ID + number, client, product, quantity, day, status, random };
            match faults.at(number) {
                Some(fault) => file.faulty(fault, &order)?,
                None if order.random.happens(LATE) => {
                    late.push((day + 1 + order.random.below(LATE_DAYS) as usize, order));
                }
                None => file.good(order)?,
            }
            number += 1;
        }
    }
    for (_, order) in late {
        file.good(order)?;
    }
    file.output.text("\n]\n").end_record()?;
    Ok(file.counts)
}

/// The file while it is written, with the payments that follow from it.
struct OrdersFile<'a, 'b> {
    calendar: &'a Calendar,
    output: &'a mut Output,
    payments: &'a mut Payments<'b>,
    counts: Counts,
}

impl OrdersFile<'_, '_> {
    fn begin_record(&mut self) {
        self.output.text(if self.counts.orders == 0 { "\n  " } else { ",\n  " });
        self.counts.orders += 1;
    }

    fn good(&mut self, order: Order) -> io::Result<()> {
        self.begin_record();
        self.output.text("{\"CommandeID\": ").number(order.id);
        self.output.text(", \"ClientID\": ").number(order.client);
        self.output.text(", \"ProduitID\": ").number(products::FIRST_ID + order.product as u64);
        self.output.text(", \"Quantite\": ").number(order.quantity);
        write_rest(&order, &self.calendar.texts[order.day], self.output);
        self.output.end_record()?;
        self.payments.follow(order)
    }

    fn faulty(&mut self, fault: Fault, order: &Order) -> io::Result<()> {
        self.begin_record();
        self.counts.faulty += 1;
        fault.write(order, self.calendar, self.output);
        self.output.end_record()?;
        Ok(())
    }
}

/// Day and status, which end a record.
pub(super) fn write_rest(order: &Order, day: &str, output: &mut Output) {
    output.text(", \"DateCommande\": \"").text(day);
    output.text("\", \"Statut\": \"").text(order.status.as_str()).text("\"}");
}

fn quantity(cents: u64, random: &mut Random) -> u64 {
    let wanted = 1 + random.weighted(QUANTITIES.into_iter()) as u64;
    if cents >= EXPENSIVE { wanted.min(2) } else { wanted }
}

/// Most orders are settled within days: how many of a thousand still wait, and how many were cancelled, by age in days.
fn status(age: usize, random: &mut Random) -> Status {
    let (waiting, cancelled) = match age {
        0 => (520, 15),
        1 => (380, 25),
        2 => (240, 35),
        3 => (150, 45),
        4..=6 => (95, 60),
        7..=13 => (65, 70),
        _ => (45, 70),
    };
    match random.below(1000) {
        draw if draw < waiting => Status::EnAttente,
        draw if draw < waiting + cancelled => Status::Annulee,
        _ => Status::Validee,
    }
}
