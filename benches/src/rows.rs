//! The rows of the benchmark: the same at each call.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

const COUNTRIES: [&str; 5] = ["France", "Espagne", "Italie", "Allemagne", "Belgique"];
const CITIES: [&str; 5] = ["Lyon", "Valencia", "Torino", "Köln", "Liège"];
const STATES: [&str; 3] = ["Validee", "Expediee", "Annulee"];

/// A number that looks like chance and depends on nothing else (splitmix64, Steele and others 2014).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A day of one of three years that are no leap years apart from the first.
fn day(chance: u64) -> String {
    format!("{}-{:02}-{:02}", 2024 + chance % 3, 1 + chance / 3 % 12, 1 + chance / 36 % 28)
}

/// Writes the files of the project, and the orders as CSV for the tool that reads no JSON.
pub(crate) fn write(folder: &Path, orders: u64, clients: u64) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = BufWriter::new(File::create(folder.join("clients.csv"))?);
    writeln!(file, "client_id,name,country,city,email,signup_date")?;
    for client in 1..=clients {
        let chance = mixed(client);
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
        let (id, client, product) = (100_000_000 + order, 1 + chance % clients, 3_000 + (chance >> 20) % 500);
        let (day, state) = (day(chance >> 24), STATES[(chance >> 33) as usize % 3]);
        let (quantity, cents) = (1 + (chance >> 40) % 9, 100 + (chance >> 44) % 90_000);
        let price = format!("{}.{:02}", cents / 100, cents % 100);
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
