import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Appearance, palettes } from "./palette";

/** Relative luminance and contrast as WCAG 2 defines them. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

describe.each(Object.entries(palettes))("the %s palette", (_, palette) => {
  it("has text that can be read (4.5 to one)", () => {
    expect(contrast(palette.text, palette.surface)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(palette.muted, palette.surface)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(palette.series)("has a colour %s that can be seen (3 to one)", (colour) => {
    expect(contrast(colour, palette.surface)).toBeGreaterThanOrEqual(3);
  });

  it("has no colour twice", () => {
    expect(new Set(palette.series).size).toBe(palette.series.length);
  });
});

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

/** `--name: light-dark(#light, #dark)` of tokens.css. */
const tokens = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [name, { light, dark }]),
);

function token(name: string, appearance: Appearance): string {
  const colour = tokens.get(name)?.[appearance];
  if (colour === undefined) throw new Error(`tokens.css has no ${name}`);
  return colour;
}

describe.each(["light", "dark"] as const)("the %s tokens", (appearance) => {
  it.each([
    ["text", ["page", "surface", "raised", "hover", "info-surface", "warn-surface", "bad-surface", "accent-soft"]],
    ["muted", ["page", "surface", "raised", "hover", "info-surface", "warn-surface", "bad-surface"]],
    ["accent", ["page", "surface", "raised", "accent-soft", "info-surface", "bad-surface"]],
    ["down", ["surface", "page"]],
    ["warn", ["warn-surface"]],
    ["bad", ["bad-surface", "raised"]],
    ["on-accent", ["accent"]],
  ])("%s can be read on what it stands on (4.5 to one)", (name, grounds) => {
    for (const ground of grounds) {
      expect(contrast(token(name, appearance), token(ground, appearance)), ground).toBeGreaterThanOrEqual(4.5);
    }
  });

  it("has edges of inputs that can be seen (3 to one)", () => {
    expect(contrast(token("border-strong", appearance), token("raised", appearance))).toBeGreaterThanOrEqual(3);
  });

  it("is the ground that charts are made for", () => {
    expect(token("surface", appearance)).toBe(palettes[appearance].surface);
    expect(token("text", appearance)).toBe(palettes[appearance].text);
    expect(token("muted", appearance)).toBe(palettes[appearance].muted);
  });
});
