"""`parity completion`: prints a script that lets the shell complete commands, options and names."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_PARITY_COMPLETE"  # the variable that click reads for a program named `parity`


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Prints a script that completes commands, options and names with the tab key.

    Install it once, then start a new shell:

    \b
      bash   add to ~/.bashrc:  eval "$(parity completion bash)"
      zsh    add to ~/.zshrc, below compinit:  eval "$(parity completion zsh)"
      fish   parity completion fish > ~/.config/fish/completions/parity.fish

    It completes scenarios, divergences, variants, parts, levels and files. Bash must be 4.4 or
    newer.
    """  # noqa: D301 - click's mark for lines that must not be joined
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "parity", VARIABLE).source(), nl=False)
    return 0
