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
    """Repeat the records of a plain EDF until the file has `minimum_bytes`; nothing if it is there."""
    if path.exists():
        return path
    raw = source.read_bytes()
    header_bytes, records = int(raw[184:192]), int(raw[236:244])
    times = -(-minimum_bytes // (len(raw) - header_bytes))
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.write(raw[:236] + str(records * times).ljust(8).encode("ascii") + raw[244:header_bytes])
        for _ in range(times):
            file.write(raw[header_bytes:])
    temporary.rename(path)
    return path
