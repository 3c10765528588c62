"""AdamW, and Muon for hidden matrices beside it, behind one optimizer that Trainer, schedulers and checkpoints understand."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from superlens.train.precision import has_bfloat16

LEAST_CHANNELS = 16  # of a convolution that is hidden: fewer are colours that come in, or answers that go out


def hidden_matrices(model: nn.Module) -> set[str]:
    """Names of the weights that Muon is for: linear layers, output heads left out, and convolutions from channels to channels.

    Convolutions of few channels or of groups are left to AdamW, as is all else.
    """
    names = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear) or mixes_channels(module)}
    return {name for name in names if not name.endswith("lm_head.weight")}


def mixes_channels(module: nn.Module) -> bool:
    """Whether a module is a convolution whose kernel is a matrix from (channels x places) to channels."""
    return isinstance(module, nn.Conv2d) and module.groups == 1 and min(module.in_channels, module.out_channels) >= LEAST_CHANNELS


class InFloat32(TorchFunctionMode):
    """What is turned into bfloat16 stays float32.

    torch's Muon orthogonalizes in bfloat16 wherever it runs. A processor without instructions for it takes a hundred times as long.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.bfloat16:
            return args[0].to(torch.float32, copy=True)  # what it returns is written to
        return func(*args, **(kwargs or {}))


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024; learning rates matched to AdamW's as in Liu et al., arXiv 2502.16982) for groups marked `muon`.

    groups: parameter groups, each with "params", "lr", "weight_decay" and "muon". options: AdamW's own. Schedulers and scalers see
    the groups as they are; what they set in one reaches the optimizer that uses it at the next step. Kernels [out, in, h, w] are
    trained as the matrices [out, in h w] that they are.
    """

    def __init__(self, groups: list[dict], **options):
        plain = [group for group in groups if not group["muon"]]
        hidden = [group for group in groups if group["muon"]]
        # torch's Muon takes matrices alone: it is given views of the kernels, which share their memory.
        self.views = [(weight, nn.Parameter(weight.detach().flatten(1)))
                      for group in hidden for weight in group["params"] if weight.ndim > 2]
        view_of = {id(weight): view for weight, view in self.views}
        viewed = [group | {"params": [view_of.get(id(weight), weight) for weight in group["params"]]} for group in hidden]
        self.adamw = torch.optim.AdamW(plain, **options) if plain else None
        self.muon = torch.optim.Muon(viewed, momentum=0.95, adjust_lr_fn="match_rms_adamw") if hidden else None
        super().__init__([{"params": group["params"]} for group in (*plain, *hidden)], {})
        self._take_settings()

    @property
    def both(self) -> list[torch.optim.Optimizer]:
        return [optimizer for optimizer in (self.adamw, self.muon) if optimizer is not None]

    @property
    def inner_groups(self) -> list[dict]:
        """Those of the two optimizers, in the order of `param_groups`."""
        return [group for optimizer in self.both for group in optimizer.param_groups]

    def _take_settings(self) -> None:
        for group, inner in zip(self.param_groups, self.inner_groups, strict=True):
            group.update({name: value for name, value in inner.items() if name != "params"})

    def _give_settings(self) -> None:
        for group, inner in zip(self.param_groups, self.inner_groups, strict=True):
            inner.update({name: value for name, value in group.items() if name != "params"})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        self._give_settings()
        for weight, view in self.views:
            view.data = weight.data.view_as(view)  # again each time: a model that was moved has other memory
            view.grad = None if weight.grad is None else weight.grad.reshape(view.shape)
        if self.adamw:
            self.adamw.step()
        if self.muon:
            with nullcontext() if has_bfloat16(self.muon.param_groups[0]["params"][0].device) else InFloat32():
                self.muon.step()
        for _, view in self.views:
            view.grad = None
        return loss

    def state_dict(self) -> dict:
        self._give_settings()
        return {"optimizers": [optimizer.state_dict() for optimizer in self.both]}

    def load_state_dict(self, state_dict: dict) -> None:
        for optimizer, state in zip(self.both, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self._take_settings()
