import { describe, expect, it } from "vitest";
import type { Dimension, LogicalType } from "../api/schema.gen";
import { dataRequest, readUrl, sameRange, type UrlState, writeUrl } from "./urlState";

const dimension = (name: string, type: LogicalType = "text"): Dimension => ({ name, label: { en: name }, type });
const dimensions = [
  dimension("country"),
  dimension("range"),
  dimension("~odd"),
  dimension("year", "integer"),
  dimension("rate", "decimal"),
  dimension("paid", "boolean"),
  dimension("day", "date"),
];

describe("the address gives back what it was written from", () => {
  it.each<[string, UrlState]>([
    ["", { range: null, filters: {} }],
    ["?range=last+30+days", { range: "last 30 days", filters: {} }],
    ["?range=all&country=France&country=%C3%89tats-Unis", { range: "all", filters: { country: ["France", "États-Unis"] } }],
    ["?range=2026-10-01..2026-10-31", { range: { from: "2026-10-01", to: "2026-10-31" }, filters: {} }],
    ["?country=%7Enull", { range: null, filters: { country: [null] } }],
    ["?country=%7E%7Enull&country=%7E%7E%7E", { range: null, filters: { country: ["~null", "~~"] } }],
    ["?country=", { range: null, filters: { country: [""] } }],
    ["?country=null", { range: null, filters: { country: ["null"] } }],
    ["?country=a%26b%3Dc+d%2Be", { range: null, filters: { country: ["a&b=c d+e"] } }],
    ["?%7Erange=x&%7E%7Eodd=y", { range: null, filters: { range: ["x"], "~odd": ["y"] } }],
    ["?year=2026&year=9007199254740993", { range: null, filters: { year: [2026, "9007199254740993"] } }],
    ["?rate=0.10&paid=true&paid=false", { range: null, filters: { rate: ["0.10"], paid: [true, false] } }],
    ["?day=2026-10-31&day=%7Enull", { range: null, filters: { day: ["2026-10-31", null] } }],
  ])("%s", (search, state) => {
    expect(writeUrl(state)).toBe(search);
    expect(readUrl(search, dimensions)).toEqual(state);
  });
});

describe("an edited address", () => {
  it.each([
    ["?range=tomorrow", { range: null, filters: {} }],
    ["?range=2026-10-31..2026-10-01", { range: null, filters: {} }],
    ["?unknown=x", { range: null, filters: {} }],
    ["?year=soon&year=2026", { range: null, filters: { year: [2026] } }],
    ["?paid=maybe", { range: null, filters: {} }],
    ["?country=France&country=France", { range: null, filters: { country: ["France"] } }],
    ["?country=~null", { range: null, filters: { country: [null] } }],
  ])("%s asks for nothing that is not there", (search, state) => {
    expect(readUrl(search, dimensions)).toEqual(state);
  });
});

it("asks the server for what the address says", () => {
  expect(dataRequest({ range: null, filters: { country: ["France", null] } })).toEqual({ filters: { country: ["France", null] } });
  const range = { from: "2026-10-01", to: "2026-10-31" };
  expect(dataRequest({ range, filters: {} })).toEqual({ range, filters: {} });
});

it("tells a range from another", () => {
  const days = { range: { from: "2026-10-01", to: "2026-10-31" }, filters: {} };
  expect(sameRange(days, { range: { ...days.range }, filters: { country: ["France"] } })).toBe(true);
  expect(sameRange(days, { range: null, filters: {} })).toBe(false);
});
