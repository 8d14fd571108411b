//! The shop's products, their demand by month, and the catalogue file.

use std::io;

use super::output::Output;
use super::random::Random;

/// A product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    /// French name, as in the catalogue.
    name: &'static str,
    /// Index into [`CATEGORIES`].
    category: usize,
    /// Price of one piece in cents.
    pub(super) cents: u64,
    /// Weight of the demand, relative to the other products.
    popularity: u64,
}

/// Name of each category, and its demand from January to December, in hundredths.
const CATEGORIES: [(&str, [u64; 12]); 7] = [
    ("Cuisine", [95, 90, 90, 90, 105, 90, 80, 80, 100, 105, 120, 140]),
    ("Maison", [110, 100, 100, 95, 90, 85, 80, 80, 110, 120, 120, 120]),
    ("Jardin", [30, 50, 120, 190, 200, 170, 130, 90, 80, 60, 40, 30]),
    ("Papeterie", [120, 80, 75, 75, 75, 75, 70, 180, 220, 95, 100, 120]),
    ("Jouets", [60, 60, 70, 75, 75, 85, 80, 75, 75, 100, 190, 270]),
    ("Sport", [150, 110, 110, 110, 110, 120, 110, 90, 130, 90, 80, 90]),
    ("Beauté", [85, 130, 90, 95, 150, 110, 100, 80, 85, 90, 115, 150]),
];

/// Id of the first product; the others follow.
pub(super) const FIRST_ID: u64 = 3001;

/// A product; the name is short to keep the table below readable.
const fn p(name: &'static str, category: usize, cents: u64, popularity: u64) -> Product {
    Product { name, category, cents, popularity }
}

/// All products. A few are bought often, most of them rarely.
#[rustfmt::skip]
pub(super) const PRODUCTS: [Product; 60] = [
    p("Cafetière à piston 1 L", 0, 3490, 420), p("Couteau de chef 20 cm", 0, 5900, 150),
    p("Lot de 6 verres soufflés bouche", 0, 4250, 120), p("Cocotte en fonte 24 cm", 0, 18900, 70),
    p("Planche à découper en hêtre", 0, 2790, 210), p("Moulin à poivre", 0, 3150, 95),
    p("Théière en grès 0,8 L", 0, 3990, 80), p("Balance de cuisine", 0, 2495, 130),
    p("Torchons en lin, lot de 3", 0, 2450, 240), p("Machine à pâtes", 0, 7990, 35),
    p("Lampe de bureau en laiton", 1, 8995, 110), p("Plaid en laine 130 × 170 cm", 1, 7400, 130),
    p("Bougie parfumée figuier", 1, 2900, 520), p("Cadre en chêne A4", 1, 1990, 160),
    p("Parure de lit en percale 140", 1, 11900, 60), p("Coussin velours 45 × 45 cm", 1, 3290, 180),
    p("Miroir rond 60 cm", 1, 12900, 28), p("Panier à linge tressé", 1, 4590, 75),
    p("Tapis berbère 160 × 230 cm", 1, 34900, 12),
    p("Sécateur forgé", 2, 4490, 120), p("Arrosoir en zinc 9 L", 2, 3850, 90),
    p("Graines de tomates anciennes", 2, 495, 310), p("Gants de jardin en cuir", 2, 2190, 110),
    p("Chaise pliante en acier", 2, 6900, 85), p("Brasero en acier corten", 2, 22900, 15),
    p("Guirlande guinguette 10 m", 2, 3990, 140), p("Nichoir pour mésanges", 2, 2690, 60),
    p("Carnet à pages pointées A5", 3, 1280, 680), p("Stylo plume « Écolier »", 3, 2730, 260),
    p("Agenda semainier", 3, 1990, 330), p("Encre violette 50 ml", 3, 890, 170),
    p("Crayons de couleur, boîte de 24", 3, 1850, 220), p("Trousse en toile", 3, 1490, 200),
    p("Classeur à levier", 3, 590, 140), p("Globe terrestre 30 cm", 3, 5990, 25),
    p("Cubes en bois, 50 pièces", 4, 2990, 190), p("Puzzle 1000 pièces Mont-Saint-Michel", 4, 1790, 260),
    p("Peluche renard 30 cm", 4, 2290, 230), p("Jeu de société « La Traversée »", 4, 3450, 210),
    p("Train en bois, circuit de 40 pièces", 4, 6490, 75), p("Cerf-volant", 4, 2450, 65),
    p("Kit de magie", 4, 2795, 55), p("Maison de poupée", 4, 12900, 22), p("Toupie en métal", 4, 1150, 95),
    p("Gourde isotherme 500 ml", 5, 2499, 540), p("Tapis de yoga 5 mm", 5, 3900, 170),
    p("Sac à dos en toile 18 L", 5, 9800, 105), p("Corde à sauter", 5, 1290, 120),
    p("Haltères 2 × 3 kg", 5, 3490, 70), p("Lampe frontale", 5, 2999, 85),
    p("Tente 2 places", 5, 14990, 24), p("Serviette microfibre", 5, 1690, 160),
    p("Savon d'Alep 200 g", 6, 690, 450), p("Crème mains karité 75 ml", 6, 1150, 380),
    p("Huile d'argan 50 ml", 6, 1890, 150), p("Brosse à cheveux en poirier", 6, 2350, 70),
    p("Eau de Cologne 100 ml", 6, 3600, 110), p("Coffret rasage", 6, 6900, 45),
    p("Baume à lèvres", 6, 550, 290), p("Gant de crin", 6, 1290, 60),
];

/// Slots of a month's look-up table; each product has at least one.
const SLOTS: usize = 4096;

/// The demand by month, as look-up tables, so that drawing a product needs no search.
pub(super) struct Demand {
    /// For each month, the product's index in each slot.
    months: Vec<Vec<u8>>,
}

impl Demand {
    /// Builds the tables of all months. A product's number of slots is proportional to its weight.
    pub(super) fn new() -> Self {
        let months = (0..12).map(|month| {
            let weight = |product: &Product| product.popularity * CATEGORIES[product.category].1[month];
            let total: u64 = PRODUCTS.iter().map(weight).sum();
            let mut table = Vec::with_capacity(SLOTS);
            let mut upto = 0;
            for (place, product) in (0u8..).zip(&PRODUCTS) {
                upto += weight(product);
                table.resize((upto * SLOTS as u64 / total) as usize, place);
            }
            table
        });
        Self { months: months.collect() }
    }

    /// Draws a product for an order in a month (0 is January). Returns an index into [`PRODUCTS`].
    pub(super) fn choose(&self, month: u8, random: &mut Random) -> usize {
        usize::from(self.months[usize::from(month)][random.below(SLOTS as u64) as usize])
    }
}

/// Writes the catalogue as CSV. Its last row has one field too many (an unquoted comma), so it
/// belongs in quarantine; no order refers to that product. Returns the number of rows, including
/// that one.
pub(super) fn write(output: &mut Output) -> io::Result<u64> {
    output.text("ProduitID,NomProduit,Categorie,Prix\n");
    for (id, product) in (FIRST_ID..).zip(&PRODUCTS) {
        let quote = if product.name.contains([',', '"']) { "\"" } else { "" };
        output.number(id).text(",").text(quote).text(product.name).text(quote).text(",");
        output.text(CATEGORIES[product.category].0).text(",").cents(product.cents).text("\n");
    }
    let rows = PRODUCTS.len() as u64;
    output.number(FIRST_ID + rows).text(",Coffret cadeau, petit modèle,Beauté,19.90\n").end_record()?;
    Ok(rows + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::random::Purpose;

    #[test]
    fn every_product_is_bought_and_seasons_show() {
        let demand = Demand::new();
        let count = |month: u8, wanted: usize| {
            let mut random = Random::new(1, Purpose::Order, u64::from(month));
            let drawn = (0..20_000).map(|_| PRODUCTS[demand.choose(month, &mut random)].category);
            drawn.filter(|category| *category == wanted).count()
        };
        assert!(count(11, 4) > 2 * count(5, 4), "toys sell in December");
        assert!(count(4, 2) > 3 * count(11, 2), "garden tools do not");
        for table in &demand.months {
            assert_eq!(table.len(), SLOTS);
            assert!((0..PRODUCTS.len()).all(|place| table.contains(&(place as u8))));
        }
    }
}
