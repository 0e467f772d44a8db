"""Digests of values and of bytecode, the same in another process and another checkout."""

from __future__ import annotations

import contextlib
import copy
import dis
import functools
import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType, MappingProxyType, MemberDescriptorType
from typing import Any, Self

import numpy as np

#: What of a code object's flags changes what it does: starred arguments, generators, coroutines.
_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
#: Kinds of numpy types whose bytes are their values.
_BYTES = "biufcmMSU"


class Digester:
    """Feeds values into SHA-256 so that different ones can't give the same bytes.

    Everything starts with what it is, and tells its length. What isn't plain goes to `other`.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._open: list[int] = []

    def put(self, *parts: str | bytes | int) -> None:
        """Texts, bytes or numbers, each with its length."""
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:" % len(data))
            self._hash.update(data)

    def value(self, value: Any) -> None:
        """A value with its type; 1, 1.0 and True are three."""
        kind = type(value)
        if value is None:
            self.put("none")
        elif kind in _SCALARS:
            self.put(kind.__name__, _SCALARS[kind](value))
        elif kind in _CONTAINERS:
            self.nested(value, self._container)
        elif kind is np.ndarray:
            self.nested(value, self._array)
        elif isinstance(value, np.generic) and value.dtype.type is kind:
            self.put("scalar")
            self._array(np.asarray(value))
        elif kind is slice:
            self.put("slice")
            self.value((value.start, value.stop, value.step))
        elif isinstance(value, np.dtype):
            self.put("dtype", repr(value))
        elif kind is CodeType:
            self.put("code", code_form(value).digest)
        else:
            self.other(value)

    def other(self, value: Any) -> None:
        """A value that isn't plain data."""
        raise TypeError(f"a {type(value).__name__} isn't a constant")

    def nested(self, value: Any, put: Callable[[Any], None]) -> None:
        """A value that may hold itself: where it does, how far up it stands."""
        if id(value) in self._open:
            self.put("open", self._open.index(id(value)))
            return
        self._open.append(id(value))
        put(value)
        self._open.pop()

    def digest(self) -> str:
        """SHA-256 of everything so far, in hex."""
        return self._hash.hexdigest()

    def branch(self) -> Self:
        """Another one that knows what this one has seen, for what has no order."""
        other = copy.copy(self)
        other._hash = hashlib.sha256()
        other._open = list(self._open)
        return other

    def _apart(self, value: Any) -> str:
        other = self.branch()
        other.value(value)
        return other.digest()

    def _container(self, value: Any) -> None:
        kind = type(value)
        if kind in (set, frozenset):
            self.put(kind.__name__, len(value), *sorted(map(self._apart, value)))
        elif kind in (dict, MappingProxyType):
            self.put("dict", len(value))
            self._values(part for pair in value.items() for part in pair)
        else:
            self.put(kind.__name__, len(value))
            self._values(value)

    def _values(self, values: Iterable[Any]) -> None:
        for value in values:
            self.value(value)

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        self.put("array", repr(array.dtype), repr(array.shape))
        if array.dtype.names is not None:  # the bytes between fields are no values
            for name in array.dtype.names:
                self._array(array[name])
        elif array.dtype.kind in _BYTES or (array.dtype.kind == "V" and not array.dtype.hasobject):
            self.put(array.tobytes())
        else:
            self._values(array.ravel().tolist())


def _float(value: float) -> bytes:
    return b"nan" if value != value else struct.pack("<d", value)


_SCALARS: dict[type, Callable[[Any], str | bytes | int]] = {
    bool: int,
    int: hex,  # str() refuses thousands of digits
    float: _float,
    complex: lambda value: _float(value.real) + b"," + _float(value.imag),
    str: str,
    bytes: bytes,
    bytearray: bytes,
    type(...): str,
    type(NotImplemented): str,
}
_CONTAINERS = (tuple, list, dict, MappingProxyType, set, frozenset)


@dataclass(frozen=True)
class CodeForm:
    """What a code object, with those inside it, does and names.

    Attributes
    ----------
    digest : str
        Of its instructions and constants; not of its file, its lines or its docstring.
    names : tuple of tuple of str
        Global names, each with the attributes that are taken of it at once: `np.linalg.norm`.
    imports : tuple of (level, module, names)
        Import statements; no names for `import module`.
    """

    digest: str
    names: tuple[tuple[str, ...], ...]
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]


def code_form(code: CodeType) -> CodeForm:
    """What a code object does and names."""
    return _code_form(_Same(code))


class _Same:
    """A code object as a key: only itself is equal, since Python's comparison leaves things out."""

    def __init__(self, code: CodeType) -> None:
        self.code = code

    def __hash__(self) -> int:
        return id(self.code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.code is other.code


@functools.lru_cache(maxsize=4096)
def _code_form(key: _Same) -> CodeForm:
    code = key.code
    names: set[tuple[str, ...]] = set()
    imports: set[tuple[int, str, tuple[str, ...]]] = set()
    form = Digester()
    form.value((code.co_name, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount))
    form.value((code.co_flags & _FLAGS, code.co_exceptiontable))
    form.value((code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars))
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for i, step in enumerate(steps):
        form.put(step.opname)
        if step.opcode in dis.hasconst and step.arg is not None:  # by value: its place hangs on the docstring
            constant = code.co_consts[step.arg]
            form.value(constant)
            if isinstance(constant, CodeType):
                inner = code_form(constant)
                names.update(inner.names)
                imports.update(inner.imports)
        else:
            form.value(step.arg)
        if step.opname in _GLOBALS:
            chain = [step.argval]
            for following in steps[i + 1 :]:
                if following.opname not in _ATTRIBUTES:
                    break
                chain.append(following.argval)
            names.add(tuple(chain))
        elif step.opname == "IMPORT_NAME":
            imports.add((steps[i - 2].argval, step.argval, tuple(steps[i - 1].argval or ())))
    return CodeForm(form.digest(), tuple(sorted(names)), tuple(sorted(imports)))


#: The plain value of an object whose class derives from one of these.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    np.ndarray: lambda value: value.view(np.ndarray),
    object: lambda value: None,
}
_MANAGED_DICT, _MANAGED_WEAKREF = 1 << 4, 1 << 3
_POINTER = struct.calcsize("P")


def hides_state(kind: type) -> bool:
    """Whether its objects hold more than a plain value, `__dict__` and `__slots__`, as C's may."""
    base = _plain_base(kind)
    size = kind.__basicsize__ - base.__basicsize__ - _POINTER * len(_slots(kind))
    if kind.__dictoffset__ != base.__dictoffset__ and not kind.__flags__ & _MANAGED_DICT:
        size -= _POINTER
    if kind.__weakrefoffset__ != base.__weakrefoffset__ and not kind.__flags__ & _MANAGED_WEAKREF:
        size -= _POINTER
    return size > 0 or kind.__itemsize__ != base.__itemsize__


def plain_and_state(value: Any) -> tuple[Any, dict[str, Any]]:
    """All that an object of such a class holds: the value it derives from, and its attributes."""
    state = dict(getattr(value, "__dict__", {}))
    for slot in _slots(type(value)):
        with contextlib.suppress(AttributeError):  # it is empty
            state[slot.__name__] = slot.__get__(value)
    return _PLAIN[_plain_base(type(value))](value), state


def _plain_base(kind: type) -> type:
    return next(base for base in kind.__mro__ if base in _PLAIN)


def _slots(kind: type) -> list[MemberDescriptorType]:
    return [
        member
        for base in kind.__mro__
        if "__slots__" in vars(base)
        for member in vars(base).values()
        if isinstance(member, MemberDescriptorType)
    ]
