"""Tables of numbers: ours, Luna's, and those that Luna once gave.

Run as a program (`python -m luna.numbers` in `tests`, with lunapi), it makes `expected/` anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from eegarchive.luna.runner import run

EXPECTED = Path(__file__).parent / "expected"
SOURCE = Path(__file__).parents[1] / "data" / "edf_sleep_psg_30s_records.edf"
#: What is in `expected/`, by the command that it begins with.
SCRIPTS = {
    "PSD": "PSD sig=EEG_Fpz_Cz,EMG_submental spectrum dB epoch epoch-spectrum max=3",
    "STATS": "STATS sig=EEG_Fpz_Cz,Temp_rectal epoch",
}
Frames = Mapping[str, pd.DataFrame]


def ours(archive: Path, script: str) -> Frames:
    """What a script puts out on an archive, by table."""
    (outcome,) = run(archive, script).outcomes
    return {table.name: table.to_frame() for table in outcome.tables}


def lunas(edf: Path, script: str, annotations: Path | None = None) -> Frames:
    """What Luna puts out, tables named as ours."""
    import lunapi

    project = lunapi.proj()
    project.silence(True)
    instance = project.inst("x")
    instance.attach_edf(str(edf))
    if annotations is not None:
        instance.attach_annot(str(annotations))
    found = instance.proc(script)
    return {name.replace(": ", "_").removesuffix("_BL"): frame for name, frame in found.items()}


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, name: str, floor: float = 1e-12) -> None:
    """Two tables have the same rows, columns and numbers, to 1e-9 of each.

    Below `floor` times the column's largest number numbers are rounding. Luna gives levels of F with 6 digits.
    """
    factors = name.split("_")[1:]
    variables = [column for column in theirs.columns if column not in {"ID", *factors}]
    assert sorted(column for column in ours.columns if column not in {"ID", *factors}) == sorted(variables)
    keyed = [frame[[*factors, *variables]].copy() for frame in (ours, theirs)]
    for frame in keyed:
        for factor in factors:
            if factor in ("E", "F"):
                frame[factor] = [f"{float(level):.6g}" for level in frame[factor]]
    joined = keyed[0].merge(keyed[1], on=factors, suffixes=("", " of Luna"), validate="one_to_one")
    assert len(joined) == len(ours) == len(theirs)
    for variable in variables:
        own, other = (joined[column].to_numpy(float) for column in (variable, f"{variable} of Luna"))
        largest = np.nanmax(np.abs(other), initial=0.0)
        np.testing.assert_allclose(own, other, rtol=1e-9, atol=floor * largest, err_msg=f"{name} {variable}")


def expected(command: str) -> Frames:
    """The frozen tables of a command."""
    return {
        path.stem: pd.read_csv(path, sep="\t", comment="#")
        for path in sorted(EXPECTED.glob(f"{command}_*.tsv"))
    }


def _freeze() -> None:
    import lunapi

    EXPECTED.mkdir(exist_ok=True)
    for script in SCRIPTS.values():
        for name, frame in lunas(SOURCE, script).items():
            head = (
                f"# lunapi {lunapi.__version__}: {script}, on {SOURCE.name}; made by tests/luna/numbers.py\n"
            )
            table = frame.drop(columns="ID").to_csv(sep="\t", index=False, lineterminator="\n", na_rep="NA")
            (EXPECTED / f"{name}.tsv").write_text(head + table, encoding="utf-8")


if __name__ == "__main__":
    _freeze()
