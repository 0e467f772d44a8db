"""Read an archive with h5py: read_h5py.py ARCHIVE [SIGNAL [OUT [STATE]]].

OUT is a file for all stored samples as 64-bit floats. STATE is the path of a freeze, /freezes/source
for one; without it, the working state is read.
"""

import sys

import h5py

archive, signal, out, state = [*sys.argv[1:], "", "", ""][:4]


def show(*columns: object) -> None:
    print(*columns, sep="\t")


with h5py.File(archive, "r") as h5:
    show("source_sha256", h5.attrs["source_sha256"].decode())
    show("digest", h5.attrs["digest"].decode())
    for row in h5[f"{state}/segments"][:]:
        show("segment", row["start"], row["duration"])
    for row in h5[f"{state}/annotations"][:]:
        show("annotation", row["onset"], row["duration"], row["text"].decode(), row["kind"].decode())

    if signal:
        dataset = h5[f"{state}/signals/{signal}"]
        about = dataset.attrs
        stored = dataset[:]
        physical = stored * about["scale_factor"] + about["add_offset"]
        show("label", about["label"].decode())
        show("units", about["units"].decode())
        for name in ("sampling_rate", "scale_factor", "add_offset"):
            show(name, about[name])
        show("samples", len(stored))
        show("stored", *stored[:5])
        show("physical", *physical[:5])
        if out:
            stored.astype("<f8").tofile(out)
