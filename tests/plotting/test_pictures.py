"""Pictures, looked at: texts that don't cover each other, lines in the right places, files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import eegarchive

from .looking import cut_off, lines, overlapping, texts


def channels_of(path: Path) -> list[str]:
    with eegarchive.open(path) as night:
        return list(night.signals)


# -- texts --------------------------------------------------------------------------------------


def test_overviews_of_real_recordings_have_no_text_over_another(
    recording: Path, archives: dict[str, Path]
) -> None:
    figure = eegarchive.plot(archives[recording.stem])
    assert (overlapping(figure), cut_off(figure)) == ([], [])


def test_pages_of_real_recordings_have_no_text_over_another(
    recording: Path, archives: dict[str, Path]
) -> None:
    if not channels_of(archives[recording.stem]):
        pytest.skip("has no signals")
    figure = eegarchive.plot(archives[recording.stem], start=0)
    assert (overlapping(figure), cut_off(figure)) == ([], [])


@pytest.mark.parametrize("count", [1, 2, 9, 40, 200])
@pytest.mark.parametrize("page", [True, False])
def test_any_number_of_channels_is_legible(many: Path, count: int, page: bool) -> None:
    names = channels_of(many)[:count]
    figure = eegarchive.plot(many, channels=names, start=0 if page else None)
    assert (overlapping(figure), cut_off(figure)) == ([], [])
    assert {*names} <= {text.partition("\n")[0] for text in texts(figure)[0]}
    sizes = [label.get_fontsize() for panel in figure.axes for label in panel.get_yticklabels()]
    assert min(sizes) >= 4.5


@pytest.mark.parametrize("tag", ["source", "masked", "short"])
@pytest.mark.parametrize("start", [None, 50.0, 170.0])
def test_states_have_no_text_over_another(staged: Path, tag: str, start: float | None) -> None:
    figure = eegarchive.plot(f"{staged}@{tag}", start=start)
    assert (overlapping(figure), cut_off(figure)) == ([], [])


def test_texts_are_no_formulas_and_have_only_characters_that_the_font_has(
    staged: Path, tmp_path: Path
) -> None:
    figure = eegarchive.plot(staged, tmp_path / "night.svg")  # a missing glyph would warn
    names, _ = texts(figure)
    assert any(r"costs $\frac$" in name for name in names)
    assert any("\N{REPLACEMENT CHARACTER} left" in name for name in names)


# -- what is drawn ------------------------------------------------------------------------------


def test_stages_stand_in_their_order_where_they_are(staged: Path) -> None:
    figure = eegarchive.plot(f"{staged}@source")
    hypnogram = figure.axes[0]
    levels = [label.get_text() for label in hypnogram.get_yticklabels()]
    assert levels == ["W", "R", "N1", "N2", "N3"]
    assert np.all(np.diff(hypnogram.get_yticks()) < 0)
    flat = hypnogram.collections[-1].get_segments()
    shown = [(left[0], right[0], levels[round(-left[1])]) for left, right in flat]
    assert shown == [
        (0, 120, "W"),
        (120, 240, "N1"),
        (240, 360, "N2"),
        (360, 480, "N3"),
        (480, 600, "N2"),
    ]


def test_masked_epochs_and_dropped_time_are_shown_where_they_are(staged: Path) -> None:
    lanes = eegarchive.plot(f"{staged}@masked").axes[1]
    assert lanes.get_yticklabels()[0].get_text() == "epochs"
    kept, masked = (lanes.collections[i].get_segments() for i in (0, 1))
    assert [(left[0], round(right[0])) for left, right in masked] == [
        (60 + 30 * i, 90 + 30 * i) for i in range(4)
    ]
    assert len(kept) == 16
    figure = eegarchive.plot(f"{staged}@short")
    for panel in (figure.axes[0], figure.axes[1], figure.axes[-2]):
        boxes = [path.get_extents() for path in panel.collections[0].get_paths()]
        assert [(box.x0, box.x1) for box in boxes] == [(60, 180)]


def test_rare_kinds_of_annotations_share_a_lane(archives: dict[str, Path], tmp_path: Path, psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations(np.arange(30.0), np.zeros(30), [f"kind {i % 20}" for i in range(30)])
    names = [text for text in texts(eegarchive.plot(psg))[0] if "(" in text and text[-1] == ")"]
    assert len(names) == 12
    assert names[0] == "kind 0 (2)"
    assert names[-1] == "9 more kinds (9)"


def test_traces_are_the_samples_and_bars_their_scale(staged: Path) -> None:
    figure = eegarchive.plot(f"{staged}@source", start=90, sensitivity=7)
    traces = lines(figure, "trace")
    bars = lines(figure, "scale bar")
    with eegarchive.open(staged, freeze="source") as night:
        names = list(night.signals)
        eeg = night.read(["EEG C3"], 90, 120)[0]
        units = [signal.units for signal in night.signals.values()]
    assert [label.get_text() for label in figure.axes[-1].get_yticklabels()] == names
    x, y = traces[0].get_data()
    np.testing.assert_allclose(x, 90 + np.arange(3000) / 100)
    per_row = (eeg - np.median(eeg))[np.abs(y) > 0.01] / y[np.abs(y) > 0.01]
    np.testing.assert_allclose(per_row, per_row[0])
    # a row is so many mm of the sheet, and 7 uV each
    panel = figure.axes[-1]
    mm = panel.get_position().height * figure.get_size_inches()[1] * 25.4 / len(names)
    assert per_row[0] == pytest.approx(7 * mm)
    shown = [text for text in texts(figure)[0] if text.split(" ")[-1] in units and text[0].isdigit()]
    assert len(bars) == 3
    length = np.ptp(bars[0].get_ydata())
    assert shown[0] == f"{length * per_row[0]:g} uV"
    # so is EMG, stored in mV; oxygen has a scale of its own
    assert float(shown[1].split()[0]) / np.ptp(bars[1].get_ydata()) == pytest.approx(7e-3 * mm)
    width = panel.get_position().width * figure.get_size_inches()[0] * 25.4
    assert width / 30 == pytest.approx(10)
    assert any("10 mm/s" in text and "eeg 7 uV/mm" in text for text in texts(figure)[0])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_a_page_cuts_off_is_told(many: Path, count: int) -> None:
    """The first and the last row have less room: beyond the panel nothing is drawn."""
    with eegarchive.open(many) as night:
        names = list(night.signals)[:count]
        per_mm = min(float(np.ptp(night.signals[name][:])) for name in names) / 200  # nothing fits
    figure = eegarchive.plot(many, channels=names, start=0, sensitivity=per_mm)
    low, high = figure.axes[-1].get_ylim()
    for i, line in enumerate(lines(figure, "trace")):
        heights = line.get_ydata()
        assert np.nanmin(heights) == pytest.approx(max(low, -i - 1.5))
        assert np.nanmax(heights) == pytest.approx(min(high, -i + 1.5))
    assert any(f"   {count} cut off" in text for text in texts(figure)[0])


def test_a_long_page_shows_extremes(staged: Path) -> None:
    figure = eegarchive.plot(f"{staged}@source", start=0, duration=600, channels=["EEG C3"])
    (line,) = lines(figure, "trace")
    with eegarchive.open(staged, freeze="source") as night:
        eeg = night.signals["EEG C3"][:]
    assert len(line.get_ydata()) == 2 * 1700
    assert np.ptp(line.get_ydata()) / np.ptp(eeg) == pytest.approx(
        np.ptp(line.get_ydata()[1200:1300]) / np.ptp(eeg[1200 * 60_000 // 3400 : 1300 * 60_000 // 3400]),
        rel=0.2,
    )


def test_a_page_shades_masked_epochs_and_annotations_of_a_channel(staged: Path) -> None:
    panel = eegarchive.plot(f"{staged}@masked", start=90).axes[-1]
    boxes = [path.get_extents() for shaded in panel.collections for path in shaded.get_paths()]
    shown = {(box.x0, box.x1, box.y0, box.y1) for box in boxes}
    assert (100, 105, -0.45, 0.45) in {tuple(round(float(x), 6) for x in box) for box in shown}
    assert {(90, 120, 0, 1), (60, 90, 0, 1)} & shown


def test_a_page_is_30_s_or_a_shorter_recording(staged: Path, archives: dict[str, Path]) -> None:
    assert eegarchive.plot(f"{staged}@source", start=33).axes[-1].get_xlim() == (33, 63)
    short = archives["edfplusc_duplicate_labels"]
    assert eegarchive.plot(short, start=0).axes[-1].get_xlim() == (0, 10)
    assert eegarchive.plot(short, duration=4).axes[-1].get_xlim() == (0, 4)


def test_an_envelope_takes_the_spectrograms_place(staged: Path) -> None:
    assert sum(len(panel.images) for panel in eegarchive.plot(staged).axes) >= 1
    assert not any(panel.images for panel in eegarchive.plot(staged, envelope=True).axes)


def test_progress_adds_up(many: Path, staged: Path) -> None:
    from eegarchive.plotting import samples_to_plot

    for path, channels, start in ((many, None, 0), (staged, None, None), (many, channels_of(many), None)):
        told: list[int] = []
        eegarchive.plot(path, channels=channels, start=start, progress=told.append)
        with eegarchive.open(path) as night:
            assert sum(told) == samples_to_plot(night, channels, start is not None)


# -- files and errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")])
def test_the_suffix_says_what_is_written(staged: Path, tmp_path: Path, suffix: str, magic: bytes) -> None:
    target = tmp_path / f"night{suffix}"
    eegarchive.plot(staged, target)
    written = target.read_bytes()
    assert written.startswith(magic)
    assert not any(dated in written for dated in (b"CreationDate", b"<dc:date>"))
    with pytest.raises(eegarchive.TargetExists):
        eegarchive.plot(staged, target)
    eegarchive.plot(staged, target, overwrite=True)
    if suffix != ".SVG":
        assert target.read_bytes() == written
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_no_state_of_pyplot_or_settings_is_touched(staged: Path, tmp_path: Path) -> None:
    code = (
        # looking up the backend would load pyplot
        "import sys, matplotlib, eegarchive; settings = lambda: str(dict.items(matplotlib.rcParams));"
        "before = settings();"
        f"eegarchive.plot({str(staged)!r}, {str(tmp_path / 'a.png')!r}, start=0);"
        f"eegarchive.plot({str(staged)!r}, {str(tmp_path / 'b.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules; assert settings() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_users_dark_style_leaves_the_sheet_light(staged: Path) -> None:
    with matplotlib.rc_context(
        {"axes.facecolor": "black", "figure.facecolor": "black", "text.color": "white"}
    ):
        figure = eegarchive.plot(staged, start=0)
    assert all(panel.get_facecolor() == (1, 1, 1, 1) for panel in figure.axes)
    assert figure.get_facecolor() == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "night.jpg"}, r"night.jpg: a picture is named \*.png, \*.pdf, \*.svg"),
        ({"channels": ["C5"]}, "no signal 'C5'; there are EEG C3"),
        ({"start": 700.0}, r"no data from 700 to 730 s; there are 0-60 s, 180-600 s"),
        ({"start": 60.0, "duration": 120.0}, "no data from 60 to 180 s"),
        ({"start": 0, "duration": 0}, "a page from 0 s of 0 s"),
        ({"start": float("nan")}, "a page from nan s"),
        ({"start": 0, "sensitivity": 0.0}, "a sensitivity of 0 uV/mm"),
        ({"sensitivity": 7.0}, r"for a page \(start, duration\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(staged: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        eegarchive.plot(f"{staged}@short", **options)  # type: ignore[arg-type]


def test_annotations_alone_have_an_overview_and_no_page(archives: dict[str, Path]) -> None:
    path = archives["edfplusc_hypnogram_annotations_only"]
    hypnogram = eegarchive.plot(path).axes[0]
    assert [label.get_text() for label in hypnogram.get_yticklabels()] == [
        "?",
        "W",
        "R",
        "N1",
        "N2",
        "N3",
        "N4",
    ]
    with pytest.raises(eegarchive.EEGArchiveError, match="has no signals"):
        eegarchive.plot(path, start=0)


def test_without_matplotlib_there_is_advice(staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(eegarchive.EEGArchiveError, match=r'pip install "eegarchive\[plot\]"'):
        eegarchive.plot(staged)


def test_the_command_draws(staged: Path, tmp_path: Path) -> None:
    page = ["--start", "60", "--channels", "EEG C3", "--channel", "SpO2"]
    command = [sys.executable, "-m", "eegarchive.cli", "plot", f"{staged}@masked", *page]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "page.png")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_what_began_before_a_page_and_lasts_is_on_it(staged: Path) -> None:
    lanes = eegarchive.plot(f"{staged}@source", start=102, duration=10).axes[0]
    names = [label.get_text() for label in lanes.get_yticklabels()]
    assert names == ["stage", "Arousal (1)"]
    later = eegarchive.plot(f"{staged}@source", start=106, duration=10).axes[0]
    assert [label.get_text() for label in later.get_yticklabels()] == ["stage"]
