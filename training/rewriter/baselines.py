"""What the tuned model has to beat: keywords, and the nearest memo by sentence embedding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain.rewrite.prompt import memo_text
from audio_chain.rewrite.schema import MAX_INSTRUMENTS, Answer
from audio_chain.vocabulary import INSTRUMENTS
from training.rewriter.data import Memo

if TYPE_CHECKING:
    import numpy as np

KEYWORDS: Final = Path(__file__).parent / "keywords.yaml"


class KeywordBaseline:
    """Counts the words of each option and takes the one with most; else the commonest answer.

    Parameters
    ----------
    memos : sequence of Memo
        Training memos, for what is common.
    """

    name = "keywords"

    def __init__(self, memos: Sequence[Memo]) -> None:
        self._common = {
            field: Counter(getattr(memo, field)[0] for memo in memos)
            for field in ("genre", "mood", "tempo")
        }
        self._usual: dict[str, Counter[str]] = {}
        for memo in memos:
            self._usual.setdefault(memo.genre[0], Counter()).update(memo.instruments)

    def answer(self, text: str) -> Answer:
        """Answer by keywords."""
        words = " ".join(re.findall(r"[a-z0-9'-]+", text.lower()))
        genre, mood, tempo = (self._choose(field, words) for field in ("genre", "mood", "tempo"))
        named = [name for name in INSTRUMENTS if re.search(rf"\b{name}s?\b", words)]
        usual = [name for name, _ in self._usual[genre].most_common(3) if name not in named]
        instruments = tuple([*named, *usual][:MAX_INSTRUMENTS])
        avoid = tuple(re.findall(r"\bno (drums|vocals|singing|piano|guitars?)\b", words)[:3])
        return Answer(genre, mood, tempo, instruments, avoid, f"{tempo} {mood} {genre}")

    def _choose(self, field: str, words: str) -> str:
        common = self._common[field]
        hits = {
            option: sum(bool(re.search(rf"\b{word}\b", words)) for word in keywords)
            for option, keywords in _keywords()[field].items()
        }
        return max(hits, key=lambda option: (hits[option], common[option]))


@cache
def _keywords() -> Mapping[str, Mapping[str, Sequence[str]]]:
    import yaml

    table: Mapping[str, Mapping[str, Sequence[str]]] = yaml.safe_load(
        KEYWORDS.read_text(encoding="utf-8")
    )
    return table


class NearestMemo:
    """Gives the answer of the training memo whose sentence embedding is the most similar.

    Parameters
    ----------
    memos : sequence of Memo
        Training memos.
    encoder : Path
        Folder of a sentence encoder (mean of the token states, as all-MiniLM-L6-v2).
    """

    name = "nearest memo (MiniLM)"

    def __init__(self, memos: Sequence[Memo], encoder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._memos = memos
        self._tokenizer = AutoTokenizer.from_pretrained(encoder)
        self._model = AutoModel.from_pretrained(encoder).eval()
        self._known = self._embed([memo.memo for memo in memos])

    def answer(self, text: str) -> Answer:
        """Answer as the nearest memo."""
        similarity = self._known @ self._embed([text])[0]
        return self._memos[int(similarity.argmax())].answer()

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, shape (texts, width)."""
        import torch

        rows = []
        with torch.inference_mode():
            for start in range(0, len(texts), 16):
                batch = self._tokenizer(
                    [memo_text(text) for text in texts[start : start + 16]],
                    padding=True,
                    truncation=True,
                    max_length=256,
                    return_tensors="pt",
                )
                states = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None]
                mean = (states * mask).sum(1) / mask.sum(1)
                rows.append(torch.nn.functional.normalize(mean, dim=-1))
        vectors: np.ndarray = torch.cat(rows).numpy()
        return vectors
