// The colours of charts.

export type Appearance = "light" | "dark";

/**
 * The colours of one appearance. ECharts needs them as values; the page's own colours are CSS tokens in
 * tokens.css.
 */
export interface Palette {
  /** The background of a tile. */
  surface: string;
  text: string;
  muted: string;
  /** Axis lines, grid lines and the borders of tooltips. */
  grid: string;
  /**
   * Distinguishable with every common colour blindness, and with a contrast of at least 3:1 against the
   * surface.
   */
  series: readonly string[];
  /** The part of a donut that stands for the rows that the server cut off. */
  rest: string;
}

export const palettes: Record<Appearance, Palette> = {
  light: {
    surface: "#ffffff",
    text: "#18212f",
    muted: "#566275",
    grid: "#e7eaf0",
    series: ["#1d5fd0", "#d96a13", "#0a7566", "#c0397f", "#4495d1", "#7a4a12", "#5d2e91", "#7c8697"],
    rest: "#dde2ea",
  },
  dark: {
    surface: "#171d26",
    text: "#e8edf4",
    muted: "#9fabbc",
    grid: "#29313d",
    series: ["#5b9bff", "#f0883e", "#2aa08f", "#ec9fd0", "#f2d06b", "#b07c48", "#9a7bea", "#c3ccd8"],
    rest: "#353f4d",
  },
};

/** The colour of the part at `index`. The colours repeat if there are more parts than colours. */
export function seriesColour(palette: Palette, index: number): string {
  return palette.series[index % palette.series.length] as string;
}
