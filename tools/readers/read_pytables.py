"""Read an archive with PyTables: read_pytables.py ARCHIVE [SIGNAL [OUT [STATE]]].

OUT is a file for all stored samples as 64-bit floats. STATE is the path of a freeze, /freezes/source
for one; without it, the working state is read.
"""

import sys

import tables

archive, signal, out, state = [*sys.argv[1:], "", "", ""][:4]


def show(*columns: object) -> None:
    print(*columns, sep="\t")


with tables.open_file(archive, "r") as h5:
    root = h5.root._v_attrs
    show("source_sha256", root["source_sha256"])
    show("digest", root["digest"])
    for row in h5.get_node(f"{state}/segments").read():
        show("segment", row["start"], row["duration"])
    for row in h5.get_node(f"{state}/annotations").read():
        show("annotation", row["onset"], row["duration"], row["text"].decode(), row["kind"].decode())

    if signal:
        dataset = h5.get_node(f"{state}/signals", signal)
        about = dataset.attrs
        stored = dataset.read()
        physical = stored * about["scale_factor"] + about["add_offset"]
        for name in ("label", "units", "sampling_rate", "scale_factor", "add_offset"):
            show(name, about[name])
        show("samples", len(stored))
        show("stored", *stored[:5])
        show("physical", *physical[:5])
        if out:
            stored.astype("<f8").tofile(out)
