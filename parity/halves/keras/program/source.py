"""The Keras half of a program: a factory with its data, or a script; what it trains comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_impl.reference import Reference
from parity.data.program_data import program_data
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.factories import begin, building, call_factory, user_factory
from parity.halves.keras.program.executions import one_by_one
from parity.halves.keras.program.script import Script
from parity.halves.keras.program.suited import check_arrays
from parity.programs.program_spec import ProgramSpec


class Source:
    """What a program trains.

    Args:
        spec: of the training.
        dtype: in the place of that of the spec.
        makes_one_step: whether the model makes one step in each call, whatever its
            `steps_per_execution` is, so that steps can be counted.

    Raises:
        InputError: there is no such factory, script or data; from its methods: the data does not
            suit the model.
    """

    def __init__(
        self, spec: ProgramSpec, dtype: str | None = None, *, makes_one_step: bool = False
    ) -> None:
        self._makes_one_step = makes_one_step
        assert spec.keras is not None
        self._spec, self._dtype = spec, dtype or spec.dtype
        self._script: Script | None = None
        if spec.is_script:
            folder = Path(spec.folder).resolve()
            seed = spec.seed if spec.sets_seed else None
            self._script = Script((folder / spec.keras).resolve(), spec.arguments, seed, folder)
        else:
            self._factory = user_factory("keras", spec.keras, spec.folder, spec.seed, spec.given)
            self._data = program_data(spec)

    def reference(self) -> Reference:
        """Returns what would be trained, for a probe. It is a factory, with its data."""
        if self._script is not None:
            return self._with_settings(self._script.reference())
        built = self._factory()
        return self._with_settings(built if isinstance(built, Reference) else Reference(built))

    def train(self, on_fit: Callable[[Reference], Any]) -> None:
        """Begins the program from its seed, and passes what it trains to a function.

        Args:
            on_fit: trains it; returns its History.
        """
        spec = self._spec
        if self._script is None:
            on_fit(call_factory(self.reference, spec.seed, self._dtype))
            return
        versions.clear_session()
        begin(self._dtype)
        keras.utils.set_random_seed(spec.seed)
        with building(self._dtype):
            self._script.run(lambda reference: on_fit(self._with_settings(reference)))

    @property
    def num_fits(self) -> int:
        """How often the script called `fit`; 1 for a factory."""
        return 1 if self._script is None else self._script.num_fits

    @property
    def broke_off(self) -> str | None:
        """The error with which the script ended after its first call of `fit`, or None."""
        return None if self._script is None else self._script.broke_off

    def _with_settings(self, reference: Reference) -> Reference:
        """Fills in the data and the settings of the program."""
        spec = self._spec
        changes: dict[str, Any] = {}
        if reference.x is None:
            if spec.data is None or self._script is not None:
                raise InputError(
                    "the program has no data: expected `data` beside keras and torch, or a "
                    "keras_impl.Reference with x and y"
                )
            changes |= {n: v for n, v in self._data.items() if getattr(reference, n) is None}
        elif spec.data is not None:
            raise InputError(
                f"data={spec.data!r}, and the Keras half has data of its own; expected one of them"
            )
        for name in ("epochs", "batch_size"):
            if getattr(spec, name) is not None:
                changes[name] = getattr(spec, name)
        found = dataclasses.replace(reference, **changes)
        check_arrays(found)
        return one_by_one(found) if self._makes_one_step else found
