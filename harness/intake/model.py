"""What a model makes of texts before it is loaded: tokens, the length of its context, its chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.evaluation.domain import ChatTemplate
from harness.exceptions import EnvironmentFault, InputError
from harness.models.reference import ModelReference, resolve

_BYTES_A_TOKEN = 3
_CONTEXT = 2048


@dataclass(frozen=True)
class ModelText:
    """A model's tokenizer.

    Attributes:
        reference: the model.
        tokenizer: ``None`` where it is out of reach; tokens are then estimated, three bytes each.
        context_length: tokens that the model takes.
        notice: why there is no tokenizer; empty where there is.
    """

    reference: ModelReference
    tokenizer: Any
    context_length: int
    notice: str = ""

    @property
    def name(self) -> str:
        """How ``harness.yaml`` names the model, from whatever folder it is read."""
        return str(self.reference.path or self.reference.name)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        if self.tokenizer is None:
            return [-(-len(text.encode()) // _BYTES_A_TOKEN) for text in texts]
        return [len(ids) for ids in self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []

    @property
    def chat_template(self) -> ChatTemplate | None:
        """The tokenizer's own, called as lm-eval calls it; ``None`` where it has none."""
        if not getattr(self.tokenizer, "chat_template", None):
            return None

        def render(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            text = self.tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
            return str(text)

        return render


def model_text(name: str) -> ModelText:
    """The tokenizer of a model, fetched where it must be; the weights stay on disk.

    Raises:
        InputError: no such model, or no tokenizer in its folder.
    """
    reference = resolve(name)
    from transformers import AutoConfig, AutoTokenizer

    from harness.evaluation.decoding import context_length
    from harness.models.loading import materialise

    try:
        folder = materialise(reference)
    except EnvironmentFault as fault:
        return ModelText(reference, None, _CONTEXT, f"token lengths are estimated, {fault}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        length = context_length(AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"model '{name}': its tokenizer cannot be read: {reason}") from error
    tokenizer.model_max_length = 1 << 30  # only counted with, so nothing to warn of
    return ModelText(reference, tokenizer, length)
