"""Messages to and from JSON (lossless; masks as COCO RLE), and out to COCO and supervision.

The JSON follows the chat format people know:
    {"messages": [
        {"role": "user", "content": [{"type": "image", "image": "blood.jpg"}, {"type": "text", "text": "Find ..."}]},
        {"role": "assistant", "content": [{"type": "boxes", "label": "platelet", "xyxy": [[1, 2, 30, 40]]}]}]}
A content may be a plain string. Optional fields that are not set are left out. Masks of nothing keep the picture's
size beside them: {"type": "masks", "label": "a dog", "masks": [], "size": [H, W]}.
"""

import base64
import os
from dataclasses import fields
from pathlib import Path

import numpy as np

from superlens.checks import nearest, outline_area
from superlens.media import MAX_PIXELS, Image, Part
from superlens.mention import Mention
from superlens.message import Boxes, Conversation, Keypoints, Map, Masks, Message, Moments, Polygons, Region, Text
from superlens.video import Video

PART_TYPES = {"text": Text, "image": Image, "video": Video, "region": Region, "boxes": Boxes, "masks": Masks,
              "keypoints": Keypoints, "polygons": Polygons, "moments": Moments, "map": Map}
_TYPE_NAMES = {cls: name for name, cls in PART_TYPES.items()}
_REQUIRED = {"text": ("text",), "image": ("image",), "video": ("video",), "region": ("kind",),
             "boxes": ("label", "xyxy"), "masks": ("label", "masks"), "keypoints": ("label", "names", "xyv"),
             "polygons": ("label", "points"), "moments": ("label", "seconds"), "map": ("label", "values")}


def to_json(thing, root=None) -> dict:
    """A `Conversation`, `Message` or part as a JSON-ready dictionary.

    root: folder; paths of pictures inside it are written relative to it. Arrays and bytes become data URIs.
    """
    if isinstance(thing, Conversation):
        return {"messages": [to_json(message, root) for message in thing.messages]}
    if isinstance(thing, Message):
        data = {"role": thing.role, "content": [to_json(part, root) for part in thing.content]}
        return {**data, "notes": list(thing.notes)} if thing.notes else data
    if isinstance(thing, Image):
        data = {"type": "image", "image": _reference(thing, root)}
        data |= ({} if thing.of is None else {"of": thing.of}) | ({"restored": True} if thing.restored else {})
        return data if thing.declared_size is None else {**data, "size": list(thing.declared_size)}
    if isinstance(thing, Video):
        video = [_reference(frame, root) for frame in thing.frames] if thing.frames else _relative(thing.source, root)
        return {"type": "video", "video": video, **({} if thing.fps is None else {"fps": thing.fps})}
    if not isinstance(thing, Part):
        raise ValueError(f"Only conversations, messages and parts become JSON, got {type(thing).__name__}.")
    data = {"type": _TYPE_NAMES[type(thing)]}
    for item in fields(thing):
        value = getattr(thing, item.name)
        if value is not None and not (item.name in ("image", "video") and value == 0) and not (item.name == "mentions" and not value) \
                and not (item.name == "positive" and value is True):
            data[item.name] = _plain(item.name, value)
    if isinstance(thing, Masks) and not thing.count:
        data["size"] = list(thing.masks.shape[1:])
    return data


def from_json(data: dict, root=None, strict: bool = True):
    """The `Conversation`, `Message` or part that a dictionary holds; the inverse of `to_json`.

    root: folder that relative paths of pictures start from. strict: as in `Conversation`.
    Raises ValueError with one sentence: an unknown or missing key or type (the nearest valid name is offered).
    """
    if not isinstance(data, dict):
        raise ValueError(f"Expected a JSON object with 'messages', 'role' or 'type', got {type(data).__name__}.")
    if "messages" in data:
        return conversation_from_json(data, root, strict)
    return message_from_json(data, root) if "role" in data else part_from_json(data, root)


def conversation_from_json(data: dict, root=None, strict: bool = True) -> Conversation:
    """{"messages": [...]} -> `Conversation`. Other keys (an id, a source) are left unread."""
    messages = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(messages, list):
        raise ValueError('A conversation is written {"messages": [...]}, with a list of messages.')
    return Conversation(tuple(_located(f"messages[{i}]", message_from_json, message, root)
                              for i, message in enumerate(messages)), strict=strict)


def message_from_json(data: dict, root=None) -> Message:
    """{"role": ..., "content": string or list of parts} -> `Message`."""
    if not isinstance(data, dict):
        raise ValueError(f'A message is written {{"role": ..., "content": ...}}, got {type(data).__name__}.')
    _check_keys(data, ("role", "content", "notes"), ("role", "content"), "a message")
    content = data["content"]
    if isinstance(content, str):
        content = [content]
    if not isinstance(content, list):
        raise ValueError(f"A message's content is a string or a list of parts, got {type(content).__name__}.")
    parts = tuple(part if isinstance(part, str) else _located(f"content[{i}]", part_from_json, part, root)
                  for i, part in enumerate(content))
    return Message(data["role"], parts, notes=tuple(data.get("notes", ())))


def part_from_json(data: dict, root=None) -> Part:
    """{"type": ..., ...} -> the part."""
    if not isinstance(data, dict) or "type" not in data:
        raise ValueError(f"A part is an object with a 'type' (one of {', '.join(PART_TYPES)}).")
    kind = data["type"]
    if kind not in PART_TYPES:
        raise ValueError(f"Unknown type {kind!r}; did you mean '{nearest(kind, PART_TYPES)}'? "
                         f"Valid types: {', '.join(PART_TYPES)}.")
    cls, values = PART_TYPES[kind], {key: value for key, value in data.items() if key != "type"}
    valid = {"image": ("image", "size", "of", "restored"), "video": ("video", "fps")}.get(kind) or [f.name for f in fields(cls)]
    valid = [*valid, "size"] if kind == "masks" else valid
    _check_keys(values, valid, _REQUIRED[kind], f"a part of type '{kind}'")
    if kind == "image":
        return Image(_resolved(values["image"], root), values.get("size"), values.get("of"), values.get("restored", False))
    if kind == "video":
        video = values["video"]
        if isinstance(video, list):
            return Video(frames=tuple(Image(_resolved(frame, root)) for frame in video), fps=values.get("fps"))
        return Video(_resolved(video, root), fps=values.get("fps"))
    if "masks" in values:
        values["masks"] = _masks_from_json(values["masks"], values.pop("size", None))
    if "mask" in values:
        values["mask"] = rle_decode(values["mask"])
    if "mentions" in values:
        values["mentions"] = _mentions_from_json(values["mentions"])
    if kind == "map":
        values["values"] = _map_from_json(values["values"])
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"The values of a part of type '{kind}' have the wrong form: {error}.") from error


def _located(place: str, read, data, root):
    try:
        return read(data, root)
    except ValueError as error:
        joint = "." if str(error).startswith(("content[", "messages[")) else ": "
        raise ValueError(f"{place}{joint}{error}") from error


def _check_keys(data: dict, valid, required, what: str) -> None:
    for key in data:
        if key not in valid:
            raise ValueError(f"Unknown key {key!r} in {what}; did you mean '{nearest(key, valid)}'?")
    for key in required:
        if key not in data:
            raise ValueError(f"The key '{key}' is missing in {what}.")


def _reference(image: Image, root) -> str:
    if image.kind == "path":
        return _relative(image.source, root)
    return image.source if image.kind == "url" else image.data_uri()


def _relative(path: str, root) -> str:
    if root is None:
        return path
    inside = os.path.relpath(os.path.abspath(path), os.path.abspath(root))
    return path if inside.startswith("..") else Path(inside).as_posix()


def _resolved(reference, root) -> str:
    if not isinstance(reference, str) or not reference.strip():
        raise ValueError(f"A picture is written as a path, URL or data URI, got {reference!r:.80}.")
    is_path = not reference[:8].lower().startswith(("data:", "http://", "https://"))
    return os.path.join(root, reference) if root is not None and is_path else reference


def _plain(name: str, value):
    """A field's value as JSON knows it. float32 numbers get their shortest decimals (they read back equal)."""
    if name == "mask":
        return rle_encode(value[None])[0]
    if name == "masks":
        return rle_encode(value)
    if name == "values":
        raw = np.ascontiguousarray(value, "<f4").tobytes()
        return {"shape": list(value.shape), "float32": base64.b64encode(raw).decode("ascii")}
    if isinstance(value, Mention):
        return {item.name: _plain(item.name, getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, np.ndarray):
        return _decimals(value) if value.dtype == np.float32 else value.tolist()
    if isinstance(value, tuple):
        return [_plain("", item) for item in value]
    return value


def _decimals(array: np.ndarray):
    if array.ndim > 1:
        return [_decimals(row) for row in array]
    return [int(v) if v == int(v) and abs(v) < 2**24 else float(str(v)) for v in array]


def _map_from_json(data):
    if isinstance(data, list):
        return data
    try:
        raw = base64.b64decode(data["float32"], validate=True)
        return np.frombuffer(raw, "<f4").reshape(data["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError('The values of a map are written {"shape": [H, W, C], "float32": base64}, or as lists.'
                         ) from error


def _mentions_from_json(data) -> tuple[Mention, ...]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise ValueError('Mentions are written [{"start": 4, "end": 9, "xyxy": [[x1, y1, x2, y2]]}, ...].')
    for item in data:
        _check_keys(item, [entry.name for entry in fields(Mention)], ("start", "end", "xyxy"), "a mention")
    return tuple(Mention(**item) for item in data)


def _masks_from_json(data, size):
    """(N, H, W) bool from a list of RLEs; `size` [H, W] says how large no masks are."""
    if not isinstance(data, list):
        raise ValueError("masks is a list of COCO RLE objects.")
    if not data:
        return np.zeros((0, *(_rle_size({"size": size}) if size is not None else (0, 0))), bool)
    masks = [rle_decode(item) for item in data]
    if len({mask.shape for mask in masks}) > 1:
        raise ValueError("The masks of one part must all have one size.")
    return np.stack(masks)


def rle_encode(masks_NHW: np.ndarray) -> list[dict]:
    """Masks (N, H, W) bool -> COCO RLE [{"size": [H, W], "counts": str}]."""
    from pycocotools import mask as coco_mask

    if not len(masks_NHW):
        return []
    encoded = coco_mask.encode(np.asfortranarray(masks_NHW.transpose(1, 2, 0).astype(np.uint8)))
    return [{"size": list(masks_NHW.shape[1:]), "counts": item["counts"].decode("ascii")} for item in encoded]


def rle_decode(rle: dict) -> np.ndarray:
    """COCO RLE (counts a string, or a list of numbers) -> (H, W) bool. Raises ValueError when it is damaged.

    Written here because pycocotools reads and writes past its memory when the counts do not fit the size.
    """
    height, width = _rle_size(rle)
    counts = rle.get("counts")
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    try:
        runs = _runs(counts) if isinstance(counts, str) else np.array(counts, dtype=np.int64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("The counts of an RLE mask are damaged; write COCO RLE.") from error
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"The counts of an RLE mask do not add up to its size of {height} x {width} pixels.")
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)


def _rle_size(rle) -> tuple[int, int]:
    size = rle.get("size") if isinstance(rle, dict) else None
    if not (isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(n, int) and n >= 0 for n in size)):
        raise ValueError('A mask is written as COCO RLE, {"size": [height, width], "counts": ...}.')
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"A mask of {size[0]} x {size[1]} pixels is above the limit of {MAX_PIXELS} pixels.")
    return size[0], size[1]


def _runs(counts: str) -> np.ndarray:
    """The run lengths in COCO's compressed string: 5 bits a character, low ones first, bit 6 says more follow; from
    the fourth on, each is stored as the difference to the one before the last."""
    codes = np.frombuffer(counts.encode("latin-1"), np.uint8).astype(np.int64) - 48
    if ((codes < 0) | (codes > 63)).any() or (len(codes) and codes[-1] & 32):
        raise ValueError("not an RLE string")
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if len(place) and place.max() > 8:
        raise ValueError("a run is too long")
    numbers = np.add.reduceat((codes & 31) << (5 * place), starts) if len(ends) else np.zeros(0, np.int64)
    negative = (codes[ends] & 16) != 0
    numbers = numbers - (negative.astype(np.int64) << (5 * (place[ends] + 1)))
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def to_coco(messages, categories=None) -> dict:
    """Messages or conversations (one, or a sequence) as one COCO data set: {"images", "categories", "annotations"}.

    Every picture gets the next id, from 1; categories are the labels in order of appearance, or `categories` (names,
    ids from 1) when given. Boxes become `bbox`, masks RLE, outlines polygons, keypoints `keypoints`; `score` stands
    where there are scores, `iscrowd` is `ignore`. Moments, maps and parts about videos have no place in COCO and are
    left out. Of a conversation the assistant's messages are taken; a lone message knows its pictures only if it was
    made by `about`, so otherwise their sizes are missing.
    """
    messages = [messages] if isinstance(messages, (Message, Conversation)) else list(messages)
    names = list(categories or ())
    fixed, images, annotations = categories is not None, [], []
    for thing in messages:
        first = len(images) + 1
        parts, pictures = _coco_parts(thing)
        for k in range(max([len(pictures), *(part.image + 1 for part in parts)])):
            images.append({"id": first + k, **(_coco_image(pictures[k]) if k < len(pictures) else {})})
        for part in parts:
            if part.label not in names:
                if fixed:
                    raise ValueError(f"The label {part.label!r} is not among the categories; add it or rename it.")
                names.append(part.label)
            for i in range(part.count):
                annotations.append({"id": len(annotations) + 1, "image_id": first + part.image,
                                    "category_id": names.index(part.label) + 1, **_coco_object(part, i)})
    keypoint_names = {part.label: list(part.names) for thing in messages for part in _coco_parts(thing)[0]
                      if isinstance(part, Keypoints)}
    return {"images": images, "annotations": annotations,
            "categories": [{"id": i, "name": name, **({"keypoints": keypoint_names[name], "skeleton": []}
                                                      if name in keypoint_names else {})}
                           for i, name in enumerate(names, 1)]}


def _coco_parts(thing):
    """The parts of a message or conversation that COCO can hold, and their pictures."""
    if isinstance(thing, Conversation):
        content = [part for message in thing.messages if message.role == "assistant" for part in message.content]
        pictures = thing.images
    else:
        content, pictures = thing.content, thing.pictures or thing.images
    return [part for part in content if isinstance(part, (Boxes, Masks, Keypoints, Polygons))
            and part.seconds is None], pictures


def _coco_image(image: Image) -> dict:
    width, height = image.size
    return {"width": width, "height": height, **({"file_name": image.source} if image.kind in ("path", "url") else {})}


def _coco_object(part, i: int) -> dict:
    """Object i of a part, as an annotation without its ids."""
    bounds = part.xyxy[i] if isinstance(part, Boxes) else part.bounds[i]
    data = {"iscrowd": int(part.ignore is not None and part.ignore[i])}
    if isinstance(part, Masks):
        data["segmentation"], data["area"] = rle_encode(part.masks[i:i + 1])[0], int(part.masks[i].sum())
    if isinstance(part, Polygons):
        data["segmentation"] = [[float(v) for v in part.points[i].reshape(-1)]]
        data["area"] = outline_area(part.points[i])
    if isinstance(part, Keypoints):
        data["keypoints"], data["num_keypoints"] = part.xyv[i].reshape(-1).tolist(), int((part.xyv[i, :, 2] > 0).sum())
        if part.area is not None:
            data["area"] = float(part.area[i])
    x1, y1, x2, y2 = (float(v) for v in bounds)
    data["bbox"] = [x1, y1, x2 - x1, y2 - y1]
    data.setdefault("area", (x2 - x1) * (y2 - y1))
    return data if part.scores is None else {**data, "score": float(part.scores[i])}


def to_supervision(part):
    """`supervision.Detections` of `Boxes`, `Masks` or `Polygons`; `supervision.KeyPoints` of `Keypoints`.

    The label stands in data["class_name"]; class ids are all 0. Scores become the confidence.
    """
    supervision = import_supervision()
    if not isinstance(part, (Boxes, Masks, Polygons, Keypoints)):
        raise ValueError(f"supervision knows no {type(part).__name__}; give Boxes, Masks, Polygons or Keypoints.")
    count = part.count
    data = {"class_name": np.array([part.label] * count, dtype=np.str_)}
    class_id = np.zeros(count, int)
    if isinstance(part, Keypoints):
        return supervision.KeyPoints(xy=part.xyv[..., :2].copy(), class_id=class_id, data=data,
                                     visible=part.xyv[..., 2] > 0, detection_confidence=part.scores)
    if isinstance(part, Polygons) and part.texts is not None:
        data["text"] = np.array(part.texts, dtype=np.str_)
    return supervision.Detections(
        xyxy=(part.xyxy if isinstance(part, Boxes) else part.bounds).copy(),
        mask=part.masks.copy() if isinstance(part, Masks) else None,
        confidence=part.scores, class_id=class_id, tracker_id=part.track, data=data)


def import_supervision():
    """The module, without its warning that OpenCV is not there (its numpy drawing is what we use)."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Oo]pen[Cc][Vv].*", category=UserWarning)
        import supervision
    return supervision
