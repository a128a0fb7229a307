"""Factories: functions in the user's code, named on the command line, that build one half.

    package.module:function        a module, imported from the folder of the call
    path/to/file.py:function       a file, whether or not its folder is a package

A factory takes no arguments. The half that calls it checks what it returns.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from parity.errors import InputError
from parity.programs.user_modules import (
    OURS,
    add_folder,
    hidden_by,
    is_installed,
    is_of_user,
    load_file,
    load_named,
)

Factory = Callable[[], Any]


def check_reference(option: str, reference: str, folder: str | Path = ".") -> None:
    """Rejects text that cannot name a factory, before a child process is started.

    Args:
        option: the option of the command line, for the message: "--keras".
        reference: "module:function" or "file.py:function".
        folder: paths of files are relative to this folder.

    Raises:
        InputError: it has another form, or names a file that does not exist.
    """
    module, _, name = reference.rpartition(":")
    is_file = module.endswith(".py")
    is_named = all(part.isidentifier() for part in [*name.split("."), *module.split(".")])
    if not (is_named or (is_file and all(part.isidentifier() for part in name.split(".")))):
        raise InputError(
            f"{option} {reference}: expected MODULE:FUNCTION or FILE.py:FUNCTION, such as "
            "mypackage.models:build"
        )
    if is_file and not (Path(folder) / module).is_file():
        raise InputError(f"{option} {reference}: there is no file {module}")


def check_keras(
    reference: str, folder: str | Path, arguments: Sequence[str] = (), option: str = "--keras"
) -> None:
    """Rejects text that names neither a factory nor a training script.

    Args:
        reference: "module:function", "file.py:function" or "train.py".
        folder: paths of files are relative to this folder.
        arguments: command line of the script.
        option: as in `check_reference`.

    Raises:
        InputError: it has another form, names a file that does not exist, or takes no arguments.
    """
    if reference.endswith(".py"):
        if not (Path(folder) / reference).is_file():
            raise InputError(f"{option} {reference}: there is no such file")
        return
    check_reference(option, reference, folder)
    if arguments:
        raise InputError(
            f"arguments={' '.join(arguments)!r} with {option} {reference}: expected a script, such "
            "as train.py, which takes them"
        )


def reference_of(option: str, factory: Factory | str | None) -> str | None:
    """Returns a reference by which a child process can import a function of this process.

    Raises:
        InputError: the function is a lambda, is nested in another function, or was typed at a
            prompt.
    """
    if factory is None or isinstance(factory, str):
        return factory
    name = getattr(factory, "__qualname__", "")
    try:
        path = inspect.getsourcefile(factory)
    except TypeError:
        path = None
    if path is None or not Path(path).is_file() or not name.replace(".", "").isidentifier():
        raise InputError(
            f"{option}={factory!r}: expected a function at the top level of a module, "
            "which another process can import, or its name as MODULE:FUNCTION"
        )
    return f"{Path(path).resolve()}:{name}"


def load_factory(
    option: str, reference: str, folder: str | Path, given: Sequence[Any] = ()
) -> Factory:
    """Imports a factory.

    An error inside the user's module passes through with its traceback.

    Args:
        option: the option of the command line, for messages.
        reference: as in `check_reference`.
        folder: folder in which the command was called; modules and files are searched in it.
        given: what it is called with; a factory of the user's takes no arguments.

    Raises:
        InputError: there is no such module or function, or it cannot be called.
    """
    name, _, path = reference.rpartition(":")
    found = _module(option, name, Path(folder).resolve())
    for part in path.split("."):
        if not hasattr(found, part):
            known = sorted(
                n
                for n in getattr(found, "__dict__", ())
                if not n.startswith("_") and callable(getattr(found, n))
            )
            raise InputError(
                f"{option} {reference}: {name} has no {path!r}; it has "
                f"{', '.join(known) or 'nothing'}"
            )
        found = getattr(found, part)
    if not callable(found):
        raise InputError(
            f"{option} {reference}: expected a function without arguments, got "
            f"{type(found).__name__}"
        )
    if given:
        return partial(found, *given)
    if needed := _needed(found):
        raise InputError(
            f"{option} {reference}: expected a function without arguments; it needs "
            f"{', '.join(needed)}"
        )
    factory: Factory = found
    return factory


class UserFactory:
    """A factory whose modules are imported anew for each dtype in which it builds.

    What stands at the top of a module, such as a loss or a layer, takes the default dtype of its
    framework when the module is imported. It is then the same in each call in one dtype, and does
    not depend on what the process has imported before.

    Args:
        load: imports the modules, as `load_factory` does.
        folder: folder in which the command was called.
        dtype: returns the default dtype of the framework.
        seed: restarts the random numbers; called before and after an import, since modules may
            draw.
    """

    def __init__(
        self,
        load: Callable[[], Factory],
        folder: str | Path,
        dtype: Callable[[], str],
        seed: Callable[[], None],
    ) -> None:
        self._load, self._folder, self._dtype, self._seed = load, folder, dtype, seed
        self._found: dict[str, tuple[Factory, dict[str, ModuleType]]] = {}
        self._now: str | None = None  # the dtype of the modules that the process has

    def __call__(self) -> Any:
        """Returns what the function of the present dtype returns."""
        return self.imported()()

    def imported(self) -> Factory:
        """Returns the function of the present dtype.

        Raises:
            InputError: there is no such module or function, or it cannot be called.
        """
        if (dtype := self._dtype()) != self._now:
            forgotten = forget_modules(self._folder)
            if self._now is not None:
                self._found[self._now] = (self._found[self._now][0], forgotten)
            if dtype in self._found:
                sys.modules.update(self._found[dtype][1])
            else:
                self._seed()
                self._found[dtype] = (self._load(), {})
                self._seed()
            self._now = dtype
        return self._found[dtype][0]


def forget_modules(folder: str | Path) -> dict[str, ModuleType]:
    """Forgets the modules of the user's, so that the next import runs them anew.

    What a program computes then does not depend on what the process has run before.

    Args:
        folder: folder in which the command was called. Installed packages and this project stay.

    Returns:
        What was forgotten, by name.
    """
    root = Path(folder).resolve()
    forgotten = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name.partition(".")[0] in OURS or name == "__main__":
            continue
        path = Path(file)
        if is_of_user(path) or (path.is_relative_to(root) and not is_installed(path)):
            forgotten[name] = sys.modules.pop(name)
    return forgotten


def _needed(function: Factory) -> list[str]:
    """Returns the names of the required arguments of a function."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin may have no known signature
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty and parameter.kind not in optional
    ]


def _module(option: str, name: str, folder: Path) -> Any:
    """Imports the module of a reference from a folder."""
    try:
        if not name.endswith(".py"):
            return load_named(name, folder)
        path = Path(os.path.abspath(folder / name))
        if not path.is_file():
            raise InputError(f"{option} {path}: there is no such file")
        add_folder(folder)  # behind that of the file: a call may be in another one
        return load_file(path)
    except ImportError as error:
        # Only if the module itself is missing; the user installs what it imports.
        is_missing = isinstance(error, ModuleNotFoundError) and not name.endswith(".py")
        if is_missing and f"{name}.".startswith(f"{error.name}."):
            raise InputError(
                f"{option} {name}: there is no module {error.name!r}; expected one that Python can "
                "import from the folder of the call, or FILE.py:FUNCTION"
            ) from error
        if (hidden := hidden_by(error)) is None:
            raise
        raise InputError(
            f"{option} {name}: {error}; {hidden[0]} is not what this name means, since {hidden[1]} "
            "has it: rename the file"
        ) from error
