"""Dimensions of signals, and the times of their samples, as libraries of labelled arrays want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.state import Description, stretches

TIME = "time"


def dimensions_of(described: Mapping[str, Description]) -> dict[str, str]:
    """The dimension of each signal: one for all of them, or one for each rate, and never the name of a signal."""
    keys = {name: (float(own.attributes["sampling_rate"]), len(own)) for name, own in described.items()}
    distinct = list(dict.fromkeys(keys.values()))
    names = {key: TIME if len(distinct) == 1 else f"{TIME}_{key[0]:.10g}Hz" for key in distinct}
    if len(set(names.values())) < len(names):  # signals of one rate that differ in length
        names = {key: f"{name}_{key[1]}" for key, name in names.items()}
    while set(names.values()) & set(described):
        names = {key: f"{name}_" for key, name in names.items()}
    return {name: names[key] for name, key in keys.items()}


def sample_times(
    segments: Mapping[str, npt.NDArray[Any]], rate: float, length: int
) -> npt.NDArray[np.float64]:
    """Seconds on the recording clock of each sample of a signal (spec T-5)."""
    times = np.empty(length)
    for start, (first, last) in zip(
        segments["start"].tolist(), stretches(segments["duration"], rate, length), strict=True
    ):
        times[first:last] = start + np.arange(last - first) / rate
    return times
