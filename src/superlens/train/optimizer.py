"""AdamW, and Muon for hidden matrices beside it, behind one optimizer that Trainer, schedulers and checkpoints understand."""

from __future__ import annotations

import torch
from torch import nn


def hidden_matrices(model: nn.Module) -> set[str]:
    """Names of the weights of linear layers, output heads left out: what Muon is for. All else stays AdamW's."""
    names = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return {name for name in names if not name.endswith("lm_head.weight")}


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024; learning rates matched to AdamW's as in Liu et al., arXiv 2502.16982) for groups marked `muon`.

    groups: parameter groups, each with "params", "lr", "weight_decay" and "muon". options: AdamW's own. The two optimizers share the
    group dictionaries, so that a scheduler that sets a group's "lr" reaches the one that uses it.
    """

    def __init__(self, groups: list[dict], **options):
        plain = [group for group in groups if not group["muon"]]
        hidden = [group for group in groups if group["muon"]]
        self.adamw = torch.optim.AdamW(plain, **options) if plain else None
        self.muon = torch.optim.Muon(hidden, momentum=0.95, adjust_lr_fn="match_rms_adamw") if hidden else None
        super().__init__([{"params": group["params"]} for group in groups], {})
        self.param_groups = [group for optimizer in self.both for group in optimizer.param_groups]

    @property
    def both(self) -> list[torch.optim.Optimizer]:
        return [optimizer for optimizer in (self.adamw, self.muon) if optimizer is not None]

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        for optimizer in self.both:
            optimizer.step()
        return loss

    def state_dict(self) -> dict:
        return {"optimizers": [optimizer.state_dict() for optimizer in self.both]}

    def load_state_dict(self, state_dict: dict) -> None:
        for optimizer, state in zip(self.both, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.param_groups = [group for optimizer in self.both for group in optimizer.param_groups]
