//! The orders file: one JSON array with one record per line.

use std::io;

use super::calendar::Calendar;
use super::clients::Clients;
use super::faults::{Fault, Faults};
use super::output::Output;
use super::payments::Payments;
use super::products::{self, Demand, PRODUCTS};
use super::random::{Purpose, Random};

/// Id of the first order; the others follow in the order in which they were placed.
const FIRST_ID: u64 = 100_001;

/// Orders per thousand that reach the file late, and the largest delay in days.
const LATE: u64 = 5;
const LATE_DAYS: u64 = 6;

/// Share of the quantities 1 to 5, in percent.
const QUANTITIES: [u64; 5] = [72, 17, 6, 3, 2];

/// Price in cents from which an order has at most two pieces.
const EXPENSIVE: u64 = 9_000;

/// Status of an order on the last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Completed and paid.
    Validee,
    /// Cancelled.
    Annulee,
    /// Still open.
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
    /// Index into [`PRODUCTS`].
    pub(super) product: usize,
    /// `Quantite`.
    pub(super) quantity: u64,
    /// Index of the day in the calendar.
    pub(super) day: usize,
    /// `Statut`.
    pub(super) status: Status,
    /// The order's random sequence, continued for its payments.
    pub(super) random: Random,
}

/// How many records were written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Records, including faulty ones.
    pub(super) orders: u64,
    /// Records that belong in quarantine.
    pub(super) faulty: u64,
}

/// Writes all orders and their payments, day by day. Only late orders are kept in memory.
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

/// The orders file while it is written, with the payments that follow from its orders.
struct OrdersFile<'a, 'b> {
    calendar: &'a Calendar,
    output: &'a mut Output,
    payments: &'a mut Payments<'b>,
    counts: Counts,
}

impl OrdersFile<'_, '_> {
    /// Writes the separator before a record.
    fn begin_record(&mut self) {
        self.output.text(if self.counts.orders == 0 { "\n  " } else { ",\n  " });
        self.counts.orders += 1;
    }

    /// Writes an order, then its payments.
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

    /// Writes an order with a fault. It has no payments.
    fn faulty(&mut self, fault: Fault, order: &Order) -> io::Result<()> {
        self.begin_record();
        self.counts.faulty += 1;
        fault.write(order, self.calendar, self.output);
        self.output.end_record()?;
        Ok(())
    }
}

/// Writes the end of a record: day and status.
pub(super) fn write_rest(order: &Order, day: &str, output: &mut Output) {
    output.text(", \"DateCommande\": \"").text(day);
    output.text("\", \"Statut\": \"").text(order.status.as_str()).text("\"}");
}

/// Draws a quantity, limited by the price of the product.
fn quantity(cents: u64, random: &mut Random) -> u64 {
    let wanted = 1 + random.weighted(QUANTITIES.into_iter()) as u64;
    if cents >= EXPENSIVE { wanted.min(2) } else { wanted }
}

/// Draws a status by the age of the order in days. The table holds the orders per thousand that are
/// still open and that are cancelled; most orders are settled within days.
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
