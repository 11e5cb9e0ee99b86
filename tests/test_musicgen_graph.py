"""The step as a CUDA graph: what can be proved without a GPU, and what takes one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from musicgen_models import CPU, player, tiny

from audio_chain.generate import GenerationRequest
from audio_chain.generate.musicgen import decoding
from audio_chain.generate.musicgen.decoding import Condition, Loop
from audio_chain.generate.musicgen.delay import delayed, delays
from audio_chain.generate.musicgen.graph import OPT_OUT, Captured, can_capture
from audio_chain.generate.musicgen.kernels import OPT_OUT as WITHOUT_KERNELS
from audio_chain.generate.musicgen.sampling import Sampling


def play(generator: Any, sampling: Sampling, *, windows: int = 2, masked: bool = False) -> Any:
    """Two pieces of 40 frames, in the same buffers again and again; the last one's codes."""
    decoder = generator._parts.decoder
    shape = decoder.shape
    lags = delays(shape.codebooks, shape.channels)
    steps = 40 + max(lags)
    conditions = []
    for prompt in ("sad piano", "fast drums"):
        states, mask = generator._reader.texts(prompt)
        condition = generator._reader.condition((states, mask), None, 0.0)
        conditions.append(Condition(condition.states, condition.mask))
    columns = conditions[0].mask.shape[1]
    loop = Loop(
        decoder,
        sampling,
        pieces=2,
        columns=columns,
        texts=len(conditions[0].states),
        steps=steps,
    )
    loop._captures |= masked
    given = torch.zeros(2, shape.codebooks, 5, dtype=torch.long, device=decoder.device)
    for _ in range(windows):
        pattern = delayed(given, lags, [40, 33], steps, shape.pad)
        guidance = [sampling.schedule(40, 0, steps)] * 2
        loop.open(conditions, pattern, 5, guidance, (1, 2))
        while loop.column < steps:
            loop.advance()
    assert loop.failure == ""
    return loop.tokens(0, steps).cpu()


FAMILIES = pytest.mark.parametrize(
    "model", [{}, {"channels": 2}, {"melody": True}, {"channels": 2, "melody": True}], ids=str
)
SAMPLINGS = pytest.mark.parametrize(
    "sampling",
    [Sampling(top_k=1), Sampling(guidance=1.0, top_k=5), Sampling(guidance_end=0.5, top_p=0.9)],
    ids=["greedy", "plain", "guided"],
)


@FAMILIES
@SAMPLINGS
def test_steps_of_fixed_shape_play_the_same(
    model: dict[str, Any], sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is captured attends to more of the cache than has been read, under a mask."""
    monkeypatch.setattr(decoding, "REACH", 16)
    generator = player(tiny(**model))
    assert torch.equal(play(generator, sampling, masked=True), play(generator, sampling))


def test_a_warm_up_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is run, taken back and run again is one step."""

    class Hesitant(Captured):
        def __call__(self, key: Any) -> None:
            for _ in range(2):
                self._function()
                self._undo()
            self._function()

    generator = player(tiny())
    expected = play(generator, Sampling())
    monkeypatch.setattr("audio_chain.generate.musicgen.decoding.Captured", Hesitant)
    assert torch.equal(play(generator, Sampling()), expected)


def test_a_cpu_just_calls() -> None:
    calls: list[int] = []
    captured = Captured(lambda: calls.append(1), lambda: [], lambda: None, CPU)
    captured("a")
    captured("b")
    assert calls == [1, 1]
    assert captured.failure == ""
    assert not can_capture(CPU)


def test_opting_out(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    assert can_capture(gpu)
    monkeypatch.setenv(OPT_OUT, "0")
    assert not can_capture(gpu)


@pytest.fixture
def gpu() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


@pytest.mark.gpu
@FAMILIES
@SAMPLINGS
def test_graphs_play_the_same(
    gpu: torch.device, model: dict[str, Any], sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graph after graph, in a second window too; kernel by kernel, without ours, on the CPU."""
    monkeypatch.setattr(decoding, "REACH", 16)
    generator = player(tiny(**model), gpu)
    played = play(generator, sampling)
    monkeypatch.setenv(OPT_OUT, "0")
    assert torch.equal(played, play(generator, sampling))
    monkeypatch.setenv(WITHOUT_KERNELS, "0")
    assert torch.equal(played, play(generator, sampling))
    assert torch.equal(played, play(player(tiny(**model)), sampling))


@pytest.mark.gpu
def test_what_cannot_be_captured_is_called(gpu: torch.device) -> None:
    count = torch.zeros(1, device=gpu)

    def asks_the_device() -> None:
        count.add_(1)
        count.item()

    def undo() -> None:
        count.sub_(1)

    captured = Captured(asks_the_device, lambda: [count], undo, gpu)
    captured(None)
    captured(None)
    assert count.item() == 2
    assert captured.failure


@pytest.mark.gpu
def test_other_tensors_get_other_graphs(gpu: torch.device) -> None:
    holder = {"x": torch.zeros(3, device=gpu)}

    def add() -> None:
        holder["x"].add_(1)

    def undo() -> None:
        holder["x"].sub_(1)

    captured = Captured(add, lambda: [holder["x"]], undo, gpu)
    captured("a")
    captured("a")
    assert holder["x"].tolist() == [2.0] * 3
    holder["x"] = torch.zeros(5, device=gpu)
    captured("a")
    assert holder["x"].tolist() == [1.0] * 5


EVERYWHERE = pytest.mark.parametrize("kind", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def keeping(model: Any, kind: str) -> Any:
    """A generator that keeps its loop on any device."""
    if kind == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    generator = player(model, torch.device(kind))
    generator._loops._keeps = True
    return generator


@EVERYWHERE
def test_a_loop_that_is_kept_plays_as_a_new_one(kind: str) -> None:
    """Other words and other seeds in the same buffers, and after pieces of another shape."""
    model = tiny()
    requests = [
        GenerationRequest(("sad piano",), 1.0, (1,)),
        GenerationRequest(("fast drums",), 1.0, (2,)),
        GenerationRequest(("waltz",), 0.5, (3,)),
        GenerationRequest(("sad piano",), 1.0, (1,)),
    ]
    generator = keeping(model, kind)
    for number, request in enumerate(requests):
        before = generator._loops._kept
        (kept,) = generator.generate(request)
        (new,) = player(model, torch.device(kind)).generate(request)
        assert np.array_equal(kept.samples, new.samples)
        assert (before is not None and generator._loops._kept[1] is before[1]) == (number == 1)


@EVERYWHERE
def test_pieces_begun_together_have_loops_of_their_own(kind: str) -> None:
    generator = keeping(tiny(), kind)
    requests = [GenerationRequest((words,), 1.0, (1,)) for words in ("sad piano", "fast drums")]
    alone = [next(iter(generator.generate(request))).samples for request in requests]
    streams = [generator.stream(request) for request in requests]
    chunks = zip(*streams, strict=True)
    for samples, parts in zip(alone, zip(*chunks, strict=True), strict=True):
        joined = np.concatenate([chunk.clip.samples for chunk in parts], 1)
        assert np.array_equal(joined, samples)
