"""The drawn world: scenes with exact answers for every task, without a file."""

from superlens.data.world.source import World

__all__ = ["World"]
