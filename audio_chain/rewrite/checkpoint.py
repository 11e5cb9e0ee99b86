"""Opening a language model's checkpoint, whatever it is stored as."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def open_checkpoint(
    where: Path | str, *, dtype: torch.dtype, **options: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer.

    Parameters
    ----------
    where : Path or str
        A transformers folder, a GGUF file, or a hub id.
    dtype : torch.dtype
        Of the weights in memory. GGUF weights are dequantized to it.
    **options
        For both ``from_pretrained`` calls, such as ``revision`` or ``local_files_only``.

    Returns
    -------
    model, tokenizer
        The model is in evaluation mode and an ordinary dense one: it can be saved and tuned.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, model_options = where, dict(options)
    if isinstance(where, Path) and where.is_file():
        source = where.parent
        options["gguf_file"] = where.name
        model_options |= {"gguf_file": where.name, **_dense(where.name)}
    with quietly():
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **model_options)
    if "gguf_file" in options:
        # the weights are dense now, but the model still calls itself quantized and won't be saved
        for attribute, value in (("hf_quantizer", None), ("is_quantized", False)):
            setattr(model, attribute, value)
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
    return model.eval(), tokenizer


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' progress bars and talk of its next version off the terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _dense(file_name: str) -> dict[str, Any]:
    """Ask transformers versions that can keep GGUF weights packed not to."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)
    if config is None:
        return {}
    return {"quantization_config": config(gguf_file=file_name, dequantize=True)}
