"""Superlens: a model reads a conversation and writes the next message. Read this file first.

Five joints, the same in training and in prediction:
    encode   pictures, regions, videos         -> scenes (what every decoder sees) and visual tokens
    embed    ids, visual tokens, link queries  -> embeds_RTD
    think    the language model                -> hidden_RTD
    read     links                             -> requests, grouped by scene and decoder
    decode   decoders                          -> raw answers
Loss is a second, separate step over what these return.

Legend: R rows, T tokens, D width of the language model, P labelled positions, K requests, n vectors a request, C their width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.batch import Batch, Pictures, Placed, Pointed, Shown, with_blanks
from superlens.decoders.base import Losses, Requests, tensors_of
from superlens.links.base import Group
from superlens.outputs import Asked, Outputs, merge_asked
from superlens.saved import SavedModel, SuperlensConfig
from superlens.vision.scene import Scene
from superlens.vision.watching import Watched


class Superlens(SavedModel):
    """A dictionary of parts. Everything is injected: see recipes/build.py for how a recipe becomes these parts."""

    def __init__(
        self, config: SuperlensConfig, eye=None, projector=None, language=None, links=None, decoders=None, regions=None, video=None
    ):
        super().__init__(config)
        if language is None:
            from superlens.assemble import assemble

            eye, projector, language, links, decoders, regions, video = assemble(config.recipe)
        self.eye, self.projector, self.language, self.regions, self.video = eye, projector, language, regions, video
        self.links, self.decoders = nn.ModuleDict(links), nn.ModuleDict(decoders)
        self.vocabulary = language.vocabulary
        self.processor = None  # attached by recipes/build.py and from_pretrained
        self.left_published: set[str] = set()
        self.lessons: tuple[str, ...] = ()  # names of what the stage in training teaches beside the answers
        self.post_init()
        # The language model is not a direct child, so its tied head has to be looked for.
        self.all_tied_weights_keys = self.get_expanded_tied_weights_keys(all_submodels=True)

    def ask(self, question, image=None, **options):
        """Ask in words about a picture, or pass a conversation, or a list of conversations.

        question: str, Conversation, or list of Conversations. image: path, URL, data URI, PIL image, array, or a list of them.
        options: batch_size, min_score, min_share, answer_with, on_text, errors, numbers (asking.py), and max_new_tokens, temperature,
        top_p, top_k, seed (generation.py).
        -> Message, or a list of Messages for a list. Raises ValueError with a sentence on what can not be answered.
        """
        from superlens.asking import Asking, as_conversation, ask
        from superlens.generation import Sampling

        known = Sampling.__dataclass_fields__
        sampling = Sampling(**{key: options.pop(key) for key in list(options) if key in known})
        asking = Asking(sampling=sampling, **options)
        if isinstance(question, (list, tuple)):
            return ask(self, question, asking)
        return ask(self, [as_conversation(question, image)], asking)[0]

    # -- joint 1 --------------------------------------------------------------------------------------------------

    def encode(self, batch: Batch) -> tuple[list[Scene], list[Tensor]]:
        """Pictures -> scenes (one per canvas size) and each picture's visual tokens [count, D], features computed once.

        A video's frames are pictures too. Behind the tokens of all pictures stand those of regions, [1, D] each, then those of videos.
        """
        scenes: list[Scene] = []
        tokens: dict[int, Tensor] = {}
        cells: dict[int, Tensor] = {}
        pointed: dict[int, Tensor] = {}
        for pictures in batch.pictures:
            scene = self.eye(pictures.pixels_BHWC, pictures.canvases)
            scenes.append(scene)
            visual_BTD = self.projector(scene.tokens, scene.size)
            tokens.update(zip(pictures.numbers, visual_BTD))
            cells.update(zip(pictures.numbers, scene.tokens))
            pointed.update(self.point(batch.regions, pictures, scene))
        watched = [self.watch(shown, tokens, cells) for shown in batch.videos]
        return scenes, [*(tokens[n] for n in range(len(tokens))), *(pointed[n] for n in range(len(pointed))), *watched]

    def watch(self, shown: Shown, tokens: dict[int, Tensor], cells: dict[int, Tensor]) -> Tensor:
        """[count, D] the tokens of a video, from the tokens and the eye's cells of its frames, by their numbers in the batch."""
        tokens_FTD, cells_FChw = (torch.stack([of[number] for number in shown.frames]) for of in (tokens, cells))
        for link in self.links.values():
            tokens_FTD = link.mark_times(tokens_FTD, torch.from_numpy(shown.clip.shares).to(tokens_FTD))
        return self.video(Watched(tokens_FTD, cells_FChw, shown.clip, shown.stamps))

    def point(self, regions: list[Pointed], pictures: Pictures, scene: Scene) -> dict[int, Tensor]:
        """Tokens [1, D] of the regions on one canvas size's pictures, by their number in the batch."""
        mine = [number for number, region in enumerate(regions) if region.picture in pictures.numbers]
        if not mine:
            return {}
        masks_RHW = torch.stack([regions[number].mask_HW for number in mine])
        picture_R = torch.tensor([pictures.numbers.index(regions[number].picture) for number in mine], device=masks_RHW.device)
        positive_R = torch.tensor([regions[number].positive for number in mine], device=masks_RHW.device)
        tokens_RD = self.regions(self.eye.normalise(pictures.pixels_BHWC), scene, masks_RHW, picture_R, positive_R)
        return dict(zip(mine, tokens_RD[:, None]))

    # -- joint 2 --------------------------------------------------------------------------------------------------

    def embed(self, batch: Batch, visual: list[Tensor]) -> Tensor:
        """ids + visual tokens + the links' queries -> embeds_RTD."""
        embeds_LD = self.embed_ids(batch.ids_RT.reshape(-1))
        positions, values = [], []
        for start, count, picture in batch.visual:
            positions.append(torch.arange(start, start + count, device=embeds_LD.device))
            values.append(visual[picture])
        marked = [(region.position, 1) for region in batch.regions] + [(shown.position, shown.count) for shown in batch.videos]
        for (start, count), tokens_nD in zip(marked, visual[len(visual) - len(marked) :]):
            positions.append(torch.arange(start, start + count, device=embeds_LD.device))
            values.append(tokens_nD)
        for name, starts in batch.slots.items():
            queries_nD = self.links[name].queries()
            steps = torch.arange(len(queries_nD), device=embeds_LD.device)
            positions.append((torch.tensor(starts, device=embeds_LD.device)[:, None] + steps).reshape(-1))
            values.append(queries_nD.repeat(len(starts), 1))
        for name, given in batch.values.items():
            positions.append(given.positions_P)
            values.append(self.links[name].embed_values(given.values_P))
        if positions:
            values_PD = torch.cat([value.to(embeds_LD.dtype) for value in values])
            embeds_LD = embeds_LD.index_copy(0, torch.cat(positions), values_PD)
        return embeds_LD.unflatten(0, batch.ids_RT.shape)

    def embed_ids(self, ids_L: Tensor) -> Tensor:
        """[L] ids of the language model and of links -> [L, D]; placeholders get any row, to be overwritten."""
        embeds_LD = self.language.embed(ids_L.clamp(0, self.vocabulary - 1))
        added_P = (ids_L >= self.vocabulary).nonzero().squeeze(1)
        if len(added_P):
            rows_PD = self.added_rows("token_rows")[ids_L[added_P] - self.vocabulary]
            embeds_LD = embeds_LD.index_copy(0, added_P, rows_PD.to(embeds_LD.dtype))
        return embeds_LD

    def added_rows(self, which: str) -> Tensor:
        """All links' own rows, in the order of the added ids. which: "token_rows" (input) or "head_rows" (output)."""
        rows = [link.rows(which) for link in self.links.values()]
        return torch.cat(rows) if rows else torch.zeros(0, self.language.width, device=self.device)

    def first_id(self, name: str) -> int:
        """The id of a link's first own token."""
        names = list(self.links)
        return self.vocabulary + sum(len(self.links[other].tokens) for other in names[: names.index(name)])

    # -- joint 3 --------------------------------------------------------------------------------------------------

    def think(self, embeds_RTD: Tensor, position_ids_RT: Tensor) -> Tensor:
        """The language model -> hidden_RTD; packed samples are kept apart by their position ids."""
        return self.language(embeds_RTD, position_ids_RT)

    def logits(self, hidden_PD: Tensor) -> Tensor:
        """[P, D] -> [P, V + added]: the language model's own head, then the links' rows."""
        return torch.cat([self.language.logits(hidden_PD), F.linear(hidden_PD, self.added_rows("head_rows"))], 1)

    # -- joint 4 --------------------------------------------------------------------------------------------------

    def read(self, hidden_LD: Tensor, placed: list[Placed], scenes: list[Scene], batch: Batch) -> list[Asked]:
        """Hidden states at the groups' positions -> requests, grouped by scene and decoder, in the order of the recipe."""
        scene_of = {n: (s, b) for s, pictures in enumerate(batch.pictures) for b, n in enumerate(pictures.numbers)} | {-1: (-1, 0)}
        asked: list[Asked] = []
        for name, link in self.links.items():
            for scene in range(-1, len(scenes)):  # -1: of what speaks of no picture
                mine = [p for p in placed if p.group.link == name and scene_of[p.picture][0] == scene]
                if mine and link.format.decoder is not None:
                    asked.append(self._ask(link, mine, scene, hidden_LD, scene_of))
        return merge_asked(asked)

    def _ask(self, link, mine: list[Placed], scene: int, hidden_LD: Tensor, scene_of: dict) -> Asked:
        # Whole numbers even when nothing is read (a phrase link looks at no hidden state).
        positions_Kn = torch.tensor([p.positions for p in mine], dtype=torch.long, device=hidden_LD.device)
        groups = [p.group for p in mine]
        vectors_KnC = link.requests(hidden_LD[positions_Kn], self.mean_words(groups), groups)
        picture_K = torch.tensor([scene_of[p.picture][1] for p in mine], device=hidden_LD.device)
        targets = [group.target for group in groups if group.target is not None]
        row = {id(group): k for k, group in enumerate(groups)}
        parents = [row[id(group.parent)] if group.parent else -1 for group in groups]
        labels, images, seeds = ([getattr(group, name) for group in groups] for name in ("label", "image", "seed"))
        requests = Requests(vectors_KnC, picture_K, labels, images, targets, parents, seeds)
        return Asked(link.format.decoder, scene, requests, mine)

    def mean_words(self, groups: list[Group]) -> Tensor:
        """[K, D] mean input embedding of each label's words, zeros for an empty label."""
        device = self.device
        ids = torch.tensor([i for group in groups for i in group.words], dtype=torch.long, device=device)
        owner = torch.tensor([k for k, group in enumerate(groups) for _ in group.words], dtype=torch.long, device=device)
        embeds_WD = self.language.embed(ids)
        sums_KD = embeds_WD.new_zeros(len(groups), embeds_WD.shape[1]).index_add(0, owner, embeds_WD)
        return sums_KD / torch.tensor([max(len(group.words), 1) for group in groups], device=device)[:, None]

    # -- joint 5 --------------------------------------------------------------------------------------------------

    def decode(self, asked: list[Asked], scenes: list[Scene], together: int = 0) -> Tensor | float:
        """Every decoder answers its requests, batched; it runs `together` times at least. -> zero, depending on runs on nothing."""
        idle = 0.0
        for name, decoder in self.decoders.items():
            mine = [one for one in asked if one.decoder == name]
            for one in mine:
                one.raw = decoder(scenes[one.scene] if one.scene >= 0 else None, one.requests)
            for _ in range(len(mine), together):
                idle = idle + decoder.dummy(scenes[0])
        return idle

    def answer(self, batch: Batch, together: int = 0) -> Outputs:
        """The five joints, one after another. together: see `forward`."""
        scenes, visual = self.encode(batch)
        embeds_RTD = self.embed(batch, visual)
        deep = any(lesson.deep for lesson in batch.lessons.values())
        states = self.language.states(embeds_RTD, batch.position_ids_RT) if deep else ()
        hidden_RTD = states[-1] if deep else self.think(embeds_RTD, batch.position_ids_RT)
        asked = self.read(hidden_RTD.flatten(0, 1), batch.groups, scenes, batch)
        idle = self.decode(asked, scenes, together)
        if together:
            idle = idle + sum(link.dummy(hidden_RTD[0, 0]) for link in self.links.values())
            if self.regions is not None:
                idle = idle + self.regions.dummy(self.eye.normalise(batch.pictures[0].pixels_BHWC), scenes[0])
            if self.video is not None:
                idle = idle + self.video.dummy(visual[0], scenes[0].tokens[0], scenes[0].canvases[0])
            idle = idle + sum(seen.float().sum() for seen in tensors_of([scenes, visual])) * 0.0
        return Outputs(scenes, visual, hidden_RTD, states, asked, idle)

    # -- loss -----------------------------------------------------------------------------------------------------

    def losses(self, outputs: Outputs, batch: Batch) -> Losses:
        """Name -> (sum, count): "words", those of the lessons, and "<decoder>.<loss>" for every decoder asked."""
        logits_PV = self.logits(outputs.hidden_RTD.flatten(0, 1)[batch.labelled_P])
        words = F.cross_entropy(logits_PV.float(), batch.wanted_P, reduction="sum")
        losses: Losses = {"words": (words, float(len(batch.wanted_P)))}
        for name in self.sequences:
            if count := self.links[name].value_count(batch):
                losses[f"{name}.value"] = (self.links[name].values_loss(self, outputs, batch), count)
        losses |= {name: lesson.loss(self, outputs) for name, lesson in batch.lessons.items() if lesson.count}
        for one in outputs.asked:
            for name, (total, count) in self.decoders[one.decoder].loss(one.raw, one.requests.targets).items():
                before, known = losses.get(f"{one.decoder}.{name}", (0.0, 0.0))
                losses[f"{one.decoder}.{name}"] = (before + total, known + count)
        return losses

    def counts(self, batch: Batch) -> dict[str, float]:
        """The counts of `losses` before any forward, so that ranks and accumulated steps can share them."""
        counts = {"words": float(len(batch.wanted_P))}
        counts |= {name: batch.lessons[name].count if name in batch.lessons else 0.0 for name in self.lessons}
        for name in self.sequences:
            counts[f"{name}.value"] = self.links[name].value_count(batch)
        for name, decoder in self.decoders.items():
            links = [key for key, link in self.links.items() if link.format.decoder == name]
            targets = [p.group.target for p in batch.groups if p.group.link in links and p.group.target is not None]
            for loss, count in decoder.counts(targets).items():
                counts[f"{name}.{loss}"] = count
        return counts

    def counts_names(self) -> list[str]:
        """Every loss this model can have, in one order on every rank."""
        decoders = [f"{name}.{loss}" for name, decoder in self.decoders.items() for loss in decoder.counts([])]
        return ["words", *self.lessons, *(f"{name}.value" for name in self.sequences), *decoders]

    @property
    def sequences(self) -> list[str]:
        """Names of the links that write continuous values."""
        return [name for name, link in self.links.items() if hasattr(link, "values_loss")]

    def rounds(self, batch: Batch) -> int:
        """How often, at most, this batch runs the eye or a decoder: once per canvas size and link, and once without a picture."""
        links = [link.format.decoder for link in self.links.values()]
        unseen = any(placed.picture < 0 for placed in batch.groups)
        return max(1, (len(batch.pictures) + unseen) * max(map(links.count, self.decoders), default=1))

    def forward(self, batch: Batch, counts: dict[str, float] | None = None, step_together: int = 0) -> dict[str, Any]:
        """Training: the total loss, each loss being sum / count.

        counts: shared counts (over ranks and accumulated steps); default this batch's own. step_together: on several processes,
        the largest `rounds` of all. Eye, decoders and links then run equally often everywhere, on nothing where a batch does not
        need them: sharding collects a part's weights whenever it runs, and gradients are averaged over all ranks.
        -> {"loss": scalar, "losses": {name: (sum, count)}}
        """
        if step_together:
            batch = with_blanks(batch, step_together, self.processor.canvas.canvas(1, 1))
        outputs = self.answer(batch, step_together)
        losses = self.losses(outputs, batch)
        total = outputs.idle + sum(value / max((counts or {}).get(name, count), 1.0) for name, (value, count) in losses.items())
        return {"loss": total, "losses": {name: (value.detach(), count) for name, (value, count) in losses.items()}}
