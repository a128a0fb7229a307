"""A training script as the reference: it runs as it stands, until it calls `fit`.

    with_fit(path, arguments, on_fit)

The script is `__main__`, with its own command line. Its first call of `fit` becomes a Reference,
and returns what `on_fit` returns; later calls are Keras's own.
"""

from __future__ import annotations

import inspect
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from keras_impl.harness.factories import Reference
from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import load_factory

OnFit = Callable[[Reference], Any]


class _Enough(BaseException):
    """Ends a script at its call of `fit`; no `except Exception` of the script stops it."""


class Script:
    """A training script.

    Args:
        path: of the file.
        arguments: its command line, without its name.
        seed: what `keras.utils.set_random_seed` gets in the place of the script's own integer;
            None: that integer.
    """

    def __init__(self, path: Path, arguments: Sequence[str] = (), seed: int | None = None) -> None:
        self._path, self._arguments, self._seed = path, list(arguments), seed
        self.num_fits = 0  # calls of `fit` in the last run

    def reference(self) -> Reference:
        """Runs the script up to its first call of `fit`, and returns what that call would train.

        Raises:
            InputError: the script ends without a call of `fit`.
        """
        found: list[Reference] = []

        def stop(reference: Reference) -> Any:
            found.append(reference)
            raise _Enough

        try:
            self.run(stop)
        except _Enough:
            return found[0]
        raise AssertionError("a script without fit is an error of `run`")

    def run(self, on_fit: OnFit) -> None:
        """Runs the script to its end.

        Args:
            on_fit: called with what the first call of `fit` would train; returns its History.

        Raises:
            InputError: the script ends without a call of `fit`.
        """
        self.num_fits = 0
        with self._as_main(), self._taken(on_fit), self._seeded():
            try:
                runpy.run_path(str(self._path), run_name="__main__")
            except SystemExit as error:
                if error.code not in (None, 0):
                    raise InputError(
                        f"{self._path.name} ended with exit code {error.code}; run it by itself"
                    ) from error
        if not self.num_fits:
            raise InputError(
                f"{self._path.name} ended without a call of model.fit; expected a script that "
                "trains a compiled model with it"
            )

    @contextmanager
    def _as_main(self) -> Iterator[None]:
        """Gives the script its command line, and its folder as the first place for imports."""
        before = sys.argv, list(sys.path)
        sys.argv = [str(self._path), *self._arguments]
        sys.path.insert(0, str(self._path.parent))
        try:
            yield
        finally:
            sys.argv, sys.path[:] = before

    @contextmanager
    def _taken(self, on_fit: OnFit) -> Iterator[None]:
        """Passes the first call of `fit` to a function."""
        owner: Any = next(kind for kind in keras.Model.__mro__ if "fit" in vars(kind))
        own = owner.fit

        def fit(model: Any, *arguments: Any, **keywords: Any) -> Any:
            self.num_fits += 1
            if self.num_fits > 1:
                return own(model, *arguments, **keywords)
            given = inspect.signature(own).bind(model, *arguments, **keywords).arguments
            known = {n: v for n, v in given.items() if n not in ("self", "verbose")}
            callbacks = keras.tree.flatten(known.pop("callbacks", None) or [])
            return on_fit(Reference(model, callbacks, **known))

        owner.fit = fit
        try:
            yield
        finally:
            owner.fit = own

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Replaces the seed that the script sets, if another one was asked for."""
        own = keras.utils.set_random_seed
        if self._seed is None:
            yield
            return
        keras.utils.set_random_seed = lambda seed: own(self._seed)
        try:
            yield
        finally:
            keras.utils.set_random_seed = own


def factory_of(spec: CheckSpec) -> Callable[[], Any]:
    """Returns the factory of a reference: that of the user, or what a training script would train.

    Args:
        spec: of a check.

    Raises:
        InputError: there is no such function.
    """
    assert spec.keras is not None
    if spec.is_script:
        return Script((Path(spec.folder) / spec.keras).resolve(), spec.arguments).reference
    return load_factory("--keras", spec.keras, spec.folder)
