//! The payments file: one JSON object a line.

use std::io;

use super::calendar::Calendar;
use super::orders::{Order, Status};
use super::output::Output;
use super::products::PRODUCTS;
use super::random::Random;

/// The number of the first payment.
const FIRST_ID: u64 = 700_001;

/// Means of payment, and how often of a hundred.
const METHODS: [(&str, u64); 3] = [("carte", 68), ("paypal", 22), ("virement", 10)];
const TRANSFER: usize = 2;

/// Payments of a thousand that are refused at first.
const REFUSED: u64 = 40;

/// Paid orders of a thousand that are sent back and refunded, and cancelled ones that had been paid.
const SENT_BACK: u64 = 22;
const PAID_BEFORE_CANCELLED: u64 = 350;

/// The payments of orders, as they come in. What would be after the last day has not happened yet.
pub(super) struct Payments<'a> {
    calendar: &'a Calendar,
    output: Output,
    count: u64,
}

impl<'a> Payments<'a> {
    /// Payments for a calendar's orders.
    pub(super) fn new(calendar: &'a Calendar, output: Output) -> Self {
        Self { calendar, output, count: 0 }
    }

    /// Writes what is paid for an order, and paid back.
    pub(super) fn follow(&mut self, mut order: Order) -> io::Result<()> {
        let random = &mut order.random;
        let back_after = match order.status {
            Status::Validee => random.happens(SENT_BACK).then(|| 5 + random.below(21)),
            Status::Annulee if random.happens(PAID_BEFORE_CANCELLED) => Some(1 + random.below(9)),
            Status::Annulee | Status::EnAttente => return Ok(()),
        };
        let place = random.weighted(METHODS.iter().map(|method| method.1));
        let method = METHODS[place].0;
        let cents = order.quantity * PRODUCTS[order.product].cents;
        let mut day = order.day + delay(place == TRANSFER, random);
        if place != TRANSFER && random.happens(REFUSED) {
            self.write(order.id, cents, day, method, "Refuse")?;
            day = (day + random.below(2) as usize).min(order.day + 3);
        }
        self.write(order.id, cents, day, method, "Encaisse")?;
        if let Some(days) = back_after {
            self.write(order.id, cents, day + days as usize, method, "Rembourse")?;
        }
        Ok(())
    }

    fn write(&mut self, order: u64, cents: u64, day: usize, method: &str, status: &str) -> io::Result<()> {
        let Some(day) = self.calendar.texts.get(day) else { return Ok(()) };
        let output = &mut self.output;
        output.text("{\"PaiementID\": ").number(FIRST_ID + self.count);
        output.text(", \"CommandeID\": ").number(order).text(", \"Montant\": ").cents(cents);
        output.text(", \"DatePaiement\": \"").text(day).text("\", \"Moyen\": \"").text(method);
        output.text("\", \"Statut\": \"").text(status).text("\"}\n").end_record()?;
        self.count += 1;
        Ok(())
    }

    /// Writes the rest; returns the number of payments, and the file's name and size.
    pub(super) fn finish(self) -> io::Result<(u64, (String, u64))> {
        Ok((self.count, self.output.finish()?))
    }
}

/// Days from the order to its payment: 0 to 3.
fn delay(transfer: bool, random: &mut Random) -> usize {
    match (transfer, random.below(100)) {
        (true, _) => 1 + random.below(3) as usize,
        (false, 0..85) => 0,
        (false, 85..95) => 1,
        (false, 95..98) => 2,
        (false, _) => 3,
    }
}
