"""Any causal language model of Transformers, used through embeddings and read through hidden states.

Shapes: R rows, T positions, D hidden width, P gathered positions, V vocabulary of the published table.
"""

from __future__ import annotations

import copy
import inspect

import torch
from torch import Tensor, nn

from superlens.language.lookup import wire_lookup
from superlens.parts import resolve_config


class OnlyHidden(tuple):
    """A base model's output, by index or by name, with nothing in it but its last hidden state."""

    @property
    def last_hidden_state(self) -> Tensor:
        return self[0]

    def __getattr__(self, name: str) -> None:
        """Families hand on what they know of (cross-attentions, router logits): None."""
        return None


class HiddenAsOutput(nn.Module):
    """Stands where a base model stands and answers with the hidden states it was given.

    The family's own `forward` around it then does what that family does after its last layer (scale, cap, project), so no
    family's head is written here a second time.
    """

    @property
    def decoder(self) -> nn.Module:
        """OPT-like families call `self.model.decoder` instead of `self.model`."""
        return self

    def forward(self, *unused, inputs_embeds: Tensor, **also_unused):
        return OnlyHidden((inputs_embeds,))


class CausalLanguage(nn.Module):
    """A causal LM built from its config; its table and head are never resized.

    config: the LM's config as a dict with `model_type`. adapter: None, or a LoRA by PEFT:
    {type: lora, rank: 32, alpha: 64, targets: "all-linear" | [names]}. start: what random weights begin with beside chance: None,
    "lookup" (`wire_lookup`), or {type: lookup, quiet: 0.1} with options of it. ValueError for another.
    """

    def __init__(self, config: dict, adapter: dict | None = None, start: str | dict | None = None):
        from transformers import AutoModelForCausalLM

        super().__init__()
        self.model = AutoModelForCausalLM.from_config(resolve_config(config))
        self.model.config.use_cache = False
        self.takes_positions = "position_ids" in self._accepted()
        options = {"type": start} if isinstance(start, str) else dict(start or {})
        if options.pop("type", None) != "lookup" and start is not None:
            raise ValueError(f"language.start is lookup, or left out; got '{start}'.")
        if unknown := options.keys() - {"heads", "quiet", "said", "seed"}:
            raise ValueError(f"language.start: lookup has the options heads, quiet, said and seed; got '{min(unknown)}'.")
        if start and not self.model.get_input_embeddings().weight.is_meta:
            wire_lookup(self.model, **options)
        if adapter:
            self.adapt(adapter)

    def _accepted(self) -> set[str]:
        """Arguments of the base model. ValueError for families that can not be driven through embeddings and a cache."""
        accepted = set(inspect.signature(self.model.base_model.forward).parameters)
        if not {"inputs_embeds", "past_key_values"} <= accepted:
            raise ValueError(
                f"language models of type '{self.model.config.model_type}' take no embeddings with a cache of keys and values, "
                "which links need: choose another family (llama, qwen3, gpt2, opt, gemma3_text, ...)."
            )
        return accepted

    def adapt(self, adapter: dict) -> None:
        """Inject LoRA layers (Hu et al., arXiv 2106.09685); published weights keep their names under `base_layer`."""
        from peft import LoraConfig, inject_adapter_in_model

        options = dict(adapter)
        kind = options.pop("type", "lora")
        if kind != "lora":
            raise ValueError(f"unknown adapter type '{kind}' in language: choose from lora.")
        targets = options.pop("targets", None) or linear_names(self.model)
        config = LoraConfig(
            r=options.pop("rank", 8),
            lora_alpha=options.pop("alpha", 16),
            lora_dropout=options.pop("dropout", 0.0),
            target_modules=targets,
        )
        if options:
            raise ValueError(f"unknown key '{next(iter(options))}' in language.adapter: rank, alpha, dropout, targets.")
        inject_adapter_in_model(config, self.model)

    @property
    def width(self) -> int:
        """D: width of hidden states (what links read); OPT-350m projects them back to the width of its embeddings."""
        config = self.model.config.get_text_config()
        return getattr(config, "word_embed_proj_dim", None) or config.hidden_size

    @property
    def embedding_width(self) -> int:
        """Width of input embeddings (OPT-350m projects them)."""
        return self.model.get_input_embeddings().weight.shape[1]

    @property
    def vocabulary(self) -> int:
        """V: rows of the published table; ids from V on belong to links."""
        return self.model.get_input_embeddings().weight.shape[0]

    @property
    def max_positions(self) -> int:
        """Longest conversation in tokens."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", 1 << 20)

    @property
    def reads_past_holes(self) -> bool:
        """Whether holes in the cache are exact: not where a window is narrower than the longest text, where a state recurs, or where
        places are counted along the cache (MPT)."""
        config = self.model.config.get_text_config()
        if getattr(self.model, "_is_stateful", False) or not self.takes_positions:
            return False
        kinds = set(getattr(config, "layer_types", None) or [])
        if kinds - {"full_attention", "sliding_attention"} or "local" in (getattr(config, "attention_layers", None) or []):
            return False
        window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
        windowed = window is not None and (not kinds or "sliding_attention" in kinds)
        return not (windowed and window < self.max_positions)

    def embedding_scale(self) -> float:
        """Deviation of the language model's own input embeddings: where new rows and queries must start (about 0.02)."""
        with torch.no_grad():
            weight = self.words()
            return 0.02 if weight.is_meta else float(weight[: min(len(weight), 4096)].float().std().clamp(1e-3, 1.0))

    def words(self) -> Tensor:
        """[V, D] the language model's own input embeddings."""
        return self.model.get_input_embeddings().weight

    def embed(self, ids: Tensor) -> Tensor:
        """ids -> [..., D] input embeddings."""
        return self.model.get_input_embeddings()(ids)

    def states(self, embeds_RTD: Tensor, position_ids_RT: Tensor) -> tuple[Tensor, ...]:
        """Hidden states [R, T, D] before the first block and after every one; the last are those of `forward` without a cache."""
        outputs = self.model.base_model(
            inputs_embeds=embeds_RTD, position_ids=position_ids_RT, use_cache=False, output_hidden_states=True
        )
        return (*outputs.hidden_states[:-1], outputs.last_hidden_state)  # some families list the last before its norm

    def forward(self, embeds_RTD: Tensor, position_ids_RT: Tensor, mask_RT: Tensor | None = None, cache=None) -> Tensor:
        """Last hidden states [R, T, D], after the final norm.

        Training: no mask, no cache; samples packed in a row are kept apart by position ids restarting at 0.
        Generation: mask [R, T_total] with zeros for holes, and a cache which is advanced in place.
        """
        outputs = self.model.base_model(
            inputs_embeds=embeds_RTD,
            position_ids=position_ids_RT,
            attention_mask=mask_RT,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return outputs.last_hidden_state

    def logits(self, hidden_PD: Tensor) -> Tensor:
        """[P, D] -> [P, V] through the family's own head, scaling and capping included."""
        headed = copy.copy(self.model)
        headed._modules = {**self.model._modules, self.model.base_model_prefix: HiddenAsOutput()}
        # `.forward`, not a call: hooks of sharding wrappers belong to the true model, which is already unsharded here.
        return headed.forward(inputs_embeds=hidden_PD[None], use_cache=False).logits[0]


def linear_names(model: nn.Module) -> list[str]:
    """Names of the linear layers inside the blocks, the head left out: what LoRA adapts by default."""
    names = {name.rpartition(".")[2] for name, module in model.base_model.named_modules() if isinstance(module, nn.Linear)}
    conv1d = {name.rpartition(".")[2] for name, module in model.named_modules() if type(module).__name__ == "Conv1D"}
    return sorted(names | conv1d)


@torch.no_grad()
def keeps_packed_samples_apart(language: CausalLanguage, tolerance: float = 1e-4) -> bool:
    """The two-sample probe: does a sample in a packed row give what it gives alone?

    OPT, Falcon, GPT-OSS and Qwen3.5 leak in silence; they then train one sample a row.
    """
    weight = language.model.get_input_embeddings().weight
    if weight.is_meta:
        return True
    training, _ = language.training, language.eval()
    try:
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(0, language.vocabulary, (2, 6), generator=generator).to(weight.device)
        alone = language(language.embed(ids[1:]), torch.arange(6, device=weight.device)[None])
        position_ids = torch.arange(6, device=weight.device).repeat(2)[None]
        packed = language(language.embed(ids.reshape(1, 12)), position_ids)[:, 6:]
        scale = alone.float().abs().mean().clamp(min=1e-6)
        return bool((alone - packed).float().abs().max() / scale < tolerance)
    finally:
        language.train(training)
