"""Installs the project in fresh environments: python benchmarks/installs.py

Each row is a virtual environment of its own: a version of Python, an installer, and an extra. There
the commands run that this extra is for, and those that it is not for must say in a paragraph what
to install. The size is that of all that was installed. The table is the one of docs/install.md.

    python benchmarks/installs.py --pythons python3.11 python3.12 --installers pip uv
    python benchmarks/installs.py --extras all --surroundings no-compiler no-home sdist
    python benchmarks/installs.py --pip-args "--index-url ..."
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "migration"
EXTRAS = ("", "torch", "keras", "all")
PAIR = ("--keras", "keras_model.py:build", "--torch", "torch_model.py:build")
# Words of an environment, and what is to be done in it: arguments, expected exit code.
NEEDS_NOTHING = (
    (["--version"], 0),
    (["list"], 0),
    (["explain", "F2"], 0),
    (["diagnose", str(ROOT / "docs" / "histories" / "leak.json")], 1),
)
AGAINST = ["check", "--against", "keras_model.parity", "--torch", "torch_model.py:build"]
RECORD = ["record", "new.parity", "--keras", "keras_model.py:build"]
RUN = ["run", "dropout", "--epochs", "1", "--train-size", "64", "--val-size", "32"]
PARTS = {
    "": (*NEEDS_NOTHING, (AGAINST, 3), (RECORD, 3)),
    "torch": (*NEEDS_NOTHING, (AGAINST, 0), (RECORD, 3)),
    "keras": (*NEEDS_NOTHING, (AGAINST, 3), (RECORD, 0)),
    "all": (*NEEDS_NOTHING, (AGAINST, 0), (RECORD, 0), (["check", *PAIR], 0), (RUN, 0)),
}
# What a user may lack, or install from.
SURROUNDINGS = ("plain", "no-compiler", "no-home", "sdist")


@dataclass
class Row:
    """One environment."""

    python: str
    installer: str
    extra: str
    surroundings: str
    mib: int = 0
    install_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Returns the row of a Markdown table."""
        told = "all as expected" if not self.wrong else "; ".join(self.wrong)
        extra = f"`[{self.extra}]`" if self.extra else "none"
        cells = (self.python, self.installer, extra, self.surroundings, f"{self.mib:,} MiB")
        return f"| {' | '.join(cells)} | {self.install_s:.0f} s | {told} |"


def main() -> int:
    """Prints the table, and returns 1 if an environment does not do its part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pythons", nargs="+", default=["python3"], help="commands or paths")
    parser.add_argument("--installers", nargs="+", default=["pip"], choices=["pip", "uv"])
    parser.add_argument("--extras", nargs="+", default=[*EXTRAS], choices=EXTRAS)
    parser.add_argument(
        "--surroundings", nargs="+", default=["plain"], choices=SURROUNDINGS, metavar="NAME"
    )
    parser.add_argument("--pip-args", default="", help="for the installer, in quotes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parity-installs-") as temporary:
        folder = Path(temporary)
        built = _built(folder)
        print("| Python | installer | extra | where | size | installed in | does |")
        print("|---|---|---|---|---|---|---|", flush=True)
        rows = []
        for python in given.pythons:
            for installer in given.installers:
                for surroundings in given.surroundings:
                    for extra in given.extras:
                        row = Row(_version(python), installer, extra, surroundings)
                        _try(row, python, folder, built, shlex.split(given.pip_args))
                        rows.append(row)
                        print(row.line(), flush=True)
    return int(any(row.wrong for row in rows))


def _built(folder: Path) -> dict[str, Path]:
    """Builds sdist and wheel, and records the bundle that environments without Keras check with."""
    shutil.copytree(EXAMPLE, folder / "example")
    _run([sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT)])
    parity = [sys.executable, "-m", "parity"]
    bundle = [*parity, "record", "keras_model.parity", "--keras", "keras_model.py:build"]
    _run(bundle, cwd=folder / "example")
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def _version(python: str) -> str:
    told = _run([python, "-c", "import platform; print(platform.python_version())"])
    return told.strip()


def _try(row: Row, python: str, folder: Path, built: dict[str, Path], pip_args: list[str]) -> None:
    place = folder / "venv"
    shutil.rmtree(place, ignore_errors=True)
    env = _surroundings(row.surroundings, folder)
    what = str(built["sdist" if row.surroundings == "sdist" else "wheel"])
    what += f"[{row.extra}]" if row.extra else ""
    started = time.perf_counter()
    _run([python, "-m", "venv", *(["--without-pip"] if row.installer == "uv" else []), str(place)])
    own = place / "bin" / "python"
    if row.installer == "uv":
        command = [sys.executable, "-m", "uv", "pip", "install", "--python", str(own)]
    else:
        command = [str(own), "-m", "pip", "install", "--quiet"]
    _run([*command, *pip_args, what], env=os.environ if row.surroundings == "no-home" else env)
    row.install_s = time.perf_counter() - started
    row.mib = round(int(_run(["du", "-sk", str(place)]).split()[0]) / 1024)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder / "example", work)
    for arguments, expected in PARTS[row.extra]:
        ended = subprocess.run(
            [str(place / "bin" / "parity"), *arguments],
            cwd=work,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        command_line = shlex.join(["parity", *arguments])
        if ended.returncode != expected:
            row.wrong.append(f"`{command_line}` ended with {ended.returncode}")
            print(ended.stdout[-2000:], ended.stderr[-2000:], file=sys.stderr)
        elif expected == 3 and "pip install" not in ended.stderr:
            row.wrong.append(f"`{command_line}` does not say what to install")
        elif "Traceback" in ended.stderr:
            row.wrong.append(f"`{command_line}` ended in a traceback")
    shutil.rmtree(place)


def _surroundings(name: str, folder: Path) -> dict[str, str]:
    env = dict(os.environ)
    if name == "no-compiler":
        # Nothing but what a shell needs.
        tools = folder / "tools"
        tools.mkdir(exist_ok=True)
        for tool in ("sh", "env", "uname", "ls"):
            link, found = tools / tool, shutil.which(tool)
            if found is not None and not link.exists():
                link.symlink_to(found)
        env["PATH"] = str(tools)
        env.pop("CC", None)
    if name == "no-home":
        env |= {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}
    return env


def _run(command: list[str], **options: object) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if ended.returncode:
        sys.exit(f"{shlex.join(command)} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
