import { expect, it } from "vitest";
import type { RunNotice } from "../api/schema.gen";
import { project, run } from "./runs.fixture";
import { shortfall } from "./shortfall";

const notice = (stream: string | null, message: string): RunNotice => ({ code: "schema-drift", message, hint: null, stream });
const quarantine = { rows: 7, streams: [{ stream: "files.orders", rows: 5 }, { stream: "crm.clients", rows: 2 }] };

it("counts what is in quarantine of the streams that a page reads", () => {
  expect(shortfall(project({ quarantine }), ["files.orders"])).toEqual({ quarantined: 5, notices: [], run: null });
  expect(shortfall(project({ quarantine }), []).quarantined).toBe(0);
});

it("has the warnings about these streams, and those about none", () => {
  const ours = notice("files.orders", "a column is new; `crm.clients` is not meant");
  const theirs = notice("crm.clients", "it has lost the column `files.orders`");
  // About a stream that is no longer in the project.
  const removed = notice("old.orders", "it is no longer in the project");
  const none = notice(null, "the load of stream `crm.clients` was interrupted");
  const told = project({ last_result: run({ notices: [ours, theirs, removed, none] }) });
  expect(shortfall(told, ["files.orders"]).notices).toEqual([ours, none]);
  expect(shortfall(told, ["crm.clients"]).notices).toEqual([theirs, none]);
  expect(shortfall(told, ["files.orders"]).run).toBe(run().run);
});
