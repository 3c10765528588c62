"""A recipe's resolved dictionary -> parts with random weights, and the processor that speaks their language. Nothing is downloaded."""

from __future__ import annotations

import inspect
from typing import Any

from superlens.links.base import LinkFormat
from superlens.parts import construct, find_class, nearest
from superlens.processor import Processor
from superlens.vision.canvas import CanvasRule, EveryToken, TokenGrid

HOUSE = ("format", "tokens", "width", "embedding_width", "scale", "decoder_width", "vocabulary")  # what every link is handed


def formats_of(recipe: dict[str, Any]) -> dict[str, LinkFormat]:
    """The weightless halves of all links, by name: ids of tokens follow this order, and a saved config sorts its keys."""
    formats = {}
    for name, entry in sorted(recipe["links"].items()):
        link = find_class("links", entry["type"])
        cls = link.format_class
        arguments = inspect.signature(cls.__init__).parameters
        keys = [k for k in arguments if k not in ("self", "name")]
        options = {"part": name} | {k: v for k, v in entry.items() if k in keys}
        known = [*keys, *(k for k in inspect.signature(link.__init__).parameters if k != "self" and k not in HOUSE)]
        for key in entry:
            if key not in ("type", *known):
                raise ValueError(f"unknown key '{key}' in links.{name} (type {entry['type']}): {nearest(key, known)}")
        for key in keys:
            if key not in options and arguments[key].default is inspect.Parameter.empty:
                raise ValueError(f"links.{name} (type {entry['type']}) lacks the key '{key}'.")
        formats[name] = cls(name=name, **options)
        if formats[name].decoder is not None and formats[name].decoder not in recipe["decoders"]:
            raise ValueError(
                f"links.{name} names the decoder '{formats[name].decoder}': {nearest(formats[name].decoder, recipe['decoders'])}"
            )
    return formats


PUBLISHED_AS = ("name", "revision", "subfolder")  # where a part's weights come from: recipes/build.py's business, no constructor's


def without(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A recipe entry less some keys."""
    return {key: value for key, value in entry.items() if key not in keys}


def assemble(recipe: dict[str, Any]):
    """-> (eye, projector, language, links, decoders, regions, video), all from config alone; the last two None where there are none."""
    eye = construct("eye", without(recipe["eye"], *PUBLISHED_AS))
    rule = CanvasRule(**recipe.get("canvas", {}))
    eye.check_canvas((rule.longest, rule.longest) if rule.square else (rule.multiple, rule.multiple))
    language = construct("language", without(recipe["language"], "tokenizer", "template", *PUBLISHED_AS))
    projector = construct(
        "projector",
        recipe["projector"],
        in_channels=eye.token_channels,
        width=language.embedding_width,
        stride=eye.token_stride,
        scale=language.embedding_scale(),
    )
    begin_among_words(projector, language)
    decoders = {
        name: construct("decoders", entry, f"decoders.{name}", in_channels=eye.level_channels)
        for name, entry in recipe["decoders"].items()
    }
    links = _links(recipe, language, decoders)
    for name, link in links.items():
        if link.format.shows and not (hasattr(eye, "inverse") and isinstance(projector.grid, EveryToken)):
            raise ValueError(
                f"links.{name} writes what the eye sees token by token: this needs an eye that can be inverted (mae, vqgan, beit) and "
                "projector: {type: tokens}."
            )
    house = {
        "grid": projector.grid,
        "level_channels": eye.level_channels,
        "in_channels": eye.token_channels,
        "width": language.embedding_width,
        "vocabulary": language.vocabulary,
        "scale": language.embedding_scale(),
    }
    regions, video = (construct(name, recipe[name], **house) if recipe.get(name) else None for name in ("regions", "video"))
    return eye, projector, language, links, decoders, regions, video


def begin_among_words(projector, language) -> None:
    """Tokens of pictures begin as the words of the language model are, where the projector is one that does that: again whenever the
    language model has become another, as long as the projector is untrained."""
    if hasattr(projector, "begin_among") and not language.words().is_meta:
        projector.begin_among(language.words())


def _links(recipe: dict[str, Any], language, decoders: dict[str, Any]) -> dict[str, Any]:
    """The links, in the order of their names; a token that several write belongs to the first."""
    formats = formats_of(recipe)
    owned: set[str] = set()
    links = {}
    for name, entry in sorted(recipe["links"].items()):
        form = formats[name]
        tokens = tuple(token for token in form.roles() if token not in owned)
        owned.update(tokens)
        cls = type(form)
        keys = [k for k in inspect.signature(cls.__init__).parameters if k != "self"]
        decoder = decoders.get(form.decoder)
        links[name] = construct(
            "links",
            {k: v for k, v in entry.items() if k not in keys},
            f"links.{name}",
            format=form,
            tokens=tokens,
            width=language.width,
            embedding_width=language.embedding_width,
            scale=language.embedding_scale(),
            decoder_width=decoder.width if decoder is not None else None,
            vocabulary=language.vocabulary,
        )
    return links


def make_processor(recipe: dict[str, Any], tokenizer, model) -> Processor:
    """The processor of a built model."""
    canvas = CanvasRule(**recipe.get("canvas", {}))
    grid: TokenGrid = model.projector.grid
    positions = model.language.max_positions
    template = recipe["language"].get("template")
    formats, points_at = formats_of(recipe), model.regions is not None
    watch = None if model.video is None else model.video.rule
    return Processor(tokenizer, formats, canvas, grid, model.vocabulary, template, positions, points_at, watch)
