"""LoRA-tune a small instruct model on the hand-written memos.

``python -m training.rewriter.train --base FOLDER_OR_GGUF --out FOLDER`` trains, stops at the best
epoch on a validation split of the training memos (never on the held-out ones), and writes a peft
adapter in float16 safetensors with a record of how it was made. Minutes on a GPU, about an hour on
two CPU cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from audio_chain.errors import ChainError, UsageError
from audio_chain.rewrite.adapter import ADAPTER_FILE
from audio_chain.rewrite.checkpoint import open_checkpoint
from audio_chain.rewrite.prompt import PromptEncoder
from prompts import rewriter_prompt
from training.rewriter.data import MEMOS, Memo, check, load_memos, training
from training.rewriter.fields import score_fields
from training.rewriter.recipe import Recipe, epoch_examples, split
from training.rewriter.targets import Encoded, collate, encode

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

BASE_NAME: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
_LINEAR_LAYERS: Final = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)


def train(
    base: Path,
    memos: Sequence[Memo],
    recipe: Recipe,
    out: Path,
    device_name: str,
    log: TextIO,
    resume: Path | None = None,
) -> dict[str, Any]:
    """Train an adapter and save the best one.

    Parameters
    ----------
    base : Path
        Folder or GGUF file of the base model.
    memos : sequence of Memo
        All memos; the held-out ones are left alone.
    recipe : Recipe
    out : Path
        Folder for the adapter.
    device_name : str
        ``auto``, ``cpu``, ``cuda`` ...
    log : TextIO
        Gets one JSON line an epoch.
    resume : Path, optional
        Folder of an adapter of the same rank to go on from, with a new schedule.

    Returns
    -------
    dict
        The record also written to ``training.json``.
    """
    import torch

    torch.manual_seed(recipe.seed)
    if device_name == "auto":
        device_name = "cuda" if torch.cuda.is_available() else "cpu"
    model, tokenizer = open_checkpoint(base, dtype=torch.float32)
    encoder = PromptEncoder(tokenizer, rewriter_prompt("tuned"))
    tuned = _with_adapter(model, recipe, resume).to(device_name)
    learning, validation = split(memos, recipe)
    descent = _Descent(tuned, recipe, len(learning) + recipe.composed)
    record: dict[str, Any] = {}
    started, best = time.monotonic(), math.inf
    for epoch in range(recipe.epochs):
        tuned.train()
        examples = epoch_examples(learning, recipe, epoch)
        loss = descent.epoch(model, [encode(item, encoder, tokenizer) for item in examples])
        tuned.eval()
        entry: dict[str, Any] = {"epoch": epoch + 1, "step": descent.step, "loss": round(loss, 4)}
        criterion = -float(epoch)  # without validation memos the last epoch counts as the best
        if validation:
            scores = score_fields(model, tokenizer, encoder, validation)
            criterion = scores.total_surprise
            entry["validation"] = asdict(scores)
        entry["seconds"] = round(time.monotonic() - started, 1)
        print(json.dumps(entry), file=log, flush=True)
        if criterion < best:
            best = criterion
            record = {"recipe": asdict(recipe), "best": entry, "memos": _digest(memos)}
            if resume is not None:
                record["resumed_from"] = _sha256(resume / ADAPTER_FILE)
            _save(tuned, record, out)
        if descent.finished:
            break
    return record


def _with_adapter(model: PreTrainedModel, recipe: Recipe, resume: Path | None) -> Any:
    """Put a new adapter, or a saved one, into every linear layer of a model."""
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(_LINEAR_LAYERS),
        task_type="CAUSAL_LM",
    )
    tuned = get_peft_model(model, config)
    if resume is not None:
        set_peft_model_state_dict(tuned, load_file(resume / ADAPTER_FILE))
    return tuned


class _Descent:
    """The optimizer with its schedule, and how far it is."""

    def __init__(self, tuned: Any, recipe: Recipe, examples: int) -> None:
        import torch

        self.step = 0
        self._recipe = recipe
        self._total = recipe.max_steps or recipe.epochs * math.ceil(examples / recipe.batch)
        self._parameters = [p for p in tuned.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: learning_rate_factor(step, self._total, recipe.warmup)
        )

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self._total

    def epoch(self, model: PreTrainedModel, examples: Sequence[Encoded]) -> float:
        """Learn from the examples in order; returns the mean loss."""
        import torch

        losses = []
        for start in range(0, len(examples), self._recipe.batch):
            if self.finished:
                break
            batch = examples[start : start + self._recipe.batch]
            losses.append(accumulate(model, batch, self._recipe.at_once))
            torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad()
            self.step += 1
        return sum(losses) / len(losses)


def weighted_loss(model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of the next token, weighted and summed; logits only where there is a weight."""
    import torch

    weights = batch["weights"][:, 1:]
    counted = weights > 0
    hidden = model.base_model(input_ids=batch["ids"], attention_mask=batch["mask"])[0][:, :-1]
    logits = model.get_output_embeddings()(hidden[counted]).float()
    losses = torch.nn.functional.cross_entropy(
        logits, batch["ids"][:, 1:][counted], reduction="none"
    )
    return (losses * weights[counted]).sum()


def accumulate(model: PreTrainedModel, batch: Sequence[Encoded], at_once: int) -> float:
    """Add up the gradients of a batch, a few examples at a time; returns the mean loss."""
    import torch

    device = model.device
    total, loss = sum(sum(item.weights) for item in batch), 0.0
    ordered = sorted(batch, key=lambda item: len(item.ids))
    for start in range(0, len(ordered), at_once):
        tensors = collate(ordered[start : start + at_once], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            part = weighted_loss(model, tensors) / total
        part.backward()
        loss += float(part.detach())
    return loss


def learning_rate_factor(step: int, total: int, warmup: float) -> float:
    """Linear warm-up, then half a cosine to a tenth."""
    rise = max(1, round(total * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.55 + 0.45 * math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise)))


def _digest(memos: Sequence[Memo]) -> str:
    """Fingerprint of the memos trained on."""
    text = json.dumps([asdict(memo) for memo in training(memos)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(tuned: Any, record: dict[str, Any], out: Path) -> None:
    """Write the adapter in float16, its config without any path of this machine, the record."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in get_peft_model_state_dict(tuned).items()
    }
    save_file(tensors, out / ADAPTER_FILE, metadata={"format": "pt"})
    config = tuned.peft_config["default"]
    config.base_model_name_or_path = BASE_NAME
    config.inference_mode = True
    config.save_pretrained(out)
    config.inference_mode = False
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 with one line if something is wrong."""
    parser = argparse.ArgumentParser(
        description="LoRA-tune the rewriter", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--base", type=Path, required=True, help="model folder or GGUF file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    parser.add_argument("--resume", type=Path, help="folder of an adapter to go on from")
    parser.add_argument("--memos", type=Path, default=MEMOS, help="folder of *.jsonl files")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda ...")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    arguments = parser.parse_args(argv)
    recipe = Recipe(**{name: getattr(arguments, name) for name in asdict(Recipe())})
    try:
        if not arguments.base.exists():
            raise UsageError(f"--base {arguments.base}: no such model folder or GGUF file")
        memos = load_memos(arguments.memos)
        check(memos)
        arguments.out.mkdir(parents=True, exist_ok=True)
        with (arguments.out / "log.jsonl").open("w", encoding="utf-8") as log:
            record = train(
                arguments.base,
                memos,
                recipe,
                arguments.out,
                arguments.device,
                log,
                arguments.resume,
            )
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(record["best"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
