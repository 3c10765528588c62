"""What a frozen eye saw, kept on disk: many models that are compared look at the same pictures with the same eye.

Features are kept, and given even the first time, in half precision, so that who comes second sees the same.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from superlens.vision.canvas import Canvas
from superlens.vision.scene import Scene
from superlens.whole import whole

logger = logging.getLogger(__name__)


class FeatureCache:
    """folder: one file a picture, named by its pixels. levels: whether maps for decoders are kept too, or only those of visual tokens
    (a level that the tokens are made of is kept once). most: bytes that files of this run may take; what lies beyond is seen anew.
    """

    def __init__(self, folder: str | Path, levels: bool = True, most: float = 8e9):
        self.folder, self.levels, self.left = Path(folder), levels, most
        self.hits = self.misses = 0

    def scene(self, see: Callable[[Tensor, list[Canvas]], Scene], pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        """What `see` gives for pictures of one canvas size."""
        paths = [self.path(picture_HWC) for picture_HWC in pixels_BHWC.cpu().numpy()]
        # One of those that are alike: frames of a video in which nothing moves.
        places = {path: index for index, path in enumerate(paths)}
        known = {path: self._read(path) for path in places}
        new = [index for path, index in places.items() if known[path] is None]
        self.misses, self.hits = self.misses + len(new), self.hits + len(paths) - len(new)
        if new:
            with torch.no_grad():
                seen = see(pixels_BHWC[new], [canvases[index] for index in new])
            maps = self._maps(seen)
            fresh = {paths[index]: [map_BChw[row].half().cpu() for map_BChw in maps] for row, index in enumerate(new)}
            for path, kept in fresh.items():
                self._write(path, kept)
            known |= fresh
        pictures = [known[path] for path in paths]
        maps = [torch.stack([row.float() for row in rows]).to(pixels_BHWC.device) for rows in zip(*pictures)]
        tokens, levels = maps[0], maps[1:]
        # The level that the tokens are made of is the tokens themselves.
        levels = [tokens if level.numel() == 0 else level for level in levels]
        return Scene(levels, tokens, canvases, pixels_BHWC)

    def path(self, picture_HWC: np.ndarray) -> Path:
        """Where a picture's features are."""
        key = hashlib.blake2b(picture_HWC.tobytes(), digest_size=16, person=str(picture_HWC.shape).encode()[:16]).hexdigest()
        return self.folder / key[:2] / f"{key[2:]}{'' if self.levels else '-tokens'}.npz"

    def _maps(self, seen: Scene) -> list[Tensor]:
        if not self.levels:
            return [seen.tokens]
        return [seen.tokens, *(level[:, :0] if level is seen.tokens else level for level in seen.levels)]

    def _write(self, path: Path, maps: list[Tensor]) -> None:
        size = sum(map_Chw.numel() for map_Chw in maps) * 2
        if size > self.left:
            return
        self.left -= size
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as unfinished, open(unfinished, "wb") as file:
                np.savez(file, *(map_Chw.numpy() for map_Chw in maps))
        except OSError as error:  # a full disk, say: nothing more is kept, and nothing is lost
            logger.warning("features are no longer kept in '%s': %s", self.folder, error)
            self.left = 0

    def _read(self, path: Path) -> list[Tensor] | None:
        """None where there is nothing, or nothing that can be read."""
        try:
            with np.load(path) as file:
                return [torch.from_numpy(file[name]) for name in sorted(file.files, key=lambda name: int(name.removeprefix("arr_")))]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
