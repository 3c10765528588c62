"""A generated answer, token by token, back into text, labels, codec items and groups for the decoders."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field, replace

import numpy as np

from superlens.links.base import ROUTING, Group
from superlens.links.codec import CodecFormat
from superlens.links.codes.base import Spelled
from superlens.message import Boxes, OutputPart, Text


@dataclass
class Written:
    """What one sample generated.

    ids: tokens in order, slots left out. chances: probability each token had. places: position of each token in the sequence;
    slots: first slot position after a token (by its index in ids) for routing tokens that have slots. values: what tokens stand for
    that are anchors of continuous values, by their index in ids.
    """

    ids: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    values: dict[int, object] = field(default_factory=dict)


@dataclass
class Item:
    """What was read from the text, with words of its first and last token around and between: content. last: index of that token."""

    last: int
    content: list[str | OutputPart]

    def join(self, between: str, parts: list[OutputPart], after: str, last: int) -> None:
        """What follows within the same token."""
        self.content = [*self.content[:-1], between, *parts, after]
        self.last = last


class AnswerReader:
    """Parses one answer. Added tokens have roles (links/base.py); everything between them is words."""

    def __init__(self, processor, conversation, canvases, clips):
        self.processor, self.canvases, self.clips = processor, canvases, clips
        self.image, self.video = max(0, len(conversation.images) - 1), max(0, len(clips) - 1)
        self.asked = [part.label for part in conversation.messages[-1].content if hasattr(part, "label")]
        self.content: list = []
        self.groups: list[Group] = []
        self.notes: list[str] = []
        self.words: list[int] = []
        self.label: str | None = None  # a label that no link has used yet ...
        self.label_at = 0  # ... and its place in the content

    def read(self, written: Written) -> tuple[list, list[Group], list[str]]:
        """-> (parts and groups in the order they are written, groups, notes)."""
        spelled = self._spelled(written)
        index = 0
        while index < len(written.ids):
            name = self.processor.token_names.get(written.ids[index])
            if index in spelled:
                index = self._take(spelled[index])
            elif name is None:
                self.words.append(written.ids[index])
            else:
                index = self._token(name, self.processor.roles[name], index, written)
            index += 1
        self._flush()
        self._label_as_text()
        return self.content, self.groups, self.notes

    def _text(self, ids: list[int]) -> str:
        return self.processor.tokenizer.decode(ids, skip_special_tokens=True)

    def _flush(self, form=None) -> None:
        """The words so far become text; where a form writes its label in plain words, the last of them are the label."""
        text = self._text(self.words)
        self.words = []
        if form is not None and getattr(form, "ends", None) is not None:
            text, self.label = label_at_end(text, form.ends)
            self.label_at = len(self.content) + bool(text)
        if text:
            self.content.append(Text(text))

    def _label_as_text(self) -> None:
        """A label that no link used was only words."""
        if self.label:
            self.content.insert(self.label_at, Text(self.label))
        self.label = None

    def _take_label(self) -> str:
        """The label just written; without one, the asked phrase if there is exactly one."""
        label, self.label = self.label, None
        asked = self.asked[0] if len(self.asked) == 1 else ""
        return asked if label is None else label

    def _token(self, name: str, role: str, index: int, written: Written) -> int:
        """Act on an added token; returns the index of the last token it used up."""
        form = self.processor.formats[self._link_of(name)]
        if role == "open":
            self._flush()
        elif role in ("close", "tool"):
            self._label_as_text()
            self.label, self.label_at = self._text(self.words).strip(), len(self.content)
            self.words = []
            if role == "tool":
                self._group(form, [written.places[index]])
        elif role == "absent":
            self._flush(form)
            self._empty(form)
        elif role in ROUTING:
            self._flush(form)
            return self._route(form, index, written, member=role == "member")
        else:
            self.notes.append(f"'{name}' stands where nothing led to it")
        return index

    def _link_of(self, token: str) -> str:
        """The link a token speaks for (phrase tokens are shared, so only their owner is known)."""
        for name, form in self.processor.formats.items():
            if token in form.roles() and self.processor.roles[token] not in ("open", "close"):
                return name
        return self.processor.owner[token]

    def _route(self, form, index: int, written: Written, member: bool) -> int:
        places = [written.places[index]]
        for emitted in form.emitted:
            follows = index + 1 < len(written.ids) and written.ids[index + 1] == self.processor.token_ids[emitted]
            if not follows:
                self.notes.append(f"the tokens after '{form.token}' are incomplete; '{self.label or ''}' was left out")
                self.label = None
                return index
            index += 1
            places.append(written.places[index])
        if form.shows:
            count = self.processor.grid.count(self.canvases[self.image].size) if self.image < len(self.canvases) else 0
            names, end = form.values_follow(count)
            ids = [self.processor.token_ids[follows] for follows in (*names, end)]
            if written.ids[index + 1 : index + 1 + len(ids)] != ids:
                self.notes.append("a picture was begun and not finished; it was left out")
                return index
            places += written.places[index + 1 : index + 1 + count]
            index += len(ids)
        if form.slots:
            first = written.slots.get(index)
            if first is None:
                self.notes.append(f"the answer stopped inside '{form.token}'; '{self.label or ''}' was left out")
                self.label = None
                return index
            places += list(range(first, first + form.slots))
        self._member(form, places) if member else self._group(form, places)
        return index

    def _member(self, form, places: list[int]) -> None:
        """A group that belongs to the last thing that was routed, whatever words stand between."""
        label = self._take_label()
        parent = next((item for item in reversed(self.content) if isinstance(item, Group)), None)
        if parent is None or parent.link != form.name:
            self.notes.append(f"'{label}' belongs to nothing that was named before it")
            return
        words = self.processor.words(f" {label}")
        self.groups.append(Group(form.name, label, form.read_positions(places), parent.image, words, parent=parent))

    def _group(self, form, places: list[int]) -> None:
        label = self._take_label() if form.phrase or form.medium else ""
        if form.medium == "picture" and self.image >= len(self.canvases):
            self.notes.append(f"'{label or form.name}' was asked for without a picture")
            return
        words = self.processor.words(f" {label}")
        image = self.image if form.medium == "picture" else -1
        group = Group(form.name, label, form.read_positions(places), image, words)
        self.groups.append(group)
        self.content.append(group)

    def _empty(self, form) -> None:
        """The link said: not there."""
        label = self._take_label()
        if form.part == "boxes":
            self.content.append(Boxes(label, np.zeros((0, 4), np.float32), image=self.image))
        elif self.image < len(self.canvases):
            from superlens.message import Masks

            height, width = self.canvases[self.image].original
            self.content.append(Masks(label, np.zeros((0, height, width), bool), image=self.image))

    def _spelled(self, written: Written) -> dict[int, Item]:
        """What codecs can read, by the index of its first token; the earliest wins where two overlap."""
        forms = [form for form in self.processor.formats.values() if isinstance(form, CodecFormat)]
        if not forms or not written.ids:
            return {}
        text, token_of, begun = self._letters(written)
        found = sorted((match.span(), number, match) for number, form in enumerate(forms) for match in form.code.pattern.finditer(text))
        items: list[tuple[int, Item]] = []
        done = 0
        for (start, end), number, match in found:
            if start < done or start == end:
                continue
            medium = forms[number].medium
            shown, which = (self.clips, self.video) if medium == "video" else (self.canvases, self.image)
            if which >= len(shown):
                self.notes.append(f"'{match[0][:60]}' was written without a {medium}")
                continue
            parts = self._parts(forms[number].code.read(match, shown[which], which), written, token_of)
            first, last = begun.get(start, token_of[start]), token_of[end - 1]
            before, after = text[bisect_left(token_of, first) : start], text[end : len(token_of) - token_of[::-1].index(last)]
            if items and first <= items[-1][1].last:  # both in one token of words: what lay behind the first lies between them
                items[-1][1].join(text[done:start], parts, after, last)
            else:
                items.append((first, Item(last, [before, *parts, after])))
            done = end
        return dict(items)

    def _parts(self, said: list[Spelled], written: Written, token_of: list[int]) -> list[OutputPart]:
        """Parts that were read, labelled and scored: each instance by the geometric mean of its tokens' probabilities."""
        parts = []
        for one in said:
            label = one.part.label or (self.asked[0] if len(self.asked) == 1 else "")
            scores = [self._chance(written, token_of[start:end]) for start, end in one.spans]
            parts.append(replace(one.part, label=label, scores=np.array(scores, np.float32)))
            self.notes += one.notes
        return parts

    def _letters(self, written: Written) -> tuple[str, list[int], dict[int, int]]:
        """The answer with its added tokens spelled out, for each of its letters the index of its token, and for a letter that is spread
        over several tokens that of the first of them."""
        text, token_of, begun = "", [], {}
        words: list[int] = []
        start = told = 0  # of the words: where a window begins (a token is not decoded alone), and how many are told
        for index, token in enumerate(written.ids):
            name = self.processor.token_names.get(token)
            if name is None:
                words.append(token)
                last = index + 1 == len(written.ids) or written.ids[index + 1] in self.processor.token_names
                spoken = self._text(words[start:])
                # A letter may be spread over several tokens: it is the last one's, when all of it is there.
                added = "" if spoken.endswith("\ufffd") and not last else spoken[len(self._text(words[start:told])) :]
                if added:
                    if len(words) - told > 1:
                        begun[len(text)] = index - (len(words) - told) + 1
                    start, told = told, len(words)
            else:
                words, start, told, added = [], 0, 0, name
                spelling = getattr(self.processor.formats[self.processor.owner[name]], "code", None)
                if index in written.values and spelling is not None:
                    added = spelling.name(written.values[index])
            text += added
            token_of += [index] * len(added)
        return text, token_of, begun

    def _chance(self, written: Written, tokens: list[int]) -> float:
        """Geometric mean of the tokens' probabilities."""
        chances = [max(written.chances[index], 1e-9) for index in dict.fromkeys(tokens)]
        return float(np.exp(np.mean(np.log(chances)))) if chances else 0.0

    def _take(self, item: Item) -> int:
        """Put what was read into the answer; -> the index of its last token."""
        self._flush()
        self._label_as_text()
        self.content += [Text(one) if isinstance(one, str) else one for one in item.content if one != ""]
        return item.last


def label_at_end(text: str, ends: str) -> tuple[str, str]:
    """Words before a token -> (what was said before, the label): all behind the last punctuation mark, less a leading "and"."""
    said = text.rstrip()
    said = said[: -len(ends)] if ends and said.endswith(ends) else said
    label = re.search(r"[^.,;:?!\n]*$", said)[0]
    joining = re.match(r"\s*(and\s+)?", label)[0]
    before = said[: len(said) - len(label)] + joining
    return before if before.strip() else "", label[len(joining) :].strip()
