"""Changes of bytes: blind ones, ones that fit texts and numbers, and HDF5's checksums made right again."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

NUMBERS = (
    *(
        "0",
        "-0",
        "-1",
        "1",
        "2",
        "7",
        "255",
        "256",
        "32767",
        "32768",
        "65535",
        "99999999",
        "-9999999",
        "1e9",
        "1e99",
    ),
    *(
        "1e308",
        "-1e308",
        "1e400",
        "1e-300",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "+",
        "-",
        ".",
        "1.",
        ".5",
        "1,5",
        "٣",
        "²",
    ),
    *(
        "2147483647",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "9" * 30,
        "9" * 5000,
    ),
    *("007", "1_000", " 1", "1 ", "1e", "e1", "--1", "+1", "1e+99", "1e-99", "0.1", "1/3"),
)
TEXTS = (
    *(
        "",
        "\0",
        "\n",
        "\r",
        "\t",
        "\x1b[31m",
        "\u202e",
        "\ufeff",
        "\ud7ff",
        "../../x",
        "/etc/hostname",
        "%s",
        "{}",
    ),
    *(
        "x" * 300,
        "x" * 70_000,
        '"',
        '""',
        "'",
        ",",
        ";",
        "<",
        ">",
        "&",
        "&lol;",
        "]]>",
        "<!DOCTYPE a>",
        "\x14",
        "\x15",
    ),
    *(
        "EDF Annotations",
        "BDF Annotations",
        "NaN",
        "Infinity",
        "null",
        "true",
        "[" * 2_000,
        '{"a":' * 2_000,
        "-" * 400,
    ),
    *("\x85", "\u2028", "ID", "CH", "n/a", "#", "\\", "日本語", "é"),
)
_INTEGERS = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    4095,
    4096,
    32767,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
)
_LONG_INTEGERS = (*_INTEGERS, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def mangle(
    rng: random.Random, raw: bytes, tokens: Sequence[str] = (), most: int = 6, keep_length: bool = False
) -> bytes:
    """Some bytes changed, by one to `most` changes of any kind; `tokens` are what the format is made of."""
    found = bytearray(raw)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(found) + 1)
        kind = rng.randrange(4 if keep_length else 11)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(found):
            found[at] = rng.choice((0, 0xFF, 0x20, 0x0A, 0x14, 0x7F, 0x80, rng.randrange(256)))
        elif kind in (2, 3):
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(_LONG_INTEGERS) % 2 ** (8 * width)
            found[at : at + width] = number.to_bytes(width, "little")[: len(found) - at]
        elif kind == 4:
            del found[at : at + rng.choice((1, 1, 2, 8, 100, 4000))]
        elif kind == 5:
            found[at:at] = found[at : at + rng.choice((1, 8, 100))] * rng.choice((1, 2, 50))
        elif kind == 6:
            del found[at:]
        elif kind == 7:
            other = rng.randrange(len(found) + 1)
            size = rng.choice((1, 4, 16, 200))
            found[at : at + size] = found[other : other + size]
        elif kind in (8, 9):
            _replace_number(rng, found)
        else:
            found[at:at] = rng.choice((*TEXTS, *NUMBERS, *tokens)).encode("utf-8", "surrogatepass")
    return bytes(found)


def _replace_number(rng: random.Random, found: bytearray) -> None:
    """Put an odd number in the place of one that is written in digits."""
    at = rng.randrange(len(found) + 1)
    match = re.compile(rb"[-+]?\d+(?:\.\d+)?").search(found, at) or re.search(rb"\d+", found)
    if match is not None:
        found[match.start() : match.end()] = rng.choice(NUMBERS).encode()


def assemble(rng: random.Random, tokens: Sequence[str], most: int = 40) -> bytes:
    """A file made of a format's tokens and other things, in any order."""
    pool = (*tokens, *tokens, *NUMBERS, *TEXTS, "\n", "\n")
    return "".join(rng.choice(pool) for _ in range(rng.randint(0, most))).encode("utf-8", "surrogatepass")


# -- HDF5's own checksums -----------------------------------------------------------------------------------


def checked_regions(raw: bytes) -> list[tuple[int, int]]:
    """Where object headers and the superblock begin, and where the checksum behind each of them is."""
    found = [(0, 44)]
    for match in re.finditer(rb"OHDR\x02", raw):
        start = match.start()
        flags = raw[start + 5] if start + 5 < len(raw) else 0
        at = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        end = at + width + int.from_bytes(raw[at : at + width], "little")
        if end + 4 <= len(raw) and lookup3(raw[start:end]) == int.from_bytes(raw[end : end + 4], "little"):
            found.append((start, end))
    for magic, size in ((b"BTHD", 34), (b"FRHP", 142)):
        for match in re.finditer(magic, raw):
            start, end = match.start(), match.start() + size
            if lookup3(raw[start:end]) == int.from_bytes(raw[end : end + 4], "little"):
                found.append((start, end))
    return found


def mend_checksums(raw: bytes, regions: Sequence[tuple[int, int]]) -> bytes:
    """Make the checksums of changed regions right."""
    found = bytearray(raw)
    for start, end in regions:
        found[end : end + 4] = lookup3(bytes(found[start:end])).to_bytes(4, "little")
    return bytes(found)


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash `lookup3` (public domain, 2006), which HDF5 uses as a checksum."""
    mask = 0xFFFFFFFF

    def rotated(x: int, k: int) -> int:
        return ((x << k) | (x >> (32 - k))) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    at, rest = 0, len(data)
    while rest > 12:
        a, b, c = (
            (x + int.from_bytes(data[at + i : at + i + 4], "little")) & mask
            for x, i in ((a, 0), (b, 4), (c, 8))
        )
        a = (a - c & mask) ^ rotated(c, 4)
        c = c + b & mask
        b = (b - a & mask) ^ rotated(a, 6)
        a = a + c & mask
        c = (c - b & mask) ^ rotated(b, 8)
        b = b + a & mask
        a = (a - c & mask) ^ rotated(c, 16)
        c = c + b & mask
        b = (b - a & mask) ^ rotated(a, 19)
        a = a + c & mask
        c = (c - b & mask) ^ rotated(b, 4)
        b = b + a & mask
        at, rest = at + 12, rest - 12
    if rest == 0:
        return c
    tail = data[at:].ljust(12, b"\0")
    a, b, c = ((x + int.from_bytes(tail[i : i + 4], "little")) & mask for x, i in ((a, 0), (b, 4), (c, 8)))
    c = ((c ^ b) - rotated(b, 14)) & mask
    a = ((a ^ c) - rotated(c, 11)) & mask
    b = ((b ^ a) - rotated(a, 25)) & mask
    c = ((c ^ b) - rotated(b, 16)) & mask
    a = ((a ^ c) - rotated(c, 4)) & mask
    b = ((b ^ a) - rotated(a, 14)) & mask
    return ((c ^ b) - rotated(b, 24)) & mask
