"""Recordings for measurements: a generated night, and real ones repeated to the length of a night."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 256
_BLOCK_SECONDS = 600
# fmt: off
_SENSORS = ("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz",
            "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2", "Oz")
# fmt: on


def generate(path: Path, hours: float, channels: int = 20, seed: int = 42) -> Path:
    """Write a plain EDF of `channels` EEG-like signals at 256 Hz, 0.1 uV a step; nothing if it is there.

    Pink noise of 25 uV with alpha bursts and 2 uV of white noise: about as compressible as real EEG.
    """
    if path.exists():
        return path
    rng = np.random.default_rng(seed)
    seconds = int(hours * 3600)
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.write(_header(channels, seconds))
        for start in range(0, seconds, _BLOCK_SECONDS):
            length = min(_BLOCK_SECONDS, seconds - start)
            signals = np.stack([_signal(length, rng) for _ in range(channels)])
            records = signals.reshape(channels, length, RATE).transpose(1, 0, 2)
            file.write(np.ascontiguousarray(records).tobytes())
    temporary.rename(path)
    return path


def _signal(seconds: int, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    n = seconds * RATE
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    frequencies[0] = frequencies[1]
    spectrum = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    pink = np.fft.irfft(spectrum / np.sqrt(frequencies), n)
    t = np.arange(n) / RATE
    bursts = 8 * np.sin(2 * np.pi * 10 * t + rng.random() * 6) * (np.sin(t / 7) > 0)
    microvolts = 25 * pink / pink.std() + bursts + 2 * rng.standard_normal(n)
    return np.asarray(np.clip(np.round(microvolts / 0.1), -32768, 32767), "<i2")


def _header(channels: int, records: int) -> bytes:
    def column(values: list[str], width: int) -> bytes:
        return b"".join(value.ljust(width).encode("ascii") for value in values)

    labels = [f"EEG {name}" for name in _SENSORS] + [f"EEG X{i}" for i in range(channels)]
    first = column(["0"], 8) + column(["X X X X"], 80) + column(["Startdate 01-JAN-2020 X X X"], 80)
    first += column(["01.01.20"], 8) + column(["22.00.00"], 8) + column([str(256 * (channels + 1))], 8)
    first += column([""], 44) + column([str(records)], 8) + column(["1"], 8) + column([str(channels)], 4)
    same: tuple[tuple[str, int], ...] = (
        ("", 80),
        ("uV", 8),
        ("-3276.8", 8),
        ("3276.7", 8),
        ("-32768", 8),
        ("32767", 8),
    )
    same += (("", 80), (str(RATE), 8), ("", 32))
    rest = b"".join(column([value] * channels, width) for value, width in same)
    return first + column(labels[:channels], 16) + rest


def tile(source: Path, path: Path, minimum_bytes: int) -> Path:
    """Repeat a recording's records until the file has `minimum_bytes`; nothing if it is there.

    Only the signals of the highest rate are kept, so that readers which can't mix rates can take part.
    The recording should be longer than deflate's window, or it compresses better than real ones.
    """
    if path.exists():
        return path
    raw = source.read_bytes()
    count, header_bytes = int(raw[252:256]), int(raw[184:192])
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    fields, at = [], 256
    for width in widths:
        fields.append([raw[at + i * width : at + (i + 1) * width] for i in range(count)])
        at += width * count
    samples = [int(field) for field in fields[8]]
    ordinary = [i for i in range(count) if b"Annotations" not in fields[0][i]]
    kept = [i for i in ordinary if samples[i] == max(samples[j] for j in ordinary)]
    edges = np.cumsum([0, *samples])
    body = np.frombuffer(raw, "<i2", offset=header_bytes).reshape(-1, edges[-1])
    records = np.concatenate([body[:, edges[i] : edges[i + 1]] for i in kept], axis=1).tobytes()
    times = -(-minimum_bytes // len(records))
    head = raw[:184] + str(256 * (len(kept) + 1)).ljust(8).encode("ascii") + b" " * 44
    head += str(len(body) * times).ljust(8).encode("ascii") + raw[244:252]
    head += str(len(kept)).ljust(4).encode("ascii")
    head += b"".join(field[i] for field in fields for i in kept)
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.write(head)
        for _ in range(times):
            file.write(records)
    temporary.rename(path)
    return path
