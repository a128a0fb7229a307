"""`parity completion`: the script with which a shell completes commands, options and names."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_PARITY_COMPLETE"  # by which the script asks; click's rule for a program `parity`


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Prints what completes commands, options and names on a press of the tab key.

    Install it once, and start a new shell:

    \b
      bash   add to ~/.bashrc:  eval "$(parity completion bash)"
      zsh    add to ~/.zshrc, below compinit:  eval "$(parity completion zsh)"
      fish   parity completion fish > ~/.config/fish/completions/parity.fish

    Completed are scenarios, IDs of divergences, variants, parts, levels, and files. Bash must be
    4.4 or newer.
    """  # noqa: D301 - click's own mark of lines that are not to be joined
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "parity", VARIABLE).source(), nl=False)
    return 0
