"""A training pass, recorded once as operations on memory, and replayed.

Much of a small model's pass is bookkeeping: modules, `torch.func.vmap`'s rules, autograd's engine.
It decides which operations of ATen run on which memory, and for the same shapes it decides the same
again. So the first pass of each shape is recorded below all of it, and later passes call what was
recorded: the same operations in the same order, hence the same bits. Views cost less on a tape: one
is taken directly from the result it is a part of, and those of memory that stays where it is (the
weights of a stack; scratch memory, which a kernel fills) were taken when the tape was made.

A pass that cannot be repeated so runs as it is: one that reads values on the host, whose shapes
depend on values, that writes to what it was given, that leaves an attribute of a module changed, or
that has too many operations. And before a tape is trusted, one more pass is run both ways and has
to give the same bits.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.random import fork_rng
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

LONGEST = 128  # steps of a sequence: beyond, arithmetic costs more, and loops over time fill a tape
MOST_OPERATIONS = 2**12  # on one tape
MOST_SCRATCH = 2**26  # bytes that the tapes of one pass keep
MOST_SHAPES = 8  # that a pass has tapes for

aten = torch.ops.aten
_SCRATCH = {aten.empty.memory_format, aten.empty_like.default, aten.new_empty.default}
_REFUSED = {aten.native_batch_norm.default}  # writes to its inputs, and does not say so
_UNSTEADY = {
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
    torch.Tag.inplace_view,
}
_HOST = {"tolist", "numpy", "__array__", "__dlpack__", "data_ptr"}  # which dispatch nothing
_FUNCTIONS = (
    *("add", "addcmul", "addmm", "baddbmm", "bmm", "cat", "div", "exp", "gather", "mm", "mul"),
    *("neg", "sigmoid", "stack", "sub", "sum", "tanh"),
)
_METHODS = ("add_", "addcmul_", "addmm_", "baddbmm_", "copy_", "mul_", "sigmoid_", "tanh_")
_DIRECT = {f"aten::{name}": getattr(torch, name) for name in _FUNCTIONS}
_DIRECT |= {f"aten::{name}": getattr(Tensor, name) for name in _METHODS}
"""Other names of operations, by which they are reached a microsecond sooner."""

_STAYS = ""  # the base of what has none
Results = tuple[Tensor, ...]


class Tapes:
    """The tapes of one pass, one for each shape of what it is given."""

    def __init__(self, module: nn.Module | None = None, record: bool = True) -> None:
        """module: whose pass it is; record: whether to make tapes of it at all."""
        self.modules = [] if module is None else list(module.modules())
        self.most, self.room = MOST_SHAPES if record else 0, MOST_SCRATCH
        self._tapes: dict[tuple[Any, ...], _Tape | None] = {}

    def run(
        self, plain: Callable[[], Results], given: Sequence[Tensor], weights: Sequence[Tensor] = ()
    ) -> Results:
        """What `plain()` returns, from a tape where there is one.

        given: what the pass reads, each time of any shape. weights: what it reads, always of the
            same shapes. Whatever it reads beside them has to stay where it is in memory.
        """
        shapes = tuple((tensor.shape, tensor.stride(), tensor.dtype) for tensor in given)
        inputs = [*given, *weights]
        if shapes not in self._tapes and len(self._tapes) < self.most:
            self._tapes[shapes], results = self._recorded(plain, inputs)
            return results
        tape = self._tapes.get(shapes)
        if tape is None:
            return plain()
        if tape.trusted:
            return tape.replayed(inputs)
        with fork_rng(devices=[]):
            replayed = tape.replayed(inputs)
        results = plain()
        tape.trusted = all(map(_same_bits, results, replayed))
        if not tape.trusted:
            self._tapes[shapes] = None
        return results

    def _recorded(
        self, plain: Callable[[], Results], inputs: list[Tensor]
    ) -> tuple["_Tape | None", Results]:
        """The tape of a pass, or None where it cannot be repeated; and what it returns."""
        recorder = _Recorder(inputs, self.room)
        before = [vars(module) | module._buffers for module in self.modules]
        with recorder, _HostReads(recorder):
            results = plain()
        if not (recorder.steady and all(map(_unchanged, self.modules, before))):
            return None, results
        self.room = recorder.room
        return recorder.tape(results), tuple(
            result.clone() for result in results
        )  # off the scratch


class _Tape:
    """What was recorded; not `trusted` before it was seen to give what the pass gives."""

    def __init__(self, source: str, constants: dict[str, Any]) -> None:
        exec(source, constants)  # noqa: S102 - the recorder wrote it, of names and numbers
        self.replay: Callable[..., Results] = constants["replay"]
        self.trusted = False

    def replayed(self, inputs: Sequence[Tensor]) -> Results:
        return self.replay(*(tensor.detach() for tensor in inputs))


class _HostReads(TorchFunctionMode):
    """Stops a recording where values reach the host unseen by the dispatcher."""

    def __init__(self, recorder: "_Recorder") -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", None) in _HOST:
            self.recorder.steady = False
        return func(*args, **(kwargs or {}))


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down, as lines of Python, the operations that run below autograd and vmap.

    names: what a line has called a tensor, `t1`, `t2`, …; or, if it is always there, `c1`, `c2`, …
    bases: in whose memory a tensor is: the name of a result or an input, or None, scratch. One
        without a base was there before the pass, and stays where it is.
    moving: names of inputs and views of them, which are elsewhere at each replay.
    room: how many bytes of scratch the tape may keep.
    """

    def __init__(self, inputs: Sequence[Tensor], room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steady, self.room = True, room
        self.operations = self.count = 0
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {"as_strided": torch.as_strided}
        self.functions: dict[Any, str] = {}
        self.names: Any = WeakTensorKeyDictionary()
        self.bases: Any = WeakTensorKeyDictionary()
        self.moving: set[str | None] = set()
        self.inputs = [self._named(tensor, moving=True) for tensor in inputs]

    def tape(self, results: Results) -> _Tape:
        """The tape of a pass with these results."""
        names = [self._lasting(result) for result in results]
        lines = [f"return {', '.join(names)},", *_freed(reversed(self.lines), {*names})]
        body = "".join(f"    {line}\n" for line in reversed(lines))
        return _Tape(f"def replay({', '.join(self.inputs)}):\n{body}", self.constants)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.steady:
            self._write(func, args, kwargs or {}, result)
        return result

    def _write(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        self.operations += 1
        if (
            self.operations > MOST_OPERATIONS
            or func in _REFUSED
            or not _UNSTEADY.isdisjoint(func.tags)
            or not all(self._may_change(each) for each in _written(func, args, kwargs))
        ):
            self.steady = False
        elif func in _SCRATCH:
            self.bases[result] = None
            self.room -= result.untyped_storage().nbytes()
            self.steady = self.room >= 0
        elif func._schema.is_mutable:
            self.lines.append(self._called(func, args, kwargs))
        else:
            self._make(func, args, kwargs, result)

    def _make(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Write down what makes new tensors; or, if these are views, note of what."""
        made = _tensors(result)
        source = next((each for each in _tensors((args, kwargs)) if _share(each, made)), None)
        base = None if source is None else self.bases.get(source, _STAYS)
        moving = base in self.moving
        if source is None or moving or (base and _retyped(source, made)):
            call = self._called(func, args, kwargs)
            several = not isinstance(result, Tensor)
            names = [self._named(each, moving) for each in (result if several else [result])]
            self.lines.append(f"{', '.join(names)}{',' * several} = {call}")
        elif base != _STAYS:
            for each in made:
                self.bases[each] = base

    def _called(self, func: Any, args: Any, kwargs: Any) -> str:
        if func not in self.functions:
            self.functions[func] = self._constant(_DIRECT.get(func._schema.name, func))
        given = [*map(self._text, args), *(f"{k}={self._text(v)}" for k, v in kwargs.items())]
        return f"{self.functions[func]}({', '.join(given)})"

    def _text(self, value: Any) -> str:
        """An argument as a line has it."""
        if isinstance(value, Tensor):
            return self._read(value)
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._text, value))}]"
        if value is None or isinstance(value, bool | int | str):
            return repr(value)
        return self._constant(value)

    def _read(self, tensor: Tensor) -> str:
        """The name of a tensor; a view that has none is taken first."""
        name: str | None = self.names.get(tensor)
        if name is None:
            base = self.bases.get(tensor)
            if base:
                name = self._new_name()
                where = tuple(tensor.shape), tensor.stride(), tensor.storage_offset()
                self.lines.append(f"{name} = as_strided({base}, {', '.join(map(str, where))})")
            else:
                name = self._constant(tensor.detach())
            self.names[tensor] = name
        return name

    def _lasting(self, result: Tensor) -> str:
        """A result in memory of its own, which the next replay does not overwrite."""
        name = self._read(result)
        base = self.bases.get(result)
        if base and base not in self.moving:
            return name
        lasting = self._new_name()
        self.lines.append(f"{lasting} = {name}.clone()")
        return lasting

    def _may_change(self, tensor: Tensor) -> bool:
        """Whether it is the pass's own, so that nothing is left of what is written to it."""
        base = self.bases.get(tensor, _STAYS)
        return base != _STAYS and base not in self.moving

    def _named(self, result: Any, moving: bool) -> str:
        name = self._new_name()
        if isinstance(result, Tensor):
            self.names[result] = self.bases[result] = name
            if moving:
                self.moving.add(name)
        return name

    def _new_name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name


def _freed(lines: Iterable[str], read: set[str]) -> Iterator[str]:
    """The lines, last first, each of which lets go of what no later one reads."""
    for line in lines:
        last = {*re.findall(r"\bt\d+", line)} - read
        yield f"{line}; del {', '.join(sorted(last))}" if last else line
        read |= last


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The arguments that an operation writes to."""
    if not func._schema.is_mutable:
        return []
    arguments = func._schema.arguments
    values = dict(zip((each.name for each in arguments), args, strict=False)) | kwargs
    names = [each.name for each in arguments if each.alias_info and each.alias_info.is_write]
    return _tensors([values.get(name) for name in names])


def _share(tensor: Tensor, made: list[Tensor]) -> bool:
    """Whether what was made is a part of a tensor's memory."""
    return bool(made) and tensor.untyped_storage()._cdata == made[0].untyped_storage()._cdata


def _retyped(source: Tensor, made: list[Tensor]) -> bool:
    """Whether views read their memory in another execution, which shape and strides do not tell."""
    return any(
        (each.dtype, each.is_conj(), each.is_neg())
        != (source.dtype, source.is_conj(), source.is_neg())
        for each in made
    )


def _unchanged(module: nn.Module, before: dict[str, Any]) -> bool:
    """Whether all attributes of a module are the objects that they were."""
    now = vars(module) | module._buffers
    return now.keys() == before.keys() and all(now[name] is before[name] for name in now)


def _same_bits(one: Tensor, other: Tensor) -> bool:
    return torch.equal(*(each.flatten().view(torch.uint8) for each in (one, other)))
