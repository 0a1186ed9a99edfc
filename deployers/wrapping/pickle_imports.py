"""Which imports a pickle would make: its opcodes are followed, its objects never made.

An abstract machine runs the opcodes of `pickletools` over a stack and a memo of *descriptions*: short strings, numbers,
small tuples and imports are known, everything else is `UNKNOWN`. An import whose name the machine does not know (put
together at run time, or fetched from the memo of an object) is reported as such, so a finding can be lost only together
with a report that something was not understood. Large values are skipped, not read; memory is bounded by budgets.

It also knows the one thing that general scanners can't follow (fickling 0.1.12 and picklescan 1.0 both stop there):
joblib writes the bytes of each array into the middle of the pickle, right behind its `NumpyArrayWrapper`
(joblib/numpy_pickle.py, `NumpyArrayWrapper.read`).
"""

from __future__ import annotations

import pickletools
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deployers.wrapping.array_layout import itemsize
from deployers.wrapping.byte_streams import Input, Malformed, Window

MAXIMUM_STACK = 2_000_000
MAXIMUM_MEMO = 20_000_000
KNOWN_MEMO_BYTES = 64_000_000
"""Roughly what the strings and tuples in the memo may take; beyond it new ones count as unknown."""

LONGEST_STRING = 1_000
"""Characters of a string that may still be a name."""

LONGEST_TUPLE = 32
LONGEST_LINE = 1_000_000
MAXIMUM_IMPORTS = 10_000
MAXIMUM_MADE = 1_000_000
DEEPEST = 3
"""Pickles inside pickles."""

PLAUSIBLE = re.compile(r"[A-Za-z_][\w.]*")


class _Unknown:
    """A value that the machine does not follow."""


UNKNOWN: Final = _Unknown()
MARK: Final = _Unknown()


@dataclass(frozen=True)
class Import:
    """``module`` and ``name`` as the pickle has them; ``name`` may be dotted."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


COMPUTED = Import("", "a name put together while unpickling")
EXTENSION = Import("copyreg", "a number of the extension registry")


@dataclass(eq=False)
class Made:
    """An object of the two kinds whose layout matters: a NumPy dtype, or joblib's wrapper of an array."""

    maker: Import
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass
class Stacked:
    """A state dict of joblib's wrapper, while it is filled."""

    items: dict[str, Any] = field(default_factory=dict)


WRAPPER = Import("joblib.numpy_pickle", "NumpyArrayWrapper")
FOLLOWED = {Import("numpy", "dtype"), WRAPPER}
NUMBERS = {"BININT", "BININT1", "BININT2", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT"}
OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}


def imports(source: Input, *, tick: Callable[[], None], depth: int = 0) -> Iterator[Import]:
    """Every import of the pickle that ``source`` stands at, up to its end, those of nested pickles too.

    ``tick`` is called now and then, and may raise to end the scan. Raises `Malformed` when the bytes are no pickle,
    after the imports up to there were given.
    """
    yield from _Machine(source, tick, depth).run()


class _Machine:
    def __init__(self, source: Input, tick: Callable[[], None], depth: int) -> None:
        self.source, self.tick, self.depth = source, tick, depth
        self.stack: list[Any] = []
        self.memo: list[Any] = []
        self.far: dict[int, Any] = {}
        self.known = 0
        self.found: list[Import] = []
        self.seen: set[Import] = set()
        self.made = 0

    def run(self) -> Iterator[Import]:
        steps = 0
        while True:
            steps += 1
            if steps % 4096 == 0:
                self.tick()
            code = self.source.read(1)
            opcode = OPCODES.get(code[0]) if code else None
            if opcode is None:
                raise Malformed("the end is missing" if not code else f"no opcode {code[0]:#04x}")
            argument = self._argument(opcode)
            yield from self._flush()
            if opcode.name == "STOP":
                return
            self._step(opcode, argument)
            yield from self._flush()
            if len(self.stack) > MAXIMUM_STACK or len(self.memo) > MAXIMUM_MEMO or len(self.far) > MAXIMUM_STACK:
                raise Malformed("more on the stack or in the memo than can be followed")

    def _flush(self) -> list[Import]:
        if not self.found:
            return []
        found, self.found = [value for value in self.found if value not in self.seen], []
        self.seen.update(found)
        if len(self.seen) > MAXIMUM_IMPORTS:
            raise Malformed(f"more than {MAXIMUM_IMPORTS} different imports")
        return found

    # Arguments

    def _argument(self, opcode: pickletools.OpcodeInfo) -> Any:
        descriptor = opcode.arg
        if descriptor is None:
            return None
        if descriptor.n >= 0:
            raw = self._exactly(descriptor.n)
            return int.from_bytes(raw, "little", signed=opcode.name == "BININT") if opcode.name in NUMBERS else UNKNOWN
        if descriptor.n == pickletools.UP_TO_NEWLINE:
            lines = 2 if opcode.name in {"GLOBAL", "INST"} else 1
            return [self._line() for _ in range(lines)]
        return self._counted(opcode, descriptor.n)

    def _counted(self, opcode: pickletools.OpcodeInfo, kind: int) -> Any:
        width, form = {
            pickletools.TAKEN_FROM_ARGUMENT1: (1, "<B"),
            pickletools.TAKEN_FROM_ARGUMENT4: (4, "<i"),
            pickletools.TAKEN_FROM_ARGUMENT4U: (4, "<I"),
            pickletools.TAKEN_FROM_ARGUMENT8U: (8, "<Q"),
        }[kind]
        (size,) = struct.unpack(form, self._exactly(width))
        if size < 0:
            raise Malformed("a negative length")
        if "UNICODE" in opcode.name or "STRING" in opcode.name:
            return self._text(size)
        if opcode.name == "LONG1" and size <= 8:
            return int.from_bytes(self._exactly(size), "little", signed=True)
        if "BYTE" in opcode.name:
            self._nested(size)
        else:
            self.source.skip(size)
        return UNKNOWN

    def _text(self, size: int) -> Any:
        if size > 4 * LONGEST_STRING:
            self.source.skip(size)
            return UNKNOWN
        try:
            return self._exactly(size).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return UNKNOWN

    def _nested(self, size: int) -> None:
        """Bytes that begin like a pickle are scanned like one: somebody may unpickle them in turn."""
        window = Window(self.source, size)
        if window.peek() == b"\x80" and self.depth < DEEPEST:
            nested: list[Import] = []
            try:
                nested.extend(imports(window, tick=self.tick, depth=self.depth + 1))
            except Malformed:
                # Perhaps bytes that merely began like one: names that can be names stand, noise does not.
                nested = [found for found in nested if PLAUSIBLE.fullmatch(str(found))]
            self.found.extend(nested)
        window.finish()

    def _exactly(self, size: int) -> bytes:
        content = self.source.read(size)
        if len(content) < size:
            raise Malformed("the end is missing")
        return content

    def _line(self) -> str:
        content = bytearray()
        while True:
            byte = self.source.read(1)
            if not byte or len(content) > LONGEST_LINE:
                raise Malformed("a line without an end")
            if byte == b"\n":
                return content.decode("utf-8", "replace")
            content += byte

    # Steps

    def _step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        special = getattr(self, f"_{opcode.name.lower()}", None)
        if special is not None:
            special(argument)
            return
        before = opcode.stack_before
        if pickletools.markobject in before:
            self._to_mark()
            below = before.index(pickletools.markobject)
        else:
            below = len(before)
        for _ in range(below):
            self._pop()
        after = opcode.stack_after
        if len(after) == 1 and below == 0 and argument is not None:
            self.stack.append(_constant(opcode, argument))
        else:
            # What stays (a list that was appended to) is nothing that is followed.
            self.stack.extend([UNKNOWN] * len(after))

    def _pop(self) -> Any:
        if not self.stack:
            raise Malformed("the stack is empty")
        return self.stack.pop()

    def _to_mark(self) -> list[Any]:
        values = []
        while (value := self._pop()) is not MARK:
            values.append(value)
        values.reverse()
        return values

    def _mark(self, _: Any) -> None:
        self.stack.append(MARK)

    def _pop_mark(self, _: Any) -> None:
        self._to_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self._pop())
        self.stack.append(self.stack[-1])

    def _proto(self, _: Any) -> None:
        """Says the protocol; changes nothing."""

    _frame = _proto

    def _import(self, module: Any, name: Any) -> None:
        named = isinstance(module, str) and isinstance(name, str)
        found = Import(module, name) if named else COMPUTED
        self.found.append(found)
        self.stack.append(found)

    def _global(self, argument: Any) -> None:
        self._import(*argument)

    def _stack_global(self, _: Any) -> None:
        name = self._pop()
        self._import(self._pop(), name)

    def _inst(self, argument: Any) -> None:
        self._to_mark()
        self._import(*argument)
        self.stack[-1] = UNKNOWN

    def _ext1(self, _: Any) -> None:
        self.found.append(EXTENSION)
        self.stack.append(UNKNOWN)

    _ext2 = _ext1
    _ext4 = _ext1

    def _none(self, _: Any) -> None:
        self.stack.append(None)

    def _newtrue(self, _: Any) -> None:
        self.stack.append(True)

    def _newfalse(self, _: Any) -> None:
        self.stack.append(False)

    def _empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def _tuple1(self, _: Any) -> None:
        self._make_tuple([self._pop()])

    def _tuple2(self, _: Any) -> None:
        self._make_tuple([self._pop(), self._pop()][::-1])

    def _tuple3(self, _: Any) -> None:
        self._make_tuple([self._pop(), self._pop(), self._pop()][::-1])

    def _tuple(self, _: Any) -> None:
        self._make_tuple(self._to_mark())

    def _make_tuple(self, values: list[Any]) -> None:
        followed = len(values) <= LONGEST_TUPLE and any(value is not UNKNOWN for value in values)
        # Tuples of tuples grow without end when they are doubled; the two that matter hold plain values.
        values = [UNKNOWN if isinstance(value, tuple) else value for value in values]
        self.stack.append(tuple(values) if followed else UNKNOWN)

    def _empty_dict(self, _: Any) -> None:
        on_wrapper = bool(self.stack) and isinstance(self.stack[-1], Made) and self.stack[-1].maker == WRAPPER
        self.stack.append(Stacked() if on_wrapper else UNKNOWN)

    def _setitem(self, _: Any) -> None:
        value, name = self._pop(), self._pop()
        self._fill([name, value])

    def _setitems(self, _: Any) -> None:
        self._fill(self._to_mark())

    def _fill(self, flat: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, Stacked):
            for name, value in zip(flat[::2], flat[1::2], strict=False):
                if isinstance(name, str) and len(target.items) < 32:
                    target.items[name] = value
        self.stack.append(target)

    def _reduce(self, _: Any) -> None:
        arguments, maker = self._pop(), self._pop()
        self._make(maker, arguments)

    _newobj = _reduce

    def _make(self, maker: Any, arguments: Any) -> None:
        self.made += 1
        if maker in FOLLOWED and self.made <= MAXIMUM_MADE:
            self.stack.append(Made(maker, arguments if isinstance(arguments, tuple) else ()))
        else:
            self.stack.append(UNKNOWN)

    def _build(self, _: Any) -> None:
        state, target = self._pop(), self._pop()
        if isinstance(target, Made):
            target.state = state.items if isinstance(state, Stacked) else state
            if target.maker == WRAPPER:
                self._pass_array(target)
                target = UNKNOWN
        self.stack.append(target)

    # Memo

    def _put_at(self, index: int) -> None:
        if not self.stack:
            raise Malformed("the stack is empty")
        value = self.stack[-1]
        if isinstance(value, (str, tuple, int)) and not isinstance(value, bool):
            self.known += 80 + (len(value) * (1 if isinstance(value, str) else 64) if not isinstance(value, int) else 0)
            if self.known > KNOWN_MEMO_BYTES:
                value = UNKNOWN
        if index < len(self.memo):
            self.memo[index] = value
        elif index == len(self.memo):
            self.memo.append(value)
            while len(self.memo) in self.far:
                self.memo.append(self.far.pop(len(self.memo)))
        else:
            self.far[index] = value

    def _get_at(self, index: int) -> None:
        if index < len(self.memo):
            self.stack.append(self.memo[index])
        elif index in self.far:
            self.stack.append(self.far[index])
        else:
            raise Malformed(f"nothing in the memo at {index}")

    def _memoize(self, _: Any) -> None:
        self._put_at(len(self.memo) + len(self.far))

    def _binput(self, argument: Any) -> None:
        self._put_at(argument)

    _long_binput = _binput

    def _put(self, argument: Any) -> None:
        self._put_at(_decimal(argument[0]))

    def _binget(self, argument: Any) -> None:
        self._get_at(argument)

    _long_binget = _binget

    def _get(self, argument: Any) -> None:
        self._get_at(_decimal(argument[0]))

    # joblib

    def _pass_array(self, wrapper: Made) -> None:
        state = wrapper.state if isinstance(wrapper.state, dict) else {}
        dtype = state.get("dtype")
        size, objects = itemsize(dtype.arguments, dtype.state) if isinstance(dtype, Made) else (None, False)
        if objects:
            for found in imports(self.source, tick=self.tick, depth=self.depth + 1):
                self.found.append(found)
            return
        shape = state.get("shape")
        if size is None or not isinstance(shape, tuple) or not all(isinstance(length, int) for length in shape):
            raise Malformed("an array of a kind or size that can't be told")
        for length in shape:
            size *= max(length, 0)
        if state.get("numpy_array_alignment_bytes") is not None:
            self.source.skip(self._exactly(1)[0])
        self.source.skip(size)


def _constant(opcode: pickletools.OpcodeInfo, argument: Any) -> Any:
    """The value of an opcode that pushes its argument, where it is followed."""
    if isinstance(argument, list):  # a line of protocol 0
        text = argument[0]
        if opcode.name == "UNICODE":
            return _short(_unescaped(text))
        if opcode.name == "STRING":
            return _short(_unescaped(text.strip()[1:-1]))
        if opcode.name in {"INT", "LONG"}:
            return int(text.rstrip("L")) if re.fullmatch(r"-?[0-9]{1,18}L?", text) else UNKNOWN
        return UNKNOWN
    if isinstance(argument, str):
        return _short(argument)
    return argument if isinstance(argument, int) else UNKNOWN


def _unescaped(text: str) -> Any:
    """Text with backslashes in it may mean another text: not followed."""
    return UNKNOWN if "\\" in text else text


def _short(text: Any) -> Any:
    return text if isinstance(text, str) and len(text) <= LONGEST_STRING else UNKNOWN


def _decimal(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Malformed("a memo index that is no number")
    return int(text)
