"""Speech to text with the real tiny.en weights: words, silence, times, engines, damaged files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.audio import Clip, decode
from audio_chain.errors import AudioError, ChainError, UsageError
from audio_chain.models import resolve
from audio_chain.transcribe import EngineName, Segment, Transcriber, Transcript, load_transcriber
from audio_chain.transcribe.checkpoint import from_ct2, from_transformers
from audio_chain.transcribe.gate import Guess, believable
from audio_chain.transcribe.speech import RATE, Span, Window, louder, spans, windows
from audio_chain.weights import WeightsError, fetch, is_cached
from eval.wer import MEMOS, references, score, word_error_rate

SECOND = np.arange(RATE) / RATE
CLEAR = ("rainy-evening.m4a", "grandfather.mp3", "lullaby.ogg", "old-castle.3gp")


@pytest.fixture(scope="session")
def tiny_folder() -> Path:
    """Whisper tiny.en's files; the test is skipped where they can't be had."""
    source = resolve("whisper-tiny.en", "transcribe").source
    try:
        return fetch(source)
    except WeightsError as error:
        if is_cached(source):
            raise
        pytest.skip(f"needs Whisper tiny.en: {error}")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Transcriber:
    return load_transcriber("whisper-tiny.en")


@pytest.fixture(scope="session")
def reference(tiny_folder: Path) -> Iterator[Transcriber]:
    """The same weights on openai-whisper."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("whisper", reason="openai-whisper is an extra")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_transcriber("whisper-tiny.en", engine="openai-whisper", device="cpu")
    torch.set_num_threads(threads)


def clip(samples: np.ndarray[Any, Any]) -> Clip:
    return Clip(np.asarray(samples, dtype=np.float32).reshape(1, -1), RATE)


# --- words ------------------------------------------------------------------------------------


def test_clear_memos_come_out_right(tiny: Transcriber) -> None:
    scores = score(tiny, [(MEMOS / name, dict(references())[MEMOS / name]) for name in CLEAR])
    assert word_error_rate(scores) <= 0.08
    assert all(one.confidence > 0.6 for one in scores)


@pytest.mark.slow
def test_word_error_rate_over_all_shipped_memos(tiny: Transcriber) -> None:
    assert word_error_rate(score(tiny, references())) <= 0.08


def test_every_shipped_memo_is_listed_and_small() -> None:
    listed = {path for path, _ in references()}
    audio = {path for path in MEMOS.iterdir() if path.suffix not in {".md", ".py", ".tsv"}}
    assert {path for path in audio if path.is_file()} == listed
    assert sum(path.stat().st_size for path in listed) < 1_000_000
    assert len({path.suffix for path in listed}) >= 5


def test_times_lie_in_order_inside_the_recording(tiny: Transcriber) -> None:
    memo = decode(MEMOS / "lullaby.ogg", rate=RATE, mono=True).samples[0]
    quiet = np.zeros(4 * RATE, dtype=np.float32)
    reports: list[tuple[float, float]] = []
    transcript = tiny.transcribe(
        clip(np.concatenate([quiet, memo, quiet, memo])),
        progress=lambda done, total: reports.append((done, total)),
    )
    times = [time for segment in transcript.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)
    assert times[0] >= 3.5  # nobody speaks before
    assert times[-1] <= transcript.seconds
    assert transcript.seconds == pytest.approx(2 * memo.size / RATE + 8)
    assert transcript.text.lower().count("lullaby") == 2
    assert transcript.language == "en"
    assert not transcript.note
    done = [at for at, _ in reports]
    assert done == sorted(done)
    assert reports[-1] == (transcript.seconds, transcript.seconds)
    assert all(at <= total for at, total in reports)


def test_very_quiet_speech_is_heard(tiny: Transcriber) -> None:
    memo = decode(MEMOS / "old-castle.3gp", rate=RATE, mono=True).samples
    faint = np.round(memo * 10 ** (-45 / 20) * 32767) / 32768  # as a 16-bit file would keep it
    assert "castle" in tiny.transcribe(clip(faint)).text.lower()


def test_only_the_first_seconds_when_asked(tiny: Transcriber) -> None:
    transcript = tiny.transcribe(MEMOS / "grandfather.mp3", max_seconds=4)
    assert transcript.seconds == 4
    assert "grandfather" in transcript.text.lower()
    assert "saxophone" not in transcript.text.lower()
    assert "only the first 4 s" in transcript.note


# --- no words ---------------------------------------------------------------------------------


def sines(time: np.ndarray[Any, Any], levels: dict[float, float]) -> np.ndarray[Any, Any]:
    """Add up sine waves: frequency in Hz to amplitude."""
    waves = [level * np.sin(2 * np.pi * pitch * time) for pitch, level in levels.items()]
    return np.asarray(np.sum(waves, axis=0))


def noises() -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    random = np.random.default_rng(7)
    time = np.arange(6 * RATE) / RATE
    white = random.standard_normal(time.size)
    frequency = np.maximum(np.fft.rfftfreq(time.size, 1 / RATE), 20)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(frequency), time.size)
    yield "silence", np.zeros(time.size)
    yield "a click", np.eye(1, time.size, 40_000)
    for level in (0.003, 0.3):
        yield f"white noise, {level}", level * white / np.abs(white).max()
        yield f"pink noise, {level}", level * pink / np.abs(pink).max()
    for mains in (50, 60, 100, 120):
        yield f"{mains} Hz hum", 0.2 * sines(time, {mains * k: 1 / k for k in (1, 2, 3, 5)})
    yield "a tone", sines(time, {440: 0.5})
    yield "a chord", sines(time, {220: 0.2, 277.2: 0.2, 329.6: 0.2})
    half = SECOND[: RATE // 2]
    notes = [
        np.exp(-4 * half) * sines(half, {pitch * k: k**-1.5 for k in range(1, 10)})
        for pitch in random.choice([220, 262, 294, 330, 392, 440], 12)
    ]
    yield "a plucked tune", 0.2 * np.concatenate(notes)
    yield "breathing", 0.1 * pink / pink.std() * np.maximum(0, np.sin(2 * np.pi * 0.4 * time)) / 3
    yield "10 ms of a voice", decode(MEMOS / "rainy-evening.m4a", rate=RATE).samples[0, 9000:9160]
    yield "one sample", np.zeros(1)
    yield "nothing", np.zeros(0)


NOISES = dict(noises())


@pytest.mark.parametrize(("name", "sound"), NOISES.items(), ids=NOISES.keys())
def test_no_sentence_is_made_up(tiny: Transcriber, name: str, sound: np.ndarray[Any, Any]) -> None:
    transcript = tiny.transcribe(clip(sound))
    assert transcript.text == ""
    assert transcript.segments == ()
    assert transcript.confidence == 0
    assert transcript.note.startswith("no speech found")
    assert ("silence" in transcript.note) == (name in {"silence", "one sample"})


GOOD = Guess(0, 2, "a slow waltz", logprob=-0.3, no_speech=0.1, compression=1.1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"no_speech": 0.9}, True),  # but sure of every word
        ({"no_speech": 0.9, "logprob": -0.6}, False),
        ({"logprob": -1.1}, False),
        ({"compression": 2.5}, True),  # says it twice
        ({"compression": 2.5, "no_speech": 0.5}, False),
        ({"compression": 5.0}, False),
        ({"text": " . . "}, False),
        ({"text": "minor or major key"}, False),  # repeats what it was told
        ({"text": "Drums."}, True),  # one word of it can be meant
    ],
)
def test_what_is_believed(change: dict[str, Any], expected: bool) -> None:
    guess = Guess(**{**vars(GOOD), **change})
    assert believable(guess, "genre, minor or major key, drums") is expected


def test_whisper_left_alone_with_noise_makes_up_what_the_gate_refuses(tiny_folder: Path) -> None:
    from audio_chain.transcribe.faster_whisper import FasterWhisper

    noise = np.random.default_rng(3).standard_normal(5 * RATE).astype(np.float32)
    engine = FasterWhisper(tiny_folder, device="cpu")
    guesses = engine.recognise(0.01 * noise, language="en", context="")
    assert not any(believable(guess) for guess in guesses)


# --- windows of speech ------------------------------------------------------------------------


def test_speech_is_found_alike_whole_and_block_by_block() -> None:
    memo = decode(MEMOS / "grandfather.mp3", rate=RATE, mono=True).samples[0]
    gap = np.zeros(5 * RATE, dtype=np.float32)
    recording = np.concatenate([gap, memo, gap, memo, gap, memo])
    whole = list(spans([recording]))
    blocks = [recording[start : start + 7 * RATE] for start in range(0, recording.size, 7 * RATE)]
    pieces = list(spans(blocks))
    for found in (whole, pieces):
        ends = [(span.start, span.end) for span in found]
        assert all(0 <= start < end <= recording.size for start, end in ends)
        assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    loud = np.abs(recording) > 0.1  # the speaker's vowels
    for found in (whole, pieces):
        covered = np.zeros(recording.size, dtype=bool)
        for span in found:
            covered[span.start : span.end] = True
            assert span.samples.size <= 29 * RATE
        assert covered[loud].mean() > 0.99
        assert covered.mean() < 0.8


def test_endless_speech_is_cut_to_what_whisper_hears_at_once() -> None:
    memo = decode(MEMOS / "road-trip.mp3", rate=RATE, mono=True).samples[0]
    talk = np.tile(memo[RATE:-RATE], 8)  # over a minute without a pause of a second
    found = list(
        windows(spans(talk[start : start + RATE * 30] for start in range(0, talk.size, RATE * 30)))
    )
    assert len(found) >= 3
    assert all(window.samples.size <= 30 * RATE for window in found)
    assert sum(window.samples.size for window in found) > 0.9 * talk.size


@given(
    pieces=st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 90_000)), min_size=1),
    times=st.lists(st.floats(-1, 40), min_size=2),
)
def test_times_in_a_window_map_into_its_spans_in_order(
    pieces: list[tuple[int, int]], times: list[float]
) -> None:
    at, made = 0, []
    for gap, size in pieces:
        made.append(Span(at + gap, np.zeros(size, dtype=np.float32)))
        at += gap + size
    window = Window(tuple(made))
    for is_end in (False, True):
        mapped = [window.original(time, is_end=is_end) for time in sorted(times)]
        assert mapped == sorted(mapped)
        assert all(any(s.start <= round(t * RATE) <= s.end for s in made) for t in mapped)
    assert window.original(0) == made[0].start / RATE
    assert window.original(1e6, is_end=True) == window.end


def test_gain_lifts_only_what_is_soft() -> None:
    loud = (0.9 * np.sin(2 * np.pi * 200 * SECOND)).astype(np.float32)
    np.testing.assert_array_equal(louder(loud), loud)
    np.testing.assert_allclose(np.abs(louder(loud / np.float32(50))).max(), 0.5, rtol=0.05)
    assert np.abs(louder(loud / np.float32(1e6))).max() < 1e-3  # 40 dB at most
    assert louder(loud[:0]).size == 0


# --- requests that can't be met ---------------------------------------------------------------


def test_an_english_model_is_not_asked_for_german(tiny: Transcriber) -> None:
    with pytest.raises(UsageError, match=r"English only.*whisper-base"):
        tiny.transcribe(MEMOS / "lullaby.ogg", language="de")


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_seconds_to_listen_must_be_positive(tiny: Transcriber, seconds: float) -> None:
    with pytest.raises(UsageError, match="max_seconds"):
        tiny.transcribe(MEMOS / "lullaby.ogg", max_seconds=seconds)


def test_samples_that_are_no_numbers_are_refused(tiny: Transcriber) -> None:
    with pytest.raises(AudioError, match="not numbers"):
        tiny.transcribe(clip(np.full(RATE, np.nan)))


def test_a_file_that_is_not_audio_is_refused(tiny: Transcriber, tmp_path: Path) -> None:
    (tmp_path / "memo.m4a").write_text("not sound")
    with pytest.raises(AudioError, match=r"memo\.m4a"):
        tiny.transcribe(tmp_path / "memo.m4a")


def test_models_and_engines_that_do_not_fit(tiny_folder: Path, tmp_path: Path) -> None:
    from audio_chain.transcribe.faster_whisper import FasterWhisper

    with pytest.raises(UsageError, match="no engine"):
        load_transcriber("whisper-tiny.en", engine="siri")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not to transcribe"):
        load_transcriber(resolve("minilm", "embed"))
    for name in ("model.bin", "config.json"):
        (tmp_path / name).symlink_to(tiny_folder / name)
    with pytest.raises(ChainError, match=r"tokenizer\.json is missing"):
        FasterWhisper(tmp_path)


# --- the two engines --------------------------------------------------------------------------


def test_both_engines_hear_the_same(tiny: Transcriber, reference: Transcriber) -> None:
    memo = MEMOS / "old-castle.3gp"
    one, other = tiny.transcribe(memo), reference.transcribe(memo)
    words = [
        [word.strip(".,").lower() for word in transcript.text.split()]
        for transcript in (one, other)
    ]
    assert words[0] == words[1]
    assert one.confidence == pytest.approx(other.confidence, abs=0.1)
    assert reference.transcribe(clip(np.zeros(RATE))).text == ""


def test_converted_encoder_agrees_with_ctranslate2(tiny_folder: Path) -> None:
    torch = pytest.importorskip("torch")
    model_module = pytest.importorskip("whisper.model")
    import ctranslate2

    converted = from_ct2(tiny_folder)
    model = model_module.Whisper(model_module.ModelDimensions(**converted.dimensions))
    model.load_state_dict({name: tensor.float() for name, tensor in converted.tensors.items()})
    original = ctranslate2.models.Whisper(
        str(tiny_folder), device="cpu", compute_type="float32", intra_threads=1
    )
    mel = np.random.default_rng(0).uniform(-1, 1, (1, 80, 3000)).astype(np.float32)
    with torch.inference_mode():
        ours = model.eval().encoder(torch.from_numpy(mel)).numpy()
    theirs = np.array(original.encode(ctranslate2.StorageView.from_array(mel)))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_transformers_checkpoints_load_into_openai_whisper(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model_module = pytest.importorskip("whisper.model")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=100, d_model=128, encoder_layers=2, decoder_layers=1, encoder_ffn_dim=512,
        decoder_ffn_dim=512, encoder_attention_heads=2, decoder_attention_heads=2,
        max_source_positions=50, max_target_positions=20, pad_token_id=0, bos_token_id=0,
        eos_token_id=0, decoder_start_token_id=0, activation_function="gelu",
    )  # fmt: skip
    theirs = transformers.WhisperForConditionalGeneration(config).eval()
    theirs.save_pretrained(tmp_path)
    loaded = from_transformers(tmp_path)
    ours = model_module.Whisper(model_module.ModelDimensions(**loaded.dimensions)).eval()
    ours.load_state_dict(dict(loaded.tensors))
    mel, tokens = torch.randn(1, 80, 100), torch.tensor([[1, 5, 7]])
    with torch.inference_mode():
        expected = theirs(input_features=mel, decoder_input_ids=tokens).logits
        torch.testing.assert_close(ours(mel, tokens), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("engine", ["faster-whisper", "openai-whisper"])
def test_a_damaged_model_is_refused(tiny_folder: Path, tmp_path: Path, engine: EngineName) -> None:
    if engine == "openai-whisper":
        pytest.importorskip("whisper", reason="openai-whisper is an extra")
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1_000_000])
    with pytest.raises(ChainError) as caught:
        load_transcriber(str(tmp_path), engine=engine)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


# --- the record -------------------------------------------------------------------------------

FINITE = st.floats(0, 1e6)
UNIT = st.floats(0, 1)
SEGMENTS = st.builds(
    lambda start, length, text, confidence: Segment(start, start + length, text, confidence),
    FINITE, FINITE, st.text(), UNIT,
)  # fmt: skip
TRANSCRIPTS = st.builds(
    Transcript, st.text(), st.text(), st.lists(SEGMENTS).map(tuple), UNIT, FINITE, st.text(),
    st.text(),
)  # fmt: skip


@given(TRANSCRIPTS)
def test_transcripts_survive_json(transcript: Transcript) -> None:
    assert Transcript.from_dict(json.loads(json.dumps(transcript.to_dict()))) == transcript


WELL_FORMED: dict[str, Any] = {
    "text": "a waltz", "language": "en", "confidence": 0.9, "seconds": 2.0, "model": "m",
    "segments": [{"start": 0.0, "end": 2.0, "text": "a waltz", "confidence": 0.9}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": None}, "text"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": math.nan}, "seconds"),
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": True}, "confidence"),
        ({"segments": "none"}, "segments"),
        ({"segments": [3]}, r"segments\[0\]"),
        ({"segments": [{**WELL_FORMED["segments"][0], "end": "2"}]}, r"segments\[0\]\.end"),
        ({"segments": [{**WELL_FORMED["segments"][0], "start": 3.0}]}, r"segments\[0\]\.end"),
        ({"note": 1}, "note"),
    ],
)
def test_malformed_transcripts_are_refused_by_field(change: dict[str, Any], field: str) -> None:
    assert Transcript.from_dict(WELL_FORMED).note == ""
    with pytest.raises(UsageError, match=field):
        Transcript.from_dict({**WELL_FORMED, **change})
