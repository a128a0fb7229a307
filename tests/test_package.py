"""What is installed from a built wheel: the whole program, data and compiled loops included."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest
from checkout import copy_checkout
from paths import ROOT

from torch_impl.native import recipe

pytestmark = pytest.mark.long

LOOPS = {"adam", "affine", "conv_pool", "normals", "philox", "pool"}
# One wheel for every Python and platform: nothing in it is compiled.
PURE = "py3-none-any.whl"


def call(*arguments, **options):
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the sources, so that nothing is left in them."""
    folder = tmp_path_factory.mktemp("source")
    packages = ("parity/", "torch_impl/", "keras_impl/")
    copy_checkout(folder, lambda name: name.startswith(packages) or "/" not in name)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """The wheel that this machine builds."""
    folder = tmp_path_factory.mktemp("wheel")
    ended = call(
        *[sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"],
        *["--wheel-dir", folder, source],
    )
    assert ended.returncode == 0, ended.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def with_loops(wheel):
    """The wheel, if this machine can compile loops for one."""
    try:
        recipe.compiler()
    except recipe.NoCompiler:
        pytest.skip("no C compiler on this machine")
    if platform.machine() not in recipe.LEVELS:
        pytest.skip(f"wheels for {platform.machine()} have no compiled loops")
    return wheel


def installed(wheel, folder):
    """The interpreter of an environment in which a wheel is.

    Dependencies come from this environment, the project itself from the wheel alone: a path in a
    .pth file adds packages, but not the editable install of this checkout.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    found = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "dependencies.pth").write_text("\n".join(found))
    return folder / "bin" / "python"


def libraries(wheel):
    """The compiled loops in a wheel."""
    archive = zipfile.ZipFile(wheel)
    return {
        name.rpartition("/")[2]: archive.read(name)
        for name in archive.namelist()
        if name.endswith(".so")
    }


def test_the_wheel_holds_code_data_and_licence_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "parity/data/embedded/mnist_subset.npz",
        "parity/py.typed",
        "parity/schemas/parity.result.1.schema.json",
        "torch_impl/philox.c",
        "keras_impl/models.py",
        "keras_torch_parity.py",
    ):
        assert needed in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    entries = next(name for name in names if name.endswith("entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(entries).decode()
    assert "[pytest11]\nkeras_torch_parity = keras_torch_parity\n" in text
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "parity",
        "torch_impl",
        "keras_impl",
        "keras_torch_parity",
        "keras_torch_parity.py",
    }


def test_a_wheel_installed_elsewhere_runs_parity_run(wheel, tmp_path):
    python = installed(wheel, tmp_path / "venv")
    ended = call(
        *[python, "-m", "parity", "run", "underfit"],
        *["--dtype", "float64", "--epochs", "1", "--train-size", "64", "--val-size", "32"],
        *["--out", "out", "--json", "result.json"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["verdict"] == "pass"
    for half in ("keras", "torch"):
        assert str(tmp_path) in result["environment"][half]["executable"]
        assert str(ROOT) not in (tmp_path / "out" / "underfit-seed42" / f"{half}.log").read_text()
    where = call(python, "-c", "import parity; print(parity.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(tmp_path))


def test_the_wheel_has_every_loop_for_every_level_and_no_python_of_its_own(with_loops, tmp_path):
    assert with_loops.name.split("-")[-3:-1] == ["py3", "none"]
    assert with_loops.name.rpartition("-")[2] != "any.whl"
    found = libraries(with_loops)
    names = sorted(name.split("-")[0] for name in found)
    assert names == sorted([*LOOPS] * len(recipe.LEVELS[platform.machine()]))
    for name, content in found.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert name.endswith(f"-{recipe.digest(path)}.so")


def test_where_no_compiler_is_the_loops_of_the_wheel_are_used(with_loops, tmp_path):
    ended = call(
        *[installed(with_loops, tmp_path / "venv"), "-m", "torch_impl.native"],
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    origins = json.loads(ended.stdout)
    assert set(origins) == LOOPS
    assert all(origin.startswith("from the wheel (") for origin in origins.values()), origins
    assert {path.name for path in tmp_path.iterdir()} == {"venv", ".cache"}
    times = list((tmp_path / ".cache" / "keras-torch-parity" / "native").iterdir())
    assert len(times) == len(LOOPS)
    assert {path.suffix for path in times} == {".json"}


def build_by_setuptools(kind, source, folder, **variables):
    """What pip asks setuptools for."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
    ended = call(sys.executable, "-c", code, cwd=source, env=os.environ | variables)
    assert ended.returncode == 0, ended.stderr
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize(
    "variables", [{"CC": "no-such-compiler"}, {"PARITY_NATIVE": "0"}, {"CC": "false"}], ids=str
)
def test_without_a_compiler_the_wheel_is_of_python_alone(wheel, source, variables, tmp_path):
    """Also if the same folder has built one with loops before."""
    pure = build_by_setuptools("wheel", source, tmp_path, **variables)
    assert pure.name.endswith(PURE)
    assert libraries(pure) == {}
    assert set(zipfile.ZipFile(pure).namelist()) >= {"torch_impl/philox.c"}
    assert b"Root-Is-Purelib: true" in next(
        zipfile.ZipFile(pure).read(name)
        for name in zipfile.ZipFile(pure).namelist()
        if name.endswith(".dist-info/WHEEL")
    )


def test_an_editable_install_compiles_nothing(source, tmp_path):
    shutil.rmtree(source / "build", ignore_errors=True)
    editable = build_by_setuptools("editable", source, tmp_path)
    assert editable.name.endswith(PURE)
    assert not list(source.rglob("*.so"))


def test_the_source_distribution_has_the_c_files_and_what_compiles_them(source, tmp_path):
    with tarfile.open(build_by_setuptools("sdist", source, tmp_path)) as archive:
        names = archive.getnames()
    inside = {name.partition("/")[2] for name in names}
    c_files = {path.relative_to(source).as_posix() for path in source.glob("torch_impl/**/*.c")}
    assert len(c_files) == len(LOOPS)
    assert inside >= c_files | {"setup.py", "torch_impl/native/recipe.py"}
    assert not any(name.endswith(".so") for name in names)
