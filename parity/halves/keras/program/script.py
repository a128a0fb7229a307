"""A training script as the reference: it runs as it stands, until it calls `fit`.

The script is `__main__`, with its own command line, in the folder of the program. Its first call of
`fit` becomes a Reference, and returns what `on_fit` returns; later calls are Keras's own.
"""

from __future__ import annotations

import functools
import inspect
import os
import runpy
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import keras

from keras_impl.reference import Reference
from parity.errors import InputError, ParityError
from parity.halves.keras.factories import begin, user_factory
from parity.halves.keras.program.alike import Alike
from parity.halves.keras.program.later_fits import later_fits
from parity.halves.keras.program.saved_model import saved_model
from parity.halves.keras.program.script_seeds import OF_TENSORFLOW, seeded
from parity.programs.check_spec import CheckSpec
from parity.programs.user_modules import set_aside

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
        self._alike = Alike(path.name)
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
        self._alike.begin()
        failed: list[BaseException] = []
        noted: list[str] = []

        def taken(reference: Reference) -> Any:
            self.sets_seed = not set(OF_TENSORFLOW).isdisjoint(noted)
            try:
                with set_aside(self._path.parent):
                    self._alike.check(reference.model)
                    return on_fit(reference)
            except BaseException as error:  # the script may catch it, and must not hide it
                failed.append(error)
                raise

        seeds = seeded(self._seed, keeps_numpy=self._keeps_numpy, noted=noted)
        with self._as_main(), self._taken(taken), seeds:
            try:
                runpy.run_path(str(self._path), run_name="__main__")
            except SystemExit as error:
                if not failed and error.code not in (None, 0):
                    is_number = isinstance(error.code, int)
                    self._end(f"exit code {error.code}" if is_number else str(error.code), error)
            except Exception as error:
                if not failed:
                    self._end(self._told(error), error)
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

    def _told(self, error: Exception) -> str:
        """Returns an error of the script in one line, with what may help."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if Path(f.filename).resolve().is_relative_to(self._path.parent)]
        where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        message = " ".join(str(error).split())
        told = f"{type(error).__name__}: {message}{where}"
        if isinstance(error, ModuleNotFoundError):
            told += f"; install {error.name}" + (
                "" if self.num_fits else ", or import it after `fit`"
            )
        elif isinstance(error, FileNotFoundError):
            told += f"; it runs in {self._folder}"
        return told

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
                if self._is_own(sys.modules[module]):
                    del sys.modules[module]

    def _later_fits(self, frame: FrameType | None) -> dict[str, Any] | None:
        """Returns what the script trains beside the call of `fit` that a frame is in."""
        files: dict[Path, dict[str, Any]] = {}
        for name, module in list(sys.modules.items()):
            if name not in self._others and self._is_own(module):
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

    def _is_own(self, module: Any) -> bool:
        """Whether a module lies beside the script, or below."""
        file = getattr(module, "__file__", None)
        if not file or "site-packages" in Path(file).parts:
            return False
        return Path(file).resolve().is_relative_to(self._path.parent)

    @contextmanager
    def _taken(self, on_fit: OnFit) -> Iterator[None]:
        """Passes the first call of `fit` to a function; notes what trains in another way."""
        owner: Any = next(kind for kind in keras.Model.__mro__ if "fit" in vars(kind))
        builder: Any = next(kind for kind in keras.Model.__mro__ if "compile" in vars(kind))
        own, own_batch, own_compile = owner.fit, owner.train_on_batch, builder.compile
        ended: list[BaseException] = []

        def fit(model: Any, *arguments: Any, **keywords: Any) -> Any:
            if ended:  # the script tries again, or goes on without its first training
                raise ended[0]
            given = inspect.signature(own).bind(model, *arguments, **keywords).arguments
            self.num_fits += 1
            if self.num_fits > 1:
                return own(model, *arguments, **keywords)
            known = {n: v for n, v in given.items() if n not in ("self", "verbose")}
            callbacks = keras.tree.flatten(known.pop("callbacks", None) or [])
            owner.fit = own  # the training is no call of the script
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
            return own_batch(model, *arguments, **keywords)

        @functools.wraps(own_compile)
        def compile_(model: Any, *arguments: Any, **keywords: Any) -> Any:
            kind = next(each for each in type(model).__mro__ if "fit" in vars(each))
            if kind is not owner:
                self._loop = (
                    f"{kind.__name__}.fit, which never calls that of keras.Model; expected "
                    "super().fit(...) in it, and what is special in train_step"
                )
            return own_compile(model, *arguments, **keywords)

        owner.fit, owner.train_on_batch, builder.compile = fit, train_on_batch, compile_
        try:
            yield
        finally:
            owner.fit, owner.train_on_batch, builder.compile = own, own_batch, own_compile


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
