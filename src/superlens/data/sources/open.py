"""From a file, a folder or the word "world" to a source: the format is recognised by content."""

from __future__ import annotations

import inspect
import os
from typing import Any

from superlens.data.sources.base import Source
from superlens.data.sources.coco import CocoSource, open_coco
from superlens.data.sources.deeplabcut import DeepLabCutSource
from superlens.data.sources.files import recognise
from superlens.data.sources.jsonl import JsonlSource
from superlens.data.sources.llava import LlavaSource
from superlens.data.sources.pairs import PairSource
from superlens.data.sources.photos import PhotoSource
from superlens.data.sources.referring import ReferringSource
from superlens.data.sources.voc import VocSource

# What every file may be given, and the drawn world, which has no file, does without.
FILE_OPTIONS = ("augment", "cache_mb", "root")


def open_source(path: str | os.PathLike, **options: Any) -> Source:
    """The source behind `path`: COCO JSON, Pascal VOC, DeepLabCut CSV, refs of RefCOCO, a ReasonSeg folder, edits of
    InstructPix2Pix, pictures with words, pictures alone, LLaVA JSON, our JSONL, or "world".

    options: those of the source's constructor (`tasks`, `augment`, `cache_mb`, `root`; `split` for VOC and refs; `thing` for
    DeepLabCut; `spoil` for pictures alone; `split`, `seed`, `size`, `turns`, `length` for the world, to which augment,
    cache_mb and root mean nothing). An option that is None counts as not given. Raises ValueError with one sentence for what can not
    be read or is broken.
    """
    options = {name: value for name, value in options.items() if value is not None}
    if str(path) == "world":
        from superlens.data.world import World

        options = {name: value for name, value in options.items() if name not in FILE_OPTIONS}
        return World(**_checked("world", World, options))
    form = recognise(path)
    if form == "coco":
        return open_coco(path, **_checked(path, CocoSource, options))
    kinds = {"voc": VocSource, "deeplabcut": DeepLabCutSource, "jsonl": JsonlSource}
    kinds |= {"pairs": PairSource, "photos": PhotoSource}
    kinds |= dict.fromkeys(("refcoco", "reasonseg"), ReferringSource)
    kind = kinds.get(form, LlavaSource)
    return kind(path, **_checked(path, kind, options))


def _checked(path: str | os.PathLike, kind: type, options: dict[str, Any]) -> dict[str, Any]:
    known = [name for name in inspect.signature(kind).parameters if name not in ("path", "data")]
    for name in options:
        if name not in known:
            raise ValueError(f'{kind.__name__} (for {path}) has no option "{name}"; it has {", ".join(known)}.')
    return options
