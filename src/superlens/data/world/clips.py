"""Clips of the drawn world: things that move, come and go, or meet, and the seconds in which they do.

Things do not turn or grow, and cast no shadows that would move: a clip is drawn at hundreds of frames a second.

Legend: H W rows and columns, 3 channels, F frames, L layers. Pixels, y downwards; seconds from the start of the clip.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from superlens.data.templates import ask, listing
from superlens.data.world.kinds import pick
from superlens.data.world.layers import Layer, Layers
from superlens.data.world.scene import BASE, fill
from superlens.data.world.textures import between, surface
from superlens.data.world.turns import Pairs, Setting, Turn, say
from superlens.message import Conversation, Message, Moments
from superlens.video import Video

TASKS = ("moments", "happens", "timeline")
PARTS = 24  # of equal length, that "timeline" is about
SECONDS = (8.0, 18.0)
RATE = 4.0  # frames a second
SPEED = (14.0, 34.0)  # pixels a second on a picture of 128
LEAST_SECONDS, MOST_SHARE = 1.2, 0.4  # that an event lasts; of the clip's length: short ones can not be guessed
MOST_THINGS = 4
WAYS = {"to the left": (-1, 0), "to the right": (1, 0), "up": (0, -1), "down": (0, 1)}
_TRIES = 60


@dataclass(frozen=True)
class Event:
    """What happens, in words ("the red ring moves up"), and from when to when."""

    words: str
    start: float
    end: float


@dataclass(frozen=True)
class Life:
    """Where a thing is at which second, its corner (left, top) in pixels between which it moves evenly; and when it is seen."""

    stations: tuple[tuple[float, float, float], ...]
    seen: tuple[float, float] = (0.0, math.inf)

    def at(self, second: float) -> tuple[int, int] | None:
        """The corner (left, top) at a second; None while it is not seen."""
        if not self.seen[0] <= second < self.seen[1]:
            return None
        times, lefts, tops = zip(*self.stations)
        return round(float(np.interp(second, times, lefts))), round(float(np.interp(second, times, tops)))


@dataclass(frozen=True, eq=False)
class DrawnClip:
    """frames_FHW3 uint8 at `RATE` frames a second, their length in seconds, and all that happens."""

    frames_FHW3: np.ndarray
    seconds: float
    events: tuple[Event, ...]


def draw_clip(rng: np.random.Generator, size: int, pairs: Pairs) -> DrawnClip:
    """One clip with one or two events: a pure function of the state of `rng`."""
    for _ in range(_TRIES):
        canvas = fill(Layers(rng, size), pairs, MOST_THINGS)
        canvas.develop()  # chooses the film
        layers = canvas.layers
        seconds = round(between(rng, *SECONDS) * RATE) / RATE
        planned = _plan(layers, rng, seconds, size)
        if planned is not None:
            lives, events = planned
            return DrawnClip(_frames(canvas, layers, lives, seconds), seconds, tuple(events))
    raise AssertionError(f"no clip in {_TRIES} draws")


def clip_talk(
    task: str, rng: np.random.Generator, size: int, setting: Setting, more: Sequence[str] = ()
) -> tuple[Conversation, Turn]:
    """A clip and a question about it: when an event happens ("moments"), what does ("happens"), or in which of 24 parts of equal length
    an event is going on ("timeline"); the last turn is also given by itself.

    more: tasks of further questions. Nothing is asked twice, so there may be fewer.
    """
    clip = draw_clip(setting.scenes or rng, size, setting.pairs)
    events = [clip.events[index] for index in rng.permutation(len(clip.events))]
    left = {"moments": list(events), "timeline": list(events), "happens": [None]}
    turns = [_turn(name, left[name].pop(), clip, rng, setting) for name in (task, *more) if left[name]]
    messages: list[Message] = []
    for turn in turns:
        video = () if messages else (Video(tuple(clip.frames_FHW3), fps=RATE),)
        messages += [Message("user", (*video, turn.question)), turn.answer]
    return Conversation(tuple(messages[:-1])), turns[-1]


def _turn(task: str, event: Event | None, clip: DrawnClip, rng: np.random.Generator, setting: Setting) -> Turn:
    if task == "happens":
        words = listing([event.words for event in sorted(clip.events, key=lambda event: event.start)])
        return say(task, f"{words[0].upper()}{words[1:]}.", rng, setting)
    if task == "timeline":
        return say(task, timeline(event, clip.seconds), rng, setting, event=event.words)
    question = ask(task, rng, setting.held_out, event=event.words)
    return Turn(task, question, Message("assistant", (Moments(event.words, [[event.start, event.end]]),)))


def timeline(event: Event, seconds: float) -> str:
    """A digit for each part of a clip: 1 where the event is going on in the part's middle, else 0."""
    middles = (np.arange(PARTS) + 0.5) / PARTS * seconds
    return "".join("1" if event.start <= middle < event.end else "0" for middle in middles)


def _plan(layers: Sequence[Layer], rng: np.random.Generator, seconds: float, size: int) -> tuple[list[Life], list[Event]] | None:
    """A life for every thing and what happens; None where the things do not allow what was drawn. Kinds that two things share are
    nobody's name."""
    kinds = [f"{layer.colour} {layer.shape}" for layer in layers]
    if len(set(kinds)) < len(kinds):
        return None
    lives = [Life(((0.0, layer.left, layer.top),)) for layer in layers]
    events: list[Event] = []
    free = list(rng.permutation(len(layers)))
    for _ in range(1 + int(rng.random() < 0.6)):
        if not free:
            break
        mood = rng.random()
        index = int(free.pop())
        if mood < 0.4 or (mood < 0.7 and not free):
            made = _move(layers[index], rng, seconds, size)
            if made is not None:
                lives[index], way, start, end = made
                events.append(Event(f"the {kinds[index]} moves {way}", start, end))
        elif mood < 0.7:
            other = int(free.pop())
            made = _meet(layers[index], layers[other], rng, seconds, size)
            if made is not None:
                lives[index], start, end = made
                events.append(Event(f"the {kinds[index]} touches the {kinds[other]}", start, end))
        else:
            start, end = _span(rng, seconds)
            lives[index] = replace(lives[index], seen=(start, end))
            events.append(Event(f"the {kinds[index]} is there", start, end))
    if not events or (len(layers) > 1 and not _apart(layers, lives, seconds)):
        return None
    return lives, events


def _span(rng: np.random.Generator, seconds: float) -> tuple[float, float]:
    """From when to when, inside the clip."""
    lasts = between(rng, LEAST_SECONDS, MOST_SHARE * seconds)
    start = between(rng, 0.3, seconds - lasts - 0.3)
    return start, start + lasts


def _move(layer: Layer, rng: np.random.Generator, seconds: float, size: int) -> tuple[Life, str, float, float] | None:
    way = pick(rng, sorted(WAYS))
    x, y = WAYS[way]
    start, end = _span(rng, seconds)
    away = between(rng, *SPEED) * size / BASE * (end - start)
    height, width = layer.alpha_HW.shape
    left, top = layer.left + x * away, layer.top + y * away
    # What would leave the picture goes as far as it can, and stops then.
    left, top = float(np.clip(left, 0, size - width)), float(np.clip(top, 0, size - height))
    gone = abs(left - layer.left) + abs(top - layer.top)
    if gone < 0.15 * size:
        return None
    end = min(end, start + max(LEAST_SECONDS, gone / (SPEED[0] * size / BASE)))
    return Life(((start, layer.left, layer.top), (end, left, top))), way, start, end


def _meet(layer: Layer, other: Layer, rng: np.random.Generator, seconds: float, size: int) -> tuple[Life, float, float] | None:
    """The first thing goes to the other, stays there for a while, and goes back."""
    turn = between(rng, 0, 2 * math.pi)
    reach = max(layer.alpha_HW.shape) / 2 + max(other.alpha_HW.shape) / 2
    middle = np.array([other.left, other.top]) + np.array(other.alpha_HW.shape[::-1]) / 2
    half = np.array(layer.alpha_HW.shape[::-1]) / 2
    here = np.array([layer.left, layer.top], float)
    for away in np.linspace(1.1, 0.3, 20) * reach:
        there = middle + away * np.array([math.cos(turn), math.sin(turn)]) - half
        if _touch(layer, there, other):
            break
    else:
        return None
    if (there < 0).any() or (there + 2 * half > size).any() or np.hypot(*(there - here)) < 0.2 * size or _touch(layer, here, other):
        return None
    travel = float(np.hypot(*(there - here))) / (between(rng, *SPEED) * size / BASE)
    stay = between(rng, LEAST_SECONDS, MOST_SHARE * seconds)
    if 2 * travel + stay + 0.8 > seconds:
        return None
    start = between(rng, travel + 0.4, seconds - travel - stay - 0.4)
    stations = ((start - travel, *here), (start, *there), (start + stay, *there), (start + stay + travel, *here))
    return Life(stations), start, start + stay


def _touch(layer: Layer, corner: np.ndarray, other: Layer) -> bool:
    """Whether a thing with its corner at (left, top) touches another: a pixel of one beside or on a pixel of the other."""
    solid, wall = layer.alpha_HW > 0.5, np.pad(other.alpha_HW > 0.5, 1)
    wall = wall | np.roll(wall, 1, 0) | np.roll(wall, -1, 0) | np.roll(wall, 1, 1) | np.roll(wall, -1, 1)
    left, top = (round(float(a - b)) + 1 for a, b in zip(corner, (other.left, other.top)))
    rows, columns = np.nonzero(solid)
    rows, columns = rows + top, columns + left
    inside = (rows >= 0) & (columns >= 0) & (rows < wall.shape[0]) & (columns < wall.shape[1])
    return bool(wall[rows[inside], columns[inside]].any())


def _apart(layers: Sequence[Layer], lives: Sequence[Life], seconds: float) -> bool:
    """Whether no thing hides most of another at any time: what is not seen happens to nobody."""
    for second in np.arange(0, seconds, 0.5):
        boxes = []
        for layer, life in zip(layers, lives):
            corner = life.at(second)
            if corner is not None:
                height, width = layer.alpha_HW.shape
                boxes.append((corner[0], corner[1], corner[0] + width, corner[1] + height))
        for number, one in enumerate(boxes):
            for two in boxes[number + 1 :]:
                wide, high = min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1])
                least = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
                if wide > 0 and high > 0 and wide * high > 0.4 * least:
                    return False
    return True


def _frames(canvas: Layers, layers: Sequence[Layer], lives: Sequence[Life], seconds: float) -> np.ndarray:
    skins = [surface(copy.deepcopy(layer.brush), layer.tone_3, *layer.alpha_HW.shape, canvas.light) for layer in layers]
    drawn: dict[tuple, np.ndarray] = {}  # most of the time nothing moves
    frames = []
    for number in range(round(seconds * RATE)):
        corners = tuple(life.at(number / RATE) for life in lives)
        if corners not in drawn:
            pixels = canvas.bare.copy()
            for layer, skin, corner in zip(layers, skins, corners):
                if corner is not None:
                    _lay(pixels, layer.alpha_HW, skin, *corner)
            drawn[corners] = canvas.film.develop(pixels)
        frames.append(drawn[corners])
    return np.stack(frames)


def _lay(pixels: np.ndarray, alpha_HW: np.ndarray, skin: np.ndarray, left: int, top: int) -> None:
    """Draw a patch with its corner at (left, top) over the pixels; what lies outside is cut."""
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + alpha_HW.shape[0], pixels.shape[0]), min(left + alpha_HW.shape[1], pixels.shape[1])
    if y1 > y0 and x1 > x0:
        inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        behind = pixels[y0:y1, x0:x1]
        behind += (skin[inner] - behind) * alpha_HW[inner][..., None]
