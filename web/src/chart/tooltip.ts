// Tooltips of charts. ECharts takes them as HTML text, so every text from the data is escaped here.

import { FONT, type Tooltip } from "./option";
import type { Palette } from "../theme/palette";

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Escapes a text for HTML. Names of categories come from the data and may contain markup. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

/** One line of a tooltip. `colour` is that of the dot in front of it; without a colour there is no dot. */
export interface TipRow {
  label: string;
  value: string;
  colour?: string | undefined;
}

/** The HTML of a tooltip: a title, which may be empty, and rows of a label and a value. */
export function tipHtml(title: string, rows: readonly TipRow[]): string {
  const lines = rows.map(({ label, value, colour }) => {
    const dot = colour === undefined ? "" : `<span class="chart-tip-dot" style="background:${colour}"></span>`;
    return `<div class="chart-tip-row">${dot}<span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b></div>`;
  });
  const head = title === "" ? "" : `<div class="chart-tip-title">${escapeHtml(title)}</div>`;
  return head + lines.join("");
}

/** The box of every tooltip. `confine` keeps it within the chart. */
export function tooltipFrame(palette: Palette, animate: boolean): Tooltip {
  return {
    confine: true,
    backgroundColor: palette.surface,
    borderColor: palette.grid,
    borderWidth: 1,
    padding: [8, 12],
    transitionDuration: animate ? 0.15 : 0,
    textStyle: { color: palette.text, fontSize: 13, fontFamily: FONT },
    extraCssText: "box-shadow:0 6px 20px rgb(15 23 42 / 18%);border-radius:8px;",
  };
}

/**
 * The index of the data point under the pointer, from the argument that ECharts passes to a formatter: an
 * object, or an array with one object per series. Returns -1 if there is none.
 */
export function tipIndex(params: unknown): number {
  const first = (Array.isArray(params) ? params[0] : params) as { dataIndex?: number } | undefined;
  return first?.dataIndex ?? -1;
}
