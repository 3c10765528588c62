"""What no part can check alone: a conversation's parts against its pictures, and predictions made lawful."""

from dataclasses import replace

import numpy as np

from superlens.message import Boxes, Image, Keypoints, Map, Masks, Moments, OutputPart, Polygons, Region, Text

SLACK = 1.0  # pixels (and seconds) that rounding may put an annotation outside its picture


def check_conversation(conversation) -> None:
    """Raises ValueError with one sentence, starting with the place (`messages[1].content[0]`), at the first mistake."""
    if not conversation.messages:
        raise ValueError("A conversation needs at least one message, got none.")
    images, videos = conversation.images, conversation.videos
    for m, message in enumerate(conversation.messages):
        if message.role == "system" and m > 0:
            raise ValueError(f"messages[{m}] has the role system; only the first message may.")
        if message.role == "user" and all(isinstance(p, Text) and not p.text.strip() for p in message.content):
            raise ValueError(f"messages[{m}] of the user is empty; write a question or give a picture.")
        for p, part in enumerate(message.content):
            if isinstance(part, Image) and part.of is not None:
                _check_copy(part, message, images, f"messages[{m}].content[{p}]")
            for placed in _placed(part):
                try:
                    _check_part(placed, images, videos)
                except ValueError as error:
                    raise ValueError(f"messages[{m}].content[{p}], {_name(placed)}: {error}") from error


def check_videos(conversation) -> None:
    """Opens the files of videos. Raises ValueError with one sentence where there is none, and for moments outside of them."""
    lengths = [video.seconds for video in conversation.videos]
    for m, message in enumerate(conversation.messages):
        for p, part in enumerate(message.content):
            if isinstance(part, Moments):
                try:
                    check_moments(part.seconds, lengths[part.video])
                except ValueError as error:
                    raise ValueError(f"messages[{m}].content[{p}], {_name(part)}: {error}") from error


def _check_copy(part: Image, message, images, where: str) -> None:
    """An edited picture stands in an answer and names a picture that was shown before it."""
    before = next(number for number, shown in enumerate(images) if shown is part)
    if message.role != "assistant":
        raise ValueError(f"{where}, a picture with `of`: only an answer can be a changed copy of a picture.")
    if isinstance(part.of, bool) or not isinstance(part.of, int) or not 0 <= part.of < before:
        raise ValueError(f"{where}, a changed copy of picture {part.of!r} (counted from 0): {before} were shown before it.")


def _placed(part) -> list:
    """What speaks of a picture: the part itself, or what a text mentions."""
    if isinstance(part, Text):
        return [Boxes(part.text[found.start : found.end], found.xyxy, image=found.image) for found in part.mentions]
    return [part] if isinstance(part, (OutputPart, Region)) else []


def _name(part) -> str:
    return f"a {part.kind} region" if isinstance(part, Region) else f"{type(part).__name__} {part.label!r}"


def _medium(part, images, videos):
    """The picture or the video that a part speaks of."""
    in_video = isinstance(part, Moments) or (isinstance(part, OutputPart) and part.seconds is not None)
    media, kind = (videos, "video") if in_video else (images, "picture")
    index = part.video if isinstance(part, Moments) else part.image
    if index >= len(media):
        have = f"only {len(media)} of them" if media else "none"
        raise ValueError(f"it speaks of {kind} {index} (counted from 0), but the conversation has {have}.")
    return media[index]


def _check_part(part, images, videos) -> None:
    medium = _medium(part, images, videos)
    if isinstance(part, Moments):
        return check_moments(part.seconds, medium.known_seconds)
    size = medium.known_size
    if size is None:
        return None
    if isinstance(part, Map) or (isinstance(part, Region) and part.kind == "mask"):
        return _check_raster((part.values if isinstance(part, Map) else part.mask).shape[:2], size)
    if isinstance(part, Masks) and part.masks.shape != (0, 0, 0):
        _check_raster(part.masks.shape[1:], size)
    if isinstance(part, (Boxes, Masks, Keypoints)) and part.xyxy is not None:
        _check_boxes(part.xyxy, size)
    if isinstance(part, Keypoints):
        _check_points(part.xyv[part.xyv[..., 2] > 0][:, :2], size)
    if isinstance(part, Polygons) and part.points:
        _check_points(np.concatenate(part.points), size)
    if isinstance(part, Region):
        _check_points(part.points[:1] if part.kind == "circle" else part.points, size)
        if part.kind == "box":
            _check_boxes(part.points.reshape(1, 4), size)
    return None


def _check_boxes(xyxy_N4, size) -> None:
    if not len(xyxy_N4):
        return
    wrong = (xyxy_N4[:, :2] > xyxy_N4[:, 2:]).any(1)
    if wrong.any():
        raise ValueError(f"the box {_numbers(xyxy_N4[wrong][0])} has its corners in the wrong order; "
                         "write x1, y1, x2, y2 with x1 <= x2 and y1 <= y2.")
    outside = (xyxy_N4 < -SLACK).any(1) | (xyxy_N4[:, 2:] > np.add(size, SLACK)).any(1)
    if outside.any():
        raise ValueError(f"the box {_numbers(xyxy_N4[outside][0])} leaves its picture of {size[0]} x {size[1]} pixels; "
                         "write x1, y1, x2, y2 in pixels of the original picture.")


def _check_points(points_N2, size) -> None:
    outside = (points_N2 < -SLACK).any(1) | (points_N2 > np.add(size, SLACK)).any(1)
    if outside.any():
        raise ValueError(f"the point {_numbers(points_N2[outside][0])} is outside its picture of "
                         f"{size[0]} x {size[1]} pixels; write x, y in pixels of the original picture.")


def _check_raster(shape, size) -> None:
    if tuple(shape) != (size[1], size[0]):
        raise ValueError(f"it is {shape[1]} x {shape[0]} pixels, but its picture is {size[0]} x {size[1]}; "
                         "resize it to the picture.")


def check_moments(seconds_N2, length: float | None) -> None:
    """Raises ValueError with a sentence for moments that end before they start, or after their video of `length` seconds."""
    wrong = (seconds_N2[:, 0] > seconds_N2[:, 1]) | (seconds_N2[:, 0] < 0)
    if length is not None:
        wrong |= seconds_N2[:, 1] > length + SLACK
    if wrong.any():
        bounds = "" if length is None else f" and end within the video's {length:g} seconds"
        raise ValueError(f"the moment {_numbers(seconds_N2[wrong][0])} must start at 0 or later, not after its end"
                         f"{bounds}.")


def _numbers(values) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def clipped_part(part, sizes, videos=()):
    """`part` made lawful: corners ordered, coordinates moved into the picture, boxes and outlines without area dropped.

    sizes: (width, height) of every picture of the conversation. Parts whose picture is not among them are returned as
    they are; masks and maps too, for their size can't be mended by clipping.
    """
    if isinstance(part, Moments):
        length = videos[part.video].known_seconds if part.video < len(videos) else None
        seconds = np.sort(np.clip(part.seconds, 0, length), axis=1)
        return replace(part, seconds=seconds)
    if not isinstance(part, (OutputPart, Region)) or isinstance(part, Map):
        return part
    if isinstance(part, OutputPart) and part.seconds is not None:
        size = videos[part.image].known_size if part.image < len(videos) else None
    else:
        size = sizes[part.image] if part.image < len(sizes) else None
    if size is None or (isinstance(part, Region) and part.kind in ("mask", "circle")):
        return part
    limits = np.array(size, np.float32)
    if isinstance(part, Region):
        points = np.clip(part.points, 0, limits)
        return replace(part, points=np.sort(points, axis=0) if part.kind == "box" else points)
    if isinstance(part, Polygons):
        part = replace(part, points=tuple(np.clip(points, 0, limits) for points in part.points))
        return part.select([outline_area(points) > 0 for points in part.points])
    if isinstance(part, Keypoints):
        xyv = part.xyv.copy()
        xyv[..., :2] = np.clip(xyv[..., :2], 0, limits)
        part = replace(part, xyv=xyv)
    if part.xyxy is None:
        return part
    xyxy = np.clip(np.sort(part.xyxy.reshape(-1, 2, 2), axis=1), 0, limits).reshape(-1, 4)
    part = replace(part, xyxy=xyxy)
    return part.select((xyxy[:, 2:] > xyxy[:, :2]).all(1)) if isinstance(part, Boxes) else part


def outline_area(points_P2) -> float:
    """Of an outline, square pixels (shoelace formula)."""
    x, y = points_P2.astype(np.float64).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def nearest(word: str, valid) -> str:
    """The valid name most like `word`, for sentences such as "did you mean ...?"."""
    from difflib import SequenceMatcher

    return max(valid, key=lambda name: SequenceMatcher(None, str(word).lower(), name.lower()).ratio())
