//! Reads the files of a demo back and checks what the generator promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;

/// A written demo, read back.
struct Demo {
    summary: DemoSummary,
    /// Good orders.
    orders: Vec<Value>,
    faulty: u64,
    payments: Vec<Value>,
    /// Day of the sign-up by client.
    clients: BTreeMap<u64, String>,
}

fn demo(options: &DemoOptions) -> Demo {
    let dir = tempfile::tempdir().expect("a folder");
    let summary = write_demo(dir.path(), options).expect("it is written");
    let mut demo =
        Demo { summary, orders: Vec::new(), faulty: 0, payments: Vec::new(), clients: BTreeMap::new() };
    for line in text(dir.path(), "data/commandes.json").lines().filter(|line| line.starts_with("  {")) {
        let order: Option<Value> = serde_json::from_str(line.trim().trim_end_matches(',')).ok();
        match order.filter(is_good) {
            Some(order) => demo.orders.push(order),
            None => demo.faulty += 1,
        }
    }
    let payments = text(dir.path(), "data/paiements.ndjson");
    demo.payments = payments.lines().map(|line| serde_json::from_str(line).expect("a payment")).collect();
    for insert in text(dir.path(), "data/crm.sql").lines().filter(|line| line.starts_with("INSERT INTO")) {
        for row in insert.trim_start_matches("INSERT INTO `clients` VALUES (").split("),(") {
            let id = row.split(',').next().and_then(|id| id.parse().ok()).expect("a number");
            let dates = row.rsplit(',').nth(1).expect("a day");
            demo.clients.insert(id, dates.trim_matches('\'').to_owned());
        }
    }
    demo
}

fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).expect("a file")
}

fn is_good(order: &Value) -> bool {
    let numbers = ["CommandeID", "ClientID", "ProduitID", "Quantite"];
    numbers.iter().all(|name| order[*name].is_u64()) && day(order) != "2026-13-45"
}

fn day(order: &Value) -> &str {
    order["DateCommande"].as_str().expect("a day")
}

/// FNV-1a over all files of a demo.
fn fingerprint(options: &DemoOptions) -> u64 {
    let dir = tempfile::tempdir().expect("a folder");
    let summary = write_demo(dir.path(), options).expect("it is written");
    let data = summary.files.iter().filter(|(name, _)| name.starts_with("data/"));
    data.fold(0xcbf2_9ce4_8422_2325, |hash, (name, size)| {
        let bytes = fs::read(dir.path().join(name)).expect("a file");
        assert_eq!(bytes.len() as u64, *size, "{name}");
        bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

#[test]
fn same_options_give_the_same_bytes() {
    let options = DemoOptions { orders: 3000, ..DemoOptions::default() };
    // Changes only with the generator, and only on purpose: people compare figures across machines.
    assert_eq!(
        fingerprint(&options),
        8_892_515_860_198_166_780,
        "the demo's bytes are no longer what they were"
    );
    assert_eq!(fingerprint(&options), fingerprint(&options));
    assert_ne!(fingerprint(&options), fingerprint(&DemoOptions { seed: 2, ..options }));
}

#[test]
fn counts_add_up() {
    for orders in [0, 1, 20, 999, 1000, 30_000] {
        let Demo { summary, orders: good, faulty, payments, clients } =
            demo(&DemoOptions { orders, ..DemoOptions::default() });
        assert_eq!(summary.orders, orders);
        assert_eq!(good.len() as u64 + faulty, orders);
        assert_eq!(summary.faulty_orders, faulty);
        assert_eq!(faulty, if orders < 1000 { 0 } else { (orders / 1000).max(6) });
        assert_eq!(summary.clients, clients.len() as u64);
        assert_eq!(summary.clients, orders.div_ceil(8).max(1));
        assert_eq!(summary.payments, payments.len() as u64);
        let ids: BTreeSet<_> = good.iter().map(|order| order["CommandeID"].as_u64()).collect();
        assert_eq!(ids.len(), good.len(), "order numbers are distinct");
    }
}

#[test]
fn orders_fit_their_clients_and_their_days() {
    let demo = demo(&DemoOptions { orders: 30_000, ..DemoOptions::default() });
    let mut latest = "";
    let mut late = 0;
    for order in &demo.orders {
        let signup =
            demo.clients.get(&order["ClientID"].as_u64().expect("a client")).expect("a client that exists");
        assert!(signup.as_str() <= day(order), "{order} of a client of {signup}");
        assert!(("2024-11-01"..="2026-10-31").contains(&day(order)), "{order}");
        late += u32::from(day(order) < latest);
        latest = latest.max(day(order));
    }
    assert!((60..600).contains(&late), "{late} late orders");
    let mut by_client: BTreeMap<u64, u32> = BTreeMap::new();
    for order in &demo.orders {
        *by_client.entry(order["ClientID"].as_u64().expect("a client")).or_default() += 1;
    }
    let most = by_client.values().max().copied().unwrap_or_default();
    assert!((40..200).contains(&most), "the most loyal client ordered {most} times");
}

#[test]
fn the_shop_grows_and_has_seasons() {
    let demo = demo(&DemoOptions { orders: 60_000, ..DemoOptions::default() });
    let mean =
        |month: &str, days: usize| demo.orders.iter().filter(|o| day(o).starts_with(month)).count() / days;
    assert!(mean("2025-11", 30) * 10 > mean("2025-08", 31) * 15, "November is the stronger month");
    let second = demo.orders.iter().filter(|order| day(order) > "2025-10-31").count();
    let first = demo.orders.len() - second;
    assert!((118..132).contains(&(second * 100 / first)), "{first} orders, then {second}");
    let on = |wanted: &str| demo.orders.iter().filter(|order| day(order) == wanted).count();
    assert!(on("2025-11-28") > 2 * on("2025-11-14"), "Black Friday");
    assert!(on("2026-09-21") * 10 > on("2026-09-19") * 12, "a Monday and the Saturday before");
}

#[test]
fn statuses_and_payments_are_a_shops() {
    let demo = demo(&DemoOptions { orders: 60_000, ..DemoOptions::default() });
    let share = |status: &str, from: &str| {
        let of: Vec<_> = demo.orders.iter().filter(|order| day(order) >= from).collect();
        of.iter().filter(|order| order["Statut"] == status).count() * 1000 / of.len()
    };
    assert!((870..890).contains(&share("Validee", "")), "{}", share("Validee", ""));
    assert!((60..80).contains(&share("Annulee", "")), "{}", share("Annulee", ""));
    assert!(share("En attente", "2026-10-30") > 300, "recent orders wait");

    let orders: BTreeMap<_, _> =
        demo.orders.iter().map(|order| (order["CommandeID"].as_u64(), order)).collect();
    let mut received = 0;
    for payment in &demo.payments {
        let order = orders[&payment["CommandeID"].as_u64()];
        let paid = payment["DatePaiement"].as_str().expect("a day");
        assert!(day(order) <= paid && paid <= "2026-10-31", "{payment} of {order}");
        assert_ne!(order["Statut"], "En attente");
        received += usize::from(payment["Statut"] == "Encaisse" && order["Statut"] == "Validee");
    }
    let valid = orders.values().filter(|order| order["Statut"] == "Validee").count();
    assert!(received <= valid && received * 1000 > valid * 995, "{received} of {valid} are paid");
}

#[test]
fn what_cannot_be_made_is_refused() {
    for until in
        [(2026, 2, 30), (2026, 13, 1), (2026, 0, 1), (1969, 1, 1), (i32::MIN, u32::MAX, 0), (2026, 4, 31)]
    {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(
            write_demo(dir.path(), &DemoOptions { until, ..DemoOptions::default() }).is_err(),
            "{until:?}"
        );
    }
}
