// The dashboard of the mock server: metrics, dimensions and tiles, in the shapes of
// docs/reference/http-api.md.
// It has every kind of tile, a metric without a description, labels in both languages, and grains that leave
// the first and the last step incomplete.

const label = (en, fr) => ({ en, fr });
const euro = { style: "currency", currency: "EUR", scale: 2 };

export const metrics = {
  revenue: { name: "revenue", label: label("Revenue", "Chiffre d'affaires"), format: euro, description: "What was ordered, without what was cancelled." },
  orders: {
    name: "orders",
    label: label("Orders", "Commandes"),
    format: { style: "integer", currency: null, scale: null },
    description: "All orders, also the cancelled ones.",
  },
  average_order: { name: "average_order", label: label("Average order", "Panier moyen"), format: euro, description: null },
  cancelled_share: {
    name: "cancelled_share",
    label: label("Cancelled orders", "Commandes annulées"),
    format: { style: "percent", currency: null, scale: 1 },
    description: "The share of orders that were cancelled, by their number and not by their amount, whenever that was.",
  },
};

export const dimensions = {
  order_date: { name: "order_date", label: label("Order date", "Date de commande"), type: "date", geo: null },
  country: { name: "country", label: label("Country", "Pays"), type: "text", geo: "country" },
  status: { name: "status", label: label("Status", "Statut"), type: "text", geo: null },
  category: { name: "category", label: label("Category", "Catégorie"), type: "text", geo: null },
};

/** A tile by the names of its metric and dimension. `more` overrides properties. */
const tile = (id, kind, title, metric, dimension, grain, more = {}) => ({
  id,
  kind,
  title,
  metric: metrics[metric] ?? null,
  dimension: dimensions[dimension] ?? null,
  grain,
  fill: null,
  ...more,
});

export const sales = {
  name: "sales",
  title: label("Sales", "Ventes"),
  semantic_view: "sales",
  about: "Orders of an invented shop.",
  deletes_unseen: [],
  streams: ["files.orders"],
  time: { dimension: "order_date", range: "last 30 days", grain: "day", compare: "previous_period" },
  filters: [dimensions.country, dimensions.status],
  rows: [
    [
      tile("1-1", "kpi", metrics.revenue.label, "revenue", null, "day"),
      tile("1-2", "kpi", metrics.orders.label, "orders", null, "day"),
      tile("1-3", "kpi", metrics.average_order.label, "average_order", null, "week"),
      tile("1-4", "kpi", metrics.cancelled_share.label, "cancelled_share", null, null),
    ],
    [
      tile("2-1", "area", label("Revenue by day", "Chiffre d'affaires par jour"), "revenue", "order_date", "day", {
        fill: "zero",
      }),
    ],
    [
      tile("3-1", "bar", label("Revenue by country", "Chiffre d'affaires par pays"), "revenue", "country", null),
      tile("3-2", "pie", label("Orders by status", "Commandes par statut"), "orders", "status", null),
    ],
    [
      tile("4-1", "line", label("Average order by week", "Panier moyen par semaine"), "average_order", "order_date", "week"),
      tile("4-2", "bar", label("Orders by month", "Commandes par mois"), "orders", "order_date", "month"),
    ],
    [
      tile("5-1", "table", label("Countries and categories", "Pays et catégories"), null, null, null, {
        metrics: [metrics.revenue, metrics.orders, metrics.average_order],
        dimensions: [dimensions.country, dimensions.category],
      }),
    ],
  ],
};
