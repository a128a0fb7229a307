"""Text from anyone as lines of a terminal or a log: it is shown, and does nothing.

Names of layers, files and programs, and messages of frameworks, come from elsewhere. A terminal
obeys escape codes, and a CI system obeys lines that it reads in the log of a job:

    GitHub            ::error::TEXT, at the start of a line or behind spaces; ##[error]TEXT anywhere
    Azure Pipelines   ##vso[task.complete]TEXT and ##[error]TEXT, anywhere in a line
    TeamCity          ##teamcity[testFailed ...], anywhere in a line
    GitLab            section_start:..., which needs a carriage return and an escape code
"""

from __future__ import annotations

import re

_AT_START = re.compile(r"\A(\s*):(?=:)")
_ANYWHERE = re.compile(r"#(?=#(?:vso|teamcity)?\[)", re.IGNORECASE)


MAX_LINE = 4000  # characters; a name from elsewhere may have millions


def plain(text: str) -> str:
    """Makes control characters (escape codes, line breaks) visible text."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def log_line(text: str) -> str:
    r"""Returns a text as one line that is plain and no command; of one, `::error` is `\x3a:error`.

    Args:
        text: a whole line, since a command may begin in the middle of a name. The middle of one
            with more than MAX_LINE characters is left out, which the line says.
    """
    if (left := len(text) - MAX_LINE) > 0:
        half = MAX_LINE // 2
        text = f"{text[:half]} ... {left:,} characters are left out ... {text[-half:]}"
    line = _AT_START.sub(r"\1\\x3a", plain(text), count=1)
    return _ANYWHERE.sub(r"\\x23", line)


def log_text(text: str) -> str:
    """Returns a text of several lines, each as `log_line` does."""
    return "\n".join(map(log_line, text.split("\n")))
