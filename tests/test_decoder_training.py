"""What the decoder learns from: texts it is asked with, what it is shown, what weighs how much."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from training_records import PLAIN, record
from transformers import MusicgenForCausalLM

from audio_chain import models
from audio_chain.generate.musicgen.checkpoint import DIGIT_BY_DIGIT
from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape, State
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.delay import delays, undelayed
from audio_chain.generate.musicgen.sampling import Sampling
from training import asked, codes, decoder, musicgen, pulse_head, tempo_reading
from training.factory.captions import caption
from training.factory.compose import compose
from training.factory.dataset import CAPTIONS, Piece, plan
from training.factory.sampling import RATE
from training.held_out import HeldOut
from training.pulse_head import FRAME_RATE

CPU = torch.device("cpu")


def test_the_chain_asks_beside_the_captions() -> None:
    solo = asked.texts(record())
    assert solo == [
        "a",
        "b",
        "A fast, calm solo piano piece in an ambient style at 1 2 5 bpm in C minor.",
        "Solo piano.",
    ]
    loud = asked.texts(record(instruments=["piano", "drums"], has_drums=True, captions=["at 90"]))
    assert loud == [
        "at 9 0",
        "A fast, calm ambient piece with piano and drums at 1 2 5 bpm in C minor.",
        "A fast, calm ambient piece with piano and drums at 1 2 5 bpm.",
    ]


def test_the_chain_asks_every_other_time() -> None:
    torch.manual_seed(0)
    shares = torch.bincount(asked.draw(40_000, 6, CPU), minlength=6) / 40_000
    torch.testing.assert_close(shares, torch.tensor([0.125] * 4 + [0.25] * 2), atol=0.01, rtol=0)


def test_two_texts_of_three_state_the_tempo() -> None:
    generator = np.random.default_rng(0)
    stated = []
    for _ in range(300):
        _, facts = plan(generator, 10.0)
        said = [caption(facts, generator) for _ in range(CAPTIONS)]
        texts = asked.texts({**asdict(facts), "captions": said})
        stated.append([f"{' '.join(str(facts.bpm))} bpm" in text.lower() for text in texts])
    shares = np.mean(stated, axis=0)
    own = asked.OWN_SHARE
    assert 0.58 < own * shares[CAPTIONS:].mean() + (1 - own) * shares[:CAPTIONS].mean() < 0.72


def tiny_decoder(books: int = 2, size: int = 12) -> decoder.ConditionedDecoder:
    """A decoder whose text is of width 6."""
    config = decoder.decoder_config(size, books)
    config.hidden_size, config.num_hidden_layers = 20, 1
    config.num_attention_heads, config.ffn_dim = 2, 24
    torch.manual_seed(0)
    return decoder.ConditionedDecoder(config, 6).eval()


def test_surprise_is_minus_the_log_probability_of_each_code() -> None:
    """As the product's own decoder, which goes step by step, finds it."""
    model = tiny_decoder()
    codes, text = torch.randint(12, (1, 2, 9)), torch.randn(1, 3, 6)
    mask, begin = torch.ones(1, 3, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        ours, _ = decoder.surprise(model, codes, text, mask, torch.ones(1), begin, 12)
        projected = model.enc_to_dec_proj(text)
    shape = DecoderShape.of(model.decoder.config)
    player = Decoder(shape, model.decoder.state_dict())
    columns = decoder.delayed(codes, 12)
    with torch.inference_mode():
        state = player.start(rows=1, text_rows=1, words=3, capacity=12)
        player.hear(projected, mask, state)
        for column in range(10):
            logs = player.step(columns[..., column], state).log_softmax(-1)
            state.length += 1
            for book in range(2):
                if 0 <= (frame := column - book) < 9:
                    expected = -logs[0, book, codes[0, book, frame]]
                    torch.testing.assert_close(ours[0, book, frame], expected, rtol=1e-4, atol=1e-5)


def test_a_step_is_one_graph() -> None:
    """Where torch.compile has to break it, a GPU waits for Python: 29 steps a second, not 41."""
    model, head = tiny_decoder(), pulse_head.PulseHead(20)

    def loss(codes: Tensor, text: Tensor, mask: Tensor, kept: Tensor, begin: Tensor) -> Tensor:
        nats, states = decoder.surprise(model, codes, text, mask, kept, begin, 12)
        return nats.mean() + head(states, torch.tensor([[120.0, 0.0], [90.0, 0.5]])).mean()

    told = torch._dynamo.explain(loss)(
        torch.randint(12, (2, 2, 9)),
        torch.randn(2, 3, 6),
        torch.ones(2, 3, dtype=torch.long),
        torch.ones(2),
        torch.zeros(2, dtype=torch.long),
    )
    assert (told.graph_count, told.graph_break_count) == (1, 0), told.break_reasons


def test_what_is_hidden_is_not_read() -> None:
    """Codes before the beginning change nothing after it, and those after it do."""
    model = tiny_decoder()
    codes, text = torch.randint(12, (1, 2, 9)), torch.randn(1, 3, 6)
    mask = torch.ones(1, 3, dtype=torch.long)

    def nats(seen: Tensor, begin: int) -> Tensor:
        with torch.no_grad():
            kept, first = torch.ones(1), torch.tensor([begin])
            return decoder.surprise(model, seen, text, mask, kept, first, 12)[0][..., 5:]

    other = codes.clone()
    other[..., :4] = (other[..., :4] + 1) % 12
    assert torch.equal(nats(codes, 4), nats(other, 4))
    assert not torch.equal(nats(codes, 3), nats(other, 3))


def test_the_first_seconds_weigh_half_of_a_piece() -> None:
    weights = musicgen.frame_weights(torch.tensor([0, 150]), 500, musicgen.FIRST_WEIGHT)[:, 0]
    assert weights[0, :100].sum() == weights[0].sum() / 2
    assert weights[1, :150].sum() == 0
    assert weights[1, 150:250].sum() == weights[0, :100].sum()
    assert (weights[1, 250:] == 1).all()
    even = musicgen.frame_weights(torch.tensor([0]), 500, 1.0)
    assert (even == 1).all()


def test_some_pieces_begin_later() -> None:
    torch.manual_seed(0)
    begin = musicgen.beginnings(40_000, 500, CPU)
    assert (begin > 0).float().mean().item() == pytest.approx(musicgen.HIDDEN_SHARE, abs=0.01)
    assert begin[begin > 0].float().mean().item() == pytest.approx(125, abs=3)
    assert begin.max() < 250


def test_tempo_classes_are_as_wide_as_two_percent() -> None:
    bpm = torch.arange(pulse_head.SLOWEST, pulse_head.FASTEST + 1)
    classes = pulse_head.tempo_class(bpm)
    assert classes[0] == 0
    assert classes[-1] == pulse_head.CLASSES - 1
    fast = torch.linspace(100, 200, 10_000)
    steps = pulse_head.tempo_class(fast).diff()
    width = np.diff(fast[1:][steps == 1].log())
    np.testing.assert_allclose(width, np.log(5.5) / 85, atol=1e-3)
    assert 0.019 < width.mean() < 0.021
    assert pulse_head.tempo_class(torch.tensor([20, 400])).tolist() == [0, 85]


def test_the_head_is_asked_for_its_tempo_and_place_at_every_frame() -> None:
    head = pulse_head.PulseHead(6)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.zero_()
        head.linear.bias[pulse_head.tempo_class(torch.tensor([120]))] = 3.0
        head.linear.bias[pulse_head.CLASSES] = 2.0
        nats = head(torch.randn(2, 50, 6), torch.tensor([[120, 0.0], [60, 0.5]]))
    others = np.log(np.exp(3) + pulse_head.CLASSES - 1)
    np.testing.assert_allclose(nats[:, 0], [[others - 3] * 50, [others] * 50], rtol=1e-5)
    others = np.log(np.exp(2) + pulse_head.PLACES - 1)
    assert (nats[0, 1] < others - 1).nonzero()[:, 0].tolist() == [0, 1, 25, 26]  # twice a second
    assert (nats[1, 1] < others - 1).nonzero()[:, 0].tolist() == [25, 26, 27]  # half a beat later


def test_places_follow_the_beats_of_a_rendered_click() -> None:
    """Strokes of a machine's kick drum on the beat fall into the first or last place."""
    found = []
    for seed in range(12):
        score, facts = compose(np.random.default_rng(seed), genre="house", drums=True)
        (drums,) = (track for track in score.tracks if track.is_drums)
        kicks = drums.starts[drums.pitches == 36] - score.start
        seconds = kicks * score.samples_per_tick(RATE) / RATE
        frames = (seconds[(seconds >= 0) & (seconds < 10)] * FRAME_RATE).astype(int)
        pulse = torch.tensor([[float(facts.bpm), facts.beat]])
        found += pulse_head.places(pulse, 500)[0, frames].tolist()
    assert len(found) > 100
    assert np.isin(found, [0, 15]).mean() > 0.9


def test_pieces_that_begin_with_silence_are_left_out() -> None:
    audio = torch.full((3, 32_000), 1000, dtype=torch.int16)
    audio[1, :9000] = 0
    audio[2, :4000] = 0
    assert codes.begins(audio, 32_000).tolist() == [True, False, True]


def test_training_delays_as_decoding_undelays() -> None:
    codes = torch.randint(50, (3, 4, 7))
    delayed = decoder.delayed(codes, 50)
    assert torch.equal(undelayed(delayed[..., 1:], delays(4, 1)), codes)
    assert (delayed == 50).sum() == delayed.numel() - codes.numel()


class Recorded(Decoder):
    """A decoder that keeps the columns it reads."""

    read: list[Tensor]

    def step(self, tokens: Tensor, state: State) -> Tensor:
        self.read.append(tokens)
        return super().step(tokens, state)


def test_the_decoder_reads_what_it_was_trained_on() -> None:
    """The columns fed while decoding are the training input of the codes that come out."""
    config = decoder.decoder_config(30, 4)
    config.hidden_size, config.num_hidden_layers = 20, 1
    config.num_attention_heads, config.ffn_dim = 2, 24
    torch.manual_seed(0)
    player = Recorded(DecoderShape.of(config), MusicgenForCausalLM(config).state_dict())
    player.read = []
    text, mask = torch.randn(1, 2, 20), torch.ones(1, 2, dtype=torch.long)
    codes = decode(player, text, mask, 9, (3,), Sampling(guidance=1.0))
    expected = decoder.delayed(codes, 30)[..., :-1]  # 30: the token that stands for no code
    assert torch.equal(torch.stack(player.read, -1), expected)


def test_nats_lost_are_means_over_spans() -> None:
    nats = np.zeros((3, 3, 500))
    nats[:, 1, :100] = [[0.5], [1.0], [1.5]]
    nats[:, 2] = 2.0
    lost = tempo_reading.summarize(nats)
    assert {span: figure.value for span, figure in lost["wrong_tempo"].items()} == pytest.approx(
        {"first": 1.0, "later": 0.0, "all": 0.2}
    )
    assert {figure.value for figure in lost["no_prompt"].values()} == {2.0}
    assert lost["wrong_tempo"]["first"].low < 1.0 < lost["wrong_tempo"]["first"].high


def test_tempo_reading_asks_as_the_checkpoint_was_asked(tmp_path: Path) -> None:
    shipped = models.folders(models.CATALOGUE["musicgen-nano"])["musicgen-nano"]
    unmarked = tmp_path / "unmarked"
    shutil.copytree(shipped, unmarked)
    limits = json.loads((shipped / "generation_config.json").read_text())
    assert limits.pop(DIGIT_BY_DIGIT)
    (unmarked / "generation_config.json").write_text(json.dumps(limits))
    noise = np.random.default_rng(0).integers(-3000, 3000, 32_000).astype(np.int16)
    item = HeldOut(0, Piece(noise, PLAIN, ("a",)), "", True, True)
    plain, parted = (tempo_reading.TempoReader(folder).nats(item) for folder in (unmarked, shipped))
    assert plain.shape == (3, 50)
    assert not np.allclose(plain[0], plain[1])
    assert not np.allclose(plain[0], parted[0])
    assert np.allclose(plain[2], parted[2], atol=1e-5)  # without a prompt there are no digits
