"""The text of a script: comments, variables, quotes, lists, and what is said of mistakes."""

from __future__ import annotations

import pytest

from eegarchive import ScriptError
from eegarchive.luna.script import Command, Parameters, parse


def given(text: str, **variables: str) -> list[tuple[str, dict[str, str | None]]]:
    return [(command.name, command.parameters.items()) for command in parse(text, variables)]


def test_commands_end_at_ampersands_and_lines() -> None:
    text = "headers sig=C3 & Desc\n\n  % only a comment\n\tTAG A/b\r\nRE % and & this"
    assert given(text) == [
        ("HEADERS", {"sig": "C3"}),
        ("DESC", {}),
        ("TAG", {"A/b": None}),
        ("RE", {}),
    ]
    assert [command.line for command in parse(text)] == [1, 1, 4, 5]
    assert [command.text for command in parse(text)] == ["headers sig=C3", "Desc", "TAG A/b", "RE"]


def test_quotes_hold_blanks_ampersands_and_percent_signs() -> None:
    text = 'TAG tag="A/b & 5 % c" & MASK if="Sleep stage N2",N3 & FREEZE "a b"'
    assert given(text) == [
        ("TAG", {"tag": "A/b & 5 % c"}),
        ("MASK", {"if": "Sleep stage N2,N3"}),
        ("FREEZE", {"a b": None}),
    ]


def test_a_quote_in_a_comment_is_none() -> None:
    assert given('RE % the "first') == [("RE", {})]


def test_variables_are_filled_in_and_defined() -> None:
    assert given("PSD sig=${s}_M2,${s}", s="C3") == [("PSD", {"sig": "C3_M2,C3"})]
    assert given("${s=C4}\nPSD sig=${s}", s="C3") == [("PSD", {"sig": "C4"})]
    assert given("PSD sig=${s=C4}1 & RE") == [("PSD", {"sig": "1"}), ("RE", {})]
    assert given("PSD sig=${eeg}") == [("PSD", {"sig": "${eeg}"})]
    assert given("PSD sig=${eeg}", eeg="C3") == [("PSD", {"sig": "C3"})]


def test_lists_side_by_side_are_multiplied() -> None:
    assert given("PSD sig=[C,F][3:4],Cz") == [("PSD", {"sig": "C3,C4,F3,F4,Cz"})]
    assert given("MASK if=A[x|y]") == [("MASK", {"if": "A[x|y]"})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RE\nPSD sig=${x}", "line 2: the variable ${x} has no value; give x=... with the script"),
        (
            "RE\n sig=C3",
            "line 2: sig=C3: expected a command; parameters stand in the same line as their command",
        ),
        ("PSD sig = C3", "line 1: PSD: =: write key=value without blanks, or quote the value"),
        ('TAG "a b', "line 1: a double quote isn't closed: TAG \"a b"),
        ("PSD sig=C3 sig=C4", "line 1: PSD: sig is given twice"),
        ("PSD sig=${a b}", "line 1: ${a b}: isn't a variable; write ${name} or ${name=value}"),
        ("[[x][1:3]\nRE\n]]", "line 1: [[ and ]], a loop, isn't supported; write the commands out"),
        ("PSD sig=@{x}", "line 1: @{...}, a file to include, isn't supported; write the commands out"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, said: str) -> None:
    with pytest.raises(ScriptError) as error:
        parse(text)
    assert str(error.value) == said


def test_a_variable_does_not_name_another() -> None:
    with pytest.raises(ScriptError, match="can't name another variable"):
        parse("PSD sig=${x}", {"x": "${y}"})


def parameters(text: str) -> Parameters:
    return parse(f"X {text}")[0].parameters


def test_parameters_by_type() -> None:
    found = parameters("n=2.5 i=3 l=a,b w f=F t=no y=T e=")
    assert (found.number("n"), found.integer("i"), found.number("none", 4.0)) == (2.5, 3, 4.0)
    assert (found.list("l"), found.list("none"), found.list("none", ["z"])) == (["a", "b"], [], ["z"])
    assert [found.flag(key) for key in ("w", "f", "t", "y", "none")] == [True, False, False, True, False]
    assert (found.words(), found.get("none", "d"), found.need("l")) == (["w"], "d", "a,b")
    assert parameters("th=3,3.5").numbers("th") == [3.0, 3.5]


@pytest.mark.parametrize(
    ("text", "method", "said"),
    [
        ("n=x", lambda p: p.number("n"), "line 1: X: n=x: isn't a number"),
        ("n=1_0", lambda p: p.number("n"), "line 1: X: n=1_0: isn't a number"),
        ("n=inf", lambda p: p.number("n"), "line 1: X: n=inf: isn't a number"),
        ("n=1,x", lambda p: p.numbers("n"), "line 1: X: n=x: isn't a number"),
        ("n=1.5", lambda p: p.integer("n"), "line 1: X: n=1.5: isn't an integer"),
        (
            "l=a,,b",
            lambda p: p.list("l"),
            "line 1: X: l=a,,b: there is nothing between two commas, or at an end",
        ),
        ("l", lambda p: p.list("l"), "line 1: X: l needs a value, as l=..."),
        ("l=", lambda p: p.get("l"), "line 1: X: l needs a value, as l=..."),
        ("", lambda p: p.need("l"), "line 1: X: needs l=..."),
        ("", lambda p: p.single(), "line 1: X: needs exactly one tag: X tag=..."),
        ("a b", lambda p: p.single(), "line 1: X: needs exactly one tag: X tag=..."),
        ("a tag=b", lambda p: p.single(), "line 1: X: needs exactly one tag: X tag=..."),
    ],
)
def test_parameters_that_are_wrong(text: str, method: object, said: str) -> None:
    assert callable(method)
    with pytest.raises(ScriptError) as error:
        method(parameters(text))
    assert str(error.value) == said


def test_the_one_thing_a_command_is_about() -> None:
    assert parameters("f1").single() == "f1"
    assert parameters("tag=f1").single() == "f1"
    assert parameters("f1 remove").single(known=frozenset(["remove"])) == "f1"


def test_values_take_other_texts() -> None:
    command: Command = parse("MATRIX file=^.txt min")[0].with_values({"^": "night"})
    assert command.parameters.items() == {"file": "night.txt", "min": None}
