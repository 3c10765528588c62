"""A message over its pictures: boxes, masks, outlines, keypoints and regions in one colour per label, scores beside the
boxes, and the words underneath with every label in its colour and followed by how many were found.

Drawing on the pictures is done by supervision; the caption by Pillow. Small pictures are enlarged so that labels can be
read, huge ones shrunk; coordinates follow.
"""

import warnings

import numpy as np
from PIL import Image as PilImage

from superlens.formats import import_supervision, to_supervision
from superlens.media import Image
from superlens.message import Boxes, Keypoints, Map, Masks, Message, Moments, OutputPart, Polygons, Region, Text
from superlens.video import Video

COLOURS = ("#e6194b", "#0a84ff", "#1f9d3a", "#f58231", "#911eb4", "#00a3a3", "#f032e6", "#9a6324", "#5d7d00", "#c2185b",
           "#3949ab", "#b8860b")
LABEL_ROOM = 460  # pixels: pictures whose longer side is below this are enlarged
LONGEST_SIDE = 1600
NARROWEST = 320  # a caption needs this much
MARGIN = 12
THUMBNAIL, BAR = 120, 12  # pixels: height of a video's frames, and of the bars under them
CROWD = 12  # with more objects than this, the names beside them are left to the caption
# the limbs and trunk of COCO's 17 keypoints
_SKELETON = (
    *((f"{side} {a}", f"{side} {b}") for side in ("left", "right")
      for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))),
    ("left shoulder", "right shoulder"), ("left hip", "right hip"),
)


def draw(message: Message, images=None):
    """The message over its pictures -> RGB `PIL.Image`, the pictures side by side, the words underneath.

    images: the conversation's pictures, a sequence of anything `Image` takes (or one of them); default: the pictures
    that the message knows (`Message.about`), else none. Those in its own content follow: new pictures, and changed ones
    behind their source. Pictures that the message neither holds nor speaks of are left out, unless no picture is left
    then. Only the words are drawn if there is no picture.
    """
    pictures = _pictures(message, images)
    colours = _colours(message)
    parts = [part for part in message.content
             if isinstance(part, (OutputPart, Region)) and getattr(part, "seconds", None) is None]
    missing = [part.image for part in parts if part.image >= len(pictures)]
    if missing:
        raise ValueError(f"The message speaks of picture {missing[0]} (counted from 0), but {len(pictures)} were "
                         "given; call draw(images=[...]) with the conversation's pictures.")
    shown = sorted({part.image for part in parts} | {made.of for made in message.images if made.of is not None})
    shown += [k for k, picture in enumerate(pictures) if picture in message.images and k not in shown]
    panels = [_panel(pictures[k], [part for part in parts if part.image == k], colours)
              for k in (shown or range(len(pictures)))]
    return _page(panels, _caption_words(message, colours))


def draw_video(message: Message, video: Video, frames: int = 8):
    """Frames of a video at equal distances, and under them a bar for every moment of the message -> RGB `PIL.Image`.

    Of several videos in a conversation, give the one that the message's moments speak of.
    """
    from PIL import ImageDraw

    length = video.seconds
    shown = [np.asarray(_thumbnail(frame)) for frame in video.at((np.arange(frames) + 0.5) / frames * length)]
    row = np.concatenate(shown, axis=1)
    colours = _colours(message)
    strip = PilImage.new("RGB", (row.shape[1], row.shape[0] + len(message.moments) * (BAR + 4) + 4), "white")
    strip.paste(PilImage.fromarray(row))
    pen = ImageDraw.Draw(strip)
    for number, part in enumerate(message.moments):
        top = row.shape[0] + 4 + number * (BAR + 4)
        pen.line([(0, top + BAR // 2), (row.shape[1] - 1, top + BAR // 2)], fill="#cccccc")
        for start, end in part.seconds.tolist():
            pen.rectangle([start / length * (row.shape[1] - 1), top, end / length * (row.shape[1] - 1), top + BAR], colours[part.label])
    return _page([np.asarray(strip)], _caption_words(message, colours))


def _thumbnail(frame: Image):
    width, height = frame.size
    return PilImage.fromarray(frame.pixels).resize((max(1, round(width * THUMBNAIL / height)), THUMBNAIL))


def _pictures(message: Message, images) -> tuple[Image, ...]:
    images = message.pictures if images is None else images
    images = images if isinstance(images, (list, tuple)) else [images]
    given = tuple(image if isinstance(image, Image) else Image(image) for image in images)
    return given + tuple(image for image in message.images if not any(image is known for known in given))


def _colours(message: Message) -> dict[str, str]:
    """One colour per label, in order of appearance."""
    labels = dict.fromkeys(part.label for part in message.outputs)
    return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}


def _panel(picture: Image, parts, colours):
    """One picture with its parts drawn -> (H, W, 3) uint8."""
    scene = _sized(picture)
    scale = np.array(scene.size, np.float64) / picture.size
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Oo]pen[Cc][Vv].*", category=UserWarning)
        supervision = import_supervision()
        canvas = np.asarray(scene).copy()
        for part in sorted(parts, key=lambda part: not isinstance(part, (Map, Masks))):  # outlines over areas
            if isinstance(part, Map):
                canvas = _draw_map(canvas, part)
            elif isinstance(part, Region):
                canvas = _draw_region(canvas, part, scale)
            elif part.count:
                canvas = _draw_part(supervision, canvas, part, scale, colours[part.label])
    return canvas


def _sized(picture: Image):
    """The picture as PIL, enlarged by a whole factor when small, shrunk when huge."""
    from PIL import Image as PilImage

    image = picture.pil()
    longest = max(image.size)
    if longest < LABEL_ROOM:
        factor = -(-LABEL_ROOM // longest)
        way = PilImage.Resampling.NEAREST if longest < 32 else PilImage.Resampling.BICUBIC
        return image.resize((image.width * factor, image.height * factor), way)
    if longest > LONGEST_SIDE:
        factor = LONGEST_SIDE / longest
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image.resize(size, PilImage.Resampling.LANCZOS)
    return image


def _draw_part(supervision, canvas, part, scale, colour):
    """One part's objects in `colour` ("#rrggbb"), their labels on top."""
    found = to_supervision(part)
    labels, name = _object_labels(part), colour
    colour = supervision.Color.from_hex(name)
    canvas = np.ascontiguousarray(canvas[..., ::-1])  # supervision draws blue first, as OpenCV does
    thickness = 2 if max(canvas.shape[:2]) < 1000 else 3
    lookup = np.zeros(part.count, int)
    if isinstance(part, Keypoints):
        found.xy = (found.xy * scale).astype(np.float32)
        canvas = _draw_points(supervision, canvas, part, found, scale, name, thickness)
        found = to_supervision(Boxes(part.label, part.bounds, part.scores))
    found.xyxy = (found.xyxy * np.tile(scale, 2)).astype(np.float32)
    if isinstance(part, Masks):
        found.mask = np.stack([_resized(mask, canvas.shape[:2]) for mask in part.masks])
        canvas = supervision.MaskAnnotator(color=colour, opacity=0.45).annotate(canvas, found, lookup)
        canvas[_rims(found.mask, thickness)] = colour.as_bgr()
    elif isinstance(part, Polygons):
        for points in part.points:
            canvas = supervision.draw_polygon(canvas, np.rint(points * scale).astype(int), colour, thickness)
    elif isinstance(part, Boxes) or part.xyxy is not None:
        canvas = supervision.BoxAnnotator(color=colour, thickness=thickness).annotate(canvas, found, lookup)
    return _draw_labels(np.ascontiguousarray(canvas[..., ::-1]), found.xyxy, labels, name)


def _object_labels(part) -> list[str]:
    """What stands beside each object: the label and the score; for written words, the words."""
    names = part.texts if isinstance(part, Polygons) and part.texts else [part.label] * part.count
    if part.count > CROWD and not (isinstance(part, Polygons) and part.texts):
        names = [""] * part.count
    names = [name if len(name) <= 28 else name[:27] + "…" for name in names]
    if part.scores is None:
        return names
    return [f"{name} {score:.2f}".strip() for name, score in zip(names, part.scores, strict=True)]


def _draw_labels(canvas, xyxy_N4, labels, colour):
    """Each label in a filled rectangle above the upper left corner of its box, or inside where there is no room."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    image = PilImage.fromarray(canvas)
    pen, font = ImageDraw.Draw(image), _font(13 if len(labels) <= CROWD else 11)
    for (x1, y1, _, _), label in zip(xyxy_N4, labels, strict=True):
        if label:
            left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
            width, height = right - left + 6, bottom - top + 5
            x = max(0, min(x1 - 1, image.width - width))
            y = max(0, y1 - height) if y1 >= height else min(y1, image.height - height)
            pen.rectangle((x, y, x + width, y + height), fill=colour)
            pen.text((x + 3 - left, y + 2 - top), label, fill="white", font=font)
    return np.asarray(image).copy()


def _edges(names) -> list[tuple[int, int]]:
    """Which of `names` are joined, counted from 1: limbs and trunk of a body, where both ends have COCO's names."""
    places = {name.replace("_", " ").lower(): place for place, name in enumerate(names, 1)}
    return [(places[a], places[b]) for a, b in _SKELETON if a in places and b in places]


def _draw_points(supervision, canvas, part: Keypoints, found, scale, name, thickness):
    """The points of `found` (in canvas pixels), dots small where objects are; a skeleton, or the names beside few points."""
    colour = supervision.Color.from_hex(name)
    sides = (part.bounds[:, 2:] - part.bounds[:, :2]) * scale
    radius = int(np.clip(sides.max() / 40, 2, thickness + 2))
    edges = _edges(part.names)
    if edges:
        annotator = supervision.EdgeAnnotator(color=colour, thickness=min(radius, thickness), edges=edges)
        canvas = annotator.annotate(canvas, found)
    canvas = supervision.VertexAnnotator(color=colour, radius=radius).annotate(canvas, found)
    named = [(*(xy * scale), word) for xyv in part.xyv for word, xy, v in zip(part.names, xyv[:, :2], xyv[:, 2], strict=True) if v > 0]
    if edges or not 0 < len(named) <= CROWD:
        return canvas
    corners = []
    for x, y, _ in sorted(named, key=lambda point: point[1]):
        # A name that would cover the one above it moves down.
        above = [other for other in corners if abs(other[0] - x) < 90 and y + 9 - other[1] < 19]
        y = max([y + 9, *(other[1] + 19 for other in above)])
        corners.append((x + radius + 3, y, x + radius + 3, y))
    words = [word for _, _, word in sorted(named, key=lambda point: point[1])]
    drawn = _draw_labels(np.ascontiguousarray(canvas[..., ::-1]), np.array(corners), words, name)
    return np.ascontiguousarray(drawn[..., ::-1])


def _resized(mask_HW: np.ndarray, shape) -> np.ndarray:
    """A mask at the canvas' size, by the nearest pixel."""
    rows = np.minimum(np.arange(shape[0]) * mask_HW.shape[0] // shape[0], mask_HW.shape[0] - 1)
    columns = np.minimum(np.arange(shape[1]) * mask_HW.shape[1] // shape[1], mask_HW.shape[1] - 1)
    return mask_HW[rows][:, columns]


def _rims(masks_NHW: np.ndarray, thickness: int) -> np.ndarray:
    """(H, W) bool: the outermost pixels of every mask. (supervision traces polygons: seconds on a ragged mask.)"""
    rims = np.zeros(masks_NHW.shape[1:], bool)
    for mask in masks_NHW:
        inner = np.pad(mask, thickness, constant_values=True)  # no rim along the picture's border
        for axis in (0, 1):
            inner = np.logical_and.reduce([np.roll(inner, step, axis) for step in range(-thickness, thickness + 1)])
        rims |= mask & ~inner[thickness:-thickness, thickness:-thickness]
    return rims


def _draw_map(canvas, part: Map):
    """The map in place of the picture: its first three channels (one: grey), stretched from lowest to highest."""
    values = part.values[..., :3] if part.values.shape[-1] >= 3 else part.values[..., :1].repeat(3, axis=2)
    low, high = float(values.min()), float(values.max())
    stretched = (values - low) / (high - low) if high > low else np.zeros_like(values)
    image = np.rint(stretched * 255).astype(np.uint8)
    return np.ascontiguousarray(np.stack([_resized(image[..., c], canvas.shape[:2]) for c in range(3)], axis=2))


def _draw_region(canvas, region: Region, scale):
    """What the user points at: white with a dark rim; "not this" in red."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    image = PilImage.fromarray(canvas)
    pen, colour = ImageDraw.Draw(image), "white" if region.positive else "#ff3b30"
    if region.kind == "mask":
        tint = np.array((255, 255, 255) if region.positive else (255, 59, 48))
        inside = _resized(region.mask, canvas.shape[:2])
        canvas = canvas.copy()
        canvas[inside] = (canvas[inside] * 0.5 + tint * 0.5).astype(np.uint8)
        return canvas
    points = [tuple(point) for point in (region.points * scale).tolist()]
    bounds = tuple((region.xyxy * np.tile(scale, 2)).tolist())
    for ink, width in (("#222222", 7), (colour, 4)):
        if region.kind == "box":
            pen.rectangle(bounds, outline=ink, width=width)
        elif region.kind == "circle":
            pen.ellipse(bounds, outline=ink, width=width)
        elif region.kind == "scribble" and len(points) > 1:
            pen.line(points, fill=ink, width=width)
        if region.kind in ("point", "scribble"):
            r = width if region.kind == "point" else width / 2  # round ends and joints of a scribble
            for x, y in points:
                pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    return np.asarray(image).copy()


def _caption_words(message: Message, colours) -> list[tuple[str, str]]:
    """The caption as pieces of (words, colour)."""
    pieces = []
    for part in message.content:
        if isinstance(part, Text):
            pieces.append((part.text, "#222222"))
        elif isinstance(part, Moments):
            times = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in part.seconds)
            pieces.append((f"{part.label} ({times or 'none'})", colours[part.label]))
        elif isinstance(part, Map):
            pieces.append((f"{part.label} ({part.unit})", colours[part.label]))
        elif isinstance(part, OutputPart):
            label = part.label or type(part).__name__.lower()
            pieces.append((f"{label} ({part.count or 'none'})", colours[part.label]))
        elif isinstance(part, Video):
            pieces.append(("[video] ", "#888888"))
    pieces += [(f"\nnote: {note}", "#b00020") for note in message.notes]
    return pieces


def _page(panels, pieces):
    """Panels side by side on white, the caption underneath."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    width = sum(panel.shape[1] for panel in panels) + MARGIN * max(0, len(panels) - 1)
    page_width = max(width, NARROWEST)
    height = max((panel.shape[0] for panel in panels), default=0)
    font = _font(17)
    lines = _wrapped(pieces, font, page_width - 2 * MARGIN)
    line_height = 24
    caption_height = len(lines) * line_height + 2 * MARGIN if lines else 0
    page = PilImage.new("RGB", (page_width, max(1, height + caption_height)), "white")
    x = (page_width - width) // 2
    for panel in panels:
        page.paste(PilImage.fromarray(panel), (x, 0))
        x += panel.shape[1] + MARGIN
    pen = ImageDraw.Draw(page)
    for i, line in enumerate(lines):
        x = MARGIN
        for words, colour in line:
            pen.text((x, height + MARGIN + i * line_height), words, fill=colour, font=font)
            x += font.getlength(words)
    return page


def _wrapped(pieces, font, width: int) -> list[list[tuple[str, str]]]:
    """Coloured pieces broken into lines at most `width` pixels wide; words longer than a line are cut."""
    lines, line, used = [], [], 0.0
    for text, colour in pieces:
        for k, paragraph in enumerate(text.split("\n")):
            if k:
                lines, line, used = [*lines, line], [], 0.0
            for word in _cut(paragraph, font, width):
                length = font.getlength(word)
                if used + font.getlength(word.rstrip()) > width and line:
                    lines, line, used = [*lines, line], [], 0.0
                    word = word.lstrip()
                    length = font.getlength(word)
                if word:
                    line.append((word, colour))
                    used += length
    lines = [*lines, line] if line else lines
    return lines if any(lines) else []


def _cut(text: str, font, width: int) -> list[str]:
    """Words with the space behind them; a word wider than `width` in pieces."""
    words = []
    for word in text.replace("\t", " ").split(" "):
        while font.getlength(word) > width and len(word) > 1:
            size = max(1, int(len(word) * width / font.getlength(word)) - 1)
            words.append(word[:size])
            word = word[size:]
        words.append(word + " ")
    words[-1] = words[-1][:-1]
    return [word for word in words if word]


def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
