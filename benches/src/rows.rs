//! Generates the rows of the benchmarks. They are the same at each call.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// Countries, in the order of [`CITIES`].
const COUNTRIES: [&str; 5] = ["France", "Espagne", "Italie", "Allemagne", "Belgique"];
/// A city of each country, two of them with letters beyond ASCII.
const CITIES: [&str; 5] = ["Lyon", "Valencia", "Torino", "Köln", "Liège"];
/// The states of an order.
const STATES: [&str; 3] = ["Validee", "Expediee", "Annulee"];

/// A pseudo-random number that depends on the seed alone (splitmix64, Steele and others 2014).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A day from 2024-01-01 to 2026-12-28. Every month has 28 days at most.
fn day(chance: u64) -> String {
    format!("{}-{:02}-{:02}", 2024 + chance % 3, 1 + chance / 3 % 12, 1 + chance / 36 % 28)
}

/// Writes the files of `star` (clients as CSV, orders as a JSON array), and the orders as CSV for
/// `psql`, which reads no JSON.
pub(crate) fn write(folder: &Path, orders: u64, clients: u64) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = BufWriter::new(File::create(folder.join("clients.csv"))?);
    writeln!(file, "client_id,name,country,city,email,signup_date")?;
    for client in 1..=clients {
        let chance = mixed(client);
        // One place for both lists, so that each city is in its country.
        let place = (chance % 5) as usize;
        writeln!(
            file,
            "{client},Client {},{},{},c{client}@example.net,{}",
            chance % 100_000,
            COUNTRIES[place],
            CITIES[place],
            day(chance >> 8)
        )?;
    }
    file.flush()?;
    let mut json = BufWriter::new(File::create(folder.join("orders.json"))?);
    let mut csv = BufWriter::new(File::create(folder.join("orders.csv"))?);
    writeln!(csv, "CommandeID,ClientID,ProduitID,DateCommande,Statut,Quantite,PrixUnitaire")?;
    json.write_all(b"[\n")?;
    for order in 1..=orders {
        let chance = mixed(order ^ 0x5bd1_e995);
        // Different bits of one number serve different fields.
        let (id, client, product) = (100_000_000 + order, 1 + chance % clients, 3_000 + (chance >> 20) % 500);
        let (day, state) = (day(chance >> 24), STATES[(chance >> 33) as usize % 3]);
        let (quantity, cents) = (1 + (chance >> 40) % 9, 100 + (chance >> 44) % 90_000);
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        // A JSON array has no comma after its last element.
        let comma = if order == orders { "" } else { "," };
        writeln!(
            json,
            "{{\"CommandeID\": {id}, \"ClientID\": {client}, \"ProduitID\": {product}, \"DateCommande\": \"{day}\", \
             \"Statut\": \"{state}\", \"Quantite\": {quantity}, \"PrixUnitaire\": {price}}}{comma}"
        )?;
        writeln!(csv, "{id},{client},{product},{day},{state},{quantity},{price}")?;
    }
    json.write_all(b"]\n")?;
    json.flush()?;
    csv.flush()
}

/// Writes people as lines of tab-separated fields, the text format of both servers.
pub(crate) fn people(path: &Path, rows: u64) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for id in 1..=rows {
        let chance = mixed(id ^ 0x0dd0_5eed);
        let cents = chance % 100_000_000;
        writeln!(
            file,
            "{id}\tPerson {:06}\t{}\t{}\tperson.{id}@mail{}.example.net\t{}.{:02}\t{} {:02}:{:02}:{:02}.{:06}\t{}",
            chance % 1_000_000,
            CITIES[(chance >> 20) as usize % 5],
            day(chance >> 8),
            chance >> 54,
            cents / 100,
            cents % 100,
            day(chance >> 16),
            chance >> 24 & 15,
            (chance >> 28) % 60,
            (chance >> 34) % 60,
            (chance >> 40) % 1_000_000,
            // Any value of a tinyint.
            (chance >> 48) as i8,
        )?;
    }
    file.flush()
}

/// Writes orders as JSON lines, as a JSON array and as CSV. One in a thousand has numbers that no
/// double holds. Returns what a database should print about them, separated by `|`: their count,
/// the sums of the three numbers, and the length of the longest note in characters.
pub(crate) fn long_orders(folder: &Path, orders: u64) -> io::Result<String> {
    std::fs::create_dir_all(folder)?;
    let create = |name: &str| Ok::<_, io::Error>(BufWriter::new(File::create(folder.join(name))?));
    let (mut lines, mut array, mut csv) =
        (create("orders.ndjson")?, create("orders.json")?, create("orders.csv")?);
    array.write_all(b"[\n")?;
    // The sums are integers in units of the last digit, so they are exact.
    let (mut references, mut rates, mut amounts, mut longest) = (0u128, 0u128, 0u128, 0);
    for id in 1..=orders {
        let chance = mixed(id ^ 0x1096_0de5);
        // One in a thousand has 25 digits before the decimal point, or 20 after it.
        let long = id % 1000 == 500;
        let reference = if long {
            1_000_000_000_000_000_000_000_000 + u128::from(chance)
        } else {
            u128::from(chance % 10_000_000_000)
        };
        let rate = if long {
            100_000_000_000_000_000_000 + u128::from(chance)
        } else {
            u128::from(chance % 10_000) * 10u128.pow(16)
        };
        let rate_text = format!("{}.{:020}", rate / 10u128.pow(20), rate % 10u128.pow(20));
        let rate_text = rate_text.trim_end_matches('0').trim_end_matches('.');
        let cents = chance % 10_000_000;
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        let (day, state) = (day(chance >> 24), STATES[(chance >> 33) as usize % 3]);
        let note = format!("{} {}", CITIES[(chance >> 36) as usize % 5], chance % 1_000_000_007);
        references += reference;
        rates += rate;
        amounts += u128::from(cents);
        longest = longest.max(note.chars().count());
        let line = format!(
            "{{\"id\": {id}, \"reference\": {reference}, \"placed\": \"{day}\", \"status\": \"{state}\", \"amount\": {amount}, \
             \"rate\": {rate_text}, \"note\": \"{note}\"}}"
        );
        writeln!(lines, "{line}")?;
        writeln!(array, "{line}{}", if id == orders { "" } else { "," })?;
        writeln!(csv, "{id},{reference},{day},{state},{amount},{rate_text},{note}")?;
    }
    array.write_all(b"]\n")?;
    lines.flush()?;
    array.flush()?;
    csv.flush()?;
    let rates = format!("{}.{:020}", rates / 10u128.pow(20), rates % 10u128.pow(20));
    let amounts = format!("{}.{:02}", amounts / 100, amounts % 100);
    Ok(format!("{orders}|{references}|{rates}|{amounts}|{longest}"))
}
