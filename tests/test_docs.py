"""The documentation site: its pages are reached, its tables are whole, its links lead somewhere."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from paths import ROOT
from rows import each_row

import keras_impl
import parity
import torch_impl
from parity.behaviour.diagnosis import diagnose
from parity.divergences import REGISTRY
from parity.programs.scenarios import SCENARIOS
from scripts import make_options
from torch_impl import augment, initializers, layers, losses, metrics, optim, schedule, trainer

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def module(name):
    """A file of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    found = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


tables, docstrings, pictures = module("tables"), module("docstrings"), module("pictures")


def toctree(page):
    """The pages that a page lists."""
    entries = []
    for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.S):
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        entries += [re.sub(r".*<(.*)>", r"\1", line) for line in lines]
    return [page.parent / f"{entry}.md" for entry in entries]


def test_every_page_is_reached_from_the_index():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        assert page not in reached, f"{page} is listed twice"
        reached.add(page)
        waiting += toctree(page)
    assert sorted(reached) == PAGES


@each_row(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.stem
)
def test_links_to_files_lead_somewhere(page):
    """On GitHub as well as on the site, whose build looks at headings, too."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_scenarios_are_all_on_their_page():
    text = tables.scenario_table()
    for name, scenario in SCENARIOS.items():
        section = text.partition(f"### `{name}`\n")[2].partition("###")[0]
        assert scenario.summary in section
        if scenario.expected is not None:
            assert f"expected: {scenario.expected.replace('_', ' ')}" in section
        if scenario.cures is not None:
            assert f"cures: [{scenario.cures}](#{scenario.cures})" in section
    assert text.count("\n### ") == len(SCENARIOS)


def test_a_scenario_tells_what_it_sets_and_nothing_else():
    section = tables.scenario_table().partition("### `slow`\n")[2].partition("###")[0]
    settings = "`epochs=5`, `learning_rate=1e-06`, `train_size=300`, `val_size=500`"
    assert f"- settings: {settings}\n" in section


def test_the_divergences_are_all_on_their_page_with_both_formulas_and_the_fix():
    text = tables.divergence_table()
    for name, entry in REGISTRY.items():
        heading = f"### {name} {entry.slug}: {entry.title}\n"
        section = text.partition(heading)[2].partition("\n### ")[0]
        rows = [line.removeprefix("- ") for line in section.splitlines()]
        labels = {"keras": "In Keras", "torch": "In torch", "fix": "Fix", "source": "Source"}
        for field, label in labels.items():
            if (field, entry.source) == ("source", "-"):
                continue  # there is none to name
            field_text = " ".join(getattr(entry, field).split())
            assert {f"**{label}**: {field_text}", f"**{label}**: `{field_text}`"} & {*rows}
    assert text.count("\n### ") == len(REGISTRY)


class Sphinx:
    """What `insert` asks of Sphinx."""

    def __init__(self):
        self.env, self.files = self, []

    def note_dependency(self, file):
        self.files.append(Path(file).name)


@each_row("name", tables.TABLES)
def test_a_page_gets_its_table_where_it_asks_for_it(name):
    page, app = [(DOCS / f"{name}.md").read_text()], Sphinx()
    tables.insert(app, name, page)
    assert f"<!-- {name} -->" not in page[0]
    assert tables.TABLES[name][0]() in page[0]
    assert app.files == [Path(tables.TABLES[name][1].__file__).name, "tables.py"]


API = "\n".join(page.read_text() for page in PAGES if page.parent.name == "api")


LIBRARY = [augment, initializers, layers, losses, metrics, optim, schedule, trainer]
PACKAGES = [parity, keras_impl, torch_impl, *LIBRARY]
# Values, not objects with a docstring.
TABLES = {"Parameters", "INITIALIZERS", "LOSSES", "METRICS"}


@each_row("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_on_a_page_of_the_api(package):
    for name in set(package.__all__) - TABLES:
        is_told = re.search(rf"^\.\. auto(function|class):: {name}$", API, re.M)
        assert is_told or f".. automodule:: {package.__name__}.{name}\n" in API, name


DOCSTRING = """Adam as Keras computes it.

    m += (1 - b1) * (g - m)
    w -= lr * m_

Differs from torch.nn.init.uniform_ in:
1. `epsilon_` stands
   elsewhere;
2. max(b2 * u, |g|) of a `.npz`.

Args:
    params: see `Adam`.

        w = 1
    **options: all * others.
"""

REST = r"""Adam as Keras computes it.

::

    m += (1 - b1) * (g - m)
    w -= lr * m_

Differs from torch.nn.init.uniform\_ in:

1. `epsilon_` stands
   elsewhere;
2. max(b2 \* u, \|g\|) of a ``.npz``.

Args:
    params: see `Adam`.

        w = 1
    **options: all \* others.
"""


def test_a_docstring_becomes_what_sphinx_reads():
    lines = DOCSTRING.splitlines()
    docstrings.process(None, "class", "Adam", None, None, lines)
    assert lines == REST.splitlines()


@each_row("name", pictures.PICTURES)
def test_a_history_of_the_tutorial_has_its_verdict_and_its_picture(name):
    picture = pictures.PICTURES[name]
    history = json.loads((DOCS / "histories" / f"{name}.json").read_text())
    found = diagnose(history, num_classes=10, num_train=picture.train, num_val=picture.val)
    assert found.verdict == picture.verdict
    assert f"](images/{name}.svg)" in (DOCS / "tutorial.md").read_text()


# Its trees of all pages stay to the end, and the garbage collector would go through them for long.
SPHINX = """
import gc, sys
gc.disable()
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
def test_the_site_builds_without_a_warning(tmp_path):
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "doctrees"]
    ended = subprocess.run(
        [sys.executable, "-c", SPHINX, *options, DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    html = tmp_path / "html"
    assert all((html / page.relative_to(DOCS)).with_suffix(".html").is_file() for page in PAGES)


# --- the tables of options -----------------------------------------------------------------------


def test_the_page_of_commands_has_the_options_of_today(monkeypatch, tmp_path):
    assert make_options.main(["--check"]) == 0, "call python scripts/make_options.py"
    page = tmp_path / "commands.md"
    page.write_text(make_options.PAGE.read_text().replace("| `--levels A,B,C` |", "| `--level` |"))
    monkeypatch.setattr(make_options, "PAGE", page)
    assert make_options.main(["--check"]) == 1
    assert make_options.main([]) == make_options.main(["--check"]) == 0


def test_an_option_is_told_with_its_default_and_its_range():
    @click.command("tell")
    @click.argument("file")
    @click.option("--size", type=click.IntRange(min=1), default=3, help="How large\nit is.")
    @click.option("--share", type=click.FloatRange(0, 1), help="Part of it, see --size or `x --y`.")
    @click.option("--kind", type=click.Choice(["a", "b"]), default="a", help="Which one.")
    def tell(file, size, share, kind):
        pass

    assert make_options.options_table(tell).splitlines() == [
        "```text",
        "parity tell [OPTIONS] FILE",
        "```",
        "",
        "| option | default | meaning |",
        "|---|---|---|",
        "| `--size INTEGER RANGE` | 3 | How large it is. It is at least 1. |",
        "| `--share FLOAT RANGE` |  | Part of it, see `--size` or `x --y`. It is 0 to 1. |",
        "| `--kind [a\\|b]` | a | Which one. |",
    ]
