// The theme app extension under Shopify's own linter.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { check } from "@shopify/theme-check-node";

const EXTENSION = fileURLToPath(new URL("../extensions/see-in-your-room", import.meta.url));

test("theme-check finds nothing in the extension", async () => {
  const offenses = await check(EXTENSION, `${EXTENSION}/.theme-check.yml`);
  assert.deepEqual(offenses.map(({ check, message, uri }) => `${uri}: ${check}: ${message}`), []);
});
