"""What is installed from a built wheel: the whole program, data included."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest
from paths import ROOT


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
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that nothing is left in them."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = call("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard")
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    for name in listed.stdout.splitlines():
        if name.startswith(("parity/", "torch_impl/", "keras_impl/")) or "/" not in name:
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    built = call(
        *[sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"],
        *["--wheel-dir", folder, folder / "source"],
    )
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


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
    # Dependencies come from this environment, the project itself from the wheel alone: a path in a
    # .pth file adds packages, but not the editable install of this checkout.
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    ended = call(
        *[tmp_path / "venv" / "bin" / "python", "-m", "parity", "run", "dropout"],
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
        assert str(ROOT) not in (tmp_path / "out" / "dropout-seed42" / f"{half}.log").read_text()
    where = call(
        tmp_path / "venv" / "bin" / "python",
        "-c",
        "import parity; print(parity.__file__)",
        cwd=tmp_path,
    )
    assert where.stdout.startswith(str(tmp_path))
