import { FONT, type Tooltip } from "./option";
import type { Palette } from "../theme/palette";

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** The names of categories come from the data, and a tooltip is HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

export interface TipRow {
  label: string;
  value: string;
  colour?: string | undefined;
}

export function tipHtml(title: string, rows: readonly TipRow[]): string {
  const lines = rows.map(({ label, value, colour }) => {
    const dot = colour === undefined ? "" : `<span class="chart-tip-dot" style="background:${colour}"></span>`;
    return `<div class="chart-tip-row">${dot}<span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b></div>`;
  });
  const head = title === "" ? "" : `<div class="chart-tip-title">${escapeHtml(title)}</div>`;
  return head + lines.join("");
}

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

/** The index of the point under the pointer, from what ECharts hands to a formatter. */
export function tipIndex(params: unknown): number {
  const first = (Array.isArray(params) ? params[0] : params) as { dataIndex?: number } | undefined;
  return first?.dataIndex ?? -1;
}
