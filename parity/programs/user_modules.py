"""The modules of the user's: where they are found, and under which names they are loaded.

A process has one module of a name, and a child imports the standard library, both this project and
its frameworks, and files of the user's. Whose a name is, this says:

- What Python or an installed package has a name for, that name means, in every file: the folders of
  the user's are the last ones on the path. So a `random.py` of the user's stands in nobody's way.
- What the user names on the command line is taken from the user's folder, whatever it is called. A
  name that another has gets an underscore: `random.py` is loaded as `random_`. Other names stay as
  they are, by which pickle and the user's other files find a module.
- The newest folder of the user's is searched before the others, and what they have under a name
  that it has, too, is forgotten: two folders may each have a `model.py` and a `blocks.py`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

# Never modules of the user's, wherever they lie.
INSTALLED = ("site-packages", "dist-packages")
OURS = ("parity", "keras_impl", "torch_impl", "keras_torch_parity")
PATHS = "PARITY_PATHS"  # variable of the environment: folders in which a child finds modules, too

_folders: list[str] = []  # of the user's, on the path


def add_paths() -> None:
    """Puts the folders that the parent names on the path, in their order."""
    for path in reversed(os.environ.get(PATHS, "").split(os.pathsep)):
        if path:
            add_folder(Path(path))


def add_folder(folder: Path) -> None:
    """Makes the modules of a folder importable, unless others have their names."""
    path = str(folder)
    if path in sys.path and path not in _folders:
        return  # the user's own choice, as with PYTHONPATH
    loaded = {name: name.partition(".")[0] for name in list(sys.modules)}
    others = [each for each in _folders if each != path]
    here = _names_in(folder)
    clashing = {
        top
        for name, top in loaded.items()
        if top in here
        and _is_below(sys.modules[name], others)
        and (user_file := _user_file(folder, top)) is not None
        and not _is_loaded(top, user_file)
    }
    for name, top in loaded.items():
        if top in clashing:
            del sys.modules[name]
    rest = [each for each in sys.path if each not in _folders]
    sys.path[:] = [*rest, path, *(each for each in sys.path if each in others)]
    if path not in _folders:
        _folders.append(path)


@contextmanager
def set_aside(folder: Path) -> Iterator[None]:
    """Makes a folder the last on the path, and hides what has another's name in it, for a while.

    A training script has its folder first on the path, as Python does it. What is imported by
    others while the script waits is then all the same not its `statistics.py`.
    """
    path, before = str(folder), list(sys.path)
    sys.path[:] = [*(each for each in before if each != path), path]
    hidden = {
        name: module
        for name, module in list(sys.modules.items())
        if _is_below(module, [path]) and _is_anothers_than(name.partition(".")[0], folder)
    }
    for name in hidden:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.modules.update(hidden)
        sys.path[:] = before


def load_file(path: Path) -> ModuleType:
    """Runs a file of the user's as a module; one of a package is imported as such.

    Any error of the file passes through.
    """
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").is_file():  # a module of a package may import its neighbours
        root, names = root.parent, [root.name, *names]
    add_folder(root)
    if len(names) == 1:
        return _run(_name_for(names, path), path)
    user_file = root / names[0] / "__init__.py"
    return _import(user_file, names[:-1] if names[-1] == "__init__" else names)


def load_named(name: str, folder: Path) -> ModuleType:
    """Imports a module that the user names, from a folder of the user's if one of them has it.

    Args:
        name: "package.module".
        folder: that is searched first.

    Raises:
        ModuleNotFoundError: there is none. Any error of the module passes through.
    """
    add_folder(folder)
    names = name.split(".")
    if names[0] not in OURS:
        for each in (folder, *(Path(each) for each in sys.path if each in _folders)):
            if (user_file := _user_file(each, names[0])) is not None:
                return _import(user_file, names)
    return importlib.import_module(name)


def hidden_by(error: ImportError) -> tuple[Path, str] | None:
    """Returns the file of the user's that was perhaps meant where an import failed, or None.

    Returns:
        The file, and whose its name is.
    """
    top = (error.name or "").partition(".")[0]
    for folder in _folders:
        user_file = _user_file(Path(folder), top) if top else None
        if user_file is not None and _is_anothers(top, user_file):
            if top in sys.stdlib_module_names:
                return user_file, "Python"
            return user_file, "keras-torch-parity" if top in OURS else "an installed package"
    return None


def is_of_user(path: Path) -> bool:
    """Whether a file lies below a folder of the user's that was put on the path."""
    return any(path.is_relative_to(each) for each in _folders) and not is_installed(path)


def is_installed(path: Path) -> bool:
    """Whether a file belongs to an installed package."""
    return any(part in INSTALLED for part in path.parts)


def _import(user_file: Path, names: Sequence[str]) -> ModuleType:
    """Imports a module whose first name is that of a file or package of the user's."""
    top = _name_for(names, user_file)
    if not _is_loaded(top, user_file):
        _run(top, user_file)
    return importlib.import_module(".".join([top, *names[1:]]))


def _run(name: str, path: Path) -> ModuleType:
    places = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return sys.modules.get(name, module)  # a module may put another in its own place


def _name_for(names: Sequence[str], user_file: Path) -> str:
    """Returns the name of a module of the user's: its own, with underscores if it is another's."""
    name = names[0]
    if _is_anothers(name, user_file) and not _is_copy(names):
        name += "_"
        root = user_file.parent.parent if user_file.name == "__init__.py" else user_file.parent
        while _is_anothers(name, user_file) or _user_file(root, name):
            name += "_"
    return name


def _is_anothers(name: str, user_file: Path) -> bool:
    """Whether a name means another module than a file of the user's."""
    if name in sys.stdlib_module_names:
        return True
    if name in sys.modules:
        return not _is_loaded(name, user_file)
    return any(Path(origin).resolve() != user_file.resolve() for origin in _origins(name))


def _is_anothers_than(name: str, folder: Path) -> bool:
    """Whether the standard library, or an installed package, has a name that a folder has."""
    if name in sys.stdlib_module_names:
        return True
    return not all(Path(origin).is_relative_to(folder) for origin in _origins(name))


def _is_loaded(name: str, user_file: Path) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and Path(file).resolve() == user_file.resolve()


def _is_copy(names: Sequence[str]) -> bool:
    """Whether an installed package is the user's own: it has the module that the user names.

    The files of the folder then count, and not those that were installed some time ago.
    """
    if len(names) == 1 or names[0] in sys.modules or names[0] in sys.stdlib_module_names:
        return False
    places: list[str] | None = _without_folders()
    for number in range(1, len(names) + 1):
        name = ".".join(names[:number])
        spec = importlib.machinery.PathFinder.find_spec(name, places)
        if spec is None:
            return False
        places = list(spec.submodule_search_locations or ())
    return True


def _origins(name: str) -> Iterator[str]:
    """Yields the file of an installed module of a name, if there is one."""
    for finder in sys.meta_path:
        places = _without_folders() if finder is importlib.machinery.PathFinder else None
        spec = finder.find_spec(name, places)
        if spec is not None and spec.origin is not None:  # no folder without __init__.py
            yield spec.origin
            return


def _without_folders() -> list[str]:
    return [each for each in sys.path if each not in _folders]


def _is_below(module: ModuleType, folders: Sequence[str]) -> bool:
    """Whether a module is a file of the user's in one of some folders."""
    file = getattr(module, "__file__", None)
    starts = tuple(os.path.join(each, "") for each in folders)
    return file is not None and file.startswith(starts) and not is_installed(Path(file))


def _names_in(folder: Path) -> set[str]:
    """Returns the names that modules and packages in a folder may have."""
    try:
        return {entry.removesuffix(".py") for entry in os.listdir(folder)}
    except OSError:
        return set()


def _user_file(folder: Path, name: str) -> Path | None:
    """Returns the file of a module or package that lies in a folder, or None."""
    for path in (folder / name / "__init__.py", folder / f"{name}.py"):
        if path.is_file():
            return path
    return None
