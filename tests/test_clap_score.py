"""CLAP scores, their baselines, captions, and the command."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.audio import Clip, decode, encode
from audio_chain.captions import read_table
from audio_chain.errors import ChainError, UsageError
from audio_chain.manifest import Record, TrackRecord
from eval import clap_command
from eval.adherence.listener import load_listener
from eval.captions import captioned_files
from eval.clap_score import (
    beaten,
    clap_score,
    clip_embedding,
    derangement,
    embed_distinct,
    shuffled_score,
)
from eval.embedders import TextEmbedder, load_text_embedder
from eval.embedders.embedder import Embeddings
from training.factory.contrasts import Contrast
from training.measure_clap import Listened, recalls, told_apart

RATE = 32_000
CAPTIONS = ("a slow, sad solo piano piece", "fast techno with drums", "a calm choir hymn")


@pytest.fixture(scope="module")
def clap() -> TextEmbedder:
    return load_text_embedder("clap-nano", device="cpu")


def sounds(folder: Path, seconds: float = 3.0) -> list[Path]:
    """Three files that are anything but alike: a chord, hits, and a cluster."""
    time = np.arange(round(seconds * RATE)) / RATE
    hits = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-(time % 0.5) * 20)
    waves = [
        sum(np.sin(2 * np.pi * f * time) for f in (220, 277, 330)) * np.exp(-time),
        hits,
        sum(np.sin(2 * np.pi * f * time) for f in (262, 330, 392, 523)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return [
        encode(Clip(0.1 * np.asarray(wave, np.float32)[None], RATE), folder / f"{number}.wav")
        for number, wave in enumerate(waves)
    ]


# the figures


def test_score_is_the_mean_cosine(clap: TextEmbedder, tmp_path: Path) -> None:
    """Against the listener, which was written apart from it."""
    paths = sounds(tmp_path / "audio")
    pairs = list(zip(paths, CAPTIONS, strict=True))
    score = clap_score(clap, pairs, cache=tmp_path / "cache")
    listener = load_listener()
    heard = np.stack([listener.hear(decode(path)).embedding for path in paths])
    cosines = heard @ listener.embed_text(CAPTIONS).T
    np.testing.assert_allclose([one.score for one in score.clips], cosines.diagonal(), atol=1e-4)
    assert score.score.value == pytest.approx(cosines.diagonal().mean(), abs=1e-4)
    assert score.score.low <= score.score.value <= score.score.high
    assert score.score.count == 3
    # three clips have two derangements, each as likely
    shifted = [np.mean([cosines[i, (i + step) % 3] for i in range(3)]) for step in (1, 2)]
    assert score.shuffled is not None
    assert score.shuffled.mean == pytest.approx(np.mean(shifted), abs=5e-3)
    assert score.shuffled.low == pytest.approx(min(shifted), abs=1e-4)
    assert score.shuffled.high == pytest.approx(max(shifted), abs=1e-4)
    again = clap_score(clap, pairs, cache=tmp_path / "other")
    assert again.to_dict() == score.to_dict()


def test_clip_embedding_is_the_mean_direction() -> None:
    windows = np.array([[3, 0], [0, 0.5]], np.float32)
    np.testing.assert_allclose(clip_embedding(windows), [np.sqrt(0.5), np.sqrt(0.5)])


def test_own_caption_beats_all_or_none() -> None:
    unit = np.eye(4)
    names = list("abcd")
    assert beaten(unit, unit, names) == [1.0] * 4
    assert beaten(unit, np.roll(unit, 1, axis=0), names) == pytest.approx([1 / 3] * 4)
    assert beaten(unit, np.ones((4, 4)), names) == [0.5] * 4
    # the same words are no other caption
    assert beaten(unit[[0, 0, 1]], unit[[0, 0, 1]], ["a", "a", "b"]) == [1.0] * 3
    assert beaten(unit, unit, ["a"] * 4) is None


@given(
    captions=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=24),
    seed=st.integers(0, 2**32 - 1),
)
def test_derangements_give_everybody_another_caption(captions: list[str], seed: int) -> None:
    order = derangement(captions, np.random.default_rng(seed))
    most = max(captions.count(caption) for caption in captions)
    if 2 * most > len(captions):
        assert order is None
        return
    assert order is not None
    assert sorted(order) == list(range(len(captions)))
    assert all(captions[row] != captions[other] for row, other in enumerate(order))


def test_every_other_caption_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros((5, 5))
    for _ in range(4000):
        order = derangement(list("abcde"), rng)
        assert order is not None
        counts[np.arange(5), order] += 1
    assert (counts.diagonal() == 0).all()
    off = counts[~np.eye(5, dtype=bool)]
    assert np.abs(off / 4000 - 0.25).max() < 0.04


def test_shuffles_are_seeded_and_may_be_impossible() -> None:
    rng = np.random.default_rng(0)
    clips, texts = rng.standard_normal((2, 6, 3))
    names = list("abcdef")
    assert shuffled_score(clips, texts, names, seed=1) == shuffled_score(
        clips, texts, names, seed=1
    )
    assert shuffled_score(clips, texts, names) != shuffled_score(clips, texts, names, seed=1)
    assert shuffled_score(clips, texts, ["a"] * 4 + ["b"] * 2) is None


def test_distinct_captions_are_embedded_in_their_order(clap: TextEmbedder) -> None:
    captions = [CAPTIONS[i] for i in (0, 1, 0, 2, 1)]
    found = embed_distinct(clap, captions)
    np.testing.assert_allclose(found, clap.embed_texts(captions), atol=1e-5)
    np.testing.assert_array_equal(found[0], found[2])


def test_recall_of_known_ranks() -> None:
    similarity = np.array([[3.0, 1, 2], [5, 4, 3], [1, 2, 3]])
    found = recalls(similarity, seed=0)
    assert found["recall_1"].value == pytest.approx(2 / 3)
    assert found["recall_10"].value == 1


class TwoWords:
    """Embeds texts as the directions that they name."""

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return np.array([{"x": [1, 0], "y": [0, 1]}[text] for text in texts], np.float32)


def test_contrasts_are_judged_heard_and_unheard() -> None:
    """Three of four clips are of x: whoever always says x is right in three of four, unheard."""
    x, y = np.eye(2)
    listened = [
        *(Listened(x, "x", (Contrast("mood", "x", "y"),)) for _ in range(3)),
        Listened(y, "y", (Contrast("mood", "y", "x"), Contrast("mode", "x", "y"))),
    ]
    heard, unheard = told_apart(cast(TextEmbedder, TwoWords()), listened, seed=0)
    assert (heard["mood"].value, unheard["mood"].value) == (1.0, 0.75)
    assert (heard["mode"].value, unheard["mode"].value) == (0.0, 1.0)
    assert (heard["all"].value, unheard["all"].value) == (0.8, 0.8)


def test_nothing_usable_is_an_error(clap: TextEmbedder, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(ChainError, match=r"none of the 1 files can be scored: .*a\.wav.* empty"):
        clap_score(clap, [(tmp_path / "a.wav", "x")], cache=tmp_path / "cache")


# captions


def run_folder(folder: Path, prompt: str) -> Path:
    """A run folder as audio-chain writes it, as far as scores need it."""
    paths = sounds(folder)
    record = Record(
        audio_chain="0", created="", settings={}, models={}, device="cpu", memo=None,
        transcript=None, brief=None, prompt=prompt, negative="", track_seconds=3.0,
        tracks=tuple(TrackRecord(path.name, 0, "") for path in paths[:2]), files={}, seconds={},
        weights={}, platform={}, versions={},
    )  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record.to_dict()))
    return folder


def test_run_folders_know_their_prompts(tmp_path: Path) -> None:
    run_folder(tmp_path / "one", "a  slow\npiece")
    run_folder(tmp_path / "two", "a fast piece")
    (tmp_path / "two" / "2.txt").write_text("beside it\n")
    broken = run_folder(tmp_path / "three", "x")
    (broken / "run.json").write_text("{")
    found = captioned_files(tmp_path)
    assert [(path.relative_to(tmp_path).as_posix(), text) for path, text in found.pairs] == [
        ("one/0.wav", "a slow piece"),
        ("one/1.wav", "a slow piece"),
        ("two/0.wav", "a fast piece"),
        ("two/1.wav", "a fast piece"),
        ("two/2.wav", "beside it"),
    ]
    reasons = [(one.path.parent.name, one.reason) for one in found.left_out]
    assert [name for name, _ in reasons] == ["one", "three", "three", "three"]
    assert "no caption" in reasons[0][1]
    assert "is not JSON" in reasons[1][1]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_tables_of_captions(tmp_path: Path, suffix: str) -> None:
    sounds(tmp_path)
    rows = [("0.wav", 'slow, "sad" piano'), ("1.wav", "techno"), ("gone.wav", "x")]
    table = tmp_path / f"my{suffix}"
    if suffix == ".csv":
        lines = ["file,genre,caption", '0.wav,a,"slow, ""sad"" piano"', "1.wav,b,techno"]
        table.write_text("\n".join([*lines, "gone.wav,c,x"]))
    else:
        objects = [{"file": name, "genre": "a", "prompt": text} for name, text in rows]
        table.write_text("\n".join(json.dumps(row) for row in objects))
    found = captioned_files(tmp_path, table)
    assert [(path.name, text) for path, text in found.pairs] == rows[:2]
    assert [one.path.name for one in found.left_out] == ["2.wav", "gone.wav"]
    assert "no caption for" in found.left_out[0].reason
    assert "not among the files" in found.left_out[1].reason
    shutil.copy(table, tmp_path / f"captions{suffix}")
    assert captioned_files(tmp_path).pairs == found.pairs


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "name,words\nx,y\n", "row 1 has no file or path"),
        ("a.csv", "file,caption\na.wav,\n", "row 1 has no caption or prompt"),
        ("a.csv", "file,caption\na.wav,x\n./a.wav,y\n", "row 2: .* has a caption already"),
        ("a.jsonl", '{"file": "a", "caption": "b"}\n[1]\n', "row 2 is not a JSON object"),
        ("a.jsonl", "{", "row 1 is not a JSON object"),
        ("b.csv", None, "can't read the captions"),
    ],
)
def test_wrong_tables_are_one_line(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / name, tmp_path)


def test_no_captions_at_all(tmp_path: Path) -> None:
    sounds(tmp_path)
    with pytest.raises(UsageError, match="give a table with --captions"):
        captioned_files(tmp_path)


# the command


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    clap_command.add(parser.add_subparsers())
    arguments = parser.parse_args(["clap", *words])
    code: int = arguments.command(arguments)
    return code


def test_command_prints_a_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = tmp_path / "audio"
    for path, text in zip(sounds(audio), CAPTIONS, strict=True):
        path.with_suffix(".txt").write_text(text)
    (audio / "broken.wav").write_bytes(b"")
    (audio / "broken.txt").write_text("x")
    monkeypatch.setattr("eval.embedding.cache_dir", lambda: tmp_path / "kept")
    assert command(str(audio), "--json", "--device", "cpu") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["used"] == 3
    assert [row["caption"] for row in result["clips"]] == list(CAPTIONS)
    assert result["clap_score"]["count"] == 3
    assert result["shuffled"]["shuffles"] == 1000
    (left_out,) = result["left_out"]
    assert left_out["reason"].endswith("copy or record it again")
    assert result["origin"]["embedding"] == "clap-nano"
    assert command(str(audio), "--clips", "--device", "cpu") == 0
    text = capsys.readouterr().out
    assert "3 of 4 files used" in text
    assert f"CLAP score           {result['clap_score']['value']:.3f}" in text
    assert "left out: " in text


def test_command_refuses_what_embeds_no_texts(tmp_path: Path) -> None:
    run_folder(tmp_path / "run", "x")
    with pytest.raises(UsageError, match="can't embed sound"):
        command(str(tmp_path), "--embedder", "minilm")
    with pytest.raises(UsageError, match="--seed must be"):
        command(str(tmp_path), "--seed", "-1")
