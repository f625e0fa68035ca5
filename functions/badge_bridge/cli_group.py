"""Groups of commands that say which command was meant, by the same measure as everything else."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from badge_bridge.closeness import closest

__all__ = ["Commands"]


class Commands(TyperGroup):
    """A group that suggests one command, or none where no name is near."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            close = closest(args[0], self.list_commands(ctx))
            meant = f" Did you mean '{close}'?" if close else ""
            ctx.fail(f"No such command '{args[0]}'.{meant}")
        return super().resolve_command(ctx, args)
