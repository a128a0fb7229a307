"""Factories are found by name, from the folder of the call; what is wrong with a name is told."""

import functools
import sys
import types
from pathlib import Path

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.factories import UserFactory, check_reference, load_factory, reference_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Modules of a user's; the search path and the modules are left as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "shop_nets.py").write_text(
        "import shop_parts\n"
        "def build(): return shop_parts.SIZE\n"
        "def needs(a, b=1, *, c, **d): return a\n"
        "def may(a=1, *b, c=2, **d): return a\n"
        "def two(a, b): return a - b\n"
        "class Nets:\n"
        "    @staticmethod\n"
        "    def small(): return 'small'\n"
        "    def bound(self): return 1\n"
        "SIZE = 3\n"
    )
    (tmp_path / "shop_parts.py").write_text("SIZE = 7\n")
    (tmp_path / "shop_broken.py").write_text("import a_module_that_is_not_installed\n")
    (tmp_path / "shop_wrong.py").write_text("def build(:\n")
    package = tmp_path / "shop_package" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package.parent / "sizes.py").write_text("SIZE = 9\n")
    (package / "nets.py").write_text("from ..sizes import SIZE\ndef build(): return SIZE\n")
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("shop_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("shop_nets:build", 7),
        ("shop_nets.py:build", 7),
        ("./shop_nets.py:build", 7),
        ("shop_nets:Nets.small", "small"),
        ("shop_package.inner.nets:build", 9),
        ("shop_package/inner/nets.py:build", 9),
        ("shop_nets:may", 1),
    ],
    ids=["module", "file", "path", "in_a_class", "package", "file_of_a_package", "optional"],
)
def test_a_factory_is_found(folder, reference, value):
    check_reference("--torch", reference, folder)
    assert load_factory("--torch", reference, folder)() == value


def test_an_absolute_path_is_found_from_anywhere(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    assert load_factory("--keras", f"{folder / 'shop_nets.py'}:build", other)() == 7


def test_classes_of_a_file_know_their_module(folder):
    found = load_factory("--torch", "shop_nets.py:Nets", folder)
    assert sys.modules[found.__module__].Nets is found


@pytest.mark.parametrize(
    "reference",
    [
        *["", ":", "nets", "nets:", ":build", "nets:a b", "nets:f()", "nets:a..b", ".nets:build"],
        *["a..b:build", "a b:build", "a/b:build", "nets.py:", "../nets:build", "nets:build:1"],
    ],
    ids=repr,
)
def test_what_cannot_name_a_factory_is_refused_at_once(reference, tmp_path):
    with pytest.raises(InputError, match=r"--keras .*: expected MODULE:FUNCTION or FILE\.py:FUNC"):
        check_reference("--keras", reference, tmp_path)


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match=r"--keras nets\.py:build: there is no file nets\.py"):
        check_reference("--keras", "nets.py:build", tmp_path)


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
        ("shop_nets:Nets.bound", "it needs self"),
    ],
    ids=[
        "module",
        "inner",
        "file",
        "function",
        "method",
        "nothing",
        "number",
        "of_a_number",
        "needs",
        "self",
    ],
)
def test_what_is_not_there_is_told_with_what_is(folder, reference, message):
    with pytest.raises(InputError) as error:
        load_factory("--torch", reference, folder)
    assert str(error.value).startswith("--torch ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("shop_broken:build", ModuleNotFoundError),
        ("shop_wrong:build", SyntaxError),
        ("shop_wrong.py:build", SyntaxError),
    ],
    ids=["import", "syntax", "syntax_of_a_file"],
)
def test_an_error_inside_of_the_module_is_the_users_own(folder, reference, kind):
    with pytest.raises(kind) as error:
        load_factory("--torch", reference, folder)
    assert not isinstance(error.value, InputError)


def test_a_module_is_searched_in_the_folder_of_the_call_first(folder):
    other = folder / "shop_package"
    (other / "shop_nets.py").write_text("def build(): return 'other'\n")
    sys.path.append(str(other))
    assert load_factory("--torch", "shop_nets:build", folder)() == 7


def top():
    return 1


class Holder:
    @staticmethod
    def inside():
        return 2


@pytest.mark.parametrize(
    ("factory", "name"), [(top, "top"), (Holder.inside, "Holder.inside")], ids=["top", "in_a_class"]
)
def test_a_function_is_found_again_by_another_process(factory, name, monkeypatch):
    reference = reference_of("torch", factory)
    assert reference == f"{Path(__file__).resolve()}:{name}"
    check_reference("--torch", reference)


@each_row("name", [None, "module:function"], ids=repr)
def test_names_and_nothing_stay_what_they_are(name):
    assert reference_of("torch", name) == name


@each_row(
    "factory",
    [lambda: 1, Holder().inside.__call__, len, (lambda: lambda: 1)(), 7],
    ids=["lambda", "wrapper", "builtin", "inner", "number"],
)
def test_what_another_process_cannot_import_is_refused(factory):
    with pytest.raises(InputError, match="expected a function at the top level of a module"):
        reference_of("keras", factory)


def test_a_factory_of_the_project_is_called_with_what_it_is_given(folder):
    assert load_factory("--torch", "shop_nets:two", folder, (7, 3))() == 4
    assert load_factory("--torch", "shop_nets:may", folder, (5,))() == 5
    # One that takes arguments cannot be called without them.
    with pytest.raises(InputError, match="two"):
        load_factory("--torch", "shop_nets:two", folder)


@pytest.fixture
def of_dtype(folder):
    """A factory whose modules note the dtype of their import, and a way to change that."""
    (folder / "shop_state.py").write_text("import shop_now\nDTYPE, DRAWN = shop_now.DTYPE, []\n")
    (folder / "shop_top.py").write_text(
        "import shop_state\n"
        "def build():\n"
        "    import shop_state as again\n"
        "    assert again is shop_state\n"
        "    return shop_state\n"
    )
    now, calls = types.ModuleType("shop_now"), []
    sys.modules["shop_now"] = now
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
    assert factory() is first
    assert sys.modules["shop_state"] is first
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
