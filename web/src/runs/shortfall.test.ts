import { expect, it } from "vitest";
import type { Project, Run } from "../api/schema";
import { shortfall } from "./shortfall";

const notice = (message: string) => ({ code: "schema-drift", message });
const quarantine = { rows: 7, streams: [{ stream: "files.orders", rows: 5 }, { stream: "crm.clients", rows: 2 }] };
const stream = (name: string) => ({ stream: name }) as Run["streams"][number];
const last = (notices?: Run["notices"]) => ({ run: "r1", streams: [stream("files.orders"), stream("crm.clients")], notices }) as Run;
const project = (run: Run | null) => ({ quarantine, last_result: run }) as unknown as Project;

it("counts what is in quarantine of the streams that a page reads", () => {
  expect(shortfall(project(null), ["files.orders"])).toEqual({ quarantined: 5, notices: [], run: null });
  expect(shortfall(project(null), []).quarantined).toBe(0);
  expect(shortfall(project(null), undefined).quarantined).toBe(7);
});

it("has the warnings about these streams, and those about none", () => {
  const [ours, theirs, none] = [notice("stream `files.orders` has a new column"), notice("stream `crm.clients` has lost one"), notice("the clock is behind")];
  expect(shortfall(project(last([ours, theirs, none])), ["files.orders"]).notices).toEqual([ours, none]);
  expect(shortfall(project(last([ours, theirs, none])), undefined).notices).toEqual([ours, theirs, none]);
  expect(shortfall(project(last()), ["files.orders"]).notices).toEqual([]);
});
