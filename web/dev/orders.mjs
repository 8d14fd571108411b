// The orders of an invented shop. The same seed always gives the same orders, so that pages can be compared
// between versions of the code.

export const LAST_DAY = Date.UTC(2026, 9, 31);
export const DAY_MS = 86_400_000;
/** The number of days up to `LAST_DAY` that the orders cover. */
const DAYS = 760;

/**
 * Values with their weights, here and below. They include NULL, a long name, accents and characters that HTML
 * must escape.
 */
const COUNTRIES = [
  ["France", 34],
  ["Espagne", 17],
  ["Allemagne", 13],
  ["Belgique", 9],
  ["Italie", 8],
  ["Royaume-Uni", 7],
  ["Suisse", 5],
  ["États-Unis", 4],
  ["République démocratique du Congo", 2],
  [null, 1],
];
const STATUSES = [
  ["Validee", 62],
  ["Expediee", 22],
  ["En attente", 9],
  ["Annulee", 5],
  ["Remboursee", 2],
];
const CATEGORIES = [
  ["Informatique", 30],
  ["Maison & jardin", 30],
  ["Livres <poche>", 40],
];

/** A linear congruential generator of numbers from 0 to below 1. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Picks a value with a probability in proportion to its weight. */
function pick(weighted, next) {
  let left = next() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
  return (weighted.find(([, weight]) => (left -= weight) < 0) ?? weighted[0])[0];
}

/**
 * The orders of `DAYS` days by date, with weekly and yearly seasons and growth. `amount` is a BigInt in
 * cents.
 */
export function makeOrders(seed = 20261031) {
  const next = random(seed);
  const orders = [];
  for (let back = DAYS - 1; back >= 0; back--) {
    const day = LAST_DAY - back * DAY_MS;
    const weekday = new Date(day).getUTCDay();
    const season = 1 + 0.35 * Math.sin(((DAYS - back) / 365) * 2 * Math.PI);
    const growth = 1 + (DAYS - back) / DAYS;
    // The shop is closed on some Sundays, so that there are days without rows.
    const closed = weekday === 0 && next() < 0.4;
    const count = closed ? 0 : Math.round((3 + next() * 9) * season * growth * (weekday === 6 ? 1.5 : 1));
    for (let n = 0; n < count; n++) {
      orders.push({
        id: orders.length + 1,
        order_date: new Date(day).toISOString().slice(0, 10),
        country: pick(COUNTRIES, next),
        status: pick(STATUSES, next),
        category: pick(CATEGORIES, next),
        // In cents, so that sums are exact.
        amount: BigInt(Math.round(500 + next() ** 2 * 24_000)),
      });
    }
  }
  return orders;
}
