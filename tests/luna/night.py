"""A made night with stages, and what Luna does with it: masks, epochs, outliers.

Run as a program (`python -m luna.night` in `tests`, with lunapi), it makes `expected/masks.txt` and
`expected/state.json` anew.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive.luna.runner import run
from eegarchive.operations.masks import ranges_text

EXPECTED = Path(__file__).parent / "expected"
SECONDS = 1800
LABELS = {"C3": 128, "C4": 128, "O1": 128, "EMG chin": 64}
STAGES = (
    ["W"] * 6 + ["N1"] * 3 + ["N2"] * 12 + ["N3"] * 9 + ["N2"] * 6 + ["R"] * 8 + ["W"] * 2 + ["N1"] * 2
    + ["N2"] * 8 + ["W"] * 4
)  # fmt: skip
EVENTS = [
    *(("arousal", "a1", a, b) for a, b in
      [(100, 112), (300, 301), (509.5, 510.5), (630, 660), (900, 975), (1199, 1201)]),
    *(("apnea", "obs", a, b) for a, b in [(330, 390), (385, 425), (1000, 1100)]),
    *(("spot", ".", a, a) for a in (615, 1230.5)),
]  # fmt: skip
#: Scripts of which the masks are compared epoch for epoch.
MASKS = """
MASK if=N2
MASK ifnot=N2
MASK if=N2,N3
MASK ifnot=N2,N3
MASK if-any=N2,arousal
MASK if-all=N2,arousal
MASK ifnot-all=N2,arousal
MASK if=+arousal
MASK ifnot=+apnea
MASK if=a*
MASK if=apnea[obs]
MASK if=arousal[a1|b]
MASK if=arousal[b]
MASK if=spot
MASK if=XYZ
MASK ifnot=XYZ
MASK if-all=N2,XYZ
MASK ifnot=n2
MASK epoch=1-10 & MASK ifnot=N2
MASK epoch=1-10 & MASK if=N2
MASK epoch=1-10 & MASK mask-if=N2
MASK epoch=1-10 & MASK mask-ifnot=N2
MASK epoch=1-10 & MASK unmask-if=N2
MASK epoch=1-10 & MASK unmask-ifnot=N2
MASK all & MASK unmask-if-all=N2,arousal
MASK mask-if-all=N2,arousal
MASK mask-ifnot-all=N2,arousal
MASK mask-if-any=N2,arousal
MASK epoch=1-10 & MASK epoch=5-20
MASK all & MASK epoch=5-20
MASK epoch=5,7,9-11,48-end
MASK epoch=50-99
MASK epoch=99
MASK mask-epoch=5,7,50-end
MASK sec=60-120
MASK sec=60.5-119
MASK sec=1900-2000
MASK hms=22:01:00-22:03:00
MASK hms=22.01.00-22.03.00
MASK hms=22:01-22:03
MASK hms=10:01:00pm-10:03:00pm
MASK hms=22:29:00-23:00:00
MASK all
MASK total
MASK exclude-all
MASK none
MASK all & MASK none
MASK all & MASK clear
MASK all & MASK include-all
MASK flip
MASK epoch=1-5 & MASK flip
MASK all & MASK flip
MASK none & MASK flip
MASK if=XYZ & MASK flip
MASK epoch=1-60 & MASK flip
MASK leading=W
MASK leading=W,N1
MASK leading=apnea
MASK trailing=W
MASK leading-trailing=W
MASK trim=W
MASK trim=W,2
MASK trim=W,30
MASK mask-epoch=5 & MASK trim=W,2
MASK retain=N2
MASK retain=R
MASK retain=XYZ
MASK flanked=N2,2
MASK flanked=N2,5
MASK flanked=W,1
MASK epoch=12-60 & MASK flanked=N2,2
MASK first=5
MASK first=99
MASK epoch=4-50 & MASK first=5
MASK random=99
MASK epoch=5-9,20-30 & MASK unmask-interior
MASK ifnot=N2 & RE & MASK epoch=3-8
MASK ifnot=N2 & RE & MASK mask-epoch=3-8
MASK ifnot=N2 & RE & MASK if=arousal
MASK ifnot=N2 & RE & MASK first=5
MASK ifnot=N2 & RE & MASK flanked=arousal,1
MASK ifnot=N2 & RE & MASK flip
MASK ifnot=N2 & RE & MASK if=R & RE
EPOCH len=60 & MASK hms=22:01:30-22:03:00
EPOCH len=30 offset=15 & MASK if=N2
EPOCH len=30 offset=22:00:15 & MASK if=N2
EPOCH epoch=30,15 & MASK if=N2
EPOCH epoch=20 & MASK if=N2
EPOCH dur=20 & MASK if=N2
EPOCH len=20 inc=5 & MASK ifnot=R
MASK if=N2 & EPOCH & MASK if=R
MASK if=N2 & EPOCH len=30
MASK if=N2 & EPOCH verbose
MASK if=N2 & EPOCH table
MASK epoch=3,4 & RE & EPOCH len=30
MASK epoch=3,4 & RE & EPOCH len=20
MASK all & EPOCH
EPOCH len=7 & MASK if=N2 & RE & EPOCH len=30
EPOCH len=2.5 & MASK ifnot=arousal & RE
EPOCH len=2.5 & MASK ifnot=arousal & RE & EPOCH len=2
""".strip().split("\n")
#: Scripts of which all tables are compared.
TABLES = """
EPOCH
EPOCH verbose
EPOCH len=10 inc=5
EPOCH len=7 offset=2
EPOCH & MASK ifnot=N2 & EPOCH dump masked
EPOCH & MASK ifnot=N2 & EPOCH table
EPOCH len=20 & MASK if=arousal & RE & EPOCH table
EPOCH require=100
RE
MASK all & RE
MASK if=N2 & RE & RE
MASK if=N2 & MASK mask-if=W & MASK unmask-if=N1 & MASK unmask-ifnot=W & RE
MASK ifnot-all=N2,arousal
MASK mask-ifnot-any=N2,arousal
MASK epoch=1-10 & MASK ifnot=N2
MASK if=a*
MASK if=apnea[obs]
MASK if=XYZ,N2
MASK ifnot=N2 & RE & MASK if=arousal & DUMP-MASK
CHEP-MASK ep-th=2,2 & CHEP dump
CHEP-MASK ep-th=2 & CHEP-MASK ep-th=2 & CHEP dump
CHEP-MASK ep-th=1,1,1 & CHEP dump
CHEP-MASK ep-th0=1,1,1 & CHEP dump
CHEP-MASK chep-th=1,1 & CHEP dump
CHEP-MASK ep-th=1 & CHEP-MASK chep-th=1 & CHEP dump
CHEP-MASK ch-th=1 & CHEP dump
CHEP-MASK ep-th=2 ch-th=0.5 & CHEP dump
MASK ifnot=N2 & CHEP-MASK ep-th=1 & CHEP epochs & DUMP-MASK & CHEP dump
CHEP-MASK ep-th=1 & CHEP epochs=0.5 & CHEP dump & DUMP-MASK
CHEP-MASK ep-th=1 & CHEP epochs=1,2 & CHEP dump & DUMP-MASK
CHEP-MASK ep-th=1 & CHEP channels=0.3 & CHEP dump
CHEP-MASK ep-th=1 & CHEP channels=0.9,50 & CHEP dump
CHEP-MASK ep-th=1 & CHEP bad-channels=EMG_chin & CHEP dump
CHEP-MASK ep-th=1 & CHEP clear & CHEP dump
CHEP-MASK ep-th=1 & MASK epoch=1-30 & RE & CHEP dump
CHEP-MASK sig=C* ep-th=1 & CHEP dump
""".strip().split("\n")
Tables = dict[str, dict[str, list[Any]]]


# -- the night ----------------------------------------------------------------------------------


def write_night(edf: Path, annot: Path) -> None:
    """Half an hour of four channels with a few loud epochs, and its scoring."""
    rng = np.random.Generator(np.random.PCG64(3))
    parts = []
    for rate in LABELS.values():
        noise = rng.integers(-400, 401, SECONDS * rate)
        wave = (np.arange(SECONDS * rate) * 7) % rate * 4000 // rate - 2000
        loud = np.ones(SECONDS, np.int64)
        for epoch in rng.integers(0, SECONDS // 30, 6).tolist():
            loud[epoch * 30 : epoch * 30 + 30] = 5
        samples = (noise + wave * (100 + (np.arange(SECONDS * rate) // rate) % 37) // 100) * np.repeat(
            loud, rate
        )
        parts.append(samples.reshape(SECONDS, rate))
    count = len(parts)
    fields = [(8, "0"), (80, "X X X X"), (80, "Startdate 01-JAN-2023 X X X"), (8, "01.01.23"), (8, "22.00.00"),
              (8, 256 * (count + 1)), (44, ""), (8, SECONDS), (8, 1), (4, count)]  # fmt: skip
    for width, values in [(16, LABELS), (80, [""] * count), (8, ["uV"] * count), (8, [-500] * count),
                          (8, [500] * count), (8, [-32768] * count), (8, [32767] * count), (80, [""] * count),
                          (8, LABELS.values()), (32, [""] * count)]:  # fmt: skip
        fields += [(width, value) for value in values]
    header = "".join(str(value).ljust(width) for width, value in fields).encode("ascii")
    edf.write_bytes(header + np.concatenate(parts, axis=1).astype("<i2").tobytes())
    rows = [(stage, ".", 30 * i, 30 * i + 30) for i, stage in enumerate(STAGES)] + EVENTS
    annot.write_text(
        "".join(f"{name}\t{own}\t.\t{start}\t{stop}\t.\n" for name, own, start, stop in rows),
        encoding="utf-8",
    )


def archive_of(folder: Path) -> Path:
    """The night as an archive with its scoring, in a folder of its own."""
    edf, annot, archive = (folder / name for name in ("night.edf", "night.annot", "night.h5"))
    write_night(edf, annot)
    eegarchive.convert(edf, archive)
    with eegarchive.edit(archive) as night:
        night.import_annotations(annot)
    return archive


# -- what comes out -----------------------------------------------------------------------------


def our_tables(archive: Path, script: str) -> Tables:
    """What a script puts out on an archive, by table."""
    (outcome,) = run(archive, script.replace(" & ", "\n")).outcomes
    return {
        f"{table.command}|{'_'.join(table.factors)}": {
            name: column.to_list() for name, column in table.columns.items() if name != "ID"
        }
        for table in outcome.tables
    }


def luna_tables(folder: Path, script: str) -> Tables:
    """What Luna puts out on the night of a folder, or of a recording."""
    import lunapi

    project = lunapi.proj()
    project.silence(True)
    instance = project.inst("night")
    if folder.is_dir():
        instance.attach_edf(str(folder / "night.edf"))
        instance.attach_annot(str(folder / "night.annot"))
    else:
        instance.attach_edf(str(folder))
    found = {}
    for name, frame in instance.proc(script.replace(" & ", "\n")).items():
        command, _, factors = name.partition(": ")
        found[f"{command.replace('_', '-')}|{'' if factors == 'BL' else factors}"] = {
            column: [_plain(value) for value in frame[column]] for column in frame if column != "ID"
        }
    return found


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers as such, NaN as none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if math.isnan(number):
        return None
    return int(number) if number.is_integer() else number


def without_zeros(tables: Tables) -> Tables:
    """The tables of CHEP with only the rows that aren't 0: most are."""
    found = {}
    for name, table in tables.items():
        there = [not name.startswith("CHEP|") or bool(int(v)) for v in table.get("CHEP", [1])]
        found[name] = {
            column: [v for v, keep in zip(values, there, strict=True) if keep] if "CHEP" in table else values
            for column, values in table.items()
        }
    return found


def kept(tables: Tables) -> str:
    """The epochs that DUMP-MASK says aren't masked, as text: `60: 1-9,22`."""
    table = tables["DUMP-MASK|E"]
    numbers = [int(e) for e, masked in zip(table["E"], table["EMASK"], strict=True) if not int(masked)]
    return f"{len(table['E'])}: {ranges_text(numbers)}"


def assert_same(ours: Tables, theirs: Tables) -> None:
    """The same tables, columns and rows, numbers to 1e-9; Luna's rows are in an order of their own."""
    assert sorted(ours) == sorted(theirs)
    for name, table in theirs.items():
        assert sorted(ours[name]) == sorted(table), name
        columns = [*filter(None, name.partition("|")[2].split("_")), *sorted(table)]
        both = [
            sorted(zip(*([_plain(v) for v in own[column]] for column in columns), strict=True), key=repr)
            for own in (ours[name], table)
        ]
        assert len(both[0]) == len(both[1]), name
        for own, other in zip(*both, strict=True):
            for column, mine, its in zip(columns, own, other, strict=True):
                assert mine == (pytest.approx(its, rel=1e-9) if isinstance(its, float) else its), (
                    name,
                    column,
                )


def expected_masks() -> dict[str, str]:
    """Frozen: by script, the epochs that Luna leaves."""
    lines = (EXPECTED / "masks.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" => ") for line in lines if not line.startswith("#"))


def expected_tables() -> dict[str, Tables]:
    """Frozen: by script, what Luna puts out."""
    found: dict[str, Tables] = json.loads((EXPECTED / "state.json").read_text(encoding="utf-8"))["tables"]
    return found


def _freeze() -> None:
    import tempfile

    import lunapi

    made = f"lunapi {lunapi.__version__} on the night that tests/luna/night.py makes; made by it"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_night(folder / "night.edf", folder / "night.annot")
        lines = [f"{script} => {kept(luna_tables(folder, f'{script} & DUMP-MASK'))}\n" for script in MASKS]
        (EXPECTED / "masks.txt").write_text(f"# {made}\n{''.join(lines)}", encoding="utf-8")
        tables = {script: without_zeros(luna_tables(folder, script)) for script in TABLES}
    rows = ",\n".join(f"{json.dumps(script)}: {json.dumps(own)}" for script, own in tables.items())
    (EXPECTED / "state.json").write_text(
        f'{{"made by": {json.dumps(made)},\n"tables": {{\n{rows}\n}}}}\n', encoding="utf-8"
    )


if __name__ == "__main__":
    _freeze()
