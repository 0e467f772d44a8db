"""Chunk length, measured for its uses: one channel whole, random windows over all channels, remote."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import h5py

import eegarchive
from eegarchive.storage import codec as codecs

LENGTHS = (16_384, 32_768, 65_536, 131_072, 262_144)
#: What one request to an object store costs before its first byte comes.
REQUEST_SECONDS = 0.03
REMOTE_BYTES_PER_SECOND = 25e6


def run(source: Path, folder: Path) -> None:
    print(f"\nchunks: {source.name}; chunk length in bytes of samples, median times")
    print(
        "  codec     chunk    size  30 s, 1 ch  2 s, all ch   channel whole  remote: requests, channel, 30 s all"
    )
    for name in ("portable", "fast"):
        for length in LENGTHS:
            print(f"  {name:8s} {length:7d}  {measure(source, folder, name, length)}")


def measure(source: Path, folder: Path, name: str, length: int) -> str:
    path = folder / f"chunks-{name}-{length}.h5"
    codec = codecs.CODECS[name]
    usual = codec.chunk_bytes
    object.__setattr__(codec, "chunk_bytes", length)  # the writer knows codecs by identity
    try:
        eegarchive.convert(source, path, codec=name, verify=False, overwrite=True)
    finally:
        object.__setattr__(codec, "chunk_bytes", usual)
    rng = random.Random(3)
    with eegarchive.open(path) as archive:
        signal = list(archive.signals.values())[3]
        last = archive.duration - 60
        one = median(lambda: archive.read([signal.name], (start := rng.randrange(int(last))), start + 30))
        every = median(lambda: archive.read(None, (start := rng.randrange(int(last))), start + 2))
        whole = median(lambda: signal[:], 15)
        channels = len(archive.signals)
        per_chunk = length / signal.dtype.itemsize / signal.sampling_rate
    with h5py.File(path) as file:
        stored = file["signals"][signal.name].id
        count, size = stored.get_num_chunks(), stored.get_storage_size()
    ratio = path.stat().st_size / source.stat().st_size
    channel = count * REQUEST_SECONDS + size / REMOTE_BYTES_PER_SECOND
    touched = channels * (1 + 30 / per_chunk)
    view = touched * (REQUEST_SECONDS + size / count / REMOTE_BYTES_PER_SECOND)
    path.unlink()
    return (
        f"{ratio:.3f}  {one:7.3f} ms  {every:8.3f} ms  {whole:10.2f} ms    "
        f"{count:6d}  {channel:8.1f} s  {view:8.1f} s"
    )


def median(run: Callable[[], object], times: int = 60) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return 1000 * statistics.median(found)
