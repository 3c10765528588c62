"""Batched generation with routing: one loop, one cache, a small state per sample.

When a sample emits a routing token, that token and the link's n queries go in ONE forward, while the other samples advance by one
token; the columns they do not use are holes in the attention mask, and every sample keeps its own position ids.

Legend: S samples, W columns fed in one step, T columns so far, D width of the language model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from superlens.batch import Batch, collate
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

    prompt: Sample
    written: Written = field(default_factory=Written)
    hidden: dict[int, Tensor] = field(default_factory=dict)  # position in the sequence -> hidden state (read-out candidates)
    position: int = 0
    forced: list[int] = field(default_factory=list)  # ids that must come next (emitted tokens after a routing token)
    feed: list[int] = field(default_factory=list)  # ids of the next step; -1 - k stands for query k of `link`
    link: str | None = None
    done: bool = False


class Generator:
    """Answers prompts of one model.

    on_token(sample index, id) is called for every token as it comes (streaming). force: name of a link that the answer must use: it
    begins with a phrase, and every phrase is followed by that link's own token. indices: each sample's number among all questions, so
    that its random draws do not depend on the batch it is in.
    """

    def __init__(
        self,
        model,
        processor,
        sampling: Sampling,
        on_token: Callable[[int, int], None] | None = None,
        force: str | None = None,
        indices: list[int] | None = None,
    ):
        self.model, self.processor, self.sampling, self.on_token = model, processor, sampling, on_token
        self.indices = indices
        self.opening, self.after_label = self._forced(force)
        self.slot_links: dict[int, str] = {}
        self.emitting: dict[int, list[int]] = {}
        for name, form in processor.formats.items():
            route = next((token for token, role in form.roles().items() if role == "route"), None)
            if route is None:
                continue
            ids = [processor.token_ids[token] for token in (route, *form.emitted)]
            self.emitting[ids[0]] = ids[1:]
            if form.slots:
                self.slot_links[ids[-1]] = name
        self.end_ids = set(processor.end_ids)
        self.keeps_hidden = any(link.format.decoder for link in model.links.values())

    @torch.inference_mode()
    def run(self, prompts: list[Sample]) -> tuple[list[Speaker], Batch, list]:
        """-> (speakers, batch of the prompts, scenes). Hidden states worth reading are kept with each speaker."""
        batch = collate(prompts).to(self.model.device)
        scenes, visual = self.model.encode(batch)
        embeds_STD = self.model.embed(batch, visual)
        speakers = [Speaker(prompt, position=len(prompt)) for prompt in prompts]
        self._prefill(speakers, embeds_STD)
        generators = [self._generator(index) for index in range(len(speakers))]
        while not all(speaker.done for speaker in speakers):
            self._choose(speakers, generators)
            if all(speaker.done for speaker in speakers):
                break
            self._advance(speakers)
        return speakers, batch, scenes

    def _forced(self, force: str | None) -> tuple[list[int], dict[int, list[int]]]:
        """What an answer with this link begins with, and what follows a label's end."""
        if force is None:
            return [], {}
        if force not in self.processor.formats:
            raise ValueError(f"no link '{force}' to answer with: {nearest(force, self.processor.formats)}")
        form = self.processor.formats[force]
        by_role: dict[str, list[int]] = {}
        for token, role in form.roles().items():
            by_role.setdefault(role, []).append(self.processor.token_ids[token])
        decisive = by_role.get("route", []) + by_role.get("emitted", []) or by_role.get("begin", [])
        if "open" not in by_role:
            return decisive, {}
        return by_role["open"], dict.fromkeys(by_role.get("close", []), decisive)

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.sampling.seed, self.indices[index] if self.indices else index))

    def _prefill(self, speakers: list[Speaker], embeds_STD: Tensor) -> None:
        """The prompts in one forward; shorter ones leave holes at their end."""
        from transformers import DynamicCache

        S, T = embeds_STD.shape[:2]
        lengths_S = torch.tensor([len(speaker.prompt) for speaker in speakers], device=embeds_STD.device)
        self.mask_ST = (torch.arange(T, device=embeds_STD.device)[None] < lengths_S[:, None]).long()
        position_ST = torch.arange(T, device=embeds_STD.device)[None].expand(S, -1)
        self.cache = DynamicCache(config=self.model.language.model.config)
        hidden_STD = self.model.language(embeds_STD, position_ST, self.mask_ST, self.cache)
        self.last_SD = hidden_STD[torch.arange(S, device=hidden_STD.device), lengths_S - 1]
        for index, speaker in enumerate(speakers):
            speaker.hidden[speaker.position - 1] = self.last_SD[index]
            speaker.forced = list(self.opening)

    def _choose(self, speakers: list[Speaker], generators: list[np.random.Generator]) -> None:
        """Every speaker's next id, and what it feeds: the id alone, or the id and a link's queries."""
        logits_SV = self.model.logits(self.last_SD).float()
        logprob_SV = logits_SV.log_softmax(-1)
        best_S = logits_SV.argmax(-1).tolist()
        for index, speaker in enumerate(speakers):
            speaker.feed = []
            if speaker.done:
                continue
            chosen = speaker.forced.pop(0) if speaker.forced else self._pick(best_S[index], logits_SV[index], generators[index])
            self._write(index, speaker, chosen, float(logprob_SV[index, chosen].exp()))

    def _pick(self, best: int, logits_V: Tensor, generator: np.random.Generator) -> int:
        if self.sampling.temperature <= 0:
            return best
        logits_V = logits_V / self.sampling.temperature
        if self.sampling.top_k:
            logits_V = logits_V.masked_fill(logits_V < logits_V.topk(self.sampling.top_k).values[-1], -torch.inf)
        chance_V, order_V = logits_V.softmax(-1).sort(descending=True)
        chance_V[chance_V.cumsum(0) - chance_V > self.sampling.top_p] = 0
        cumulated_V = (chance_V / chance_V.sum()).cumsum(0).double().cpu().numpy()
        return int(order_V[min(int(np.searchsorted(cumulated_V, generator.random(), side="right")), len(order_V) - 1)])

    def _write(self, index: int, speaker: Speaker, chosen: int, chance: float) -> None:
        if chosen in self.end_ids:
            speaker.done = True
            return
        written = speaker.written
        written.ids.append(chosen)
        written.chances.append(chance)
        written.places.append(speaker.position)
        if self.on_token is not None:
            self.on_token(index, chosen)
        if len(written.ids) >= self.sampling.max_new_tokens and chosen not in self.slot_links:
            speaker.done = True
            return
        speaker.feed = [chosen]
        if chosen in self.emitting:
            speaker.forced = list(self.emitting[chosen])
        if chosen in self.after_label:
            speaker.forced = list(self.after_label[chosen])
        if chosen in self.slot_links:
            speaker.link = self.slot_links[chosen]
            slots = self.processor.formats[speaker.link].slots
            written.slots[len(written.ids) - 1] = speaker.position + 1
            speaker.feed += [-1 - k for k in range(slots)]
        if speaker.position + len(speaker.feed) >= self.model.language.max_positions:
            speaker.done = True

    def _advance(self, speakers: list[Speaker]) -> None:
        """One forward: each speaker's feed, left-aligned in W columns, the rest holes."""
        device = self.last_SD.device
        S, W = len(speakers), max(1, max(len(speaker.feed) for speaker in speakers))
        ids_SW = torch.zeros(S, W, dtype=torch.long)
        mask_SW = torch.zeros(S, W, dtype=torch.long)
        position_SW = torch.zeros(S, W, dtype=torch.long)
        queries: list[tuple[int, int, str, int]] = []
        for row, speaker in enumerate(speakers):
            for column, fed in enumerate(speaker.feed):
                mask_SW[row, column] = 1
                position_SW[row, column] = speaker.position + column
                if fed >= 0:
                    ids_SW[row, column] = fed
                else:
                    queries.append((row, column, speaker.link, -1 - fed))
        embeds_SWD = self.model.embed_ids(ids_SW.reshape(-1).to(device)).unflatten(0, (S, W))
        for row, column, link, k in queries:
            embeds_SWD[row, column] = self.model.links[link].queries()[k].to(embeds_SWD.dtype)
        self.mask_ST = torch.cat([self.mask_ST, mask_SW.to(device)], 1)
        hidden_SWD = self.model.language(embeds_SWD, position_SW.to(device), self.mask_ST, self.cache)
        for row, speaker in enumerate(speakers):
            for column in range(len(speaker.feed)):
                if self.keeps_hidden:
                    speaker.hidden[speaker.position + column] = hidden_SWD[row, column]
            speaker.position += len(speaker.feed)
        last_S = torch.tensor([max(len(speaker.feed) - 1, 0) for speaker in speakers], device=device)
        self.last_SD = hidden_SWD[torch.arange(S, device=device), last_S]


def read_hidden(speaker: Speaker, positions: list[int]) -> Tensor:
    """[n, D] hidden states of one sample at sequence positions."""
    return torch.stack([speaker.hidden[position] for position in positions])
