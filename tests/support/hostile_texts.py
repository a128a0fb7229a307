"""Texts from elsewhere that terminals, CI systems and web sites would obey."""

import re

from hypothesis import strategies as st

# How the runners find a command, from their sources: github.com/actions/runner (ActionCommand:
# behind spaces, or "##[" anywhere), microsoft/azure-pipelines-agent (anywhere), and TeamCity's
# documentation of service messages (anywhere).
COMMANDS = re.compile(r"^\s*::|##\[|##vso\[|##teamcity\[", re.IGNORECASE)

# What GitHub and GitLab look for in the texts that Markdown has left: mentions, references, links.
READ_LATER = re.compile(r"@\w|#\d|\bGH-\d|\w://\w|\bwww\.\w|:(?!\d+:)\w+:", re.IGNORECASE)

PIECES = (
    *("::", ":", "#", "##", "[", "vso[", "VSO[", "teamcity[", "error::", " ", "conv1", "é", "x"),
    *("\r", "\n", "\t", "\x1b[2J", "\u2028", "\u202e", "\x85", "\ufeff", "\xa0", "\x00", "\ud800"),
    *("@octocat", "#12", "GH-12", "https://x.org", "www.x.org", ":tada:", "a@x.org", "![i](u)"),
    *("<img src=x onerror=y>", "</script>", "<!--", "|", "`", "*", "$x$", "]]>", "&#64;", "\\"),
    *("::error file=a::x", "##vso[task.complete]", "##[error]x", "##teamcity[testFailed]"),
    *("{{ 7 * 7 }}", "=1+1", "\ufffe", "$\\frac{1}{0}$", "%s", "{0}", "[bold red]"),
)
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)
