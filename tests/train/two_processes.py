"""One of two processes of test_two_processes.py (not a test itself): trains tiny models whose ranks get disjoint tasks.

Run as: two_processes.py FOLDER KIND ... Writes FOLDER/KIND.pt from rank 0: weights and losses after two steps, and which
parameters had no gradient. Without RANK in the environment one process sees both ranks' batches.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import tiny
import torch
from torch import nn

from superlens.batch import collate
from superlens.message import Conversation, Message
from superlens.recipes.schema import Stage
from superlens.train import trainer
from superlens.vision.codebook import QuantisedEye

STEPS, BATCH, RATE = 2, 2, 0.05


def talks() -> list[Conversation]:
    """What each rank reads, step by step: boxes and masks of other pictures; then boxes in two picture sizes, and words alone."""
    boxes, masks = ({"tasks": {name: 1}, "turns": (1, 1)} for name in ("boxes", "masks"))
    drawn = [*tiny.conversations(2, 0, **boxes), *tiny.conversations(2, 9, size=96, **masks)]
    drawn += [*tiny.conversations(1, 3, **boxes), *tiny.conversations(1, 4, size=96, **boxes)]
    return drawn + [Conversation((Message("user", f"Say {word}."), Message("assistant", word))) for word in ("yes", "no")]


def link_trainer(folder: Path) -> dict:
    """DDP, or one process: the path of `superlens train`."""
    model = tiny.model()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    entry = Stage(name="all", train=["*"], steps=STEPS, batch=BATCH * 2 // world, row_tokens=640, warmup=0.0, save_every=100)
    made = trainer.make_trainer(model, entry, talks(), folder, trainer.Precision("cpu", "float32"), 0, "none")
    made.optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    made.train()
    losses = [entry for entry in made.state.log_history if "loss" in entry]
    return {"weights": model.state_dict(), "losses": losses}


def sharded(folder: Path, parts: bool) -> dict:
    """FSDP2: the language model's layers and the whole; with `parts` also the eye's stages and every decoder, each by itself."""
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard

    model = tiny.model().train()
    samples = [model.processor.encode(talk) for talk in talks()]
    inner = [*model.language.model.model.layers]
    if parts:
        inner += [*model.eye.backbone.encoder.stages, model.eye.pyramid, model.projector, *model.decoders.values()]
    for module in [*inner, model]:
        fully_shard(module, mesh=dist.device_mesh.init_device_mesh("cpu", (2,)))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    losses, missing = [], set()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = (1.0, 0.525)[step] * RATE  # the cosine of `superlens train`
        first = (step * 2 + dist.get_rank()) * BATCH
        batch = collate([samples[index] for index in range(first, first + BATCH)])
        names = model.counts_names()
        counts = torch.tensor([model.counts(batch)[name] for name in names])
        rounds = torch.tensor(model.rounds(batch))
        dist.all_reduce(counts)
        dist.all_reduce(rounds, dist.ReduceOp.MAX)
        out = model(batch, counts=dict(zip(names, counts.tolist())), step_together=int(rounds))
        (out["loss"] * 2).backward()  # gradients are averaged over the two
        missing |= {name for name, parameter in model.named_parameters() if parameter.grad is None}
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss = out["loss"].detach()
        dist.all_reduce(loss)
        losses.append({"loss": loss.item()})
    weights = {name: parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter for name, parameter in
               model.state_dict().items()}
    return {"weights": weights, "losses": losses, "missing": sorted(missing)}


def codebook(folder: Path) -> dict:
    """A quantised eye, each rank shows it other pictures -> in both its entries, and how many features it saw since each was chosen."""
    import torch.distributed as dist

    eye = QuantisedEye(tiny.VQGAN, 32, codes=True).train()
    rank = dist.get_rank()
    begun = eye.entries.weight.detach().clone()
    for step in range(2):
        shown = np.random.default_rng((rank, step)).integers(100 * rank, 100 * rank + 100, (1, 32, 32, 3), np.uint8)
        eye.quantiser_loss(torch.from_numpy(shown))
    both = [[torch.empty_like(kept) for _ in range(2)] for kept in (eye.entries.weight.data, eye.idle_N)]
    for found, kept in zip(both, (eye.entries.weight.data, eye.idle_N), strict=True):
        dist.all_gather(found, kept)
    return {"begun": begun, "entries": both[0], "idle": both[1]}


KINDS = {
    "codebook": codebook,
    "ddp": link_trainer,
    "fsdp": lambda folder: sharded(folder, parts=False),
    "fsdp-parts": lambda folder: sharded(folder, parts=True),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    home = Path(sys.argv[1])
    for kind in sys.argv[2:]:
        torch.manual_seed(0)
        result = KINDS[kind](home / kind)
        if os.environ.get("RANK", "0") == "0":
            torch.save(result, home / f"{kind}.pt")
    # Leave together and in order: a process that just ends while gloo's threads still run may be aborted (exit code -6).
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
