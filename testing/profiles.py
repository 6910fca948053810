"""Color profiles other than sRGB: Display P3's primaries, Bradford-adapted to D50, with a plain gamma of 2.2; and
gray."""

import struct

PRIMARIES = {
    b"rXYZ": (0.5151, 0.2412, -0.0011),
    b"gXYZ": (0.2919, 0.6922, 0.0419),
    b"bXYZ": (0.1572, 0.0666, 0.7841),
    b"wtpt": (0.9642, 1.0, 0.8249),
}


def display_p3() -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    return _profile(b"RGB ", PRIMARIES, {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def linear_gray() -> bytes:
    return _profile(b"GRAY", {b"wtpt": PRIMARIES[b"wtpt"]}, {b"kTRC": b"curv\0\0\0\0\0\0\0\0"})


def _profile(space: bytes, points: dict[bytes, tuple[float, float, float]], curves: dict[bytes, bytes]) -> bytes:
    """Return the shortest ICC.1:2001-04 profile that littlecms accepts."""
    tags = {name: b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in xyz) for name, xyz in points.items()}
    tags |= curves | {b"cprt": b"text\0\0\0\0CC0\0"}
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 8) + b"Test P3\0" + bytes(78)
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", space, b"XYZ ")
    header += (
        struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + b"".join(map(_fixed, (0.9642, 1, 0.8249)))
    )
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
