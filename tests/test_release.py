"""What a release is made of: version, links, the page on an index, the source distribution."""

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib

import pytest
import yaml
from checkout import copy_checkout
from paths import ROOT

SCRIPT = ROOT / "scripts" / "make_release.py"
FILES = ("CHANGELOG.md", "pyproject.toml", "CITATION.cff", "README.md")
URL = "https://code.example/someone/parity"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def checkout(tmp_path):
    """Copies of the files that a release changes, with a dated section in the changelog."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    changelog = tmp_path / "CHANGELOG.md"
    text = changelog.read_text().replace(
        "# Changelog\n", "# Changelog\n\n## 0.2.0 (2027-01-31)\n", 1
    )
    changelog.write_text(text)
    return tmp_path


def test_the_version_is_that_of_the_tag(script, checkout):
    assert script["release"](checkout, "v0.2.0", URL) == "0.2.0"
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    assert project["version"] == "0.2.0"
    assert yaml.safe_load((checkout / "CITATION.cff").read_text())["version"] == "0.2.0"


def test_the_links_of_the_project_lead_into_its_repository(script, checkout):
    script["release"](checkout, "v0.2.0", URL)
    urls = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["urls"]
    assert urls["Source"] == URL
    assert urls["Changelog"] == URL + "/blob/v0.2.0/CHANGELOG.md"
    assert {url.startswith(URL) for url in urls.values()} == {True}


def test_no_link_of_the_page_on_an_index_is_relative(script, checkout):
    relative = re.compile(r"\]\((?!https://|#)[^)]*\)")
    assert len(relative.findall((checkout / "README.md").read_text())) > 10
    script["release"](checkout, "v0.2.0", URL)
    readme = (checkout / "README.md").read_text()
    assert relative.findall(readme) == []
    assert f"]({URL}/raw/v0.2.0/docs/images/report.png)" in readme
    assert f"[Commands]({URL}/blob/v0.2.0/docs/commands.md)" in readme


@pytest.mark.parametrize(
    ("tag", "url", "message"),
    [
        ("0.2.0", URL, "expected a version such as v0.2.0"),
        ("v0.2", URL, "expected a version such as v0.2.0"),
        ("v0.3.0", URL, "no section '## 0.3.0 (YYYY-MM-DD)'"),
        ("v0.2.0", "code.example/x", "expected https://HOST/OWNER/NAME"),
        ("v0.2.0", 'https://code.example/x"\ny', "expected https://HOST/OWNER/NAME"),
    ],
)
def test_a_wrong_release_changes_nothing(script, checkout, tag, url, message):
    before = [(checkout / name).read_bytes() for name in FILES]
    with pytest.raises(ValueError, match=re.escape(message)):
        script["release"](checkout, tag, url)
    assert [(checkout / name).read_bytes() for name in FILES] == before


def test_the_script_refuses_in_one_line(tmp_path):
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "main", URL], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "the tag is 'main'" in ended.stderr


def test_the_citation_has_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert project["license"] == " AND ".join(citation["license"])


def test_the_workflows_and_forms_are_yaml_and_publish_without_a_password():
    for path in (ROOT / ".github").rglob("*.yml"):
        assert yaml.safe_load(path.read_text()), path
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    assert release["permissions"] == {"contents": "read"}
    publish = release["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert {*publish["needs"]} == {*release["jobs"]} - {"publish"}
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()


@pytest.mark.long
def test_the_source_distribution_holds_all_that_its_tests_need(tmp_path):
    source = tmp_path / "source"
    names = copy_checkout(source)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {*names} - held == set()
