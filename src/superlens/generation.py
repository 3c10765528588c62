"""Batched generation with routing: one loop, one cache, a small state per sample.

When a sample emits a routing token, that token and the link's n queries go in ONE forward, while the other samples advance by one
token; the columns they do not use are holes in the attention mask, and every sample keeps its own position ids. Language models that
count the holes (windows narrower than the text, recurrent states) answer their samples one by one.

Legend: S samples, W columns fed in one step, T columns so far, D width of the language model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from superlens.batch import Batch, collate
from superlens.links.base import ROUTING, NoLinkError
from superlens.links.codec import CodecFormat
from superlens.parts import nearest
from superlens.processor import Sample
from superlens.reading import Written


@dataclass(frozen=True)
class Sampling:
    """max_new_tokens: tokens an answer may have (slots not counted). temperature 0 is greedy; else sampled, top_p and top_k as usual.

    seed: sample i draws from its own generator seeded (seed, i), so a batch answers as its samples would alone.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0


@dataclass
class Speaker:
    """State of one sample: what it wrote, its next position id, what it must feed next."""

    index: int
    prompt: Sample
    written: Written = field(default_factory=Written)
    hidden: dict[int, Tensor] = field(default_factory=dict)  # position in the sequence -> hidden state (read-out candidates)
    position: int = 0
    forced: list[int] = field(default_factory=list)  # ids that must come next (emitted tokens after a routing token)
    feed: int = 0  # the id of the next step
    value: float | Tensor | None = None  # what it stands for, where it is an anchor of continuous values, or one itself
    link: str | None = None  # the link whose queries follow it in that step
    naming: bool = False  # inside a phrase, where only words come
    last: bool = False  # the next step is fed only for its hidden states: the answer is as long as it may be
    done: bool = False

    @property
    def said(self) -> int:
        """How many continuous values stand right before the last one, one after another."""
        at = first = len(self.written.ids) - 1
        while first - 1 in self.written.values:
            first -= 1
        return at - first


class Generator:
    """Answers prompts of one model.

    on_token(sample index, id) is called for every token as it comes (streaming). force: name of a link that the answer must use: it
    begins with a phrase, and every phrase is followed by that link's own token. numbers: each sample's own among all questions, so
    that its random draws do not depend on the batch it is in. steps: forwards of the language model so far.
    """

    def __init__(
        self,
        model,
        processor,
        sampling: Sampling,
        on_token: Callable[[int, int], None] | None = None,
        force: str | None = None,
        numbers: list[int] | None = None,
    ):
        self.model, self.processor, self.sampling, self.on_token = model, processor, sampling, on_token
        self.numbers = numbers
        self.opening, self.after_label = self._forced(force)
        self.slot_links: dict[int, str] = {}
        self.emitting: dict[int, list[int]] = {}
        self.read_at: set[int] = set()
        for name, form in processor.formats.items():
            for route in (token for token, role in form.roles().items() if role in ROUTING):
                ids = [processor.token_ids[token] for token in (route, *form.emitted)]
                self.emitting[ids[0]] = ids[1:]
                self.read_at.add(ids[-1])
                if form.slots:
                    self.slot_links[ids[-1]] = name
        self.showing = {processor.token_ids[form.start("")[0].name]: form for form in processor.formats.values() if form.shows}
        values = [token for token, role in processor.roles.items() if role == "value"]
        self.anchors = {processor.token_ids[token]: processor.owner[token] for token in values}
        self.end_ids = set(processor.end_ids)
        self.opening_ids, self.closing_ids, self.not_in_phrases = self._phrases()
        self.keeps_hidden = any(link.format.decoder for link in model.links.values())
        self.keeps_chances = any(isinstance(form, CodecFormat) for form in processor.formats.values())
        self.max_positions = model.language.max_positions
        self.steps = 0

    @torch.inference_mode()
    def run(self, prompts: list[Sample]) -> tuple[list[Speaker], Batch, list]:
        """-> (speakers, batch of the prompts, scenes). Hidden states worth reading are kept with each speaker."""
        batch = collate(prompts).to(self.model.device)
        scenes, visual = self.model.encode(batch)
        embeds_STD = self.model.embed(batch, visual)
        speakers = [Speaker(i, prompt, position=len(prompt), forced=list(self.opening)) for i, prompt in enumerate(prompts)]
        if self.model.language.reads_past_holes:
            self._answer(speakers, embeds_STD)
        else:  # Windows count the holes too, and recurrent states run through them: one sample at a time has none.
            for speaker in speakers:
                self._answer([speaker], embeds_STD[speaker.index, None, : len(speaker.prompt)])
        return speakers, batch, scenes

    def _answer(self, speakers: list[Speaker], embeds_STD: Tensor) -> None:
        """The loop, over one cache."""
        draws = {speaker.index: self._generator(speaker.index) for speaker in speakers}
        self._prefill(speakers, embeds_STD)
        while True:
            self._choose(speakers, draws)
            talking = [row for row, speaker in enumerate(speakers) if not speaker.done]
            if not talking:
                return
            if 2 * len(talking) <= len(speakers):
                speakers = [speakers[row] for row in talking]
                self._keep_rows(torch.tensor(talking, device=embeds_STD.device))
            self._advance(speakers)

    def _forced(self, force: str | None) -> tuple[list[int], dict[int, list[int]]]:
        """What an answer with this link begins with, and what follows a label's end."""
        if force is None:
            return [], {}
        if force not in self.processor.formats:
            raise NoLinkError(f"no link '{force}' to answer with: {nearest(force, self.processor.formats)}", force)
        form = self.processor.formats[force]
        if isinstance(form, CodecFormat):
            return [self.processor.token_ids[piece.name] for piece in form.start("")], {}
        by_role = self._by_role(form.roles())
        decisive = by_role.get("route", []) + by_role.get("emitted", [])
        if "open" not in by_role:
            return decisive, {}
        if "member" in by_role:  # what follows a label is the model's choice: the thing itself or what belongs to it
            return by_role["open"], {}
        return by_role["open"], dict.fromkeys(by_role.get("close", []), decisive)

    def _phrases(self) -> tuple[set[int], set[int], Tensor]:
        """Ids that open a phrase, that end one, and all that can not stand inside one: between its two tokens are words alone."""
        by_role = self._by_role(self.processor.roles)
        added = {*chain(*by_role.values()), *self.end_ids}
        closing = {*by_role.get("close", []), *by_role.get("tool", [])}
        outside = torch.tensor(sorted(added - closing), dtype=torch.long, device=self.model.device)
        return set(by_role.get("open", [])), closing, outside

    def _by_role(self, roles: dict[str, str]) -> dict[str, list[int]]:
        """Ids of added tokens, by what they are for."""
        by_role: dict[str, list[int]] = {}
        for token, role in roles.items():
            by_role.setdefault(role, []).append(self.processor.token_ids[token])
        return by_role

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.sampling.seed, self.numbers[index] if self.numbers else index))

    def _prefill(self, speakers: list[Speaker], embeds_STD: Tensor) -> None:
        """The prompts in one forward; shorter ones leave holes at their end."""
        from transformers import DynamicCache

        S, T = embeds_STD.shape[:2]
        self.columns, self.mask_ST = 0, None  # no mask as long as there are no holes: attention is faster so
        self._extend_mask([len(speaker.prompt) for speaker in speakers], T, embeds_STD.device)
        self.cache = DynamicCache(config=self.model.language.model.config)
        position_ST = torch.arange(T, device=embeds_STD.device)[None].expand(S, -1)
        hidden_STD = self._think(embeds_STD, position_ST)
        lengths_S = torch.tensor([len(speaker.prompt) for speaker in speakers], device=embeds_STD.device)
        self.last_SD = hidden_STD[torch.arange(S, device=embeds_STD.device), lengths_S - 1]
        for row, speaker in enumerate(speakers):
            speaker.hidden[speaker.position - 1] = self.last_SD[row]

    def _think(self, embeds_SWD: Tensor, position_SW: Tensor) -> Tensor:
        self.steps += 1
        return self.model.language(embeds_SWD, position_SW, self.mask_ST, self.cache)

    def _extend_mask(self, widths: list[int], W: int, device: torch.device) -> None:
        """W more columns, of which each row uses its first `width`."""
        if self.mask_ST is None and min(widths) < W:
            self.mask_ST = torch.ones(len(widths), self.columns, dtype=torch.long, device=device)
        if self.mask_ST is not None:
            used_SW = torch.arange(W)[None] < torch.tensor(widths)[:, None]
            self.mask_ST = torch.cat([self.mask_ST, used_SW.long().to(device)], 1)
        self.columns += W

    def _keep_rows(self, rows_S: Tensor) -> None:
        """Samples that have ended leave the cache."""
        self.cache.batch_select_indices(rows_S)
        self.last_SD = self.last_SD[rows_S]
        self.mask_ST = None if self.mask_ST is None else self.mask_ST[rows_S]

    def _choose(self, speakers: list[Speaker], draws: dict[int, np.random.Generator]) -> None:
        """Every speaker's next id, and what it feeds: the id alone, or the id and a link's queries."""
        logits_SV = self.model.logits(self.last_SD).float()
        naming = [row for row, speaker in enumerate(speakers) if speaker.naming]
        if naming:
            logits_SV[torch.tensor(naming, device=logits_SV.device)[:, None], self.not_in_phrases] = -torch.inf
        chosen = logits_SV.argmax(-1).tolist()
        for row, speaker in enumerate(speakers):
            speaker.done |= speaker.last
            if speaker.forced:
                chosen[row] = speaker.forced.pop(0)
            elif self.sampling.temperature > 0 and not speaker.done:
                chosen[row] = self._pick(logits_SV[row], draws[speaker.index])
        chances = [1.0] * len(speakers)
        if self.keeps_chances:
            chosen_S1 = torch.tensor(chosen, device=logits_SV.device)[:, None]
            chances = (logits_SV.gather(1, chosen_S1)[:, 0] - logits_SV.logsumexp(1)).exp().tolist()
        for row, (speaker, token, chance) in enumerate(zip(speakers, chosen, chances)):
            if not speaker.done:
                speaker.value = self._value(token, logits_SV[row], self.last_SD[row])
                self._write(speaker, token, chance)

    def _value(self, token: int, logits_V: Tensor, hidden_D: Tensor) -> float | Tensor | None:
        """The continuous value that a chosen token stands for, in the light of the state that chose it."""
        if token not in self.anchors:
            return None
        name = self.anchors[token]
        first = self.model.first_id(name)
        link = self.model.links[name]
        return link.next_value(logits_V[first : first + len(link.tokens)], token - first, hidden_D)

    def _shown(self, speaker: Speaker, chosen: int) -> list[int]:
        """What follows a token that begins a picture: as many values as the last picture shown has tokens, and the end."""
        form = self.showing.get(chosen)
        if form is None or not speaker.prompt.visual:
            return []
        names, end = form.values_follow(speaker.prompt.visual[-1][1])
        return [self.processor.token_ids[name] for name in (*names, end)]

    def _pick(self, logits_V: Tensor, generator: np.random.Generator) -> int:
        logits_V = logits_V / self.sampling.temperature
        if self.sampling.top_k:
            logits_V = logits_V.masked_fill(logits_V < logits_V.topk(self.sampling.top_k).values[-1], -torch.inf)
        chance_V, order_V = logits_V.softmax(-1).sort(descending=True)
        chance_V[chance_V.cumsum(0) - chance_V > self.sampling.top_p] = 0
        cumulated_V = (chance_V / chance_V.sum()).cumsum(0).double().cpu().numpy()
        return int(order_V[min(int(np.searchsorted(cumulated_V, generator.random(), side="right")), len(order_V) - 1)])

    def _write(self, speaker: Speaker, chosen: int, chance: float) -> None:
        link = self.slot_links.get(chosen)
        slots = self.processor.formats[link].slots if link else 0
        # A token that the model has no position left to read is not written.
        if chosen in self.end_ids or speaker.position + 1 + slots > self.max_positions:
            speaker.done = True
            return
        written = speaker.written
        written.ids.append(chosen)
        written.chances.append(chance)
        written.places.append(speaker.position)
        if speaker.value is not None:
            written.values[len(written.ids) - 1] = speaker.value
        if self.on_token is not None:
            self.on_token(speaker.index, chosen)
        speaker.feed, speaker.link = chosen, link
        if chosen in self.opening_ids:
            speaker.naming = True
        elif chosen in self.closing_ids:
            speaker.naming = False
        if link:
            written.slots[len(written.ids) - 1] = speaker.position + 1
        if not speaker.forced:
            speaker.forced = list(self.emitting.get(chosen) or self.after_label.get(chosen, ())) or self._shown(speaker, chosen)
        if len(written.ids) >= self.sampling.max_new_tokens and not speaker.forced:
            # What a link reads from is fed even so.
            speaker.last = chosen in self.read_at
            speaker.done = not speaker.last

    def _advance(self, speakers: list[Speaker]) -> None:
        """One forward: each speaker's token, and where it routes its link's queries; W columns, what a row does not use are holes."""
        device = self.last_SD.device
        queries = {row: self.model.links[s.link].queries() for row, s in enumerate(speakers) if s.link and not s.done}
        W = 1 + max((len(rows_nD) for rows_nD in queries.values()), default=0)
        # Who has ended is fed anything: nobody reads it, so it needs no hole.
        widths = [W if s.done else 1 + len(queries.get(row, ())) for row, s in enumerate(speakers)]
        embeds_SWD = self.model.embed_ids(torch.tensor([s.feed for s in speakers], device=device))[:, None]
        for row, speaker in enumerate(speakers):
            if speaker.value is not None and not speaker.done:
                link = self.model.links[self.anchors[speaker.feed]]
                embeds_SWD[row, 0] = link.embed_value(speaker.value, self.model.projector, speaker.said).to(embeds_SWD.dtype)
        if W > 1:
            embeds_SWD = torch.cat([embeds_SWD, embeds_SWD.new_zeros(len(speakers), W - 1, embeds_SWD.shape[2])], 1)
            for row, rows_nD in queries.items():
                embeds_SWD[row, 1 : widths[row]] = rows_nD.to(embeds_SWD.dtype)
        position_SW = torch.tensor([s.position for s in speakers])[:, None] + torch.arange(W)
        self._extend_mask(widths, W, device)
        hidden_SWD = self._think(embeds_SWD, position_SW.clamp(max=self.max_positions - 1).to(device))
        for row, speaker in enumerate(speakers):
            if self.keeps_hidden and not speaker.done:
                speaker.hidden.update(enumerate(hidden_SWD[row, : widths[row]].unbind(), speaker.position))
            speaker.position += 0 if speaker.done else widths[row]
        if W == 1:
            self.last_SD = hidden_SWD[:, 0]
        else:
            last_S = torch.tensor(widths, device=device) - 1
            self.last_SD = hidden_SWD[torch.arange(len(speakers), device=device), last_S]
