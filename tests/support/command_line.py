"""The commands of `parity` by name. The program imports each at its first use."""

import click

from parity.cli.main import cli


def commands():
    """Returns every command by its name."""
    root = click.Context(cli)
    return {name: cli.get_command(root, name) for name in cli.list_commands(root)}
