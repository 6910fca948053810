import assert from "node:assert/strict";
import { test } from "node:test";
import { centimetersOf, surfaceOf } from "../dist/product.js";

for (const [json, centimeters] of [
  ['{"value":90.0,"unit":"CENTIMETERS"}', 90],
  ['{"value":90,"unit":"cm"}', 90],
  ['{"value":0.9,"unit":"METERS"}', 90],
  ['{"value":900.0,"unit":"MILLIMETERS"}', 90],
  ['{"value":"35.5","unit":"in"}', 90.17],
  ['{"value":35.5,"unit":"INCHES"}', 90.17],
  ['{"value":3.0,"unit":"FEET"}', 91.44],
  ['{"value":1,"unit":"yd"}', 91.44],
]) {
  test(`the dimension ${json} is ${centimeters} cm`, () => {
    assert.equal(centimetersOf({ type: "dimension", value: json }, "its height"), centimeters);
  });
}

for (const field of [
  null,
  { type: "single_line_text_field", value: "90 cm" },
  { type: "number_integer", value: "90" },
  { type: "list.dimension", value: '[{"value":90.0,"unit":"cm"}]' },
  { type: "dimension", value: '{"value":0.0,"unit":"cm"}' },
  { type: "dimension", value: '{"value":1.0,"unit":"furlong"}' },
]) {
  test(`no length is read from ${JSON.stringify(field)}`, () => assert.equal(centimetersOf(field, "its height"), undefined));
}

for (const [value, surface] of [["rug", "rug"], [" Wall ", "wall"], ["sofa", undefined]]) {
  test(`the surface "${value}" is ${surface}`, () => {
    assert.equal(surfaceOf({ type: "single_line_text_field", value }, "1"), surface);
  });
}
