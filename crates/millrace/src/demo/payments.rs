//! The payments file: one JSON object per line.

use std::io;

use super::calendar::Calendar;
use super::orders::{Order, Status};
use super::output::Output;
use super::products::PRODUCTS;
use super::random::Random;

/// Id of the first payment.
const FIRST_ID: u64 = 700_001;

/// Payment methods, with their share in percent.
const METHODS: [(&str, u64); 3] = [("carte", 68), ("paypal", 22), ("virement", 10)];
/// Index of the bank transfer in [`METHODS`]. It is never refused, and arrives after one to three
/// days.
const TRANSFER: usize = 2;

/// Payments per thousand that are refused at first and then repeated.
const REFUSED: u64 = 40;

/// Per thousand: paid orders that are returned and refunded, and cancelled orders that had been
/// paid.
const SENT_BACK: u64 = 22;
const PAID_BEFORE_CANCELLED: u64 = 350;

/// Writes the payments of orders. Payments after the last day of the calendar are left out.
pub(super) struct Payments<'a> {
    calendar: &'a Calendar,
    output: Output,
    count: u64,
}

impl<'a> Payments<'a> {
    /// A writer for the payments of a calendar's orders.
    pub(super) fn new(calendar: &'a Calendar, output: Output) -> Self {
        Self { calendar, output, count: 0 }
    }

    /// Writes the payments and refunds of an order. Continues the order's own random sequence.
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

    /// Writes one record; does nothing for a day after the last one.
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

    /// Flushes the file; returns the number of payments, and the file's name and size in bytes.
    pub(super) fn finish(self) -> io::Result<(u64, (String, u64))> {
        Ok((self.count, self.output.finish()?))
    }
}

/// Days from an order to its payment: 0 to 3, and at least 1 for a bank transfer.
fn delay(transfer: bool, random: &mut Random) -> usize {
    match (transfer, random.below(100)) {
        (true, _) => 1 + random.below(3) as usize,
        (false, 0..85) => 0,
        (false, 85..95) => 1,
        (false, 95..98) => 2,
        (false, _) => 3,
    }
}
