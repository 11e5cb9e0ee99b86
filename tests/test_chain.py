"""The chain from Python: what goes in, what comes out, in which order, and how it stops."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

import audio_chain
from audio_chain import Brief, Chain, ChainError, MemoRequest, Run, UsageError, models
from audio_chain.audio import Clip, decode, read_tags
from audio_chain.events import (
    Cancelled,
    ChainFinished,
    Event,
    Notice,
    StageFinished,
    StageProgress,
    StageStarted,
    staged,
)
from audio_chain.later import Later
from audio_chain.loudness import integrated_loudness, true_peak
from audio_chain.progress import Progress
from audio_chain.stages import _enough_memory
from audio_chain.transcribe import Transcript

BRIEF = Brief(
    description="a slow waltz for an accordion",
    genre="waltz",
    mood="romantic",
    tempo="slow",
    tempo_bpm=80,
    key="D minor",
    instruments=("accordion", "upright bass"),
    avoid=("drums",),
    energy="low",
    seconds=1.5,
)


# --- the whole chain --------------------------------------------------------------------------


def test_a_memo_becomes_music_that_fits_it(memo_run: Run) -> None:
    assert memo_run.transcript is not None
    assert memo_run.brief is not None
    assert "raining" in memo_run.transcript.text
    assert memo_run.brief.tempo_bpm == 70  # as the speaker said
    assert memo_run.brief.seconds == 2.0  # as the request said, over the speaker's ten
    assert "piano" in memo_run.prompt
    assert set(memo_run.seconds) == {"transcribe", "rewrite", "generate", "finish"}
    assert memo_run.clip is memo_run.clips[0]
    assert memo_run.track == memo_run.tracks[0]


def test_the_track_is_sound_and_mastered(memo_run: Run) -> None:
    assert memo_run.clip.seconds == pytest.approx(2.0, abs=0.05)
    assert np.isfinite(memo_run.clip.samples).all()
    assert integrated_loudness(memo_run.clip) == pytest.approx(-14.0, abs=1.0)
    assert true_peak(memo_run.clip) <= -0.99
    written = decode(memo_run.track)
    assert written.rate == memo_run.clip.rate
    np.testing.assert_allclose(written.samples, memo_run.clip.samples, atol=1.5 / 32_768)


def test_the_track_says_what_it_is(memo_run: Run) -> None:
    tags = read_tags(memo_run.track)
    assert tags.title == "rainy-evening"
    assert tags.prompt == memo_run.prompt
    assert tags.seed == 7
    assert tags.model == "musicgen-nano"
    assert tags.version == audio_chain.__version__


def test_three_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memos: dict[str, Path], chain: Chain
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = memos["rainy-evening"]
    finished = [event for event in chain.stream(recording) if isinstance(event, ChainFinished)]
    (run,) = (event.run for event in finished)
    assert run.folder.parent == Path("runs")
    assert run.folder.name.endswith("-rainy-evening")
    assert run.clip.seconds == pytest.approx(10.0, abs=0.05)  # as the speaker said
    assert run.request.seed is not None


def test_events_come_in_order(chain: Chain, tmp_path: Path) -> None:
    request = MemoRequest(text="a calm harp, very slow", seconds=1.0, count=2, seed=3)
    events = list(chain.stream(request, folder=tmp_path / "run"))
    started = [event.stage for event in events if isinstance(event, StageStarted)]
    finished = [event.stage for event in events if isinstance(event, StageFinished)]
    assert started == finished == ["rewrite", "generate", "finish"]
    assert isinstance(events[-1], ChainFinished)
    heard = [event for event in events if isinstance(event, StageProgress)]
    playing = [event for event in heard if event.stage == "generate"]
    assert playing[-1].total == 2.0  # two tracks of a second
    assert playing[-1].done == pytest.approx(2.0)
    done = [event.done for event in playing]
    assert done == sorted(done)
    results = {event.stage: event.result for event in events if isinstance(event, StageFinished)}
    assert isinstance(results["rewrite"], Brief)
    assert len(results["generate"]) == 2


def test_tracks_of_one_run_have_seeds_of_their_own(chain: Chain, tmp_path: Path) -> None:
    request = MemoRequest(prompt="house, 124 bpm", seconds=1.0, count=2, seed=11)
    pair = chain.run(request, folder=tmp_path / "pair")
    assert [track.name for track in pair.tracks] == ["track-1.flac", "track-2.flac"]
    assert [read_tags(track).seed for track in pair.tracks] == [11, 12]
    assert not np.array_equal(pair.clips[0].samples, pair.clips[1].samples)


def test_entering_with_a_brief(chain: Chain, tmp_path: Path) -> None:
    run = chain.run(MemoRequest(brief=BRIEF, seed=1, format="ogg"), folder=tmp_path / "run")
    assert run.transcript is None
    assert run.brief == BRIEF
    assert "waltz" in run.prompt
    assert run.negative == "drums"
    assert run.clip.seconds == pytest.approx(1.5, abs=0.05)
    assert run.track.suffix == ".ogg"
    assert not (run.folder / "transcript.json").exists()


def test_a_track_too_long_for_the_model_is_refused(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="musicgen-nano makes at most"):
        chain.run(MemoRequest(prompt="techno", seconds=3600.0), folder=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# --- stopping ---------------------------------------------------------------------------------


def test_who_stops_listening_stops_the_run(chain: Chain, tmp_path: Path) -> None:
    events = chain.stream(MemoRequest(prompt="jazz", seconds=5.0), folder=tmp_path / "run")
    for event in events:
        if isinstance(event, StageProgress) and event.stage == "generate":
            break
    events.close()
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if "generate" in thread.name]


def stage(work: object) -> Generator[Event, None, object]:
    return staged("rewrite", work, clock={})  # type: ignore[arg-type]


def test_a_stage_hands_over_progress_and_result() -> None:
    def work(progress: Progress) -> str:
        progress(1, 2)
        progress(2, 2)
        return "done"

    clock = {"rewrite": 1.0}
    events = list(staged("rewrite", work, clock=clock, total=2))
    assert events[:3] == [
        StageStarted("rewrite", 2),
        StageProgress("rewrite", 1.0, 2.0),
        StageProgress("rewrite", 2.0, 2.0),
    ]
    assert isinstance(events[3], StageFinished)
    assert events[3].result == "done"
    assert clock["rewrite"] == pytest.approx(1.0 + events[3].seconds)


def test_a_stage_hands_over_its_exception() -> None:
    def work(progress: Progress) -> None:
        raise ZeroDivisionError("in the thread")

    with pytest.raises(ZeroDivisionError, match="in the thread"):
        list(stage(work))


def test_a_closed_stage_ends_at_its_next_step() -> None:
    ended: list[BaseException] = []

    def work(progress: Progress) -> None:
        try:
            while True:
                progress(0, 1)
                time.sleep(0.001)
        except Cancelled as error:
            ended.append(error)
            raise

    events = stage(work)
    next(events)
    next(events)
    events.close()
    assert len(ended) == 1


def test_running_out_of_memory_is_one_clear_line() -> None:
    import torch

    card = models.resolve("musicgen-large", "generate")
    message = "not enough memory for facebook/musicgen-large"
    with pytest.raises(ChainError, match=message), _enough_memory(card):
        torch.empty(10**15)
    with pytest.raises(RuntimeError, match="size mismatch"), _enough_memory(card):
        raise RuntimeError("size mismatch")


# --- loading ----------------------------------------------------------------------------------


def test_later_makes_its_value_once_and_forgets_it() -> None:
    numbers = iter(range(1, 9))
    later = Later(lambda: next(numbers))
    later.begin()
    assert (later.get(), later.get()) == (1, 1)
    later.forget()
    assert later.get() == 2


def test_later_tries_again_after_a_failure() -> None:
    tries: list[int] = []

    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ChainError("first")
        return len(tries)

    later = Later(make)
    with pytest.raises(ChainError, match="first"):
        later.get()
    assert later.get() == 2


def test_models_that_are_not_kept_are_let_go(tmp_path: Path) -> None:
    once = Chain.from_preset("offline", keep=False)
    once.run(MemoRequest(prompt="a harp", seconds=0.5), folder=tmp_path / "run")
    assert once._backends._generator._future is None


def test_a_non_free_model_is_announced(tmp_path: Path) -> None:
    restricted = Chain.from_preset("offline", model="musicgen-small", offline=True)
    events = restricted.stream(MemoRequest(prompt="a harp"), folder=tmp_path / "run")
    notice = next(events)
    assert isinstance(notice, Notice)
    assert "CC-BY-NC-4.0" in notice.text
    events.close()


def test_a_silent_track_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chain: Chain
) -> None:
    silent, heard = (Clip(np.full((1, 16_000), level, np.float32), 32_000) for level in (0.0, 0.1))
    monkeypatch.setattr(
        "audio_chain.generate.musicgen.generator.MusicgenGenerator.generate",
        lambda generator, request, *, progress: iter((heard, silent)),
    )
    request = MemoRequest(prompt="a harp", seconds=0.5, count=2, seed=5)
    notices = [
        event.text
        for event in chain.stream(request, folder=tmp_path / "run")
        if isinstance(event, Notice)
    ]
    assert notices == ["seed 6 gave silence: choose another --seed"]


def test_wrong_choices_of_models() -> None:
    with pytest.raises(UsageError, match="no preset 'large'; choose one of offline, small"):
        Chain.from_preset("large")
    with pytest.raises(UsageError, match="not a transcribe one"):
        Chain.from_preset(whisper="musicgen-nano")
    with pytest.raises(UsageError, match="no device 'tpu'"):
        Chain.from_preset(device="tpu")
    card = models.resolve("minilm", "embed")
    with pytest.raises(UsageError, match="minilm is a embed model, not a transcribe one"):
        Chain(card, card, card)


def test_a_device_that_is_not_there() -> None:
    import torch

    from audio_chain.devices import pick

    assert pick() in ("cpu", "cuda", "mps")
    absent = "mps" if torch.cuda.is_available() or sys.platform != "darwin" else "cuda"
    with pytest.raises(UsageError, match=f"torch can't use {absent} on this machine"):
        pick(absent)


# --- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "nothing to start from"),
        ({"text": "  "}, "the text is empty"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"text": "x", "negative": "drums"}, "negative goes with a prompt"),
        ({"prompt": "x", "seconds": 0.0}, "seconds is 0; it has to be above 0"),
        ({"prompt": "x", "seconds": float("nan")}, "seconds is nan"),
        ({"prompt": "x", "seconds": float("inf")}, "seconds is inf"),
        ({"prompt": "x", "count": 0}, "count is 0"),
        ({"prompt": "x", "seed": -1}, "seed is -1"),
        ({"prompt": "x", "seed": 2**63 - 1, "count": 2}, "seed is"),
        ({"prompt": "x", "temperature": 0.0}, "temperature is 0"),
        ({"prompt": "x", "top_k": -1}, "top-k is -1"),
        ({"prompt": "x", "top_p": 1.5}, "top-p is 1.5; it has to be 0 or more and at most 1"),
        ({"prompt": "x", "guidance": -1.0}, "guidance is -1"),
        ({"prompt": "x", "format": "aiff"}, "'aiff' is not one of wav, flac, mp3, ogg"),
    ],
)
def test_wrong_requests(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MemoRequest(**wrong)  # type: ignore[arg-type]


def test_a_request_starts_from_the_last_thing_given() -> None:
    memo = Path("memo.m4a")
    assert MemoRequest(memo=memo).stages == ("transcribe", "rewrite", "generate")
    assert MemoRequest(memo=memo, text="sad").stages == ("rewrite", "generate")
    assert MemoRequest(text="sad", brief=BRIEF).stages == ("generate",)
    assert MemoRequest(memo=memo, prompt="sad").stages == ("generate",)


def test_a_completed_request_can_be_repeated() -> None:
    request = MemoRequest(text="  something \n slow " + "and sad " * 20, count=3).completed()
    assert request.seed is not None
    assert request.seeds == (request.seed, request.seed + 1, request.seed + 2)
    assert request.title.startswith("something slow and sad")
    assert len(request.title) <= 61
    assert request.completed() == request
    with pytest.raises(FrozenInstanceError):
        request.seed = 1  # type: ignore[misc]


def test_bytes_that_are_not_text_become_question_marks() -> None:
    assert MemoRequest(prompt="caf\udce9").prompt == "caf?"


def test_typed_text_is_a_transcript() -> None:
    typed = MemoRequest(text="slow piano").transcript
    assert typed is not None
    assert (typed.text, typed.model) == ("slow piano", "typed")
    assert Transcript.from_dict(typed.to_dict()) == typed


# --- importing --------------------------------------------------------------------------------


def test_importing_the_package_is_cheap() -> None:
    program = "import sys, audio_chain; print(*sorted(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "torch", "transformers", "audio_chain.chain"} & set(output)


def test_public_names() -> None:
    for name in audio_chain.__all__:
        assert getattr(audio_chain, name) is not None
    assert dir(audio_chain) == sorted(audio_chain.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = audio_chain.Nothing


def test_models_that_load_at_once_leave_pytorch_as_it_was() -> None:
    import torch

    from audio_chain.generate import load_generator
    from audio_chain.models import CATALOGUE
    from audio_chain.rewrite import load_rewriter

    made = [
        Later(lambda: load_rewriter(CATALOGUE["smollm2-135m-rewriter"])),
        Later(lambda: load_rewriter(CATALOGUE["smollm2-135m-rewriter"])),
        Later(lambda: load_generator(CATALOGUE["musicgen-nano"])),
    ]
    for later in made:
        later.begin()
    for later in made:
        later.get()
    assert torch.get_default_dtype() == torch.float32
    assert torch.empty(0).device.type == "cpu"
