"""A training script as the reference: it runs as it stands, until it calls `fit`."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import inspect
import os
import random
import runpy
import shlex
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.errors import InputError, ParityError
from parity.halves.keras.factories import begin, user_factory
from parity.halves.keras.program.saved_model import saved_model
from parity.programs.check_spec import CheckSpec
from parity.programs.user_modules import set_aside

# --- The seeds that a training script sets, replaced by one ---------------------------------------
#
# A script may set them by `keras.utils.set_random_seed`, `tf.random.set_seed`, `np.random.seed` and
# `random.seed`. What Keras itself seeds, such as `flow(seed=...)` before each batch, stays as it
# is.


_LIBRARIES = ("keras", "tensorflow", "tf_keras")
_SET_ALL = keras.utils.set_random_seed  # that of Python, NumPy and TensorFlow
OF_TENSORFLOW = ("set_random_seed", "set_seed")  # which fix the order of samples, too
_OF_TF_KERAS = "keras._tf_keras.keras.utils"  # what `tf.keras.utils` is


@contextmanager
def seeded(
    seed: int | None, *, keeps_numpy: bool = False, noted: list[str] | None = None
) -> Iterator[None]:
    """Gives every call of the block that sets a seed, in code of the user, the same integer.

    Args:
        seed: the integer; None: every call keeps its own.
        keeps_numpy: whether NumPy gets the user's own integer all the same. Keras draws nothing
            from it, and a script makes its data by it, and numbers from these.
        noted: gets the names of the functions that were called, if there is a seed.
    """
    if seed is None:
        yield
        return
    before = [(owner, name, getattr(owner, name)) for owner, name in _places()]
    for owner, name, original in before:
        if not (keeps_numpy and owner is np.random):
            setattr(owner, name, _replaced(original, seed, keeps_numpy, noted))
    try:
        yield
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)


def _places() -> Iterator[tuple[Any, str]]:
    """Yields the functions that set a seed, as (module, name)."""
    yield keras.utils, "set_random_seed"
    with suppress(ImportError):  # a Keras without it
        yield importlib.import_module(_OF_TF_KERAS), "set_random_seed"
    yield tf.random, "set_seed"
    yield tf.compat.v1, "set_random_seed"
    yield np.random, "seed"
    yield random, "seed"


def _replaced(
    original: Callable[..., Any], seed: int, keeps_numpy: bool, noted: list[str] | None
) -> Callable[..., Any]:
    sets_numpy = original is _SET_ALL

    def set_seed(*arguments: Any, **keywords: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if caller.partition(".")[0] in _LIBRARIES:
            return original(*arguments, **keywords)
        if noted is not None:
            noted.append(original.__name__)
        made = original(seed)
        if keeps_numpy and sets_numpy:
            np.random.seed(*arguments, **keywords)
        return made

    return set_seed


# --- Whether a script builds the same model whenever it begins from the same seeds ----------------
#
# A script runs several times up to `fit`. Where it draws from the clock or the operating system,
# its model is another one each time, and what the probes find would be taken for a fault of the
# port.


class ModelComparison:
    """Compares the models of the runs of a script that begin alike.

    Args:
        name: of the script, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._start_digest: str = ""
        self._models: dict[str, dict[str, str]] = {}

    def begin(self) -> None:
        """Before a run: notes the states of the generators that a seed sets."""
        states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        self._start_digest = hashlib.sha256(repr(states).encode()).hexdigest()

    def check(self, model: Any) -> None:
        """At `fit`: compares the model with that of the first run that has begun alike.

        Raises:
            InputError: it is another one.
        """
        found = _parts(model)
        first = self._models.setdefault(self._start_digest, found)
        names = dict.fromkeys((*first, *found))
        other = next((name for name in names if first.get(name) != found.get(name)), None)
        if other is not None:
            raise InputError(
                f"{self._name} builds another model each time it runs: {other} differs between two "
                "runs from the same seed; expected a script that draws all random numbers of its "
                "model from a seed (keras.utils.set_random_seed), not from the clock or the system"
            )


def _parts(model: Any) -> dict[str, str]:
    """Returns what makes a model, before it is trained: name -> digest or value."""
    found = {}
    if getattr(model, "built", False):
        for weight in model.weights:
            array = np.ascontiguousarray(np.asarray(weight))
            digest = hashlib.sha256(array.tobytes()).hexdigest()
            name = getattr(weight, "path", weight.name)
            found[f"the weight {name}"] = f"{array.shape} {digest}"
    optimizer = getattr(model, "optimizer", None)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        for name, value in _plain_settings(optimizer).items():
            found[f"{name} of the optimizer"] = repr(value)
    return found


def _plain_settings(optimizer: Any) -> Mapping[str, Any]:
    """Returns the settings of an optimizer that are plain values; none if it tells none."""
    try:
        config = optimizer.get_config()
    except Exception:  # of a class of the user's own
        return {}
    plain = (bool, int, float, str, type(None))
    return {name: value for name, value in config.items() if isinstance(value, plain)}


# --------------------------------------------------------------------------------------------------
#
# The calls of `fit` that a training script has beside its first one, which is the one taken.
#
# The frames of the first call go in; facts, ready for JSON, come out. They are read from the
# source: what follows the first call may take hours, or write over files, and is not run.


_LONGEST = 100  # characters of a line of the script that is told
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)
_UNKNOWN = object()


def later_fits(
    frames: Sequence[FrameType], files: Mapping[Path, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Returns what a script trains after its first call of `fit`, as far as its source tells.

    Args:
        frames: that lead to the first call, the outermost first, each in one of the files.
        files: of the script, with the names of the module that each is.

    Returns:
        None if that call is the only one. Else "first", "loops" and "calls": places of the first
        call, of loops around it, and of others that may follow it. A place is "file", "line" and
        "text"; a call has "changes", too: places where the script compiles, freezes or unfreezes
        between the call and the one before.
    """
    sources = {path: _Source(path, names) for path, names in files.items()}
    frame_calls = [found for frame in frames if (found := _frame_call(frame, sources)) is not None]
    if not frame_calls:
        return None
    # `super().fit` may be another.
    fits = [each for each in frame_calls if _called(each[1]) == "fit"]
    first_source, first, _ = (fits or frame_calls)[0]
    loops = [
        source.place(loop, source.head(loop))
        for source, call, _ in reversed(frame_calls)
        if (loop := source.loop_of(call)) is not None
    ]
    names = set(_names_of(frames))
    known = {id(call) for _, call, _ in frame_calls}
    calls = [
        (source, call)
        for source in sources.values()
        for call in source.calls(names)
        if id(call) not in known and _may_follow(source, call, frame_calls, sources)
    ]
    if not calls and not loops:
        return None
    before = [(source, call) for source, call, _ in frame_calls] + calls
    return {
        "first": first_source.place(first),
        "loops": loops,
        "calls": [
            source.place(call) | {"changes": source.changes(call, before)} for source, call in calls
        ],
    }


_FrameCall = tuple["_Source", ast.Call, FrameType]


class _Source:
    """A file of the script."""

    def __init__(self, path: Path, names: Mapping[str, Any]) -> None:
        self.name, self.names = path.name, names
        with tokenize.open(path) as file:
            self._text = file.read()
        self._tree = ast.parse(self._text)
        self._parents = {
            id(child): node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)
        }

    def call_ending(self, line: int, column: int) -> ast.Call | None:
        """Returns the call that ends at a place."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (node.end_lineno, node.end_col_offset) == (
                line,
                column,
            ):
                return node
        return None

    def calls(self, names: set[str]) -> Iterator[ast.Call]:
        """Yields the calls of methods `fit`, and of functions and methods with some names."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (_called(node) in names or _is_fit(node)):
                yield node

    def around(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Yields what holds a node up to its function, the innermost first, and what it holds."""
        inner = node
        while (outer := self._parents.get(id(inner))) is not None:
            yield outer, inner
            if isinstance(outer, _SCOPES):
                return
            inner = outer

    def scope_of(self, node: ast.AST) -> ast.AST:
        """Returns the function, or the module, in which a node stands."""
        return next((outer for outer, _ in self.around(node) if isinstance(outer, _SCOPES)), node)

    def loop_of(self, node: ast.AST) -> ast.AST | None:
        """Returns the innermost loop that repeats a node."""
        for outer, inner in self.around(node):
            if isinstance(outer, _LOOPS) and not _is_once(outer, inner):
                return outer
        return None

    def head(self, loop: ast.AST) -> str:
        """Returns the source of a loop without what it repeats."""
        if isinstance(loop, ast.For | ast.AsyncFor):
            return f"for {self._segment(loop.target)} in {self._segment(loop.iter)}"
        if isinstance(loop, ast.While):
            return f"while {self._segment(loop.test)}"
        return self._segment(loop)

    def is_used(self, scope: ast.AST) -> bool:
        """Whether the file has the name of a function in another place than its definition."""
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) or scope.decorator_list:
            return True
        return any(_name(node) == scope.name for node in ast.walk(self._tree))

    def is_method(self, scope: ast.AST) -> bool:
        """Whether a function is a method, which Keras may call: nothing shows that it is not."""
        return isinstance(self._parents.get(id(scope)), ast.ClassDef)

    def assigned(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yields what the file assigns to a name or an attribute."""
        target = ast.unparse(node)
        for each in ast.walk(self._tree):
            if isinstance(each, ast.Assign) and target in map(ast.unparse, each.targets):
                yield each.value

    def changes(self, call: ast.Call, calls: Sequence[tuple[_Source, ast.Call]]) -> list[Any]:
        """Returns places of `compile` and `trainable` before a call, behind the call before."""
        scope = self.scope_of(call)
        starts = [_begin(each) for source, each in calls if source is self]
        starts = [each for each in starts if each < _begin(call)]
        start = max(starts, default=(0, 0)) if isinstance(scope, ast.Module) else _begin(scope)
        inside = [_begin(e) for s, e in calls if s is self and self.scope_of(e) is scope]
        start = max([start, *(each for each in inside if each < _begin(call))])
        return [
            self.place(node)
            for node in ast.walk(scope)
            if _is_change(node)
            and self.scope_of(node) is scope
            and start < _begin(node) < _begin(call)
        ]

    def place(self, node: ast.AST, text: str | None = None) -> dict[str, Any]:
        """Returns where a node stands, with its source in one line."""
        line = " ".join((self._segment(node) if text is None else text).split())
        line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
        return {"file": self.name, "line": _begin(node)[0], "text": line}

    def _segment(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._text, node) or ""


def _frame_call(frame: FrameType, sources: Mapping[Path, _Source]) -> _FrameCall | None:
    """Returns the call that a frame is in."""
    source = sources.get(Path(frame.f_code.co_filename).resolve())
    if source is None:
        return None
    _, line, _, column = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    if line is None or column is None:
        return None
    call = source.call_ending(line, column)
    return None if call is None else (source, call, frame)


def _names_of(frames: Sequence[FrameType]) -> Iterator[str]:
    """Yields the names of functions of the script that led to the first call."""
    for frame in frames[1:]:
        name = frame.f_code.co_name
        if name.isidentifier() and not name.startswith("__"):
            yield name


def _may_follow(
    source: _Source,
    call: ast.Call,
    frame_calls: Sequence[_FrameCall],
    sources: Mapping[Path, _Source],
) -> bool:
    """Whether a call may train a model after the first one."""
    scope = source.scope_of(call)
    names = dict(source.names)
    for other, first, frame in frame_calls:
        if other is source and other.scope_of(first) is scope:
            names |= frame.f_locals
            if _is_before(source, call, first):
                return False
    if _is_fit(call) and not _may_train(source, call, names):
        return False
    return source.is_method(scope) or any(each.is_used(scope) for each in sources.values())


def _is_before(source: _Source, call: ast.Call, first: ast.Call) -> bool:
    """Whether a call of the same function stands before the first one, or in another branch."""
    around = {id(outer): (outer, inner) for outer, inner in source.around(first)}
    branches = False
    for outer, inner in source.around(call):
        if id(outer) not in around:
            continue
        if isinstance(outer, _LOOPS):
            return False
        other = around[id(outer)][1]
        if isinstance(outer, ast.If) and (_in(inner, outer.body) != _in(other, outer.body)):
            branches = True
    return branches or _begin(call) < _begin(first)


def _may_train(source: _Source, call: ast.Call, names: Mapping[str, Any]) -> bool:
    """Whether what a call of `fit` belongs to may be a Keras model, and no scaler or the like."""
    assert isinstance(call.func, ast.Attribute)
    owner = call.func.value
    value = _value(owner, names)
    if value is not _UNKNOWN and hasattr(type(value), "fit"):
        return isinstance(value, keras.Model)
    made = [owner, *source.assigned(owner)]
    kinds = [_value(each.func, names) for each in made if isinstance(each, ast.Call)]
    classes = [kind for kind in kinds if isinstance(kind, type)]
    return not classes or any(issubclass(kind, keras.Model | super) for kind in classes)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Returns what a name or an attribute is, if no code has to be run for that."""
    if isinstance(node, ast.Name):
        builtin = super if node.id == "super" else _UNKNOWN
        return names.get(node.id, builtin)
    if isinstance(node, ast.Attribute):
        base = _value(node.value, names)
        return getattr(base, "__dict__", {}).get(node.attr, _UNKNOWN)
    return _UNKNOWN


def _is_change(node: ast.AST) -> bool:
    """Whether a node compiles a model, or says what is trained."""
    if isinstance(node, ast.Assign):
        targets = node.targets
        return any(isinstance(e, ast.Attribute) and e.attr == "trainable" for e in targets)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "compile" and ast.unparse(node.func) != "re.compile"


def _is_once(loop: ast.AST, inner: ast.AST) -> bool:
    """Whether what a loop holds is no part of what it repeats."""
    if isinstance(loop, ast.For | ast.AsyncFor):
        return not _in(inner, loop.body)
    return isinstance(loop, ast.While) and _in(inner, loop.orelse)


def _in(node: ast.AST, nodes: Sequence[ast.AST]) -> bool:
    return any(each is node for each in nodes)


def _is_fit(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "fit"


def _called(node: ast.Call) -> str:
    """Returns the name of the function or method that is called."""
    return _name(node.func)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _begin(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


# --- A training script as the reference: it runs as it stands, until it calls `fit` ---------------
#
# The script is `__main__`, with its own command line, in the folder of the program. Its first call
# of `fit` becomes a Reference, and returns what `on_fit` returns; later calls are Keras's own.


OnFit = Callable[[Reference], Any]


class Enough(BaseException):
    """Ends a script at its call of `fit`; the script may catch it, and trains nothing any more."""


class Script:
    """A training script.

    Args:
        path: of the file.
        arguments: its command line, without its name.
        seed: what every call of the script that sets a seed gets in the place of its own integer;
            None: that integer.
        folder: in which it runs; None: that of the file.
        keeps_numpy: whether what the script draws by NumPy begins with its own integer all the
            same.

    Attributes:
        num_fits: calls of `fit` in the last run.
        broke_off: the error with which the last run ended after its first call of `fit`, or None.
        later: of the last `reference`, what the script trains beside it: see `later_fits`.
        sets_seed: whether the script, up to its first call of `fit`, has set the seed of
            TensorFlow: then `fit` has the samples in one order, else in another in each epoch.
    """

    def __init__(
        self,
        path: Path,
        arguments: Sequence[str] = (),
        seed: int | None = None,
        folder: Path | None = None,
        *,
        keeps_numpy: bool = False,
    ) -> None:
        self._path, self._arguments, self._seed = path, list(arguments), seed
        self._keeps_numpy = keeps_numpy
        self._folder = path.parent if folder is None else folder
        self._comparison = ModelComparison(path.name)
        self._loop: str | None = None  # how the script trains without calling `fit`
        self.num_fits = 0
        self.broke_off: str | None = None
        self.later: dict[str, Any] | None = None
        self.sets_seed = False
        self._others: set[str] = set()  # modules that the script has not imported

    def __call__(self) -> Reference:
        """Returns `reference()`: a script is a factory."""
        return self.reference()

    def reference(self) -> Reference:
        """Runs the script up to its first call of `fit`, and returns what that call would train.

        Raises:
            InputError: the script ends without a call of `fit`.
        """
        found: list[Reference] = []

        def stop(reference: Reference) -> Any:
            self.later = self._later_fits(sys._getframe())
            found.append(reference)
            raise Enough

        try:
            self.run(stop)
        except Enough:
            return found[0]
        raise AssertionError("a script without fit is an error of `run`")

    def run(self, on_fit: OnFit) -> None:
        """Runs the script to its end.

        Args:
            on_fit: called with what the first call of `fit` would train; returns its History.

        Raises:
            InputError: the script ends, or breaks off, without a call of `fit`; or its model is
                another one than in an earlier run from the same seed.
        """
        self.num_fits, self.broke_off, self._loop = 0, None, None
        self._comparison.begin()
        failed: list[BaseException] = []
        noted: list[str] = []

        def on_first_fit(reference: Reference) -> Any:
            self.sets_seed = not set(OF_TENSORFLOW).isdisjoint(noted)
            try:
                with set_aside(self._path.parent):
                    self._comparison.check(reference.model)
                    return on_fit(reference)
            except BaseException as error:  # the script may catch it, and must not hide it
                failed.append(error)
                raise

        seeds = seeded(self._seed, keeps_numpy=self._keeps_numpy, noted=noted)
        with self._as_main(), self._intercepted(on_first_fit), seeds:
            try:
                runpy.run_path(str(self._path), run_name="__main__")
            except SystemExit as error:
                if not failed and error.code not in (None, 0):
                    is_number = isinstance(error.code, int)
                    self._end(f"exit code {error.code}" if is_number else str(error.code), error)
            except Exception as error:
                if not failed:
                    self._end(self._error_line(error), error)
        if failed:
            raise failed[0]
        if not self.num_fits:
            raise InputError(self._without_fit())

    def _end(self, how: str, error: BaseException) -> None:
        """Keeps how a script broke off after `fit`; without a call of `fit` it is an error."""
        if not isinstance(error, SystemExit | ParityError):
            traceback.print_exception(error)  # for the log
        if not self.num_fits:
            if isinstance(error, SystemExit):
                line = shlex.join(self._arguments)
                how += f"; its command line was '{line}' (arguments of the program)"
            if isinstance(error, ParityError):
                raise error
            raise InputError(f"{self._path.name} has not come to model.fit: {how}") from error
        self.broke_off = how

    def _error_line(self, error: Exception) -> str:
        """Returns an error of the script in one line, with what may help."""
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f for f in frames if Path(f.filename).resolve().is_relative_to(self._path.parent)]
        where = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
        message = " ".join(str(error).split())
        text = f"{type(error).__name__}: {message}{where}"
        if isinstance(error, ModuleNotFoundError):
            text += f"; install {error.name}" + (
                "" if self.num_fits else ", or import it after `fit`"
            )
        elif isinstance(error, FileNotFoundError):
            text += f"; it runs in {self._folder}"
        return text

    def _without_fit(self) -> str:
        """Returns why there is nothing to compare in a script that has ended."""
        name = self._path.name
        if self._loop is not None:
            return f"{name} trains with {self._loop}"
        return (
            f"{name} ended without a call of model.fit; expected a script that trains a compiled "
            "model with it (a loop of its own over gradients cannot be compared)"
        )

    @contextmanager
    def _as_main(self) -> Iterator[None]:
        """Gives the script its command line, its folders, and modules that are imported anew."""
        before = sys.argv, list(sys.path), Path.cwd()
        self._others = set(sys.modules)
        sys.argv = [str(self._path), *self._arguments]
        sys.path.insert(0, str(self._path.parent))
        os.environ.setdefault("MPLBACKEND", "Agg")  # a window would wait for somebody to close it
        os.chdir(self._folder)
        try:
            yield
        finally:
            sys.argv, sys.path[:] = before[:2]
            os.chdir(before[2])
            # What a module draws while it is imported, it has to draw in the next run too.
            for module in set(sys.modules) - self._others:
                if self._is_of_script(sys.modules[module]):
                    del sys.modules[module]

    def _later_fits(self, frame: FrameType | None) -> dict[str, Any] | None:
        """Returns what the script trains beside the call of `fit` that a frame is in."""
        files: dict[Path, dict[str, Any]] = {}
        for name, module in list(sys.modules.items()):
            if name not in self._others and self._is_of_script(module):
                path = Path(str(module.__file__)).resolve()
                files |= {path: vars(module)} if path.suffix == ".py" else {}
        frames = []
        while frame is not None:
            file = Path(frame.f_code.co_filename).resolve()
            if file == self._path.resolve():
                files[file] = frame.f_globals
            if file in files:
                frames.append(frame)
            frame = frame.f_back
        return later_fits(frames[::-1], files)

    def _is_of_script(self, module: Any) -> bool:
        """Whether a module lies beside the script, or below."""
        file = getattr(module, "__file__", None)
        if not file or "site-packages" in Path(file).parts:
            return False
        return Path(file).resolve().is_relative_to(self._path.parent)

    @contextmanager
    def _intercepted(self, on_fit: OnFit) -> Iterator[None]:
        """Passes the first call of `fit` to a function; notes what trains in another way."""
        owner: Any = next(kind for kind in keras.Model.__mro__ if "fit" in vars(kind))
        builder: Any = next(kind for kind in keras.Model.__mro__ if "compile" in vars(kind))
        keras_fit, keras_batch, keras_compile = (owner.fit, owner.train_on_batch, builder.compile)
        ended: list[BaseException] = []

        def fit(model: Any, *arguments: Any, **keywords: Any) -> Any:
            if ended:  # the script tries again, or goes on without its first training
                raise ended[0]
            given = inspect.signature(keras_fit).bind(model, *arguments, **keywords).arguments
            self.num_fits += 1
            if self.num_fits > 1:
                return keras_fit(model, *arguments, **keywords)
            known = {n: v for n, v in given.items() if n not in ("self", "verbose")}
            callbacks = keras.tree.flatten(known.pop("callbacks", None) or [])
            owner.fit = keras_fit  # the training is no call of the script
            try:
                return on_fit(Reference(model, callbacks, **known))
            except BaseException as error:
                ended.append(error)
                raise
            finally:
                owner.fit = fit

        def train_on_batch(model: Any, *arguments: Any, **keywords: Any) -> Any:
            self._loop = (
                "train_on_batch and never calls model.fit; expected model.fit: yield the batches "
                "of the loop from a generator, and call model.fit(batches(), steps_per_epoch=..., "
                "epochs=...)"
            )
            return keras_batch(model, *arguments, **keywords)

        @functools.wraps(keras_compile)
        def compile_(model: Any, *arguments: Any, **keywords: Any) -> Any:
            kind = next(each for each in type(model).__mro__ if "fit" in vars(each))
            if kind is not owner:
                self._loop = (
                    f"{kind.__name__}.fit, which never calls that of keras.Model; expected "
                    "super().fit(...) in it, and what is special in train_step"
                )
            return keras_compile(model, *arguments, **keywords)

        owner.fit, owner.train_on_batch, builder.compile = fit, train_on_batch, compile_
        try:
            yield
        finally:
            owner.fit, owner.train_on_batch, builder.compile = (
                keras_fit,
                keras_batch,
                keras_compile,
            )


def factory_of(spec: CheckSpec) -> Callable[[], Any]:
    """Returns the factory of a reference: that of the user, or what a script or a file has.

    Args:
        spec: of a check.

    Raises:
        InputError: there is no such function.
    """
    assert spec.keras is not None
    if spec.is_script:
        folder = Path(spec.folder).resolve()
        seed = spec.seed if spec.described else None  # whose draws are looked for
        path = (folder / spec.keras).resolve()
        return Script(path, spec.arguments, seed, folder, keeps_numpy=spec.described)
    if spec.is_model_file:
        return saved_model(Path(spec.folder) / spec.keras)
    begin("float64")
    factory = user_factory("--keras", spec.keras, spec.folder, spec.seed)
    factory.imported()  # its errors come first
    return factory
