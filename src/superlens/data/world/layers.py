"""Scenes in layers: a canvas that remembers how each thing was drawn, and draws the scene again with some of them changed.

Legend: H W rows and columns of a thing's patch, 3 channels. Pixels, y downwards.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from superlens.data.world.scene import CLEAR_AREA, CLEAR_SHARE, Canvas, Film, Scene
from superlens.data.world.shapes import SMALLEST, TURN, cover
from superlens.data.world.textures import between, paint, surface


@dataclass(frozen=True, eq=False)
class Layer:
    """One thing as it was drawn.

    shape, colour, size, diameter: as in `Thing`. alpha_HW: its cover, 0..1. tone_3: its shade, 0..1. brush: the random numbers its
    surface was drawn with. top, left: the corner of its patch.
    """

    shape: str
    colour: str
    size: str
    diameter: float
    alpha_HW: np.ndarray
    tone_3: np.ndarray
    brush: np.random.Generator
    top: int
    left: int

    def recoloured(self, colour: str, rng: np.random.Generator) -> Layer:
        """The same thing, surface and all, in a shade of another colour."""
        return replace(self, colour=colour, tone_3=paint(colour, rng))

    def reshaped(self, shape: str, rng: np.random.Generator, scale: float) -> Layer:
        """A thing of another shape in the same place, of the same size and colour; scale: side of the picture over 128."""
        diameter = max(self.diameter, SMALLEST[shape] * scale)
        angle, stretch = between(rng, -TURN[shape], TURN[shape]), between(rng, 0.9, 1.11)
        alpha_HW = cover(shape, diameter, angle, stretch, (rng.random(), rng.random()))
        top, left = (corner + (old - new) // 2 for corner, old, new in
                     zip((self.top, self.left), self.alpha_HW.shape, alpha_HW.shape, strict=True))
        return replace(self, shape=shape, diameter=diameter, alpha_HW=alpha_HW, top=top, left=left)


class Layers(Canvas):
    """A canvas that remembers. From the same state of `rng`, it draws what a plain canvas draws."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        super().__init__(rng, size)
        self.bare = self.pixels.copy()
        self._strokes: list[tuple] = []

    @property
    def layers(self) -> list[Layer]:
        """The things from back to front, as in `Scene.things`."""
        return [Layer(*words, *stroke) for words, stroke in zip(self.words, self._strokes, strict=True)]

    def with_layers(self, layers: Sequence[Layer]) -> Scene | None:
        """The finished scene again, with these layers in place of its own; None when some thing would be seen too little.

        Pixels are the same wherever the layers, and the shadows that they cast, are: to the last bit.
        """
        again = copy.copy(self)
        again.pixels = self.bare.copy()
        again._clear()
        for layer in layers:
            skin = surface(copy.deepcopy(layer.brush), layer.tone_3, *layer.alpha_HW.shape, self.light)
            Canvas._draw(again, layer.alpha_HW, skin, *again._fit(layer.alpha_HW, layer.top, layer.left))
            again.words.append((layer.shape, layer.colour, layer.size, layer.diameter))
        if any(seen < max(CLEAR_SHARE * whole, CLEAR_AREA) for seen, whole in zip(again.seen, again.whole, strict=True)):
            return None
        return Scene(self.film.develop(again.pixels), again.owner_HW, again.things(), tuple(again.covers))

    def develop(self) -> np.ndarray:
        self.film = Film.drawn(self.rng, self.size, self.light)
        return self.film.develop(self.pixels)

    def _skin(self, tone: np.ndarray, height: int, width: int) -> np.ndarray:
        self._brush = (tone, copy.deepcopy(self.rng))
        return super()._skin(tone, height, width)

    def _draw(self, alpha: np.ndarray, skin: np.ndarray, window: tuple[slice, slice], inner: tuple[slice, slice], *more) -> None:
        corner = (window[0].start - inner[0].start, window[1].start - inner[1].start)
        self._strokes.append((alpha, *self._brush, *corner))
        super()._draw(alpha, skin, window, inner, *more)
