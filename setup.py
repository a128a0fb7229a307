"""Builds a wheel: with the loops in C where there is a compiler, of Python alone elsewhere.

pyproject.toml has all else. The loops use nothing of Python, so that one wheel of a platform is for
every Python 3: py3-none-PLATFORM. An editable install compiles nothing; torch_impl.native does so
at the first use of a loop. PARITY_NATIVE=0 makes a wheel of Python alone.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
PACKAGE = Path("torch_impl")
BUILT = PACKAGE / "native" / "built"

# Not by `import`, which would run the package and need torch.
_spec = importlib.util.spec_from_file_location("recipe", ROOT / PACKAGE / "native" / "recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)


class BuildLoops(Command):
    """Compiles every C file for every level of this machine's architecture."""

    description = "compile the loops in C"
    user_options = ()
    editable_mode = False

    def initialize_options(self):
        self.built = []

    def finalize_options(self):
        self.folder = Path(self.get_finalized_command("build_py").build_lib) / BUILT

    def run(self):
        if self.editable_mode:
            return
        shutil.rmtree(self.folder, ignore_errors=True)  # of an earlier build
        try:
            if os.environ.get("PARITY_NATIVE") == "0":
                raise recipe.NoCompiler("PARITY_NATIVE=0 is set")
            command = recipe.compiler()
        except recipe.NoCompiler as error:
            self.warn(f"a wheel without compiled loops, because {error}")
            return
        levels = recipe.LEVELS.get(platform.machine(), ())
        sources = sorted((ROOT / PACKAGE).rglob("*.c"))
        work = [(command, level, source) for level in levels for source in sources]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = pool.map(lambda task: self._build(*task), work)
            self.built = [str(path) for path in made if path is not None]
        told = f"{len(self.built)} of {len(work)} loops compiled by {' '.join(command)}"
        self.announce(told, level=2)

    def _build(self, command, level, source):
        """Returns the path of a library, or None if this compiler cannot make it."""
        for is_parallel in (True, False):
            flags = recipe.flags_for(level, is_parallel)
            with tempfile.TemporaryDirectory() as name:
                try:
                    library = recipe.build(command, flags, source, Path(name))
                except (OSError, subprocess.SubprocessError) as error:
                    told = getattr(error, "stderr", None) or b""
                    self.announce(f"{source.name}, {level}: {error}\n{told.decode()}", level=2)
                    continue  # without OpenMP, on macOS
                mark = recipe.fingerprint(source, flags)
                path = self.folder / recipe.name_of(source, mark, library)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(library, path)
                path.chmod(0o755)
                return path
        return None

    def get_source_files(self):
        return [str(path.relative_to(ROOT)) for path in sorted((ROOT / PACKAGE).rglob("*.c"))]

    def get_outputs(self):
        return self.built

    def get_output_mapping(self):
        return {}


class BuildAll(build):
    """What setuptools builds, and the loops."""

    sub_commands = (*build.sub_commands, ("build_loops", None))


class Wheel(bdist_wheel):
    """A wheel that is for a platform only if it holds compiled loops."""

    def run(self):
        self.run_command("build_loops")
        if self.get_finalized_command("build_loops").built:
            self.root_is_pure = False
            self.distribution.has_ext_modules = lambda: True
        super().run()

    def get_tag(self):
        tag = super().get_tag()
        if self.root_is_pure:
            return tag
        # A universal Python of macOS compiles for the processor on which it runs.
        return "py3", "none", tag[2].replace("universal2", platform.machine())


setup(cmdclass={"build": BuildAll, "build_loops": BuildLoops, "bdist_wheel": Wheel})
