import assert from "node:assert/strict";
import { test } from "node:test";
import { isJpeg } from "../dist/jpeg.js";

const APP = [0xff, 0xe0, 0, 4, 1, 2];
const TABLE = [0xff, 0xc4, 0, 4, 1, 2];
const SCAN = [0xff, 0xda, 0, 4, 1, 2];
const frame = (marker, width = 640) => [0xff, marker, 0, 11, 8, 1, 224, width >> 8, width & 255, 1, 1, 17, 0];

for (const [what, bytes, isOne] of [
  ["a baseline frame", [...APP, ...frame(0xc0)], true],
  ["a progressive frame behind tables and filling", [...TABLE, 0xff, 0xff, ...frame(0xc2)], true],
  ["no width", frame(0xc0, 0), false],
  ["no frame before the scan", [...SCAN, ...frame(0xc0)], false],
  ["half a frame", frame(0xc0).slice(0, 7), false],
  ["a segment of no length", [0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0], false],
  ["a segment that leads out of the file", [0xff, 0xe0, 0xff, 0xff, ...frame(0xc0)], false],
  ["nothing", [], false],
]) {
  test(`a file with ${what} is ${isOne ? "a" : "no"} JPEG`, () => {
    assert.equal(isJpeg(Uint8Array.from([0xff, 0xd8, ...bytes])), isOne);
  });
}
