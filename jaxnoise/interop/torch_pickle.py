"""Interpreter of the pickles in PyTorch's files that calls nothing and imports nothing.

A pickle is a program for a stack machine. That of a state dict needs few of the instructions, and a
few names, which are only symbols here. At anything else the reading ends.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_PICKLE_BYTES = 4 * 2**20
MAX_INSTRUCTIONS = 100_000
"""A tensor takes about 20 of them."""
MAX_VALUES = 100_000
MAX_NESTING = 32

STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
"""Numpy's names of the types of numbers, without byte order."""

_FUNCTIONS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_CONTAINERS = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_NUMBERS_AND_TEXTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OTHERS = (
    "PROTO STOP MARK TUPLE GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET "
    "APPEND APPENDS SETITEM SETITEMS"
)
_ALLOWED = {*_CONSTANTS, *_CONTAINERS, *_NUMBERS_AND_TEXTS, *_SHORT_TUPLES, *_OTHERS.split()}
_INSTRUCTIONS = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}


class Damaged(ValueError):
    """The bytes are not what the format says; the message is half a sentence that says why."""


class NotPlain(ValueError):
    """The file holds something that is no data; the message names it."""


@dataclass(frozen=True)
class Storage:
    """A row of numbers in the archive.

    Attributes:
        kind: numpy's name of their type, one of the values of `STORAGES`.
        key: of the archive's entry.
        length: how many there are.
    """

    kind: str
    key: str
    length: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage as the file states it, not checked.

    Attributes:
        storage: whose numbers it shows.
        offset: where it begins, in numbers.
        shape: of the tensor.
        strides: steps along each axis, in numbers.
    """

    storage: Storage
    offset: Any
    shape: Any
    strides: Any


@dataclass(frozen=True)
class _Symbol:
    name: str


def read_pickle(data: bytes, array: Callable[[Tensor], Any]) -> Any:
    """The value that a pickle describes.

    Args:
        data: the pickle, of protocol 2 as PyTorch writes it.
        array: what a tensor is replaced by.

    Returns:
        Nested dictionaries, lists and tuples of numbers, texts and what `array` returned. Ordered
        dictionaries are plain ones, without their attributes.

    Raises:
        Damaged: the bytes are no pickle, or one beyond the limits of this module.
        NotPlain: it has an instruction or a name that a state dict does not need.
    """
    return _Copy(array).of(_interpret(data), 0)


class _Copy:
    """Copies values, which also finds those that contain themselves or grow by repetition."""

    def __init__(self, array: Callable[[Tensor], Any]):
        self._array = array
        self._values = 0

    def of(self, value: Any, nesting: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise Damaged(f"it holds more than {MAX_VALUES:,} values")
        if nesting > MAX_NESTING:
            raise Damaged(f"its values are nested more than {MAX_NESTING} deep")
        if isinstance(value, dict):
            return {key: self.of(item, nesting + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.of(item, nesting + 1) for item in value)
        if isinstance(value, Tensor):
            return self._array(value)
        if isinstance(value, _Symbol):
            raise NotPlain(value.name)
        if isinstance(value, Storage):
            raise NotPlain("a storage without a tensor")
        return value


def _interpret(data: bytes) -> Any:
    if len(data) > MAX_PICKLE_BYTES:
        raise Damaged(f"its data.pkl has {len(data):,} bytes, more than {MAX_PICKLE_BYTES:,}")
    stream, machine = io.BytesIO(data), _Machine()
    instructions = pickletools.genops(stream)
    for _ in range(MAX_INSTRUCTIONS):
        # An instruction that is not allowed is told from its code: its argument is not decoded.
        name = _INSTRUCTIONS.get(data[stream.tell() : stream.tell() + 1])
        if name is None:
            raise Damaged("its data.pkl is cut off or no pickle")
        if name not in _ALLOWED:
            raise NotPlain(f"the pickle instruction {name}")
        try:
            _, argument, _ = next(instructions)
            if name == "STOP":
                break
            machine.do(name, argument)
        except (Damaged, NotPlain):
            raise
        # A warning is pickletools' about a backslash in a name, where warnings are errors.
        except (ValueError, IndexError, KeyError, StopIteration, Warning) as error:
            raise Damaged("the instructions of its data.pkl make no sense") from error
    else:
        raise Damaged(f"its data.pkl has more than {MAX_INSTRUCTIONS:,} instructions")
    if stream.tell() != len(data):
        raise Damaged("something follows the end of its data.pkl")
    return machine.result()


class _Machine:
    """Stack and memory of a pickle; an IndexError or KeyError where they lack what is asked for."""

    def __init__(self):
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memory: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self._stack) != 1 or self._below:
            raise Damaged("its data.pkl leaves values over")
        return self._stack[0]

    def do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _NUMBERS_AND_TEXTS:
            stack.append(_bounded(argument))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _CONTAINERS:
            stack.append(_CONTAINERS[name]())
        elif name == "MARK":
            self._below.append(stack)
            self._stack = []
        elif name == "TUPLE":
            items = self._above_mark()
            self._stack.append(tuple(items))
        elif name in _SHORT_TUPLES:
            items = [stack.pop() for _ in range(_SHORT_TUPLES[name])]
            stack.append(tuple(reversed(items)))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memory[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memory[argument])
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._above_mark()
            self._filled(list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self._above_mark()
            self._filled(dict).update(_pairs(items))
        elif name == "GLOBAL":
            stack.append(_symbol(argument))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_made(stack.pop(), arguments))
        elif name == "BUILD":
            # Attributes of an ordered dictionary: versions of modules, which nothing here needs.
            if not isinstance(stack.pop(), dict) or not isinstance(stack[-1], dict):
                raise NotPlain("the state of an object")

    def _above_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _filled(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise Damaged(f"its data.pkl puts items into what is no {kind.__name__}")
        return self._stack[-1]


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Damaged("it holds a number of more than 64 bits")
    return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    keys = items[::2]
    if len(items) % 2 or not all(type(key) in (str, int) for key in keys):
        raise Damaged("a dictionary has keys that are neither texts nor whole numbers")
    return dict(zip(keys, items[1::2], strict=True))


def _symbol(argument: str) -> _Symbol:
    name = argument.replace(" ", ".", 1)
    if name not in _FUNCTIONS and name not in STORAGES:
        raise NotPlain(repr(name[:200]))
    return _Symbol(name)


def _storage(place: Any) -> Storage:
    match place:
        case ("storage", _Symbol(name), str(key), str(), int(length)) if name in STORAGES:
            return Storage(STORAGES[name], key, length)
    raise Damaged("it does not state the place of a tensor as PyTorch does")


def _made(symbol: Any, arguments: Any) -> Any:
    """What a call would return."""
    if not isinstance(symbol, _Symbol) or not isinstance(arguments, tuple):
        raise Damaged("its data.pkl calls what is no function")
    match symbol.name, arguments:
        case "collections.OrderedDict", ():
            return {}
        case "torch._utils._rebuild_tensor_v2", (Storage() as own, place, shape, strides, _, _, *_):
            return Tensor(own, place, shape, strides)
        case "torch._utils._rebuild_parameter", (Tensor() as tensor, _, _):
            return tensor
    raise NotPlain(f"a call of {symbol.name}")
