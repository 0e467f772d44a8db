"""Read an archive's signals and segments with netCDF4: read_netcdf4.py ARCHIVE [SIGNAL [OUT [STATE]]].

OUT is a file for all stored samples as 64-bit floats. STATE is the path of a freeze, /freezes/source
for one; without it, the working state is read.

Never read a table with texts (/annotations, /pieces, /history) this way: netCDF has no fixed-length text
in tables, takes each for one byte, and writes past the end of its own memory.
"""

import sys

import netCDF4

archive, signal, out, state = [*sys.argv[1:], "", "", ""][:4]


def show(*columns: object) -> None:
    print(*columns, sep="\t")


with netCDF4.Dataset(archive, "r") as h5:
    h5.set_auto_mask(False)  # or samples of -32767, netCDF's own fill value, would count as missing
    show("source_sha256", h5.source_sha256)
    show("digest", h5.digest)
    for row in h5[f"{state}/segments"][:]:
        show("segment", row["start"], row["duration"])

    if signal:
        dataset = h5[f"{state}/signals/{signal}"]
        physical = dataset[:]  # netCDF4 knows scale_factor and add_offset
        dataset.set_auto_scale(False)
        stored = dataset[:]
        for name in ("label", "units", "sampling_rate", "scale_factor", "add_offset"):
            show(name, dataset.getncattr(name))
        show("samples", len(stored))
        show("stored", *stored[:5])
        show("physical", *physical[:5])
        if out:
            stored.astype("<f8").tofile(out)
