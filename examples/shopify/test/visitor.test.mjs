import assert from "node:assert/strict";
import { test } from "node:test";
import { visitorsOf } from "../dist/visitor.js";

for (const [forwarded, ownProxies, address] of [
  ["203.0.113.9", 1, "203.0.113.9"],
  ["203.0.113.9, 10.0.0.1", 1, "203.0.113.9"],
  ["made up, 203.0.113.9, 10.0.0.1", 1, "203.0.113.9"],
  ["made up, 203.0.113.9", 0, "203.0.113.9"],
  ["2001:db8:1:2:3:4:5:6", 1, "2001:db8:1:2"],
  ["2001:db8:1:2::9", 1, "2001:db8:1:2"],
  ["2001:db8::9", 1, "2001:db8:0:0"],
  ["::ffff:203.0.113.9", 1, "203.0.113.9"],
  ["", 1, ""],
]) {
  test(`behind ${ownProxies} proxies "${forwarded}" is the address "${address}"`, () => {
    assert.deepEqual(visitorsOf(forwarded, ownProxies, ""), [`address ${address}`]);
  });
}

test("who is logged in counts as a customer too", () => {
  assert.deepEqual(visitorsOf("203.0.113.9", 1, "7"), ["address 203.0.113.9", "customer 7"]);
});
