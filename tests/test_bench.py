"""The benchmark: made once, resumed, scored and written, with the real nano models once."""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_chain.audio import decode, read_tags
from audio_chain.clip import Clip
from audio_chain.errors import ChainError, UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.progress import Progress, silent
from eval import commands
from eval.adherence.tempo import estimate_tempo, same_tempo
from eval.bench import generating
from eval.bench.contenders import Contender, Weights, parse_contenders
from eval.bench.generating import generate, tasks
from eval.bench.questions import Questions, load_questions
from eval.bench.reference import Windows, load_reference
from eval.bench.store import Entry, Store, Task, clip_seed, entries
from eval.bench.tables import number, rows
from eval.bootstrap import Estimate
from eval.gallery.scores import read_scores
from eval.gaussian import Origin
from eval.sanity import LogMel, low_passed, noisy, slowed, wrong_steps

RATE = 16_000
SECONDS = 1.0


class Beeper:
    """A generator that plays the seed as a pitch, and stops or stalls after some clips."""

    name, family, rate, max_seconds = "beeper", "musicgen-nano", RATE, 5.0

    def __init__(self, stop_after: int = 1000, stall: float = 0.0) -> None:
        self.made = 0
        self._stop_after = stop_after
        self._stall = stall

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        for seed in request.seeds:
            if self.made == self._stop_after:
                raise KeyboardInterrupt
            time.sleep(self._stall)
            self.made += 1
            frames = np.arange(round(request.seconds * RATE))
            audio = 0.3 * np.sin(2 * np.pi * (100 + seed % 1000) * frames / RATE)
            yield Clip(audio[np.newaxis].astype(np.float32), RATE)


def use(monkeypatch: pytest.MonkeyPatch, beeper: Beeper) -> Beeper:
    monkeypatch.setattr(generating, "load_generator", lambda card, **options: beeper)
    return beeper


WEIGHTS = Weights("0123456789ab", {"beeper": {"local": "nowhere"}})


def smoke() -> Questions:
    return load_questions("smoke")


def wanted(seeds: tuple[int, ...] = (0, 1), seconds: float = SECONDS) -> list[Task]:
    (contender,) = parse_contenders("musicgen-nano")
    return tasks(contender, WEIGHTS, smoke(), seeds, seconds)


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_was_stopped_goes_on_and_nothing_is_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beeper = use(monkeypatch, Beeper(stop_after=4))
    with pytest.raises(KeyboardInterrupt):
        list(generate(Store(tmp_path), wanted()))
    before = files(tmp_path)
    assert len(before) == 8  # four clips, each with its description
    beeper = use(monkeypatch, Beeper())
    made = list(generate(Store(tmp_path), wanted()))
    assert beeper.made == 2
    assert len(made) == 6
    assert before.items() <= files(tmp_path).items()
    again = use(monkeypatch, Beeper(stop_after=0))
    assert list(generate(Store(tmp_path), wanted())) == made
    assert again.made == 0
    made[3].path.unlink()
    beeper = use(monkeypatch, Beeper())
    assert list(generate(Store(tmp_path), wanted())) == made
    assert beeper.made == 1


def _play_slowly(folder: Path) -> None:
    setattr(generating, "load_generator", lambda card, **options: Beeper(stall=0.1))  # noqa: B010
    list(generate(Store(folder), wanted(seeds=tuple(range(20)))))


def test_killed_outright_it_leaves_only_whole_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = multiprocessing.get_context("fork").Process(target=_play_slowly, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.join()
    kept = [entry for entry in entries(tmp_path) if isinstance(entry, Entry)]
    assert len(kept) >= 3
    assert all(decode(entry.path).seconds == SECONDS for entry in kept)
    beeper = use(monkeypatch, Beeper())
    list(generate(Store(tmp_path), wanted(seeds=tuple(range(20)))))
    assert beeper.made == 60 - len(kept)


def test_a_clip_is_known_again_by_all_that_determines_it() -> None:
    first, *_ = wanted()
    other = replace(first.prompt, text="another text")
    (warm,) = parse_contenders("musicgen-nano:temperature=1.2")
    names = {
        first.name,
        replace(first, seed=5).name,
        replace(first, seconds=2.0).name,
        replace(first, weights=Weights("ba9876543210", {})).name,
        replace(first, prompt=other).name,
        replace(first, contender=warm).name,
    }
    assert len(names) == 6
    assert wanted()[0].name == first.name


def test_clips_say_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Beeper())
    made = list(generate(Store(tmp_path), wanted(seeds=(3,))))
    assert [one for one in entries(tmp_path) if isinstance(one, Entry)] == sorted(
        made, key=lambda entry: entry.path.name
    )
    rock = made[0]
    assert (rock.model, rock.prompt, rock.seed, rock.asked.bpm) == ("musicgen-nano", "rock", 3, 120)
    tags = read_tags(rock.path)
    assert tags.prompt == rock.text
    assert tags.seed == clip_seed(3, "rock")
    assert len({clip_seed(seed, prompt) for seed in range(50) for prompt in ("a", "b")}) == 100


def test_a_description_that_is_damaged_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Beeper())
    list(generate(Store(tmp_path), wanted(seeds=(0,))))
    first, second, third = sorted(tmp_path.rglob("*.json"))
    first.write_text("{")
    second.write_text("{}")
    third.write_text(third.read_text().replace('"format": 1', '"format": 99'))
    found = list(entries(tmp_path))
    assert all(isinstance(one, ChainError) and "\n" not in str(one) for one in found)
    assert "another version" in str(found[2])


def test_a_clip_too_long_for_the_model_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Beeper())
    with pytest.raises(UsageError, match="at most 5 s at a time, not 60"):
        list(generate(Store(tmp_path), wanted(seconds=60.0)))


def test_contenders_are_models_with_settings() -> None:
    plain, tuned = parse_contenders("musicgen-nano, musicgen-nano:guidance=1.5:top_k=50")
    assert plain.settings == {}
    assert tuned.settings == {"guidance": 1.5, "top_k": 50}
    assert tuned.card == plain.card
    request = tuned.request("a waltz", 4.0, 7)
    assert (request.guidance, request.top_k, request.temperature) == (1.5, 50, 1.0)
    folders = {Contender(label, plain.card, {}).folder for label in ("a/b", "a-b", "a:b", "A-B")}
    assert len(folders) == 4
    assert all("/" not in folder and ":" not in folder for folder in folders)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one model"),
        ("musicgen-nano,musicgen-nano", "twice"),
        ("musicgen-nan", "did you mean musicgen-nano"),
        ("musicgen-nano:guidance=high", "guidance must be a number"),
        ("musicgen-nano:top_p=7", "top-p from 0 to 1"),
        ("musicgen-nano:volume=11", "there is no model"),
    ],
)
def test_wrong_contenders_are_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_contenders(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["eval", *words])
    code: int = arguments.command(arguments)
    return code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no suite or file 'nothing'"),
        (["smoke", "--limit", "0"], "--limit"),
        (["smoke", "--seconds", "0.5"], "--seconds"),
        (["smoke", "--seconds", "nan"], "--seconds"),
        (["smoke", "--seeds", "1,1"], "--seeds"),
        (["smoke", "--seeds", "x"], "--seeds"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        command("bench", *words, "--models", "musicgen-nano", "-o", str(tmp_path / "out"))
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_whole_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Real models; run again it makes nothing and says the same; a broken clip is left out."""
    out = tmp_path / "out"
    words = ["bench", "smoke", "--models", "musicgen-nano", "--seconds", "1.5", "-o", str(out)]
    assert command(*words, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    clips = files(out / "clips")
    assert len(clips) == 6
    (model,) = first["models"].values()
    assert (model["clips"], model["used"], model["broken"]) == (3, 3, [])
    assert len(model["revision"]) == 12
    assert model["figures"]["CLAP score"]["figure"]["count"] == 3
    assert model["figures"]["FAD"]["figure"]["value"] > 0
    assert "not of full rank" in model["figures"]["FAD"]["note"]
    assert model["figures"]["KAD"]["figure"]["count"] == 3
    by_prompt = {clip["prompt"]: clip["adherence"] for clip in model["by_clip"]}
    assert by_prompt["rock"]["tempo"]["note"] == "a tempo takes 3 s"
    assert by_prompt["theremin"]["instruments"]["score"] is None
    assert by_prompt["piano"]["avoided"]["score"] in (0, 1)
    assert json.loads((out / "table.json").read_text()) == first

    table = (out / "table.md").read_text()
    for fact in ("clap-nano, revision", "data factory", "seed 0", model["revision"], "95 %"):
        assert fact in table, fact
    lines = list(csv.DictReader((out / "table.csv").open()))
    fad = next(line for line in lines if line["measure"] == "FAD")
    assert (fad["model"], fad["embedding"], fad["clips"]) == ("musicgen-nano", "clap-nano", "3")
    plots = list((out / "plots").glob("*.svg"))
    assert len(plots) == 3
    assert all(0 < plot.stat().st_size < 200_000 for plot in plots)
    scores = read_scores(out / "scores.json")
    assert all("clap" in scores[clip["file"]] for clip in model["by_clip"])

    pictures = {plot: plot.read_bytes() for plot in plots}
    assert command(*words) == 0
    assert files(out / "clips") == clips
    assert {plot: plot.read_bytes() for plot in plots} == pictures
    assert capsys.readouterr().out == table

    broken = next(path for path in clips if path.suffix == ".flac")
    broken.write_bytes(broken.read_bytes()[:99])
    assert command(*words, "--json") == 0
    results, errors = capsys.readouterr()
    (model,) = json.loads(results)["models"].values()
    assert (model["clips"], model["used"]) == (3, 2)
    assert errors.count("left out: ") == 1
    assert broken.name in (out / "table.md").read_text()

    assert command("adherence", str(out), "--json") == 0
    results, errors = capsys.readouterr()
    assert json.loads(results)["used"] == 2
    assert errors.count("left out: ") == 1


def test_a_reference_of_another_embedder_is_refused() -> None:
    with pytest.raises(ChainError, match="made with another embedder"):
        load_reference("factory", LogMel())


def test_windows_are_kept_and_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "windows.npz"
    origin = Origin("x", "1", 32_000, 1.0, 0.5)
    values = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    Windows(values, origin, "of nothing").save(path)
    found = Windows.load(path)
    assert (found.origin, found.note) == (origin, "of nothing")
    np.testing.assert_allclose(found.embeddings, values, rtol=1e-3)
    np.savez(path, embeddings=np.array([object()]), note="x")
    with pytest.raises(ChainError, match="no sample of a reference"):
        Windows.load(path)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Estimate(0.824, 0.751, 0.88, 60), "share", "82 % (75 to 88), 60 clips"),
        (Estimate(0.3141, 0.2, 0.4, 60), "cosine", "0.314 (0.200 to 0.400), 60 clips"),
        (Estimate(0.5, 0.5, 0.5, 1), "share", "50 %, 1 clip"),
        (Estimate(1.5, np.nan, np.nan, 3), "distance", "1.500, 3 clips"),
        (Estimate(np.nan, np.nan, np.nan, 0), "share", "-"),
        (None, "share", "-"),
    ],
)
def test_numbers_in_words(value: Estimate | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_a_table_is_not_broken_by_a_name() -> None:
    assert rows([["a|b"], ["c"]]) == "| a\\|b |\n| --- |\n| c |"


def tone(hertz: float) -> Clip:
    t = np.arange(4 * RATE) / RATE
    return Clip(np.sin(2 * np.pi * hertz * t, dtype=np.float32)[np.newaxis], RATE)


@pytest.mark.parametrize("snr", [40, 10, 0])
def test_noise_is_as_loud_as_said(snr: float) -> None:
    clip = tone(440)
    noise = noisy(clip, snr, 3).samples - clip.samples
    found = 10 * np.log10(np.mean(clip.samples**2) / np.mean(noise**2))
    assert found == pytest.approx(snr, abs=0.1)
    np.testing.assert_array_equal(noisy(clip, snr, 3).samples, noisy(clip, snr, 3).samples)


def test_the_low_pass_takes_the_top_and_leaves_the_bottom() -> None:
    kept, gone = (np.abs(low_passed(tone(f), 1000, 0).samples[:, RATE:]).max() for f in (250, 4000))
    assert kept == pytest.approx(1, abs=0.01)
    assert gone < 1e-3


def test_slowing_keeps_length_and_pitch_and_changes_the_tempo() -> None:
    clicks = np.zeros((1, 10 * RATE), np.float32)
    for start in np.arange(0, 10, 0.5):
        clicks[0, round(start * RATE) : round(start * RATE) + 80] = 0.8
    slow = slowed(Clip(clicks, RATE), 0.8, 0)
    assert slow.frames == 10 * RATE
    assert same_tempo(estimate_tempo(slow.samples[0], RATE), 96, tolerance=0.01)
    spectrum = np.abs(np.fft.rfft(slowed(tone(440), 0.8, 0).samples[0]))
    assert np.argmax(spectrum) / 4 == pytest.approx(440, abs=3)


def test_steps_that_do_not_get_worse() -> None:
    assert wrong_steps([0, 1, 2, 3], rising=True) == []
    assert wrong_steps([0, 1, 1, 3, 2], rising=True) == [2, 4]
    assert wrong_steps([3, 2, 1], rising=False) == []
    assert wrong_steps([3, float("nan"), 1], rising=False) == [1, 2]


def test_log_mel_windows_are_seconds() -> None:
    embedder = LogMel()
    assert embedder.embed(tone(440)).shape == (4, 64)
    np.testing.assert_array_equal(embedder.embed_stream([tone(440)]), embedder.embed(tone(440)))
    louder = embedder.embed(Clip(tone(440).samples * 0.1, RATE))
    assert embedder.embed(tone(440)).max() - louder.max() == pytest.approx(20, abs=0.1)
