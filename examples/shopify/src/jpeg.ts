const [START, SCAN, END, FILL] = [0xd8, 0xda, 0xd9, 0xff];

/** Those from 0xC0 to 0xCF that begin no frame. */
const TABLES = [0xc4, 0xc8, 0xcc];

/** Whether the file's frame names a width and a height; what has none is refused here, before it costs a job. */
export function isJpeg(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes[0] !== 0xff || bytes[1] !== START) return false;
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker === SCAN || marker === END) return false;
    if (isFrame(marker)) return bytes.readUInt16BE(at + 5) > 0 && bytes.readUInt16BE(at + 7) > 0;
    at += marker === FILL ? 1 : 2 + bytes.readUInt16BE(at + 2);
  }
  return false;
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && !TABLES.includes(marker);
}
