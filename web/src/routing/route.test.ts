import { expect, it } from "vitest";
import { dashboardPath, parseRoute } from "./route";

it.each([
  ["/", { page: "home" }],
  ["/d/sales", { page: "dashboard", name: "sales" }],
  ["/d/sales/", { page: "dashboard", name: "sales" }],
  ["/quarantine", { page: "quarantine" }],
  ["/runs", { page: "runs", run: null }],
  ["/runs/20261123T140501-11c0", { page: "runs", run: "20261123T140501-11c0" }],
  ["/runs/a/b", { page: "unknown" }],
  ["/d/", { page: "unknown" }],
  ["/d/a/b", { page: "unknown" }],
  ["/d/%E0%A4%A", { page: "unknown" }],
])("%s", (path, route) => {
  expect(parseRoute(path)).toEqual(route);
});

it("finds back any name of a dashboard", () => {
  for (const name of ["sales", "a/b", "été 100%", "?#&"]) {
    expect(parseRoute(dashboardPath(name))).toEqual({ page: "dashboard", name });
  }
});
