"""Which imports a pickle would make: its opcodes are followed, its objects never made.

An abstract machine runs the opcodes over a stack and a memo of *descriptions*: short strings, numbers, small tuples and
imports are known, everything else is `UNKNOWN`. An import whose name the machine does not know (put together at run
time, say) is reported as such, so a finding can be lost only together with a report that something was not understood.
Memory is bounded by budgets.

It also knows the one thing that general scanners can't follow (fickling 0.1.12 and picklescan 1.0 both stop there):
joblib writes the bytes of each array into the middle of the pickle, right behind its `NumpyArrayWrapper`
(joblib/numpy_pickle.py, `NumpyArrayWrapper.read`).
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deployers.wrapping.array_layout import itemsize
from deployers.wrapping.byte_streams import Input, Malformed, Window
from deployers.wrapping.pickle_opcodes import LONGEST_STRING, OPCODES, UNKNOWN, Opcodes, Unknown

MAXIMUM_STACK = 2_000_000
MAXIMUM_MEMO = 20_000_000
MAXIMUM_IMPORTS = 10_000
MAXIMUM_FOLLOWED = 1_000_000
KNOWN_MEMO_BYTES = 64_000_000
"""Roughly what the strings and tuples in the memo may take; beyond it new ones count as unknown."""

LONGEST_TUPLE = 32
DEEPEST = 3
"""Pickles inside pickles."""

PLAUSIBLE = re.compile(r"[A-Za-z_][\w.]*")
NUMBER = re.compile(r"-?[0-9]{1,18}L?", re.ASCII)
MARK: Final = Unknown()


@dataclass(frozen=True)
class Import:
    """``module`` and ``name`` as the pickle has them; ``name`` may be dotted."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


COMPUTED = Import("", "a name put together while unpickling")
EXTENSION = Import("copyreg", "a number of the extension registry")
WRAPPER = Import("joblib.numpy_pickle", "NumpyArrayWrapper")
FOLLOWED = {Import("numpy", "dtype"), WRAPPER}


@dataclass(eq=False, slots=True)
class Made:
    """An object of the two kinds whose layout matters: a NumPy dtype, or joblib's wrapper of an array."""

    maker: Import
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(eq=False, slots=True)
class State:
    """The state of joblib's wrapper, while it is filled."""

    items: dict[str, Any] = field(default_factory=dict)


def imports(source: Input, *, tick: Callable[[], None], depth: int = 0) -> Iterator[Import]:
    """Every import of the pickle that ``source`` stands at, up to its end, those of nested pickles too; each once.

    ``tick`` is called now and then, and may raise to end the scan. Raises `Malformed` when the bytes are no pickle,
    after the imports up to there were given.
    """
    machine = _Machine(source, tick, depth)
    given = 0
    malformed = None
    while malformed is None and not machine.stopped:
        try:
            machine.run(4096)
        except Malformed as error:
            malformed = error
        tick()
        found = list(machine.found)[given:]
        given += len(found)
        yield from found
    if malformed is not None:
        raise malformed


class _Machine:
    def __init__(self, source: Input, tick: Callable[[], None], depth: int) -> None:
        self.source, self.tick, self.depth = source, tick, depth
        self.opcodes = Opcodes(source, self.nested)
        self.stopped = False
        self.stack: list[Any] = []
        self.memo: list[Any] = []
        self.far: dict[int, Any] = {}
        self.known = self.followed = 0
        self.found: dict[Import, Import] = {}

    def run(self, steps: int) -> None:
        """Follow so many opcodes, or up to the end."""
        following = self.opcodes.next
        for _ in range(steps):
            opcode, argument = following()
            if opcode.name == "STOP":
                self.stopped = True
                return
            special, to_mark, below, after = EFFECTS[opcode.name]
            if special is not None:
                special(self, argument)
                continue
            if to_mark:
                self.to_mark()
            for _ in range(below):
                self.pop()
            if argument is not None:
                self.stack.append(_constant(opcode.name, argument))
            elif after:
                # What stays (a list that was appended to) is nothing that is followed.
                self.stack.extend([UNKNOWN] * after)
        if len(self.stack) > MAXIMUM_STACK or len(self.memo) > MAXIMUM_MEMO or len(self.far) > MAXIMUM_STACK:
            raise Malformed("more on the stack or in the memo than can be followed")

    def report(self, found: Import) -> Import:
        """Note an import; the same one is kept once."""
        if len(self.found) > MAXIMUM_IMPORTS:
            raise Malformed(f"more than {MAXIMUM_IMPORTS} different imports")
        return self.found.setdefault(found, found)

    def nested(self, window: Window) -> None:
        """Bytes that begin like a pickle are scanned like one: somebody may unpickle them in turn."""
        if window.peek() != b"\x80" or self.depth >= DEEPEST:
            return
        nested: list[Import] = []
        try:
            for found in imports(window, tick=self.tick, depth=self.depth + 1):
                nested.append(found)  # noqa: PERF402  (what was found before an error counts)
        except Malformed:
            # Perhaps bytes that merely began like one: names that can be names stand, noise does not.
            nested = [found for found in nested if PLAUSIBLE.fullmatch(str(found))]
        for found in nested:
            self.report(found)

    def pop(self) -> Any:
        if not self.stack:
            raise Malformed("the stack is empty")
        return self.stack.pop()

    def to_mark(self) -> list[Any]:
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is MARK:
                values = stack[index + 1 :]
                del stack[index:]
                return values
        raise Malformed("a mark is missing")

    # Opcodes with a meaning here

    def push_mark(self, _: Any) -> None:
        self.stack.append(MARK)

    def pop_mark(self, _: Any) -> None:
        self.to_mark()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.pop())
        self.stack.append(self.stack[-1])

    def nothing(self, _: Any) -> None:
        """Protocol and frame: framing changes nothing, and the protocol nothing that matters here."""

    def push_import(self, module: Any, name: Any) -> None:
        named = isinstance(module, str) and isinstance(name, str)
        self.stack.append(self.report(Import(module, name) if named else COMPUTED))

    def global_(self, lines: Any) -> None:
        self.push_import(*lines)

    def stack_global(self, _: Any) -> None:
        name = self.pop()
        self.push_import(self.pop(), name)

    def instance(self, lines: Any) -> None:
        self.to_mark()
        self.push_import(*lines)
        self.stack[-1] = UNKNOWN

    def extension(self, _: Any) -> None:
        self.report(EXTENSION)
        self.stack.append(UNKNOWN)

    def none(self, _: Any) -> None:
        self.stack.append(None)

    def tuple_of(self, values: list[Any]) -> None:
        # Tuples of tuples grow without end when they are doubled; those that matter hold plain values.
        followed = len(values) <= LONGEST_TUPLE and any(value is not UNKNOWN for value in values)
        plain = tuple(UNKNOWN if isinstance(value, tuple) else value for value in values) if followed else UNKNOWN
        self.stack.append(plain)

    def tuple_to_mark(self, _: Any) -> None:
        self.tuple_of(self.to_mark())

    def tuple_1(self, _: Any) -> None:
        self.tuple_of([self.pop()])

    def tuple_2(self, _: Any) -> None:
        self.tuple_of([self.pop(), self.pop()][::-1])

    def tuple_3(self, _: Any) -> None:
        self.tuple_of([self.pop(), self.pop(), self.pop()][::-1])

    def empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def empty_dict(self, _: Any) -> None:
        top = self.stack[-1] if self.stack else None
        self.stack.append(State() if isinstance(top, Made) and top.maker == WRAPPER else UNKNOWN)

    def set_item(self, _: Any) -> None:
        self.fill([self.pop(), self.pop()][::-1])

    def set_items(self, _: Any) -> None:
        self.fill(self.to_mark())

    def fill(self, flat: list[Any]) -> None:
        target = self.pop()
        if isinstance(target, State):
            for name, value in zip(flat[::2], flat[1::2], strict=False):
                if isinstance(name, str) and len(target.items) < 32:
                    target.items[name] = value
        self.stack.append(target)

    def make(self, _: Any) -> None:
        arguments, maker = self.pop(), self.pop()
        if maker not in FOLLOWED or self.followed >= MAXIMUM_FOLLOWED:
            self.stack.append(UNKNOWN)
            return
        self.followed += 1
        self.stack.append(Made(maker, arguments if isinstance(arguments, tuple) else ()))

    def build(self, _: Any) -> None:
        state, target = self.pop(), self.pop()
        if isinstance(target, Made):
            target.state = state.items if isinstance(state, State) else state
            if target.maker == WRAPPER:
                self.pass_array(target)
                target = UNKNOWN
        self.stack.append(target)

    # The memo

    def put_at(self, index: int) -> None:
        if not self.stack:
            raise Malformed("the stack is empty")
        value = self.stack[-1]
        if isinstance(value, (str, tuple)):
            self.known += 80 + len(value) * (64 if isinstance(value, tuple) else 1)
            if self.known > KNOWN_MEMO_BYTES:
                value = UNKNOWN
        memo = self.memo
        if index == len(memo):
            memo.append(value)
            while self.far and len(memo) in self.far:
                memo.append(self.far.pop(len(memo)))
        elif index < len(memo):
            memo[index] = value
        else:
            self.far[index] = value

    def get_at(self, index: int) -> None:
        if index < len(self.memo):
            self.stack.append(self.memo[index])
        elif index in self.far:
            self.stack.append(self.far[index])
        else:
            raise Malformed(f"nothing in the memo at {index}")

    def memoize(self, _: Any) -> None:
        self.put_at(len(self.memo) + len(self.far))

    def put_text(self, lines: Any) -> None:
        self.put_at(_index(lines[0]))

    def get_text(self, lines: Any) -> None:
        self.get_at(_index(lines[0]))

    def pass_array(self, wrapper: Made) -> None:
        """Pass over the bytes of the array, which stand right here; an array of objects is a pickle of its own."""
        state = wrapper.state if isinstance(wrapper.state, dict) else {}
        dtype, shape = state.get("dtype"), state.get("shape")
        size, objects = itemsize(dtype.arguments, dtype.state) if isinstance(dtype, Made) else (None, False)
        if objects:
            for found in imports(self.source, tick=self.tick, depth=self.depth + 1):
                self.report(found)
            return
        if size is None or not isinstance(shape, tuple) or not all(isinstance(length, int) for length in shape):
            raise Malformed("an array of a kind or size that can't be told")
        for length in shape:
            size *= max(length, 0)
        if state.get("numpy_array_alignment_bytes") is not None:
            self.source.skip(self.opcodes.exactly(1)[0])
        self.source.skip(size)


def _constant(name: str, argument: Any) -> Any:
    """The value of an opcode that pushes its argument, where it is followed."""
    if isinstance(argument, list):  # a line of protocol 0
        text = argument[0]
        if name in {"UNICODE", "STRING"}:
            text = text.strip()[1:-1] if name == "STRING" else text
            # With a backslash in it, it may mean another text.
            return UNKNOWN if "\\" in text or len(text) > LONGEST_STRING else text
        return int(text.rstrip("L")) if name in {"INT", "LONG"} and NUMBER.fullmatch(text) else UNKNOWN
    return UNKNOWN if isinstance(argument, str) and len(argument) > LONGEST_STRING else argument


def _index(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise Malformed("a memo index that is no number")
    return int(text)


SPECIAL: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine.push_mark, "POP_MARK": _Machine.pop_mark, "DUP": _Machine.duplicate,
    "PROTO": _Machine.nothing, "FRAME": _Machine.nothing,
    "GLOBAL": _Machine.global_, "STACK_GLOBAL": _Machine.stack_global, "INST": _Machine.instance,
    "EXT1": _Machine.extension, "EXT2": _Machine.extension, "EXT4": _Machine.extension,
    "NONE": _Machine.none, "EMPTY_TUPLE": _Machine.empty_tuple, "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": _Machine.tuple_1, "TUPLE2": _Machine.tuple_2, "TUPLE3": _Machine.tuple_3,
    "EMPTY_DICT": _Machine.empty_dict, "SETITEM": _Machine.set_item, "SETITEMS": _Machine.set_items,
    "REDUCE": _Machine.make, "NEWOBJ": _Machine.make, "BUILD": _Machine.build, "MEMOIZE": _Machine.memoize,
    "BINPUT": _Machine.put_at, "LONG_BINPUT": _Machine.put_at, "PUT": _Machine.put_text,
    "BINGET": _Machine.get_at, "LONG_BINGET": _Machine.get_at, "GET": _Machine.get_text,
}  # fmt: skip


def _effect(
    opcode: pickletools.OpcodeInfo,
) -> tuple[Callable[[_Machine, Any], None] | None, bool, int, int]:
    """(what it does here, or: whether it takes all down to the mark, how many below, how many it puts there)."""
    before = opcode.stack_before
    to_mark = pickletools.markobject in before
    below = before.index(pickletools.markobject) if to_mark else len(before)
    return SPECIAL.get(opcode.name), to_mark, below, len(opcode.stack_after)


EFFECTS: Final = {opcode.name: _effect(opcode) for opcode in OPCODES.values()}
