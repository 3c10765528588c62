"""How a recipe's `type` becomes a class: a short built-in name, or the dotted path of anybody's own class.

Built-in names are looked up in the tables below; a type with a dot in it is imported as it stands (`my_package.my_module.MyDecoder`),
so a new eye, projector, link or decoder needs no edit here. Classes are imported when they are asked for, never before.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

BUILT_IN: dict[str, dict[str, str]] = {
    "eye": {
        "backbone": "superlens.vision.eye.BackboneEye",
        "hf": "superlens.vision.eye.HiddenStateEye",
        "mae": "superlens.vision.invertible.MaskedAutoencoderEye",
        "vqgan": "superlens.vision.codebook.QuantisedEye",
        "beit": "superlens.vision.codebook.CodePredictingEye",
    },
    "projector": {
        "linear": "superlens.vision.projector.LinearProjector",
        "mlp": "superlens.vision.projector.MLPProjector",
        "merge": "superlens.vision.projector.MergeProjector",
        "qformer": "superlens.vision.qformer.QFormerProjector",
        "tokens": "superlens.vision.projector.TokenProjector",
    },
    "regions": {"region_encoder": "superlens.vision.regions.RegionEncoder"},
    "video": {
        "frames": "superlens.vision.watching.FrameReader",
        "slow_fast": "superlens.vision.watching.SlowFastReader",
        "time_qformer": "superlens.vision.watching.TimeQFormerReader",
    },
    "language": {"causal_lm": "superlens.language.causal.CausalLanguage"},
    "links": {
        "query": "superlens.links.query.QueryLink",
        "keypoint": "superlens.links.keypoint.KeypointLink",
        "picture": "superlens.links.picture.PictureLink",
        "codec": "superlens.links.codec.CodecLink",
        "sequence": "superlens.links.sequence.SequenceLink",
        "feature": "superlens.links.feature.FeatureLink",
        "phrase": "superlens.links.phrase.PhraseLink",
    },
    "decoders": {
        "dense_detector": "superlens.decoders.dense_detector.DenseDetector",
        "pixel_segmenter": "superlens.decoders.pixel_segmenter.PixelSegmenter",
        "sam_segmenter": "superlens.decoders.prompted.SamSegmenter",
        "multiscale_segmenter": "superlens.decoders.prompted.MultiScaleSegmenter",
        "keypoint_detector": "superlens.decoders.keypoint_detector.KeypointDetector",
        "flow_painter": "superlens.decoders.flow_painter.FlowPainter",
        "inverse": "superlens.decoders.inverse.Inverse",
        "restorer": "superlens.decoders.restorer.Restorer",
    },
}

LESSONS = {
    "names": "superlens.lessons.naming.Naming",
    "gaze": "superlens.lessons.gaze.Gaze",
    "phrases": "superlens.lessons.gaze.Phrases",
    "pointing": "superlens.lessons.pointing.Pointing",
    "apart": "superlens.lessons.apart.Apart",
    "rehearsing": "superlens.lessons.rehearsing.Rehearsing",
    "hiding": "superlens.lessons.inverting.Hiding",
    "inverting": "superlens.lessons.inverting.Inverting",
    "tokenizing": "superlens.lessons.inverting.Tokenizing",
    "perceiving": "superlens.lessons.perceiving.Perceiving",
}

CODES = {
    "qwen-vl": "superlens.links.codes.qwen.QwenVL",
    "qwen2-vl": "superlens.links.codes.qwen.Qwen2VL",
    "qwen2.5-vl": "superlens.links.codes.qwen.Qwen25VL",
    "qwen3-vl": "superlens.links.codes.qwen.Qwen3VL",
    "kosmos-2": "superlens.links.codes.kosmos.Kosmos2",
    "shikra": "superlens.links.codes.numbers.Shikra",
    "minigpt-v2": "superlens.links.codes.numbers.MiniGPTv2",
    "paligemma": "superlens.links.codes.bins.PaliGemma",
    "pix2seq-v2": "superlens.links.codes.bins.Pix2Seq",
    "unitab": "superlens.links.codes.bins.UniTAB",
    "visionllm-v1": "superlens.links.codes.bins.VisionLLMv1",
    "polyformer": "superlens.links.codes.polygons.PolyFormer",
    "pix2seq-v2-masks": "superlens.links.codes.polygons.Pix2SeqMasks",
    "visionllm-v1-masks": "superlens.links.codes.polygons.VisionLLMv1Masks",
    "pix2seq-v2-keypoints": "superlens.links.codes.points.Pix2SeqKeypoints",
    "qwen-vl-quads": "superlens.links.codes.points.QwenQuads",
    "lita": "superlens.links.codes.moments.LITA",
    "timechat": "superlens.links.codes.moments.TimeChat",
    "momentor": "superlens.links.codes.moments.Momentor",
}
SAMPLINGS = {
    "uniform": "superlens.vision.clip.UniformSampling",
    "segments": "superlens.vision.clip.SegmentSampling",
    "rate": "superlens.vision.clip.RateSampling",
}
BY_NAME = {"lessons": LESSONS, "codes": CODES, "samplings": SAMPLINGS}  # what recipes name outside of `type`


def close_to(word: str, choices) -> list[str]:
    """The closest of `choices`, if there is a close one."""
    return difflib.get_close_matches(str(word), [str(choice) for choice in choices], n=1, cutoff=0.5)


def nearest(word: str, choices) -> str:
    """` Did you mean 'x'?` for the closest of `choices`, or the whole list when nothing is close."""
    choices = [str(choice) for choice in choices]
    close = close_to(word, choices)
    return f"did you mean '{close[0]}'?" if close else f"choose from {', '.join(sorted(choices))}."


def find_class(section: str, type_name: str) -> type:
    """The class behind `type: type_name` in a recipe's `section`. ValueError names the nearest valid type."""
    known = BY_NAME.get(section) or BUILT_IN[section]
    path = known.get(type_name, type_name)
    if "." not in path or (type_name not in known and close_to(type_name, known)):
        raise ValueError(f"unknown type '{type_name}' in {section}: {nearest(type_name, known)}")
    module_name, _, class_name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"type '{type_name}' in {section} could not be imported: {error}.") from error


def construct(section: str, config: Mapping[str, Any], where: str | None = None, **context: Any) -> Any:
    """Build one part from its recipe entry.

    `config` is the entry (with `type`); `context` holds what the house supplies (widths, names) and is passed only
    where the constructor asks for it. Unknown keys are a ValueError naming the nearest valid key.
    """
    where = where or section
    options = dict(config)
    cls = find_class(section, options.pop("type"))
    accepted = inspect.signature(cls.__init__).parameters
    keys = [key for key in accepted if key != "self" and key not in context]
    for key in options:
        if key not in keys:
            raise ValueError(f"unknown key '{key}' in {where} (type {config['type']}): {nearest(key, keys)}")
    needed = {key: value for key, value in context.items() if key in accepted}
    missing = [
        key
        for key in keys
        if accepted[key].default is inspect.Parameter.empty
        and accepted[key].kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        and key not in options
    ]
    if missing:
        raise ValueError(f"{where} (type {config['type']}) lacks the key '{missing[0]}'.")
    return cls(**options, **needed)


def resolve_config(config: Mapping[str, Any]):
    """A Transformers config object from a dict with `model_type`. ValueError names the nearest known model type."""
    from transformers import CONFIG_MAPPING, AutoConfig

    options = dict(config)
    model_type = options.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        raise ValueError(f"unknown model_type '{model_type}': {nearest(model_type, CONFIG_MAPPING.keys())}")
    return AutoConfig.for_model(model_type, **options)
