"""The text of a script as commands: comments, variables, quotes, parameters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from eegarchive.errors import ScriptError

#: What Luna takes for "no" where a parameter may be switched off.
_NO = ("f", "false", "n", "no", "0")
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: [a][b,c]: lists that stand side by side are multiplied, ab,ac; 1:3 in one of them is 1,2,3.
_PRODUCT = re.compile(r"\[[^\[\]]*\](?:\[[^\[\]]*\])+")
_RANGE = re.compile(r"(\d+):(\d+)")
_MOST_IN_RANGE = 10_000
#: Luna's variables that stand for all signals of a kind; known only when the archive is open.
KIND_VARIABLES = ("eeg", "eog", "emg", "ecg")
_Texts = list[str]
_Numbers = list[float]


class Parameters:
    """What a command was given, in order: keys with a value, and words without one.

    Parameters
    ----------
    items : mapping of str to str or None
        Values by key; None for a word alone.
    line : int
        Where the command stands, for messages.
    command : str
        Its name, for messages.
    """

    def __init__(self, items: Mapping[str, str | None], line: int, command: str) -> None:
        self._items = dict(items)
        self._line, self._command = line, command

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Parameters {self._items}>"

    def items(self) -> dict[str, str | None]:
        """All of them: values by key, None for a word alone."""
        return dict(self._items)

    def error(self, what: str) -> ScriptError:
        """An error that says where in the script it is."""
        return ScriptError(f"line {self._line}: {self._command}: {what}")

    def get(self, key: str, default: str | None = None) -> str | None:
        """The text of `key=text`, or the default.

        Raises
        ------
        ScriptError
            If the key has no value.
        """
        if key not in self._items:
            return default
        value = self._items[key]
        if not value:
            raise self.error(f"{key} needs a value, as {key}=...")
        return value

    def need(self, key: str) -> str:
        """The text of `key=text`.

        Raises
        ------
        ScriptError
            If there is none.
        """
        value = self.get(key)
        if value is None:
            raise self.error(f"needs {key}=...")
        return value

    def flag(self, key: str) -> bool:
        """Whether `key` is there, and isn't switched off by `key=F` (or false, n, no, 0)."""
        return key in self._items and (self._items[key] or "yes").lower() not in _NO

    def number(self, key: str, default: float | None = None) -> float | None:
        """The number of `key=number`, or the default.

        Raises
        ------
        ScriptError
            If it isn't a finite number.
        """
        text = self.get(key)
        return default if text is None else self._number(key, text)

    def numbers(self, key: str, default: _Numbers | None = None) -> _Numbers | None:
        """The numbers of `key=1,2.5`, or the default.

        Raises
        ------
        ScriptError
            If one isn't a finite number.
        """
        if key not in self._items:
            return default
        return [self._number(key, text) for text in self.list(key)]

    def _number(self, key: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf") or "_" in text:
            raise self.error(f"{key}={text}: isn't a number")
        return value

    def integer(self, key: str, default: int | None = None) -> int | None:
        """The integer of `key=3`, or the default.

        Raises
        ------
        ScriptError
            If it isn't an integer.
        """
        value = self.number(key)
        if value is None:
            return default
        if value != int(value):
            raise self.error(f"{key}={self._items[key]}: isn't an integer")
        return int(value)

    def list(self, key: str, default: _Texts | None = None) -> _Texts:
        """The texts of `key=a,b`; without the key the default, or none.

        Raises
        ------
        ScriptError
            If the key has no value, or there is nothing between two commas.
        """
        text = self.get(key)
        if text is None:
            return [*(default or ())]
        found = [part.strip() for part in text.split(",")]
        if not all(found):
            raise self.error(f"{key}={text}: there is nothing between two commas, or at an end")
        return found

    def words(self) -> _Texts:
        """The words without a value."""
        return [key for key, value in self._items.items() if value is None]

    def single(self, key: str = "tag", known: frozenset[str] = frozenset()) -> str:
        """The one thing that a command is about: `FREEZE f1`, or `FREEZE tag=f1`.

        Parameters
        ----------
        key : str
            The key that may stand before it.
        known : frozenset of str
            Words that mean something else.

        Raises
        ------
        ScriptError
            If there is none, or more than one.
        """
        words = [word for word in self.words() if word not in known and word != key]
        found = [*words, *([self.get(key)] if key in self._items else [])]
        if len(found) != 1 or found[0] is None:
            raise self.error(f"needs exactly one {key}: {self._command} {key}=...")
        return found[0]


@dataclass(frozen=True)
class Command:
    """One command of a script.

    Attributes
    ----------
    name : str
        In capitals.
    parameters : Parameters
    line : int
        Where it stands in the script, counted from 1.
    text : str
        As it is written there, variables filled in.
    """

    name: str
    parameters: Parameters
    line: int
    text: str

    def error(self, what: str) -> ScriptError:
        """An error that says where in the script it is."""
        return self.parameters.error(what)

    def with_values(self, texts: Mapping[str, str]) -> Command:
        """The same command with some texts in its values replaced by others, as `^` by an archive's ID."""
        items = self.parameters.items()
        for key, value in items.items():
            for old, new in texts.items():
                items[key] = value = None if value is None else value.replace(old, new)
        return replace(self, parameters=Parameters(items, self.line, self.name))


def parse(text: str, variables: Mapping[str, str] | None = None) -> list[Command]:
    """Take a script apart.

    Commands end at the end of a line or at `&`. What follows `%` is a comment. Neither counts inside of double quotes,
    nor do blanks. `${name}` stands for a variable, one of `variables` or one that the script has defined by
    `${name=value}`.

    Parameters
    ----------
    text : str
    variables : mapping of str to str, optional

    Raises
    ------
    ScriptError
        If a quote isn't closed, a variable isn't known, a parameter is given twice, or the script has loops, conditions
        or files to include.
    """
    known = dict(variables or {})
    found = []
    for line, raw in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        plain = _without_comment(raw, line)
        if "[[" in plain or "]]" in plain or "@{" in plain:
            what = "@{...}, a file to include," if "@{" in plain else "[[ and ]], a loop,"
            raise ScriptError(f"line {line}: {what} isn't supported; write the commands out")
        filled = _filled(plain, known, line)
        for part in _split(filled, "&", line):
            if part.strip():
                found.append(_command(part.strip(), line))
    return found


def _without_comment(text: str, line: int) -> str:
    return next(_split(text, "%", line), "")


def _split(text: str, separators: str, line: int) -> Iterator[str]:
    """Parts of a text between separators outside of double quotes; the quotes stay."""
    part, quoted = "", False
    for character in text:
        if character in separators and not quoted:
            yield part
            part = ""
            continue
        quoted ^= character == '"'
        part += character
    if quoted and separators != "%":  # a comment that follows may hold a single quote
        raise ScriptError(f"line {line}: a double quote isn't closed: {text.strip()}")
    yield part


def _filled(text: str, known: dict[str, str], line: int) -> str:
    """Text with its variables replaced; those that it defines are known from then on."""

    def value_of(match: re.Match[str]) -> str:
        name, equals, value = match[1].partition("=")
        if not _NAME.fullmatch(name):
            raise ScriptError(
                f"line {line}: {match[0]}: isn't a variable; write ${{name}} or ${{name=value}}"
            )
        if equals:
            known[name] = value.removeprefix('"').removesuffix('"')
            return ""
        if name not in known:
            if name.lower() in KIND_VARIABLES:
                return match[0]
            raise ScriptError(
                f"line {line}: the variable {match[0]} has no value; give {name}=... with the script"
            )
        return known[name]

    filled = _VARIABLE.sub(value_of, text)
    for match in _VARIABLE.finditer(filled):
        if match[1].lower() not in KIND_VARIABLES:
            raise ScriptError(f"line {line}: {match[0]}: a variable's value can't name another variable")
    return filled


def _command(text: str, line: int) -> Command:
    name, *words = [word for word in _split(text, " \t\r\f\v", line) if word]
    if "=" in name:
        raise ScriptError(
            f"line {line}: {name}: expected a command; parameters stand in the same line as their command"
        )
    name = name.upper()
    items: dict[str, str | None] = {}
    for word in words:
        key, value = _parameter(word)
        if not key or word == "=":
            raise ScriptError(
                f"line {line}: {name}: {word}: write key=value without blanks, or quote the value"
            )
        if key in items:
            raise ScriptError(f"line {line}: {name}: {key} is given twice")
        items[key] = value
    return Command(name, Parameters(items, line, name), line, text)


def _parameter(word: str) -> tuple[str, str | None]:
    """Key and value of a word; a quoted word has no value."""
    if word.startswith('"'):
        return word.replace('"', ""), None
    key, equals, value = word.partition("=")
    if not equals:
        return key.replace('"', ""), None
    return key, _PRODUCT.sub(_multiplied, value.replace('"', ""))


def _multiplied(match: re.Match[str]) -> str:
    """The texts that lists side by side stand for."""
    lists = [
        [item for part in group.split(",") for item in _ranged(part)]
        for group in re.findall(r"\[([^\[\]]*)\]", match[0])
    ]
    return ",".join(map("".join, itertools.product(*lists)))


def _ranged(part: str) -> list[str]:
    match = _RANGE.fullmatch(part)
    if match is None:
        return [part]
    first, last = int(match[1]), int(match[2])
    step = 1 if first <= last else -1
    if abs(last - first) > _MOST_IN_RANGE:
        return [part]
    return [str(number) for number in range(first, last + step, step)]
