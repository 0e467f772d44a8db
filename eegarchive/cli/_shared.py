"""What several verbs print alike."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from eegarchive.export import Progress
from eegarchive.storage.guard import printable


def echo_json(what: Any) -> None:
    """Print JSON; NaN and infinities, which it lacks, become null."""
    click.echo(json.dumps(_finite(what), indent=2, ensure_ascii=False))


def _finite(what: Any) -> Any:
    if isinstance(what, dict):
        return {key: _finite(value) for key, value in what.items()}
    if isinstance(what, list):
        return [_finite(value) for value in what]
    if isinstance(what, float) and not math.isfinite(what):
        return None
    return what


@contextmanager
def progress_bar(total: int, label: str) -> Iterator[Progress]:
    """A bar in bytes with the time left, on standard error; none where that is no terminal."""
    from tqdm import tqdm

    size = shutil.get_terminal_size()  # 80 by 24 where the terminal doesn't say; tqdm would show nothing
    with tqdm(
        total=total,
        desc=label,
        unit="B",
        unit_scale=True,
        leave=False,
        ncols=size.columns,
        nrows=size.lines,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
    ) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Lines of aligned columns; those in `right` are aligned to the right. Text is made safe to print."""
    safe = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    for row in safe:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def bytes_text(count: float) -> str:
    """A number of bytes for people: 1 kB is 1000 bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration_text(seconds: float) -> str:
    """A length of time: 8:07:00 h, 0:01:10.5 h."""
    whole, rest = divmod(seconds, 1)
    minutes, second = divmod(int(whole), 60)
    fraction = f"{rest:.6f}".rstrip("0").rstrip(".")[1:] if rest >= 1e-6 else ""
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}{fraction}"
