"""Guard: what the files of a package may have. Whatever else stands in one is refused."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from parity.ports.plain import definitions, imports_of_parts, names_of_parts, texts_of_parts
from parity.ports.program import INSIDE
from torch_impl import (
    arrays,
    constraints,
    data_file,
    initializers,
    layers,
    losses,
    metrics,
    optim,
    regularizers,
    schedule,
)
from torch_impl.keras_config.operations import OPERATIONS
from torch_impl.keras_config.rules import NoTwinError
from torch_impl.layers import activations

# --- What a port may use of torch, NumPy and `torch_impl`, by the names of these in its files -----


def _of_torch(path: Sequence[str]) -> bool:
    first, *rest = path
    if first in ("nn", "linalg", "optim", "special", "fft"):
        return not rest or _INSIDE_TORCH[first](rest)
    value = getattr(torch, first, None)
    is_function = (
        hasattr(torch._C._VariableFunctions, first)
        or getattr(value, "__module__", "") == "torch.functional"
    )
    is_known = first in _TORCH or isinstance(value, torch.dtype) or is_function
    return not rest and is_known and not first.startswith("_") and first != "from_file"


_TORCH = {
    *("Tensor", "tensor", "as_tensor", "get_default_dtype", "set_default_dtype"),
    *("manual_seed", "initial_seed", "float"),
}


def _of_nn(path: Sequence[str]) -> bool:
    if path[0] == "init":
        return len(path) == 1 or (len(path) == 2 and path[1].endswith("_"))
    if path[0] == "functional":
        return len(path) == 1 or _of_functional(path[1:])
    value = getattr(nn, path[0], None)
    return (
        len(path) == 1 and isinstance(value, type) and issubclass(value, nn.Module | nn.Parameter)
    )


def _of_functional(path: Sequence[str]) -> bool:
    name = path[0]
    value = getattr(functional, name, None)
    homes = (torch._C._nn, torch._C._VariableFunctions)
    is_python = inspect.isfunction(value) and value.__module__ == functional.__name__
    is_native = inspect.isbuiltin(value) and any(hasattr(home, name) for home in homes)
    return len(path) == 1 and not name.startswith("_") and (is_python or is_native)


def _builtins_of(module: ModuleType) -> Callable[[Sequence[str]], bool]:
    return lambda path: len(path) == 1 and inspect.isbuiltin(getattr(module, path[0], None))


def _public_of(module: ModuleType, home: str) -> Callable[[Sequence[str]], bool]:
    """Returns whether a name is one of the classes of a module, or a function that is public."""
    public = getattr(module, "__all__", ()) if home == "torch_impl" else ()

    def is_known(path: Sequence[str]) -> bool:
        value: Any = getattr(module, path[0], None)
        is_class = isinstance(value, type) and value.__module__.startswith(home)
        return len(path) == 1 and (is_class or path[0] in public)

    return is_known


_INSIDE_TORCH: dict[str, Callable[[Sequence[str]], bool]] = {
    "nn": _of_nn,
    "linalg": _builtins_of(torch.linalg),
    "special": _builtins_of(torch.special),
    "fft": _builtins_of(torch.fft),
    "optim": _public_of(torch.optim, "torch.optim"),
}
# Name of a module -> whether a path in it, of an attribute, may stand in a file.
MODULES: dict[str, Callable[[Sequence[str]], bool]] = {
    "torch": _of_torch,
    "nn": _of_nn,
    "F": _of_functional,
    "np": lambda path: path in (["ndarray"], ["swapaxes"]),
    "math": _builtins_of(math),
    "argparse": lambda path: False,
    "layers": _public_of(layers, "torch_impl"),
    "arrays": _public_of(arrays, "torch_impl"),
    "constraints": _public_of(constraints, "torch_impl"),
    "activations": lambda path: (
        len(path) == 1 and inspect.isfunction(getattr(activations, path[0], None))
    ),
    **{
        module.__name__.rpartition(".")[2]: _public_of(module, "torch_impl")
        for module in (losses, metrics, optim, schedule, initializers, regularizers)
    },
}


# --- Guard: what the files of a package may have. Whatever else stands in one is refused ----------
#
# It comes before the first import. Names and texts of a file are literals or plain names by then.
# This is the second lock: should one of them be code after all, it has no way but to tensors.


_NODES = (
    *(ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Lambda, ast.Return),
    *(ast.Import, ast.ImportFrom, ast.alias, ast.Assign, ast.AnnAssign, ast.For, ast.If, ast.Raise),
    *(ast.Expr, ast.Call, ast.keyword, ast.Starred, ast.Attribute, ast.Name, ast.Constant),
    *(ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Dict, ast.IfExp, ast.BinOp, ast.UnaryOp),
    *(ast.BoolOp, ast.Compare, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.comprehension),
    *(ast.JoinedStr, ast.FormattedValue, ast.expr_context),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
_CALLED = {
    *("float", "len", "range", "zip", "super", "sum", "any", "print", "dict", "isinstance"),
    *("SystemExit", "NotImplementedError", "enumerate"),
}
_NAMED = {*_CALLED, "int", "str", "bool", "list", "tuple", "object", "__name__"}
# What the templates of the writer have, and nothing else may.
_WHOLE = {
    "getattr(torch, given.dtype)",
    "torch.save(port.module.state_dict(), given.out)",
    "torch.save(training.model.state_dict(), given.out)",
    "Path(__file__).with_name('weights.safetensors')",
    "Path(__file__).with_name('reference.parity')",
    "argparse.BooleanOptionalAction",
    "argparse.ArgumentParser",
    "signature(loss).parameters",
    "loss.__name__",
    "super().__init__",
}
_IMPORTED = {
    ("torch", ""),
    ("numpy", ""),
    ("argparse", ""),
    ("math", ""),
    ("warnings", ""),
    ("__future__", "annotations"),
    ("collections", "OrderedDict"),
    *(
        ("collections.abc", name)
        for name in ("Callable", "Iterable", "Iterator", "Mapping", "Sequence")
    ),
    *(("dataclasses", name) for name in ("dataclass", "field")),
    ("inspect", "signature"),
    ("parity", "assert_parity"),
    ("pathlib", "Path"),
    ("safetensors.torch", "load_file"),
    ("torch", "nn"),
    ("torch.nn", "functional"),
    ("typing", "Any"),
    *(("torch_impl", name) for name in ("KerasSeeds", "Port", "Trainer", "arrays", "layers")),
    *(("torch_impl", name) for name in ("losses", "metrics", "optim", "schedule")),
    *(("torch_impl", name) for name in ("initializers", "constraints", "regularizers")),
    *(("torch_impl.arrays", name) for name in ("load_arrays", "load_state")),
    *(("torch_impl.augment", name) for name in ("ImageDataGenerator", "MappedBatches")),
    ("torch_impl.clip", "clip"),
    ("torch_impl.constraints", "constrain"),
    *(("torch_impl.data_file", name) for name in data_file.__all__),
    ("torch_impl.initial_weights", "draw_initial"),
    ("torch_impl.keras_config.operations", "OPERATIONS"),
    ("torch_impl.layers", "activations"),
    ("torch_impl.layouts", "joined_parameters"),
    ("torch_impl.losses.crossentropy", "binary_crossentropy"),
    ("torch_impl.losses.outputs", "takes_weights"),
    ("torch_impl.losses.reduction", "reduce_weighted"),
    *(("torch_impl.masks", name) for name in ("mask_of", "with_mask")),
    ("torch_impl.optim.rounding", "through_float32"),
    *(("torch_impl.penalty", name) for name in ("Penalty", "RegularizedLoss")),
}
_COPIED = ("parts.py", "rules.py", "data_file.py")  # of parts of this project alone
_OF_PACKAGE = ("model", "train", "parts", "rules", "data_file")
# Methods and attributes of what a network and a training have; those of tensors besides.
_METHODS = {
    *("get_parameter", "get_buffer", "get_submodule", "parameters", "state_dict"),
    *("load_state_dict", "register_buffer", "eval", "compute_mask", "module", "model", "loss"),
    *("optimizer", "optimizers", "schedulers", "early_stopping", "metrics", "penalty", "output"),
    *("class_weight", "output_names", "losses", "weights", "terms", "values", "per_sample"),
    *(
        "exclude_from_weight_decay",
        "join_norms",
        "fit",
        "augment",
        "seeds",
        "history",
        "items",
        "startswith",
        "weight",
    ),
    *("add_argument", "parse_args", "data", "seed", "dtype", "epochs", "batch_size", "out"),
    *("validation_split", "shuffle", "from_keras", "value", "bias_ih_l0", "bias_hh_l0", "kind"),
}
_NO_METHODS = {
    *("apply_", "map_", "map2_", "storage", "untyped_storage", "data_ptr", "share_memory_"),
    *("module_load", "set_", "numpy", "reduce_refine_names"),
}


def guard(
    files: Mapping[str, str],
    package: str,
    *,
    own: Collection[str] = (),
    verbatim: Sequence[str] = (),
) -> None:
    """Refuses files that have what no port has.

    Args:
        files: sources by name.
        package: name of the package.
        own: names of the functions and classes that have code of the program's own, which the
            command runs anyway: they are left out. A file of a model has none.
        verbatim: sources of this project; definitions that are the same are left out, too.

    Raises:
        NoTwinError: with a sentence for each file.
    """
    trees: dict[str, ast.Module] = {}
    problems: list[str] = []
    for name, text in files.items():
        hidden = {each for each in text if not each.isprintable()} - {"\n", "\t"}
        if "\r" in hidden or (hidden and not own):
            problems.append(
                f"{name} would have characters that do not show, {sorted(hidden)!r:.40}"
            )
            continue
        try:
            trees[name] = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError) as error:
            problems.append(f"{name} would be no source of Python: {str(error)[:100]!r}")
    known = _Known(trees, package)
    same = texts_of_parts() | {part for text in verbatim for _, part in definitions(text)}
    imports = (frozenset(_IMPORTED), _IMPORTED | imports_of_parts())
    for name, tree in trees.items():
        left = [
            node
            for node, text in definitions(files[name], tree)
            if getattr(node, "name", None) not in own and text not in same
        ]
        walker = _Walker(known, tree, left, imports[name in _COPIED])
        if (found := next(walker.problems(), None)) is not None:
            node, what = found
            line = getattr(node, "lineno", 0)
            problems.append(f"{name}, line {line}, would have {what[:80]!r}, which no port has")
    if problems:
        raise NoTwinError(
            [f"{problem}: a name or a setting of the program is code" for problem in problems],
            "source",
        )


class _Known:
    """What the files of a package have in common.

    Attributes:
        package: its name.
        attributes: of the classes in it.
        defined: names at the outermost level of each module of the package.
    """

    def __init__(self, trees: Mapping[str, ast.Module], package: str) -> None:
        self.package = package
        self.attributes = {
            node.attr
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and getattr(node.value, "id", "") == "self"
        }
        self.defined = {
            name.removesuffix(".py"): {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            | {getattr(node, "name", "") for node in tree.body}
            for name, tree in trees.items()
        }


class _Walker:
    """Walks one file.

    Args:
        known: of the package.
        tree: of the file.
        left: its statements but for those that are left out.
        imports: (module, name in it or "") of what may be imported.
    """

    def __init__(
        self,
        known: _Known,
        tree: ast.Module,
        left: Sequence[ast.stmt],
        imports: Collection[tuple[str, str]],
    ) -> None:
        self._known, self._tree, self._left, self._imports = known, tree, left, imports
        self._bound = {name for node in ast.walk(tree) for name in _bound_by(node)}

    def problems(self) -> Iterator[tuple[ast.AST, str]]:
        """Yields a node, and its source, that nothing allows."""
        twice: set[str] = set()
        for each in self._tree.body:
            for name in _bound_at_top(each):
                if name in twice:
                    yield each, name
                twice.add(name)
        waiting: list[ast.AST] = list(self._left[::-1])
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.expr) and _is_whole(node):
                continue
            if not self._is_allowed(node):
                yield node, ast.unparse(node)
            waiting += list(ast.iter_child_nodes(node))[::-1]

    def _is_allowed(self, node: ast.AST) -> bool:
        if not isinstance(node, _NODES) or any(
            name in vars(builtins) or (name.startswith("__") and name != "__init__")
            for name in _bound_by(node)
        ):
            return False
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            return not (node.decorator_list or getattr(node, "keywords", None))
        if isinstance(node, ast.Import):
            return all((each.name, "") in self._imports for each in node.names)
        if isinstance(node, ast.ImportFrom):
            return node.level == 0 and all(self._is_import(node, each.name) for each in node.names)
        if isinstance(node, ast.Name):
            return node.id in self._bound or node.id in _NAMED
        if isinstance(node, ast.Call):
            return self._is_call(node)
        return self._is_attribute(node) if isinstance(node, ast.Attribute) else True

    def _is_import(self, node: ast.ImportFrom, name: str) -> bool:
        package, _, file = str(node.module).partition(".")
        if package != self._known.package:
            return (str(node.module), name) in self._imports
        if not file:
            return name in _OF_PACKAGE
        return name in self._known.defined.get(file, ())

    def _is_call(self, node: ast.Call) -> bool:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id == "assert_parity":
                return _argument_text(node, "torch").partition(".")[0] == self._known.package
            return function.id in self._bound or function.id in _CALLED
        if isinstance(function, ast.Subscript):
            name = getattr(function.slice, "value", None)
            return getattr(function.value, "id", "") == "OPERATIONS" and name in OPERATIONS
        return isinstance(function, ast.Attribute | ast.Call)

    def _is_attribute(self, node: ast.Attribute) -> bool:
        name = node.attr
        if name.startswith("__") or name in INSIDE:
            return False
        root, path = _dotted(node)
        if root in MODULES:
            return MODULES[root](path)
        if root in ("parts", "rules", "train"):
            is_known = path[0] in names_of_parts() or root == "train"
            return is_known and len(path) == 1
        if root in ("self", "model") and name in self._known.attributes:
            return True
        if name.startswith("_"):
            return False
        return name in _METHODS or (hasattr(torch.Tensor, name) and name not in _NO_METHODS)


def _is_whole(node: ast.expr) -> bool:
    kinds = (ast.Call, ast.Attribute)
    return isinstance(node, kinds) and ast.unparse(node) in _WHOLE


def _argument_text(node: ast.Call, name: str) -> str:
    """Returns the text that a call has as an argument by name."""
    values = [each.value for each in node.keywords if each.arg == name]
    return str(getattr(values[0], "value", "")) if values else ""


def _dotted(node: ast.Attribute) -> tuple[str, list[str]]:
    """Returns the name that an attribute belongs to, and the path; "": it is no name."""
    path = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        path.insert(0, value.attr)
        value = value.value
    return (value.id if isinstance(value, ast.Name) else ""), path


def _bound_by(node: ast.AST) -> list[str]:
    """Returns the names that a node binds."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.alias):
        return [node.asname or node.name.partition(".")[0]]
    is_named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return [node.name] if is_named else []  # type: ignore[attr-defined]


def _bound_at_top(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [name for each in node.names for name in _bound_by(each)]
    return _bound_by(node)
