"""Commands of ``wristqc`` that lie outside of the library, such as the training's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperGroup

GROUP = "wristqc.commands"
"""Entry points of this group are functions that Typer makes a command of, named as the point is."""


class Commands(TyperGroup):
    """The library's own commands, and those of `GROUP`.

    Nothing outside of the library is imported before such a command is called or listed.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        offered = {point.name for point in entry_points(group=GROUP)}
        return [*own, *sorted(offered - set(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        points = () if own else entry_points(group=GROUP, name=cmd_name)
        for point in points:
            outside = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            outside.command(cmd_name)(point.load())
            return typer.main.get_command(outside)
        return own
