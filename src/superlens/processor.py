"""Conversation <-> ids, labels, spans and pictures; generated ids -> message. No weights; saved beside the model.

Legend: T tokens of a sample, V rows of the language model's own table. Ids from V on belong to links (looked up by name);
PICTURE, SLOT and REGION mark positions whose embeddings come from the projector, a link's queries or values, and the region encoder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from superlens.checks import check_moments
from superlens.links.base import ROUTING, Group, LinkFormat, NoLinkError, Piece, Seen, Slots, Token, Value, Words, kind_of
from superlens.links.codec import CodecFormat
from superlens.mention import MOST_WORDS
from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Mention, Message, Part, Region, Text
from superlens.reading import AnswerReader, Written
from superlens.video import Video
from superlens.vision.canvas import Canvas, CanvasRule, TokenGrid
from superlens.vision.clip import Clip
from superlens.vision.regions import rasterise
from superlens.vision.watching import WatchRule

PICTURE, SLOT, REGION, NO_LABEL = -1, -2, -3, -100
MOST_AGAIN = 20  # boxes and masks of an answer that enter the conversation again, before the next question
MARK, MARK_END = "\ue000", "\ue001"  # private-use characters: markers that a user's words can not contain (they are stripped)


@dataclass
class Sample:
    """One conversation, ready for the model.

    ids_T: token ids, or PICTURE / SLOT / REGION. labels_T: the id to be predicted AT each position (already shifted), or NO_LABEL.
    pictures: uint8 canvas pixels (H, W, 3) and geometries. visual: (first position, count, picture). slots: (first position, link).
    values: (position, link, value, whether it is learned). regions: (position, picture, bool mask (H, W) on its canvas, whether it is
    wanted). mentions, of questions and, in training, of labels in answers: (position of the last token, picture, ids of its tokens,
    boxes (N, 4) in canvas pixels, whether others stand in it).
    videos: (first position, count, frames as canvas pixels, geometry, ids of what is said of each frame's second).
    groups: the parts written in it, with targets in canvas pixels.
    """

    ids_T: np.ndarray
    labels_T: np.ndarray
    pictures: list[np.ndarray] = field(default_factory=list)
    canvases: list[Canvas] = field(default_factory=list)
    visual: list[tuple[int, int, int]] = field(default_factory=list)
    slots: list[tuple[int, str]] = field(default_factory=list)
    values: list[tuple[int, str, float, bool]] = field(default_factory=list)
    features: list[tuple[int, int, int, str, bool]] = field(default_factory=list)
    regions: list[tuple[int, int, np.ndarray, bool]] = field(default_factory=list)
    mentions: list[tuple[int, int, tuple[int, ...], np.ndarray, bool]] = field(default_factory=list)
    videos: list[tuple[int, int, list[np.ndarray], Clip, list[list[int]]]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    @property
    def clips(self) -> list[Clip]:
        """The geometry of each video."""
        return [clip for _, _, _, clip, _ in self.videos]

    def __len__(self) -> int:
        return len(self.ids_T)


class Processor:
    """formats: name -> LinkFormat, ordered by name. grid: visual tokens per canvas. template: a Jinja chat template, or None to
    use the tokenizer's own. vocabulary: V. points_at: the model has a region encoder. watch: how videos are shown, if they can be.
    """

    def __init__(
        self,
        tokenizer,
        formats: dict[str, LinkFormat],
        canvas: CanvasRule,
        grid: TokenGrid,
        vocabulary: int,
        template: str | None = None,
        max_tokens: int = 4096,
        points_at: bool = False,
        watch: WatchRule | None = None,
    ):
        self.tokenizer, self.formats, self.canvas, self.grid = tokenizer, dict(formats), canvas, grid
        self.vocabulary, self.max_tokens, self.points_at, self.watch = vocabulary, max_tokens, points_at, watch
        self.template = template or getattr(tokenizer, "chat_template", None)
        if not self.template:
            raise ValueError("this tokenizer has no chat template: give the recipe one (language.template).")
        self.roles: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        for name, form in self.formats.items():
            for token, role in form.roles().items():
                if self.roles.setdefault(token, role) != role:
                    raise ValueError(f"links.{name}: token '{token}' already means '{self.roles[token]}' in another link.")
                if token in self.owner and role not in ("open", "close", "code"):
                    raise ValueError(f"links.{name}: token '{token}' is that of links.{self.owner[token]}: give each link its own.")
                self.owner.setdefault(token, name)
        self.token_ids = {token: vocabulary + index for index, token in enumerate(self.roles)}
        self.token_names = {index: token for token, index in self.token_ids.items()}
        self.end_ids = self._end_of_turn()

    def own_tokens(self, link: str) -> tuple[str, ...]:
        """Tokens whose rows live with this link (a token that several links write belongs to the first)."""
        return tuple(token for token, owner in self.owner.items() if owner == link)

    # -- writing --------------------------------------------------------------------------------------------------

    def encode(self, conversation: Conversation, answer: bool = True) -> Sample:
        """A conversation -> Sample. ValueError where it is longer than the model reads.

        answer=True: assistant messages are learned. answer=False: the prompt for the next message, ending where the assistant begins.
        """
        sample = self.encode_any_length(conversation, answer)
        if len(sample) > self.max_tokens:
            raise ValueError(f"the conversation is {len(sample)} tokens long, the model reads at most {self.max_tokens}: shorten it.")
        return sample

    def encode_any_length(self, conversation: Conversation, answer: bool = True) -> Sample:
        """As `encode`, for training, which drops and counts what is too long."""
        pieces: list[tuple[object, bool]] = []
        text = self._render(conversation, pieces, generation=not answer)
        writer = Writer(self, conversation)
        for position, chunk in enumerate(re.split(f"{MARK}(\\d+){MARK_END}", text)):
            if position % 2 == 0:
                writer.words(chunk, learn=writer.ending and answer)
            else:
                writer.piece(*pieces[int(chunk)])
        return writer.sample()

    def format_of(self, part: Part) -> LinkFormat:
        """Of the link that writes a part. ValueError when there is none."""
        kind = kind_of(part)
        for form in self.formats.values():
            if form.part == kind:
                return form
        known = ", ".join(sorted({form.part for form in self.formats.values()})) or "words only"
        raise NoLinkError(f"this recipe has no link that writes {kind}; it writes {known}.", kind)

    def words(self, text: str) -> list[int]:
        """Plain text -> ids of the language model's own tokenizer; special tokens that a user types stay plain words."""
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) if text else []

    def spans(self, text: str) -> list[tuple[int, int]]:
        """First character of each of the ids of `words(text)`, and the one after its last."""
        options = {"add_special_tokens": False, "split_special_tokens": True, "return_offsets_mapping": True}
        return self.tokenizer(text, **options)["offset_mapping"]

    def template_words(self, text: str) -> list[int]:
        """The chat template's own text -> ids, special tokens meant as such."""
        return self.tokenizer.encode(text, add_special_tokens=False) if text else []

    def _render(self, conversation: Conversation, pieces: list, generation: bool) -> str:
        """Through the chat template, every part and both ends of an answer replaced by a marker."""

        def mark(thing: object, learn: bool) -> str:
            pieces.append((thing, learn))
            return f"{MARK}{len(pieces) - 1}{MARK_END}"

        messages = []
        found: list[Region] = []
        painted: list[Image] = []
        for message in conversation.messages:
            learn = message.role == "assistant"
            marks = [mark(part, learn) for part in message.content]
            if learn:
                found += objects_of(message)
                painted += [image for image in message.images if not self.format_of(image).shows]
            else:
                again = [*painted, *(found[:MOST_AGAIN] if self.points_at else [])]
                marks = [mark(part, False) for part in again] + marks
                found, painted = [], []
            content = "".join(marks) if not learn else mark("begin", True) + "".join(marks) + mark("end", True)
            messages.append({"role": message.role, "content": content})
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.template, tokenize=False, add_generation_prompt=generation
        )

    def _end_of_turn(self) -> list[int]:
        """Ids that end an assistant's message: the first token the template writes after it, and the tokenizer's own."""
        pieces: list = []
        talk = Conversation((Message("user", "a"), Message("assistant", "b")))
        rest = self._render(talk, pieces, generation=False).rpartition(MARK_END)[2]
        ids = self.template_words(rest)[:1]
        own = self.tokenizer.eos_token_id
        ids += [own] if own is not None and own not in ids else []
        if not ids:
            raise ValueError("neither the chat template nor the tokenizer ends an answer: give the tokenizer an eos token.")
        return ids

    # -- reading --------------------------------------------------------------------------------------------------

    def decode(
        self, written: Written, conversation: Conversation, canvases: list[Canvas], clips: list[Clip] = ()
    ) -> tuple[list, list[Group], list[str]]:
        """A generated answer -> its parts in order (a Group where a decoder will put one), the groups, and notes.

        canvases, clips: the geometries of the pictures and the videos that were shown.
        """
        return AnswerReader(self, conversation, canvases, clips).read(written)


class Writer:
    """Collects the sequence of one sample."""

    def __init__(self, processor: Processor, conversation: Conversation):
        self.processor, self.conversation = processor, conversation
        self.ids: list[int] = []
        self.learned: list[bool] = []
        self.out = Sample(np.zeros(0, int), np.zeros(0, int))
        self.ending = False  # just after an answer: the first token of what follows ends the turn and is learned

    def words(self, text: str, learn: bool) -> None:
        """The template's own text. After an answer only its first token (end of turn) is learned."""
        if self.ending:
            ids = self.processor.template_words(text) or self.processor.end_ids[:1]
            self._extend(ids[:1], learn)
            self._extend(ids[1:], False)
            self.ending = False
        else:
            self._extend(self.processor.template_words(text), learn)

    def piece(self, thing: object, learn: bool) -> None:
        """What a marker of the template stands for."""
        if isinstance(thing, Image) and not learn:
            self._picture(thing)
        elif isinstance(thing, Video):
            self._video(thing)
        elif isinstance(thing, Text):
            self._text(thing, learn)
        elif isinstance(thing, Region):
            self._region(thing)
        elif isinstance(thing, Part):
            self._part(thing, learn)
        elif thing == "end":
            self.ending = True

    def _text(self, part: Text, learn: bool) -> None:
        words = part.text.replace(MARK, "").replace(MARK_END, "")
        for form in self.processor.formats.values() if not learn and words.strip() and self.out.pictures else ():
            if (pieces := form.asked(words)) is not None:
                for piece in pieces:
                    self._write(piece, form, False)
                return
            if prompt := form.prompt(words):
                for piece in prompt:
                    self._write(piece, form, False)
                break
        places = self._extend(self.processor.words(words), learn)
        if not part.mentions or words != part.text:
            return
        for mention in part.mentions:
            nested = any(mention.contains(other) for other in part.mentions)
            self._mention(mention, words, places, nested, self._canvas_of(mention, f"'{words[mention.start : mention.end]}'"))

    def _mention(self, mention: Mention, words: str, places: list[int], nested: bool, canvas: Canvas) -> None:
        """Note what some of these words, which stand at these places, name."""
        starts = [start for start, _ in self.processor.spans(words)]
        before = sum(start <= mention.start for start in starts) - 1  # a token may begin with the space before its word
        until = sum(start < mention.end for start in starts)
        said = tuple(self.ids[at] for at in places[max(before, 0) : until])
        self.out.mentions.append((places[until - 1], mention.image, said, canvas.boxes_to_canvas(mention.xyxy), nested))

    def sample(self) -> Sample:
        """The finished sample, labels shifted."""
        ids_T = np.array(self.ids, np.int64)
        wanted_T = np.where(np.array(self.learned, bool), ids_T, NO_LABEL)
        wanted_T[ids_T < 0] = NO_LABEL
        self.out.ids_T = ids_T
        self.out.labels_T = np.append(wanted_T[1:], NO_LABEL).astype(np.int64)
        return self.out

    def _extend(self, ids: list[int], learn: bool) -> list[int]:
        start = len(self.ids)
        self.ids += ids
        self.learned += [learn] * len(ids)
        return list(range(start, len(self.ids)))

    def _picture(self, image: Image) -> list[int]:
        pixels_HWC, canvas = self.processor.canvas.place(image.pixels)
        count = self.processor.grid.count(canvas.size)
        self.out.visual.append((len(self.ids), count, len(self.out.pictures)))
        self.out.pictures.append(pixels_HWC)
        self.out.canvases.append(canvas)
        return self._extend([PICTURE] * count, False)

    def _video(self, video: Video) -> None:
        watch = self.processor.watch
        if watch is None:
            raise ValueError("this model can not watch videos: its recipe has no `video` section.")
        seconds = video.seconds
        times = watch.sampling.times(seconds)
        placed = [self.processor.canvas.place(frame.pixels) for frame in video.at(times)]
        clip = Clip(seconds, tuple(float(second) for second in times), placed[0][1])
        if any(canvas != clip.canvas for _, canvas in placed):
            raise ValueError("the frames of a video must be of one size.")
        stamps = [self.processor.words(watch.stamp(second)) for second in clip.times]
        count = watch.count(clip)
        self.out.videos.append((len(self.ids), count, [pixels_HWC for pixels_HWC, _ in placed], clip, stamps))
        self._extend([PICTURE] * count, False)

    def _region(self, region: Region) -> None:
        canvas = self._canvas_of(region, f"a {region.kind} region")
        if not self.processor.points_at:
            self._spelled_region(region, canvas)
            return
        mask_HW = rasterise(region, canvas, self.processor.canvas)
        self.out.regions.append((len(self.ids), region.image, mask_HW, region.positive))
        self._extend([REGION], False)

    def _spelled_region(self, region: Region, canvas: Canvas) -> None:
        """A box that the user drew, written as a codec of this model writes boxes."""
        form = next((form for form in self.processor.formats.values() if isinstance(form, CodecFormat) and form.part == "boxes"), None)
        if form is None:
            raise ValueError("this model can not be pointed at things: its recipe has no `regions: {type: region_encoder}`.")
        if region.kind != "box" or not region.positive:
            raise ValueError("this model is pointed at things by boxes alone, which it writes as it writes its answers.")
        for piece in form.write(Boxes("", region.xyxy[None]), canvas):
            self._write(piece, form, False)

    def _canvas_of(self, part: Part | Mention, name: str) -> Canvas:
        if not 0 <= part.image < len(self.out.canvases):
            raise ValueError(f"{name} speaks of picture {part.image}, which has not been shown before it.")
        return self.out.canvases[part.image]

    def _part(self, part: Part, learn: bool) -> None:
        form = self.processor.format_of(part)
        canvas, image = self._spoken_of(part, form)
        routed: list[list[int]] = []  # positions of each routing token and what follows it
        absent, named = False, not learn
        for piece in form.write(part, canvas):
            at = self._write(piece, form, learn)
            if not named and isinstance(piece, Words) and (mention := label_of(part, piece.text)):
                self._mention(mention, piece.text, at, len(part.label.split()) > MOST_WORDS, canvas)
                named = True
            role = self.processor.roles[piece.name] if isinstance(piece, Token) else None
            if role in ROUTING:
                routed.append(at)
            elif role == "emitted" or isinstance(piece, Slots | Seen):
                routed[-1] += at
            absent |= role == "absent"
        if form.decoder is not None and not absent:
            target = on_canvas(part, canvas, self.processor.canvas) if learn else None
            self._groups(form, part, image, routed or [[]], target)

    def _spoken_of(self, part: Part, form: LinkFormat) -> tuple[Canvas | Clip | None, int]:
        """The geometry and the number of the picture that a part speaks of; (clip, -1) for a video, (None, -1) for a new picture."""
        if form.medium is None:
            return None, -1
        if form.medium == "video":
            if not 0 <= part.video < len(self.out.videos):
                raise ValueError(f"'{part.label}' speaks of video {part.video}, which has not been shown before it.")
            clip = self.out.clips[part.video]
            check_moments(part.seconds, clip.seconds)  # of a file nobody knew its length before
            return clip, -1
        if isinstance(part, Image):
            if part.of >= len(self.out.canvases):
                raise ValueError(f"a changed copy of picture {part.of}, which has not been shown before it.")
            return self.out.canvases[part.of], part.of
        return self._canvas_of(part, f"'{part.label}'"), part.image

    def _groups(self, form: LinkFormat, part: Part, image: int, routed: list[list[int]], target: Part | None) -> None:
        """One group for the part, and one for each of its members."""
        parent = None
        for label, written in zip(form.labels(part), routed, strict=True):
            words = self.processor.words(f" {label}")
            group = Group(form.name, label, form.read_positions(written), image, words, target, parent)
            self.out.groups.append(group)
            parent, target = parent or group, None

    def _write(self, piece: Piece, form: LinkFormat, learn: bool) -> list[int]:
        if isinstance(piece, Words):
            return self._extend(self.processor.words(piece.text), learn)
        if isinstance(piece, Token):
            return self._extend([self.processor.token_ids[piece.name]], learn)
        if isinstance(piece, Value):
            self.out.values.append((len(self.ids), form.name, piece.value, learn))
            return self._extend([SLOT], False)
        if isinstance(piece, Seen):
            at = self._picture(piece.image)
            self.out.features.append((at[0], len(at), len(self.out.pictures) - 1, form.name, learn))
            return at
        self.out.slots.append((len(self.ids), form.name))
        return self._extend([SLOT] * piece.count, False)


def label_of(part: Part, words: str) -> Mention | None:
    """The label of boxes or masks of a picture, where it stands in these words, and what it names: none where all are ignored."""
    # Not the "box" of JSON's "bbox_2d".
    found = re.search(rf"(?<!\w){re.escape(part.label)}(?!\w)", words) if isinstance(part, (Boxes, Masks)) and part.label else None
    if found is None:
        return None
    there = part if part.ignore is None else part.select(~part.ignore)
    if part.count and not there.count:
        return None
    return Mention(*found.span(), there.xyxy if isinstance(there, Boxes) else there.bounds, part.image)


def objects_of(message: Message) -> list[Region]:
    """Every box and mask of an answer as a region, in order: what a later question may speak of ("the second one")."""
    regions: list[Region] = []
    for part in message.content:
        if not isinstance(part, (Boxes, Masks)):
            continue
        for row in range(part.count):
            if part.ignore is not None and part.ignore[row]:
                continue
            if isinstance(part, Boxes):
                regions.append(Region.box(*part.xyxy[row], image=part.image))
            elif part.masks[row].any():
                regions.append(Region.from_mask(part.masks[row], image=part.image))
    return regions


def on_canvas(part: Part, canvas: Canvas | None, rule: CanvasRule) -> Part:
    """A part in original pixels -> the same in canvas pixels, for a decoder's loss. A new picture stays as it is."""
    if isinstance(part, Image) and canvas is not None:
        pixels_HWC, placed = rule.place(part.pixels)
        turned = part.restored and placed.original == canvas.original[::-1]
        if placed != canvas and not turned:
            raise ValueError(f"a changed copy is {part.size[0]} x {part.size[1]} pixels, unlike the picture it was made from.")
        if part.restored:  # at its own size: turned, it may not be padded as its source is
            height, width = placed.scaled
            return Image(pixels_HWC[:height, :width], of=part.of, restored=True)
        return Image(pixels_HWC, of=part.of)
    if isinstance(part, Boxes):
        return Boxes(part.label, canvas.boxes_to_canvas(part.xyxy), ignore=part.ignore, image=part.image)
    if isinstance(part, Masks):
        return Masks(part.label, rule.place_masks(part.masks, canvas), ignore=part.ignore, image=part.image)
    if isinstance(part, Keypoints):
        xyv_NK3 = part.xyv * np.append(canvas.scale_xy, 1).astype(np.float32)
        xyxy_N4 = None if part.xyxy is None else canvas.boxes_to_canvas(part.xyxy)
        return Keypoints(part.label, part.names, xyv_NK3, xyxy_N4, ignore=part.ignore, image=part.image)
    return part
