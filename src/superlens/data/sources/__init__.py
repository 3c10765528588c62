"""Data sets of every supported format, as training conversations and evaluation examples."""

from superlens.data.sources.base import Example, Problem, Source
from superlens.data.sources.open import open_source

__all__ = ["Example", "Problem", "Source", "open_source"]
