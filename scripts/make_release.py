"""Prepares a checkout for a release.

    python scripts/make_release.py v0.2.0 "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"

Run by `.github/workflows/release.yml` before it builds; the changes are not committed. The version
is that of the tag, and is written into pyproject.toml and CITATION.cff. The address of the
repository becomes the project's links, and makes the relative links and pictures of README.md
absolute, since a package index shows that page alone.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAG = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
# A link or a picture of Markdown: text, target, anchor.
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s#]+)(#[^()\s]*)?\)")


def version_of(tag: str, changelog: str) -> str:
    """Returns the version of a tag.

    Args:
        tag: such as "v0.2.0" or "v0.2.0rc1".
        changelog: has a dated section of this version; a pre-release needs none.

    Raises:
        ValueError: the tag is no version, or the changelog does not tell what is new in it.
    """
    found = TAG.fullmatch(tag)
    if found is None:
        raise ValueError(f"the tag is {tag!r}; expected a version such as v0.2.0 or v0.2.0rc1")
    version = found[1]
    is_final = version[-1].isdigit() and not re.search(r"[a-z]", version)
    if is_final and not re.search(
        rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.M
    ):
        raise ValueError(
            f"CHANGELOG.md has no section '## {version} (YYYY-MM-DD)'; give the section of the "
            "unreleased changes this title"
        )
    return version


def with_version(text: str, version: str, pattern: str) -> str:
    """Returns a text in which the one line `pattern` names the version.

    Args:
        text: of a file.
        version: to be written.
        pattern: start of the line, up to the version.

    Raises:
        ValueError: there is no such line, or more than one.
    """
    new, number = re.subn(
        rf'^({pattern})("?)[\w.]+("?)$', rf"\g<1>\g<2>{version}\g<3>", text, flags=re.M
    )
    if number != 1:
        raise ValueError(f"{number} lines begin with {pattern!r}; expected one")
    return new


def with_urls(pyproject: str, url: str, tag: str) -> str:
    """Returns pyproject.toml with the links of the project, in front of its scripts."""
    before, header, after = pyproject.partition("[project.scripts]\n")
    if not header:
        raise ValueError("pyproject.toml has no table [project.scripts]")
    lines = [
        "[project.urls]",
        f'Source = "{url}"',
        f'Documentation = "{url}/blob/{tag}/docs/index.md"',
        f'Changelog = "{url}/blob/{tag}/CHANGELOG.md"',
        f'Issues = "{url}/issues"',
    ]
    return before + "\n".join(lines) + "\n\n" + header + after


def with_absolute_links(readme: str, url: str, tag: str) -> str:
    """Returns Markdown whose relative links and pictures lead into the repository."""

    def absolute(link: re.Match[str]) -> str:
        is_picture, text, target, anchor = link.groups()
        if re.match(r"[a-z]+:", target):
            return link[0]
        kind = "raw" if is_picture else "blob"
        return f"{is_picture}[{text}]({url}/{kind}/{tag}/{target}{anchor or ''})"

    return LINK.sub(absolute, readme)


def release(root: Path, tag: str, url: str) -> str:
    """Prepares the checkout in `root`, and returns the version.

    Raises:
        ValueError: the tag, the address or a file is not as expected.
    """
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)+", url):
        raise ValueError(f"the address is {url!r}; expected https://HOST/OWNER/NAME")
    texts = {
        name: (root / name).read_text(encoding="utf-8")
        for name in ("CHANGELOG.md", "pyproject.toml", "CITATION.cff", "README.md")
    }
    version = version_of(tag, texts["CHANGELOG.md"])
    pyproject = with_version(texts["pyproject.toml"], version, "version = ")
    texts |= {
        "pyproject.toml": with_urls(pyproject, url, tag),
        "CITATION.cff": with_version(texts["CITATION.cff"], version, "version: "),
        "README.md": with_absolute_links(texts["README.md"], url, tag),
    }
    for name, text in texts.items():  # only when all of them are right
        (root / name).write_text(text, encoding="utf-8")
    return version


def main(arguments: list[str] | None = None) -> int:
    """Prepares this checkout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tag", help="such as v0.2.0")
    parser.add_argument("url", help="of the repository, https://HOST/OWNER/NAME")
    given = parser.parse_args(arguments)
    try:
        version = release(ROOT, given.tag, given.url.rstrip("/"))
    except ValueError as error:
        print(f"make_release: {error}", file=sys.stderr)
        return 2
    print(f"version {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
