"""How a model lies on disk: one directory with config, safetensors, tokenizer. What Transformers asks of a model stands here too."""

from __future__ import annotations

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel


class SuperlensConfig(PretrainedConfig):
    """recipe: the whole recipe as a dict (parts' own configs resolved), enough to build the model without any download."""

    model_type = "superlens"

    def __init__(self, recipe: dict | None = None, **kwargs):
        self.recipe = recipe or {}
        super().__init__(**kwargs)


class SavedModel(PreTrainedModel):
    """Saving and loading of `Superlens` (model.py)."""

    config_class = SuperlensConfig
    main_input_name = "batch"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def _init_weights(self, module: nn.Module) -> None:
        """Parts initialise themselves."""

    def get_input_embeddings(self) -> nn.Module:
        return self.language.model.get_input_embeddings()

    @classmethod
    def from_pretrained(cls, path: str, *arguments, **options) -> SavedModel:
        """A saved model with its processor; parts that were left as published are fetched by name."""
        from transformers import AutoTokenizer

        from superlens.assemble import make_processor
        from superlens.published import check_whole, fill_published, published_modules, saved_names

        model, known = super().from_pretrained(path, *arguments, **options, output_loading_info=True)
        check_whole(model, known["missing_keys"], path)
        if published_modules(model, model.config.recipe):
            fill_published(model, model.config.recipe, saved_names(path))
        model.processor = make_processor(model.config.recipe, AutoTokenizer.from_pretrained(f"{path}/tokenizer"), model)
        return model

    def save_pretrained(self, path: str, whole: bool = False, state_dict: dict | None = None, **options) -> None:
        """One directory: config with the recipe, safetensors, tokenizer. `whole` also writes what is still as published."""
        state = self.state_dict() if state_dict is None else state_dict
        if not whole:
            state = {name: tensor for name, tensor in state.items() if name not in self.left_published}
        # By the names they have here: Transformers would write some families' under older ones, which only from_pretrained understands,
        # and going on with a run reads them one by one.
        super().save_pretrained(path, state_dict=state, **{"save_original_format": False} | options)
        if self.processor is not None:
            self.processor.tokenizer.save_pretrained(f"{path}/tokenizer")
