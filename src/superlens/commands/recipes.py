"""`superlens recipes [NAME]`."""

from __future__ import annotations

from typing import Annotated

import typer

from superlens.commands.common import result


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this recipe's YAML.", show_default=False)] = None,
) -> None:
    """The recipes in the package, one name a line; with NAME, that recipe's YAML with its header."""
    from superlens.recipes.schema import recipe_names, recipe_text

    if name is None:
        for known in recipe_names():
            result(known)
    else:
        result(recipe_text(name).rstrip("\n"))
