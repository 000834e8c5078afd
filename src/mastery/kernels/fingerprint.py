"""What a compiled kernel is made of, as a hash: its bytecode, and everything outside of it that is compiled in.

Compiling freezes the constants that a kernel names and the kernels that it calls, wherever they are written. numba's
own cache looks only at the file of the kernel itself and would go on using the old code after a change elsewhere. Here
each kernel is followed to all that it reaches, so a change anywhere gives another hash, and a change that no kernel
reaches gives the same one.
"""

from __future__ import annotations

import enum
import hashlib
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, ModuleType
from typing import Any

import numpy as np

FOREIGN = frozenset({"numba", "numpy", "scipy"}) | sys.stdlib_module_names
"""What these packages hold changes with their versions only; every other module is followed by attribute."""


def fingerprint(kernel: Any) -> str:
    """Return 32 hex digits that change with whatever changes the machine code of a kernel (a numba dispatcher).

    Raises:
        TypeError: It names a global whose changes cannot be seen, such as a list or an instance.
    """
    digest = hashlib.sha256()
    seen: set[int] = set()
    waiting = [kernel]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for told in _described(one, waiting):
            digest.update(told.encode())
            digest.update(b"\0")
    return digest.hexdigest()[:32]


def _described(kernel: Any, waiting: list[Any]) -> Iterator[str]:
    """Yield what one kernel says by itself, and put the kernels that it names behind those that wait."""
    function = kernel.py_func
    yield f"{function.__module__}.{function.__qualname__} {sorted(kernel.targetoptions.items())}"
    names: dict[str, None] = {}
    for code in _codes(function.__code__):
        names.update(dict.fromkeys(code.co_names))
        # A docstring is the first constant; it changes nothing that is compiled.
        constants = [one for one in code.co_consts if not isinstance(one, CodeType) and one != function.__doc__]
        yield f"{code.co_code.hex()} {constants!r} {code.co_names} {code.co_varnames} {code.co_freevars}"
    outside = function.__globals__
    where = f"{function.__module__}.{function.__qualname__}"
    for name in names:
        if name in outside:
            yield from _value(outside[name], f"{where}: {name}", names, waiting)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield from _value(cell.cell_contents, f"{where}: {name}", names, waiting)
    for default in function.__defaults__ or ():
        yield from _value(default, f"{where}: a default", names, waiting)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _value(value: Any, where: str, names: dict[str, None], waiting: list[Any]) -> Iterator[str]:
    """Yield a global as text that differs where the value does."""
    if hasattr(value, "py_func"):
        waiting.append(value)
        yield f"{where} calls {value.py_func.__module__}.{value.py_func.__qualname__}"
    elif value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic, np.dtype)):
        yield f"{where} = {type(value).__name__} {value!r}"
    elif isinstance(value, tuple):
        yield f"{where} is {type(value).__name__} {getattr(value, '_fields', ())} of {len(value)}"
        for place, one in enumerate(value):
            yield from _value(one, f"{where}[{place}]", names, waiting)
    elif isinstance(value, np.ndarray):
        yield f"{where} = {value.dtype.str} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    elif isinstance(value, ModuleType):
        yield from _module(value, where, names, waiting)
    elif isinstance(value, type):
        yield f"{where} is {_class(value)}"
    elif isinstance(value, (BuiltinFunctionType, np.ufunc)) or _is_foreign(value):
        yield f"{where} is {getattr(value, '__module__', '')}.{getattr(value, '__name__', value)}"
    else:
        raise TypeError(
            f"{where} is a {type(value).__name__}, whose changes the cache of compiled kernels cannot see; "
            "make it a number, a text, a tuple, an array or another kernel"
        )


def _module(module: ModuleType, where: str, names: dict[str, None], waiting: list[Any]) -> Iterator[str]:
    yield f"{where} is module {module.__name__}"
    if not _is_foreign_name(module.__name__):
        for name in names:
            if hasattr(module, name):
                yield from _value(getattr(module, name), f"{where}.{name}", names, waiting)


def _class(kind: type) -> str:
    """Return a class as text. Of a NamedTuple and an enum the content counts: compiling freezes places and values."""
    fields: Any = getattr(kind, "_fields", ())
    if issubclass(kind, enum.Enum):
        fields = [(one.name, one.value) for one in kind]
    return f"{kind.__module__}.{kind.__qualname__} {fields}"


def _is_foreign(value: Any) -> bool:
    """Whether something callable comes with Python, numpy or numba."""
    return callable(value) and _is_foreign_name(str(getattr(value, "__module__", "")))


def _is_foreign_name(module: str) -> bool:
    return module.partition(".")[0] in FOREIGN


def signature_text(signature: Any) -> str:
    """Return the types of a kernel's arguments as text; of NamedTuples the names of the fields too, in their order.

    numba's own name for a NamedTuple has the types of its fields alone, so that two that are exchanged look the same.
    """
    return ", ".join(_type_text(one) for one in getattr(signature, "args", signature))


def _type_text(kind: Any) -> str:
    fields = getattr(kind, "fields", None)
    if getattr(kind, "instance_class", None) is not None and isinstance(fields, tuple):
        inner = ", ".join(f"{name}: {_type_text(one)}" for name, one in zip(fields, kind, strict=True))
        return f"{kind.instance_class.__module__}.{kind.instance_class.__qualname__}({inner})"
    return str(kind)
