"""Read an archive with xarray, by way of h5netcdf: read_xarray.py ARCHIVE [SIGNAL [OUT [STATE]]].

OUT is a file for all stored samples as 64-bit floats. STATE is the path of a freeze, /freezes/source
for one; without it, the working state is read.
"""

import sys
from typing import Any

import xarray

archive, signal, out, state = [*sys.argv[1:], "", "", ""][:4]


def show(*columns: object) -> None:
    print(*columns, sep="\t")


def open_group(group: str, **options: Any) -> xarray.Dataset:
    """Open one group; signals of the same length share a dimension that h5netcdf makes up a name for."""
    return xarray.open_dataset(
        archive, engine="h5netcdf", group=group, phony_dims="access", decode_times=False, **options
    )


root = open_group("/").attrs
show("source_sha256", root["source_sha256"])
show("digest", root["digest"])
tables = open_group(state or "/")
for row in tables["segments"].values:
    show("segment", row["start"], row["duration"])
for row in tables["annotations"].values:
    show("annotation", row["onset"], row["duration"], row["text"].decode(), row["kind"].decode())

if signal:
    physical = open_group(f"{state}/signals")[signal].values  # xarray knows scale_factor and add_offset
    dataset = open_group(f"{state}/signals", mask_and_scale=False)[signal]
    stored = dataset.values
    for name in ("label", "units", "sampling_rate", "scale_factor", "add_offset"):
        show(name, dataset.attrs[name])
    show("samples", len(stored))
    show("stored", *stored[:5])
    show("physical", *physical[:5])
    if out:
        stored.astype("<f8").tofile(out)
