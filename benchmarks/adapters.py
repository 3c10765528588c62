"""How soon two linear layers around a frozen language model learn to repeat a row of features: AdamW beside Muon, two wired heads
beside three that say more, batches of 8 beside batches of 2.

    python benchmarks/adapters.py [--rows 1200] [--seeds 1] [--ways "AdamW, 5e-3" ...]

What lm4lv has to do before it can restore anything, without pictures: its language model (nano's size, wired to look up, not trained)
is shown a row of 100 features, ten words, and the row once more; the state before each feature of the second row is to say it. Half of
the features' variance is common to a row; their directions differ in strength, as those of an eye do. Trained are the projector (with
its places) and the layer out. Printed is R2 on unseen rows: 1 is a perfect copy, 0 the mean feature.
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.language.causal import CausalLanguage
from superlens.recipes.schema import read_recipe
from superlens.train.optimizer import MuonWithAdamW, hidden_matrices
from superlens.vision.projector import TokenProjector

FEATURES, CHANNELS, WORDS = 100, 192, slice(5, 15)
TWO, THREE = {"heads": 2, "said": 4}, {"heads": 3, "said": 16}  # options of the lookup that is wired in (language/lookup.py)
# Name -> (Muon for the two matrices, rate of the projector, rate of the layer out, wiring, batch)
WAYS = {
    "AdamW, 5e-3": (False, 5e-3, 5e-3, TWO, 8),
    "AdamW, 1e-3": (False, 1e-3, 1e-3, TWO, 8),
    "AdamW, 5e-4 and 5e-3": (False, 5e-4, 5e-3, TWO, 8),
    "Muon, 5e-3": (True, 5e-3, 5e-3, TWO, 8),
    "Muon, 5e-4 and 5e-3": (True, 5e-4, 5e-3, TWO, 8),
    "the same, three heads": (True, 5e-4, 5e-3, THREE, 8),
    "the same, batches of 2": (True, 5e-4, 5e-3, THREE, 2),
}


class Rows:
    """Features [B, FEATURES, CHANNELS] by chance; the same kind from each seed."""

    def __init__(self, seed: int):
        fixed = torch.Generator().manual_seed(1)
        strength_C = torch.arange(1, CHANNELS + 1).float() ** -0.5
        turned_CC = torch.linalg.qr(torch.randn(CHANNELS, CHANNELS, generator=fixed))[0]
        self.mix_CC = (strength_C / strength_C.square().mean().sqrt())[:, None] * turned_CC
        self.mean_C = torch.randn(CHANNELS, generator=fixed) / 2
        self.generator = torch.Generator().manual_seed(seed)

    def drawn(self, batch: int) -> Tensor:
        own, common = (torch.randn(batch, count, CHANNELS, generator=self.generator) for count in (FEATURES, 1))
        return (own + common) / 2**0.5 @ self.mix_CC + self.mean_C


class Repeater(nn.Module):
    """The frozen language model between the two layers."""

    def __init__(self, wiring: dict):
        super().__init__()
        plan = read_recipe("lm4lv", ["scale=nano"]).to_dict()["language"]
        self.language = CausalLanguage(plan["config"], start=plan["start"] | wiring).eval().requires_grad_(False)
        self.projector = TokenProjector(CHANNELS, self.language.embedding_width, 1, self.language.embedding_scale(), places=FEATURES)
        self.projector.begin_among(self.language.words())
        self.out = nn.Linear(self.language.width, CHANNELS)

    def forward(self, features_BTC: Tensor) -> Tensor:
        shown_BTD, words_VD = self.projector.project(features_BTC), self.language.words()
        between_BWD = words_VD[WORDS].expand(len(shown_BTD), -1, -1)
        embeds_BLD = torch.cat([shown_BTD, between_BWD, shown_BTD[:, :-1]], 1)
        hidden_BLD = self.language(embeds_BLD, torch.arange(embeds_BLD.shape[1]).expand(len(shown_BTD), -1))
        return self.out(hidden_BLD[:, -FEATURES:])


def learned(way: str, seen: int, seed: int) -> list[float]:
    """R2 after each third of `seen` rows."""
    torch.manual_seed(seed)
    muon, slow, fast, wiring, batch = WAYS[way]
    steps = seen // batch
    model, rows = Repeater(wiring), Rows(seed)
    unseen_BTC = Rows(10_000).drawn(16)
    named, matrices = dict(model.named_parameters()), hidden_matrices(model)
    groups = [{"params": [p for name, p in named.items() if name.startswith(part) and (name in matrices) == hidden],
               "lr": rate, "weight_decay": 0.0, "muon": muon and hidden}
              for part, rate in (("projector.", slow), ("out.", fast)) for hidden in (False, True)]  # fmt: skip
    optimizer = MuonWithAdamW(groups, betas=(0.9, 0.95))
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=0.05, cycle_momentum=False)
    told = []
    for step in range(1, steps + 1):
        features_BTC = rows.drawn(batch)
        loss = F.mse_loss(model(features_BTC), features_BTC)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 1.0)
        optimizer.step()
        schedule.step()
        if step in (steps // 3, 2 * steps // 3, steps):
            with torch.no_grad():
                error = F.mse_loss(model(unseen_BTC), unseen_BTC)
            told.append(1 - float(error / (unseen_BTC - unseen_BTC.mean((0, 1))).square().mean()))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rows", 1200), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    options = parser.parse_args()
    thirds = [options.rows // 3, 2 * options.rows // 3, options.rows]
    print("| | " + " | ".join(f"{rows} rows" for rows in thirds) + " |\n|---|" + "---|" * len(thirds))
    for way in options.ways:
        told = torch.tensor([learned(way, options.rows, seed) for seed in range(options.seeds)])
        print(f"| {way} | " + " | ".join(f"{value:.3f}" for value in told.mean(0)) + " |", flush=True)


if __name__ == "__main__":
    main()
