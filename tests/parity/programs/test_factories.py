"""Factories are found by name, from the folder of the call; what is wrong with a name is told."""

import functools
import re
import sys
import types
from pathlib import Path

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.factories import UserFactory, check_reference, load_factory, reference_of

FILES = {
    "shop_nets.py": """
        import shop_parts
        def build(): return shop_parts.SIZE
        def needs(a, b=1, *, c, **d): return a
        def may(a=1, *b, c=2, **d): return a
        def two(a, b): return a - b
        class Nets:
            @staticmethod
            def small(): return 'small'
            def bound(self): return 1
        SIZE = 3
    """,
    "shop_parts.py": "SIZE = 7\n",
    "shop_broken.py": "import a_module_that_is_not_installed\n",
    "shop_wrong.py": "def build(:\n",
    "shop_package/__init__.py": "",
    "shop_package/inner/__init__.py": "",
    "shop_package/sizes.py": "SIZE = 9\n",
    "shop_package/inner/nets.py": "from ..sizes import SIZE\ndef build(): return SIZE\n",
    # Not in the folder of the call.
    "later/shop_nets.py": "def build(): return 'other'\n",
}


@pytest.fixture
def folder(write):
    """Modules of a user's; another folder on the path has one of these names too."""
    folder = write(FILES)
    sys.path.append(str(folder / "later"))
    return folder


@pytest.mark.parametrize(
    ("reference", "given", "value"),
    [
        ("shop_nets:build", (), 7),
        ("shop_nets.py:build", (), 7),
        ("./shop_nets.py:build", (), 7),
        ("shop_nets:Nets.small", (), "small"),
        ("shop_package.inner.nets:build", (), 9),
        ("shop_package/inner/nets.py:build", (), 9),
        ("shop_nets:may", (), 1),
        ("shop_nets:may", (5,), 5),
        ("shop_nets:two", (7, 3), 4),
    ],
)
def test_a_factory_is_found_and_called_with_what_the_project_gives_it(
    folder, reference, given, value
):
    check_reference("--torch", reference, folder)
    assert load_factory("--torch", reference, folder, given)() == value


def test_an_absolute_path_is_found_from_anywhere_and_its_classes_know_their_module(folder):
    found = load_factory("--torch", f"{folder}/shop_nets.py:Nets", folder / "later")
    assert sys.modules[found.__module__].Nets is found


@each_row(
    ("reference", "message"),
    [
        *(
            (reference, r"expected MODULE:FUNCTION or FILE\.py:FUNC")
            for reference in (
                *["", ":", "nets", "nets:", ":build", "nets:a b", "nets:f()", "nets:a..b"],
                *[".nets:build", "a..b:build", "a b:build", "a/b:build", "nets.py:"],
                *["../nets:build", "nets:build:1"],
            )
        ),
        ("nets.py:build", r"there is no file nets\.py"),
    ],
)
def test_what_cannot_name_a_factory_is_refused_at_once(reference, message, tmp_path):
    with pytest.raises(InputError, match=f"--keras {re.escape(reference)}: {message}"):
        check_reference("--keras", reference, tmp_path)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module:build", "there is no module 'no_such_module'; expected one that Python"),
        ("shop_package.outer:build", "there is no module 'shop_package.outer'"),
        ("no_such_file.py:build", "there is no such file"),
        ("shop_nets:bild", "shop_nets has no 'bild'; it has Nets, build, may, needs"),
        ("shop_nets:Nets.large", "shop_nets has no 'Nets.large'; it has bound, small"),
        ("shop_parts:build", "shop_parts has no 'build'; it has nothing"),
        ("shop_nets:SIZE", "expected a function without arguments, got int"),
        ("shop_nets:SIZE.more", "shop_nets has no 'SIZE.more'; it has nothing"),
        ("shop_nets:needs", "expected a function without arguments; it needs a, c"),
        ("shop_nets:two", "expected a function without arguments; it needs a, b"),
        ("shop_nets:Nets.bound", "it needs self"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(folder, reference, message):
    with pytest.raises(InputError, match=f"^--torch .*{message}"):
        load_factory("--torch", reference, folder)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("shop_broken:build", ModuleNotFoundError),
        ("shop_wrong:build", SyntaxError),
        ("shop_wrong.py:build", SyntaxError),
    ],
)
def test_an_error_inside_of_the_module_is_the_users_own(folder, reference, kind):
    with pytest.raises(kind) as error:
        load_factory("--torch", reference, folder)
    assert type(error.value) is kind


def top():
    return 1


class Holder:
    @staticmethod
    def inside():
        return 2


@each_row(
    ("factory", "name"),
    [
        (top, f"{Path(__file__).resolve()}:top"),
        (Holder.inside, f"{Path(__file__).resolve()}:Holder.inside"),
        (None, None),
        ("test_factories:top", "test_factories:top"),
    ],
)
def test_a_function_is_found_again_by_another_process_and_names_stay_what_they_are(factory, name):
    assert reference_of("torch", factory) == name
    if name is not None:
        check_reference("--torch", name)


@each_row(
    "factory",
    [lambda: 1, Holder().inside.__call__, len, (lambda: lambda: 1)(), 7],
    ids=["lambda", "wrapper", "builtin", "inner", "number"],
)
def test_what_another_process_cannot_import_is_refused(factory):
    with pytest.raises(InputError, match="expected a function at the top level of a module"):
        reference_of("keras", factory)


@pytest.fixture
def of_dtype(write):
    """A factory whose modules note the dtype of their import, and a way to change that."""
    files = {
        "shop_state.py": "import shop_now\nDTYPE, DRAWN = shop_now.DTYPE, []\n",
        "shop_top.py": """
            import shop_state
            def build():
                import shop_state as again
                assert again is shop_state
                return shop_state
        """,
    }
    folder, calls = write(files), []
    now = sys.modules["shop_now"] = types.ModuleType("shop_now")
    now.DTYPE = "float64"

    def factory():
        load = functools.partial(load_factory, "--keras", "shop_top.py:build", folder)
        return UserFactory(load, folder, lambda: now.DTYPE, lambda: calls.append(now.DTYPE))

    return factory, now, calls


@pytest.mark.long
def test_a_module_is_imported_once_for_each_dtype_and_found_again(of_dtype):
    make, now, calls = of_dtype
    factory = make()
    first = factory()
    assert (first.DTYPE, factory() is first) == ("float64", True)
    now.DTYPE = "float32"
    other = factory()
    assert (other.DTYPE, other is first) == ("float32", False)
    now.DTYPE = "float64"
    assert factory() is first is sys.modules["shop_state"]
    # Random numbers begin anew before an import and after it.
    assert calls == ["float64", "float64", "float32", "float32"]


@pytest.mark.long
def test_the_second_program_of_a_process_gets_nothing_of_the_first(of_dtype):
    make, now, _ = of_dtype
    make()().DRAWN.append(1)
    now.DTYPE = "float32"
    make()().DRAWN.append(1)
    second = make()()
    assert (second.DTYPE, second.DRAWN) == ("float32", [])
