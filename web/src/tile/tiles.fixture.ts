// Sample tiles, columns and answers for the unit tests of tiles.

import type { Column, Metric, Tile, TileResult, Value } from "../api/schema.gen";
import type { Scene } from "../chart/scene";
import type { Reader } from "../i18n/reader";
import { palettes } from "../theme/palette";

export const en: Reader = { language: "en", tag: "en-GB" };
export const fr: Reader = { language: "fr", tag: "fr-FR" };

export const revenue: Metric = {
  name: "revenue",
  label: { en: "Revenue", fr: "Chiffre d'affaires" },
  format: { style: "currency", currency: "EUR", scale: 2 },
  description: null,
};

export function scene(width = 800, reader = en): Scene {
  return { reader, palette: palettes.light, width, animate: false };
}

export function tile(more: Partial<Tile>): Tile {
  return {
    id: "1-1",
    kind: "kpi",
    title: { en: "Revenue", fr: "Chiffre d'affaires" },
    metric: revenue,
    dimension: null,
    grain: null,
    fill: null,
    ...more,
  };
}

export const day: Column = { name: "order_date", role: "dimension", type: "date", scale: null };
export const country: Column = { name: "country", role: "dimension", type: "text", scale: null };
export const money: Column = { name: "revenue", role: "metric", type: "decimal", scale: 2 };
export const share: Column = { name: "share", role: "share", type: "decimal", scale: 4 };

export function result(columns: Column[], data: Value[][], more: Partial<TileResult> = {}): TileResult {
  return { columns, data, rows: data[0]?.length ?? 0, truncated: false, total: {}, previous: null, change: null, ...more };
}

/** Consecutive days from `from`, in the format of the server. */
export function days(from: string, count: number): string[] {
  const start = Date.parse(`${from}T00:00:00Z`);
  return Array.from({ length: count }, (_, at) => new Date(start + at * 86_400_000).toISOString().slice(0, 10));
}

/** Replaces the no-break spaces that `Intl` writes, so that tests compare with plain text. */
export const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");
