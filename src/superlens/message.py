"""Parts, messages, conversations: the one schema of training samples, predictions, HTTP payloads and metrics.

Coordinates are pixels of the original (upright) picture, boxes `xyxy`; times are seconds of the original video.
Arrays inside parts are read-only numpy arrays, float32 or bool. Legend: N objects, H height, W width, K keypoints,
P points, C channels. A part is checked when it is made; what needs the pictures is checked by `Conversation`.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from superlens.media import Image, Part, frozen_array
from superlens.mention import Mention, checked_mentions
from superlens.video import Video

ROLES = ("system", "user", "assistant")
REGION_KINDS = ("box", "point", "circle", "scribble", "mask")


@dataclass(frozen=True, eq=False)
class Text(Part):
    """Words, exactly as written. mentions: which of them name which things of a picture, where that is known."""

    text: str
    mentions: tuple[Mention, ...] = ()

    def __post_init__(self):
        if not isinstance(self.text, str):
            raise ValueError(f"A text must be a string, got {type(self.text).__name__}.")
        _set(self, mentions=checked_mentions(self.mentions, self.text))


@dataclass(frozen=True, eq=False)
class Region(Part):
    """A place the user points at, in pixels of picture `image`.

    kind and points (n, 2) float32: "box" two corners; "point" one point; "circle" its centre and a point of its rim;
    "scribble" the stations of the stroke (n >= 1); "mask" None, with `mask` (H, W) bool instead.
    positive: False for "not this". image: index of the picture, counted over the conversation.
    """

    kind: str
    points: np.ndarray | None = None
    mask: np.ndarray | None = None
    positive: bool = True
    image: int = 0

    def __post_init__(self):
        if self.kind not in REGION_KINDS:
            raise ValueError(f"A region's kind must be one of {', '.join(REGION_KINDS)}, got {self.kind!r}.")
        wants_mask = self.kind == "mask"
        if (self.mask is None) == wants_mask or (self.points is None) != wants_mask:
            wanted = "a mask and no points" if wants_mask else "points and no mask"
            raise ValueError(f"A region of kind '{self.kind}' needs {wanted}.")
        if wants_mask:
            _set(self, mask=frozen_array(self.mask, bool, "A region's mask", (None, None)))
        else:
            count = {"box": 2, "point": 1, "circle": 2, "scribble": None}[self.kind]
            _set(self, points=frozen_array(self.points, np.float32, f"The points of a {self.kind}", (count, 2)))
            if not len(self.points):
                raise ValueError("A scribble needs at least one point, got none.")
        _set(self, image=_index(self.image, "A region's image"), positive=bool(self.positive))

    @classmethod
    def box(cls, x1, y1, x2, y2, positive=True, image=0) -> "Region":
        return cls("box", [[x1, y1], [x2, y2]], positive=positive, image=image)

    @classmethod
    def point(cls, x, y, positive=True, image=0) -> "Region":
        return cls("point", [[x, y]], positive=positive, image=image)

    @classmethod
    def circle(cls, x, y, radius, positive=True, image=0) -> "Region":
        return cls("circle", [[x, y], [x + radius, y]], positive=positive, image=image)

    @classmethod
    def scribble(cls, points, positive=True, image=0) -> "Region":
        return cls("scribble", points, positive=positive, image=image)

    @classmethod
    def from_mask(cls, mask, positive=True, image=0) -> "Region":
        return cls("mask", mask=mask, positive=positive, image=image)

    @property
    def radius(self) -> float:
        """Of a circle, in pixels."""
        return float(np.linalg.norm(self.points[1] - self.points[0]))

    @property
    def xyxy(self) -> np.ndarray:
        """(4,) float32, the region's bounds; zeros for an empty mask."""
        if self.kind == "mask":
            return mask_bounds(self.mask[None])[0]
        if self.kind == "circle":
            return np.concatenate([self.points[0] - self.radius, self.points[0] + self.radius]).astype(np.float32)
        return np.concatenate([self.points.min(0), self.points.max(0)])


class OutputPart(Part):
    """Base of what is found: a label and N objects. Every field named in `per_item` has one entry per object."""

    per_item: tuple[str, ...] = ("scores", "ignore", "track")

    @property
    def count(self) -> int:
        """How many objects; 0 says: asked for, not there."""
        return len(getattr(self, self.per_item[0]))

    def select(self, keep) -> "OutputPart":
        """The part with the objects that `keep` (bool mask or indices, (n,)) names, in that order."""
        kept = np.arange(self.count)[np.asarray(keep, dtype=None if len(keep) else int)]
        values = {name: getattr(self, name) for name in self.per_item}
        values = {name: tuple(v[i] for i in kept) if isinstance(v, tuple) else v[kept]
                  for name, v in values.items() if v is not None}
        return replace(self, **values)

    def above(self, min_score: float, min_share: float = 0.0) -> "OutputPart":
        """The part with the objects whose score is at least `min_score`, and `min_share` of its best; all when there are no scores."""
        if getattr(self, "scores", None) is None:
            return self
        return self.select(self.scores >= max(min_score, min_share * self.scores.max(initial=0.0)))

    def _check_common(self) -> None:
        kind, count = type(self).__name__, self.count
        if not isinstance(self.label, str):
            raise ValueError(f"The label of {kind} must be a string, got {type(self.label).__name__}.")
        for name, dtype in (("scores", np.float32), ("ignore", bool), ("track", np.int64)):
            if getattr(self, name, None) is not None:
                self._take(name, dtype, count)
        for name in ("image", "video"):
            if hasattr(self, name):
                _set(self, **{name: _index(getattr(self, name), f"The {name} of {kind} {self.label!r}")})
        if "seconds" not in self.per_item and getattr(self, "seconds", None) is not None:
            if not (isinstance(self.seconds, (int, float)) and 0 <= self.seconds < float("inf")):
                raise ValueError(f"seconds of {kind} {self.label!r} must be a number >= 0, got {self.seconds!r}.")
            _set(self, seconds=float(self.seconds))

    def _take(self, name: str, dtype, *shape) -> None:
        if getattr(self, name) is not None:
            what = f"{name} of {type(self).__name__} {self.label!r}"
            _set(self, **{name: frozen_array(getattr(self, name), dtype, what, shape)})


@dataclass(frozen=True, eq=False)
class Boxes(OutputPart):
    """Boxes of the things a label names.

    xyxy: (N, 4) float32, x1 <= x2 and y1 <= y2, pixels; `np.zeros((0, 4))` or [] when the thing is not there.
    scores: (N,) in 0-1. ignore: (N,) bool, crowds and voids that neither count nor hurt. track: (N,) whole numbers.
    image: the picture, counted over the conversation; with `seconds` (a moment of a video): the video, likewise.
    """

    label: str
    xyxy: np.ndarray
    scores: np.ndarray | None = None
    ignore: np.ndarray | None = None
    image: int = 0
    seconds: float | None = None
    track: np.ndarray | None = None

    per_item = ("xyxy", "scores", "ignore", "track")

    def __post_init__(self):
        self._take("xyxy", np.float32, None, 4)
        self._check_common()


@dataclass(frozen=True, eq=False)
class Masks(OutputPart):
    """Masks of the things a label names; `np.zeros((0, H, W))` when the thing is not there.

    masks: (N, H, W) bool, the picture's size. xyxy: (N, 4) float32 or None (see `bounds`). The rest as in `Boxes`.
    """

    label: str
    masks: np.ndarray
    xyxy: np.ndarray | None = None
    scores: np.ndarray | None = None
    ignore: np.ndarray | None = None
    image: int = 0
    seconds: float | None = None
    track: np.ndarray | None = None

    per_item = ("masks", "xyxy", "scores", "ignore", "track")

    def __post_init__(self):
        self._take("masks", bool, None, None, None)
        self._take("xyxy", np.float32, self.count, 4)
        self._check_common()

    @property
    def bounds(self) -> np.ndarray:
        """(N, 4) float32: `xyxy` if given, else the masks' bounds (zeros for an empty mask)."""
        return mask_bounds(self.masks) if self.xyxy is None else self.xyxy


@dataclass(frozen=True, eq=False)
class Keypoints(OutputPart):
    """Named points on each object.

    names: K strings. xyv: (N, K, 3) float32: x, y in pixels, and v: 0 not labelled, 1 hidden, 2 visible.
    xyxy: (N, 4) and area: (N,) pixels, of the whole object (OKS needs the area). The rest as in `Boxes`.
    """

    label: str
    names: tuple[str, ...]
    xyv: np.ndarray
    xyxy: np.ndarray | None = None
    area: np.ndarray | None = None
    scores: np.ndarray | None = None
    ignore: np.ndarray | None = None
    image: int = 0
    seconds: float | None = None
    track: np.ndarray | None = None

    per_item = ("xyv", "xyxy", "area", "scores", "ignore", "track")

    def __post_init__(self):
        _set(self, names=_strings(self.names, f"names of Keypoints {self.label!r}"))
        self._take("xyv", np.float32, None, len(self.names), 3)
        self._take("xyxy", np.float32, self.count, 4)
        self._take("area", np.float32, self.count)
        self._check_common()
        if not np.isin(self.xyv[..., 2], (0, 1, 2)).all():
            raise ValueError(f"v of Keypoints {self.label!r} must be 0 (not labelled), 1 (hidden) or 2 (visible).")

    @property
    def bounds(self) -> np.ndarray:
        """(N, 4) float32: `xyxy` if given, else the extent of the points with v > 0 (zeros where there is none)."""
        if self.xyxy is not None:
            return self.xyxy
        bounds = np.zeros((self.count, 4), np.float32)
        for row, xyv in zip(bounds, self.xyv, strict=True):
            seen = xyv[xyv[:, 2] > 0, :2]
            if len(seen):
                row[:] = *seen.min(0), *seen.max(0)
        return bounds


@dataclass(frozen=True, eq=False)
class Polygons(OutputPart):
    """Outlines, or the quads of written words.

    points: N arrays (P, 2) float32, P >= 3, pixels. texts: N strings (what is written there) or None.
    The rest as in `Boxes`.
    """

    label: str
    points: tuple[np.ndarray, ...]
    texts: tuple[str, ...] | None = None
    scores: np.ndarray | None = None
    ignore: np.ndarray | None = None
    image: int = 0
    seconds: float | None = None
    track: np.ndarray | None = None

    per_item = ("points", "texts", "scores", "ignore", "track")

    def __post_init__(self):
        name = f"points of Polygons {self.label!r}"
        points = tuple(frozen_array(p, np.float32, name, (None, 2)) for p in self.points)
        if any(len(p) < 3 for p in points):
            raise ValueError(f"{name} must hold at least 3 points each, got {min(map(len, points))}.")
        _set(self, points=points)
        if self.texts is not None:
            _set(self, texts=_strings(self.texts, f"texts of Polygons {self.label!r}"))
            if len(self.texts) != len(points):
                raise ValueError(f"Polygons {self.label!r} has {len(points)} outlines but {len(self.texts)} texts.")
        self._check_common()

    @property
    def bounds(self) -> np.ndarray:
        """(N, 4) float32, the outlines' bounds."""
        bounds = [np.concatenate([p.min(0), p.max(0)]) for p in self.points]
        return np.array(bounds, np.float32).reshape(-1, 4)


@dataclass(frozen=True, eq=False)
class Moments(OutputPart):
    """Stretches of a video.

    seconds: (N, 2) float32, start <= end, seconds of the original video. video: which one, counted over the
    conversation.
    """

    label: str
    seconds: np.ndarray
    scores: np.ndarray | None = None
    ignore: np.ndarray | None = None
    video: int = 0

    per_item = ("seconds", "scores", "ignore")

    def __post_init__(self):
        self._take("seconds", np.float32, None, 2)
        self._check_common()


@dataclass(frozen=True, eq=False)
class Map(OutputPart):
    """One value (or C values) for every pixel: depth, normals, edges.

    values: (H, W, C) float32, the picture's size; (H, W) is taken as C = 1. unit: "metre", "none", ...
    """

    label: str
    values: np.ndarray
    unit: str = "none"
    image: int = 0
    seconds: float | None = None

    per_item = ()

    def __post_init__(self):
        values = np.asarray(self.values)
        _set(self, values=self.values if values.ndim != 2 else values[..., None])
        self._take("values", np.float32, None, None, None)
        if not isinstance(self.unit, str):
            raise ValueError(f"The unit of Map {self.label!r} must be a string, got {type(self.unit).__name__}.")
        self._check_common()

    @property
    def count(self) -> int:
        """1: a map is always there."""
        return 1

    def select(self, keep) -> "Map":
        return self


@dataclass(frozen=True)
class Message:
    """What one side says: a role and typed parts.

    content: parts in the order they are written; a plain string becomes one `Text`.
    notes: what went wrong on the way (an answer's text that could not be read, say).
    pictures: the conversation's pictures, held by an answer so that `draw()` works; no part of equality or JSON.
    """

    role: str
    content: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: tuple[Image, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self):
        if self.role not in ROLES:
            raise ValueError(f"A message's role must be one of {', '.join(ROLES)}, got {self.role!r}.")
        content = (self.content,) if isinstance(self.content, (str, Part)) else self.content
        content = tuple(Text(part) if isinstance(part, str) else part for part in content)
        for part in content:
            if not isinstance(part, Part):
                raise ValueError(f"A message holds parts and strings, got {type(part).__name__}.")
        _set(self, content=content, notes=_strings(self.notes, "notes of a message"), pictures=tuple(self.pictures))

    def __hash__(self):
        return id(self)

    @property
    def text(self) -> str:
        """The texts and the labels, joined as written."""
        return "".join(part.text if isinstance(part, Text) else part.label for part in self.content
                       if isinstance(part, (Text, OutputPart)))

    def parts(self, kind: type) -> tuple:
        """The parts of one type, in order."""
        return tuple(part for part in self.content if isinstance(part, kind))

    images = property(lambda self: self.parts(Image), doc="Pictures in the content, in order.")
    videos = property(lambda self: self.parts(Video), doc="Videos in the content, in order.")
    regions = property(lambda self: self.parts(Region), doc="`Region` parts, in order.")
    boxes = property(lambda self: self.parts(Boxes), doc="`Boxes` parts, in order.")
    masks = property(lambda self: self.parts(Masks), doc="`Masks` parts, in order.")
    keypoints = property(lambda self: self.parts(Keypoints), doc="`Keypoints` parts, in order.")
    polygons = property(lambda self: self.parts(Polygons), doc="`Polygons` parts, in order.")
    moments = property(lambda self: self.parts(Moments), doc="`Moments` parts, in order.")
    maps = property(lambda self: self.parts(Map), doc="`Map` parts, in order.")
    outputs = property(lambda self: self.parts(OutputPart), doc="All parts with a label, in order.")

    def about(self, pictures) -> "Message":
        """This message, knowing the pictures it speaks of: a sequence of `Image`, or the `Conversation`."""
        return replace(self, pictures=tuple(pictures.images if isinstance(pictures, Conversation) else pictures))

    def above(self, min_score: float, min_share: float = 0.0) -> "Message":
        """This message, each part without the objects that score below, as in `OutputPart.above`; every asked part stays, if empty."""
        return replace(self, content=tuple(part.above(min_score, min_share) if isinstance(part, OutputPart) else part
                                           for part in self.content))

    def clipped(self, pictures=None, videos=()) -> "Message":
        """A prediction made lawful: corners ordered, coordinates moved into their picture (a sequence of `Image` or
        of (width, height); default: `self.pictures`), boxes and outlines left without area dropped."""
        from superlens.checks import clipped_part

        sizes = [p.size if isinstance(p, Image) else p for p in (self.pictures if pictures is None else pictures)]
        return replace(self, content=tuple(clipped_part(part, sizes, videos) for part in self.content))

    def draw(self, images=None):
        """The message over its pictures, as an RGB PIL image; see `superlens.draw.draw`."""
        from superlens.draw import draw

        return draw(self, images)

    def to_json(self, root=None) -> dict:
        from superlens.formats import to_json

        return to_json(self, root)

    @classmethod
    def from_json(cls, data: dict, root=None) -> "Message":
        from superlens.formats import message_from_json

        return message_from_json(data, root)


@dataclass(frozen=True)
class Conversation:
    """Messages, checked against each other when made.

    Raises ValueError with one sentence saying where: a picture or video that does not exist, a box outside its picture
    (more than 1 px), a mask of another size, an empty question, a system message that is not first.
    strict=False skips these checks (predictions: see `clipped`). Pictures behind a URL are not fetched for checking.
    """

    messages: tuple[Message, ...]
    strict: bool = field(default=True, compare=False, repr=False)

    def __post_init__(self):
        from superlens.checks import check_conversation

        messages = (self.messages,) if isinstance(self.messages, Message) else tuple(self.messages)
        _set(self, messages=messages)
        for message in messages:
            if not isinstance(message, Message):
                raise ValueError(f"A conversation holds messages, got {type(message).__name__}.")
        if self.strict:
            check_conversation(self)

    def __hash__(self):
        return id(self)

    @property
    def images(self) -> tuple[Image, ...]:
        """All pictures, in order: what `image=` indices count."""
        return tuple(part for message in self.messages for part in message.content if isinstance(part, Image))

    @property
    def videos(self) -> tuple[Video, ...]:
        """All videos, in order: what `video=` indices count."""
        return tuple(part for message in self.messages for part in message.content if isinstance(part, Video))

    def clipped(self) -> "Conversation":
        """For predictions: every message made lawful (`Message.clipped`), then checked."""
        images, videos = self.images, self.videos
        return Conversation(tuple(message.clipped(images, videos) for message in self.messages))

    def answered(self, answer: Message) -> "Conversation":
        """This conversation with a predicted answer added, clipped to the pictures."""
        return Conversation((*self.messages, answer), strict=False).clipped()

    def to_json(self, root=None) -> dict:
        from superlens.formats import to_json

        return to_json(self, root)

    @classmethod
    def from_json(cls, data: dict, root=None, strict: bool = True) -> "Conversation":
        from superlens.formats import conversation_from_json

        return conversation_from_json(data, root, strict)


def mask_bounds(masks_NHW: np.ndarray) -> np.ndarray:
    """(N, 4) float32: the pixel edges around each mask, xyxy; zeros where a mask is empty."""
    bounds = np.zeros((len(masks_NHW), 4), np.float32)
    for row, mask in zip(bounds, masks_NHW, strict=True):
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(ys):
            row[:] = xs[0], ys[0], xs[-1] + 1, ys[-1] + 1
    return bounds


def _set(part, **values) -> None:
    """Normalised field values, written while a frozen dataclass is being made."""
    for name, value in values.items():
        object.__setattr__(part, name, value)


def _strings(values, name: str) -> tuple[str, ...]:
    values = (values,) if isinstance(values, str) else tuple(values)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must all be strings, got {values!r}.")
    return values


def _index(value, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise ValueError(f"{name} must be a whole number >= 0, got {value!r}.")
    return int(value)
