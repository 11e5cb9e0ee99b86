"""The gallery: what it finds, what it says of it, and that it writes only what is its own."""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_runs import RATE, make_run, tone
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from audio_chain.audio import Clip, decode, encode
from audio_chain.errors import ChainError, UsageError
from audio_chain.spectrum import hz_to_mel
from eval.gallery import commands
from eval.gallery.building import Prepared, prepare
from eval.gallery.collecting import collect
from eval.gallery.exhibits import names, shell_word
from eval.gallery.facts import differing, facts_of, fields_of, plain, written
from eval.gallery.hearing import key_nearness, tempo_nearness
from eval.gallery.rendering import COLUMNS, OUTLINE, ROWS, render
from eval.gallery.scores import ScoreFiles, read_scores
from eval.gallery.site import MARKER, build_site
from eval.gallery.spectra import SILENCE_DB, chroma, extremes, linear_levels, mel_levels


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs: one of a memo, with a brief; one of a prompt, two tracks."""
    folder = tmp_path / "runs"
    make_run(
        folder / "rain",
        prompt="A slow piano piece at 70 bpm.",
        said="something slow",
        brief={"genre": "classical piano", "tempo": "slow", "tempo_bpm": 70, "key": "A minor"},
        settings={"title": "rain", "guidance": 3.0},
    )
    make_run(folder / "deep" / "house", prompt="house", seeds=(1, 2), settings={"guidance": 5.0})
    return folder


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers())
    arguments = parser.parse_args([str(word) for word in words])
    code: int = arguments.command(arguments)
    return code


def site_data(site: Path) -> dict[str, Any]:
    page = (site / "index.html").read_text(encoding="utf-8")
    text = page.partition('id="data">')[2].partition("</script>")[0]
    data: dict[str, Any] = json.loads(text)
    return data


# --- what is found ----------------------------------------------------------------------------


def test_runs_are_found_at_any_depth(runs: Path) -> None:
    found = collect([runs])
    assert [one.track.relative_to(runs).as_posix() for one in found.exhibits] == [
        "deep/house/track-1.flac",
        "deep/house/track-2.flac",
        "rain/track.flac",
    ]
    assert found.left_out == ()
    assert names(found.exhibits) == ["house, seed 1", "house, seed 2", "rain"]


def test_a_run_tells_all_it_knows(runs: Path) -> None:
    (rain,) = collect([runs / "rain"]).exhibits
    assert rain.said == "something slow"
    assert rain.said_note == "whisper-tiny.en, language en, confidence 88 %"
    assert (rain.asked_bpm, rain.asked_key) == (70, "A minor")
    assert rain.command == f"audio-chain rerun {shlex.quote(str(runs / 'rain'))}"


def test_without_a_brief_the_prompt_says_what_was_asked(tmp_path: Path) -> None:
    make_run(tmp_path / "r", prompt="techno at 130 bpm in F# minor")
    (one,) = collect([tmp_path]).exhibits
    assert (one.asked_bpm, one.asked_key) == (130, "F# minor")


def test_a_run_found_twice_is_shown_once(runs: Path) -> None:
    (runs / "link").symlink_to(runs / "rain")
    found = collect([runs, runs / "rain", runs / "rain" / "run.json", runs / "link"])
    assert len(found.exhibits) == 3


def test_unfinished_runs_are_passed_over(runs: Path) -> None:
    make_run(runs / "later.partial", prompt="x")
    assert len(collect([runs]).exhibits) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1}'])
def test_damaged_manifests_are_left_out(runs: Path, content: str) -> None:
    (runs / "rain" / "run.json").write_text(content)
    found = collect([runs])
    assert len(found.exhibits) == 2
    (left,) = found.left_out
    assert "run.json" in left.reason
    assert "\n" not in left.reason


@pytest.mark.parametrize("name", ["../rain/track.flac", "/etc/passwd", "..", "", "a/../b", "a\0b"])
def test_a_manifest_cannot_name_other_peoples_files(runs: Path, name: str) -> None:
    manifest = runs / "deep" / "house" / "run.json"
    record = json.loads(manifest.read_text())
    record["tracks"][0]["file"] = name
    manifest.write_text(json.dumps(record))
    found = collect([runs])
    assert len(found.exhibits) == 2
    assert len(found.left_out) == 1


def test_a_missing_track_is_left_out(runs: Path) -> None:
    (runs / "rain" / "track.flac").unlink()
    (left,) = collect([runs]).left_out
    assert "track.flac' is missing" in left.reason


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run\.json in"):
        collect([tmp_path])
    with pytest.raises(UsageError, match="there is no folder"):
        collect([tmp_path / "nowhere"])
    make_run(tmp_path / "r", prompt="x")
    (tmp_path / "r" / "track.flac").unlink()
    with pytest.raises(ChainError, match="is missing"):
        collect([tmp_path])


def test_clips_of_a_benchmark_are_shown_too(tmp_path: Path) -> None:
    folder = tmp_path / "bench" / "clips" / "nano"
    folder.mkdir(parents=True)
    encode(tone(440.0, 0.5), folder / "funk-1-abc.flac")
    (folder / "stray.json").write_text("{}")
    description = {
        "format": 1,
        "file": "funk-1-abc.flac",
        "model": "musicgen-nano:guidance=1.0:top_k=50",
        "prompt": {"id": "funk-1", "kind": "plain", "text": "-funk", "asks": {"bpm": 110}},
        "request": {"prompts": ["-funk"], "seconds": 5.0, "seeds": [9], "guidance": 1.0},
    }
    (folder / "funk-1-abc.json").write_text(json.dumps(description))
    rows = [{"file": "clips/nano/funk-1-abc.flac", "clap": 0.25, "tempo": 1}]
    (tmp_path / "bench" / "scores.json").write_text(json.dumps(rows))
    (one,) = collect([tmp_path]).exhibits
    assert (one.name, one.models["generate"], one.asked_bpm) == ("funk-1", "musicgen-nano", 110)
    assert one.scores == {"clap": 0.25, "tempo": 1.0}
    expected = "audio-chain generate --model musicgen-nano --seed 9 --seconds 5 --guidance 1.0"
    assert one.command == f"{expected} --no-loudness --no-fades -- -funk"


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_a_pasted_word_is_the_word(text: str) -> None:
    word = shell_word(text)
    assert all(char.isprintable() for char in word)
    if text.isprintable():
        assert shlex.split(word) == [text]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J'\\", "$(id)\t`id`", "é\u202e音"])
def test_a_shell_reads_a_pasted_word_as_it_was(text: str) -> None:
    command = ["bash", "-c", f"printf %s {shell_word(text)}"]
    said = subprocess.run(command, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert said.stdout.decode() == text


# --- scores -----------------------------------------------------------------------------------


def test_scores_come_in_three_forms(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"

    def read(content: object) -> dict[str, Any]:
        path.write_text(json.dumps(content))
        return read_scores(path)

    assert read({"clap": 0.3, "tempo": {"found": 71}}) == {"": {"clap": 0.3, "tempo found": 71.0}}
    by_track = {"a.flac": {"clap": 1, "ok": True}}
    assert read(by_track)["a.flac"] == {"clap": 1.0, "ok": True}
    assert read({"tracks": by_track}) == read(by_track) | {"": {}}
    rows = [{"file": "x/a.flac", "clap": 1}, {"path": str(tmp_path / "b.flac"), "fad": 2.5}, 7]
    assert read(rows) == {"x/a.flac": {"clap": 1.0}, "b.flac": {"fad": 2.5}}


def test_what_is_no_score_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(
        '{"a": NaN, "b": Infinity, "c": null, "d": [1], "e": "%s", "f": 2}' % ("x" * 99)
    )
    assert read_scores(path) == {"": {"f": 2.0}}


def test_the_nearest_score_file_wins(runs: Path) -> None:
    (runs / "scores.json").write_text('{"clap": 1, "fad": 2}')
    (runs / "rain" / "scores.json").write_text('{"clap": 3}')
    scores = ScoreFiles(runs)
    assert scores.of(runs / "rain" / "track.flac") == {"clap": 3.0, "fad": 2.0}
    assert scores.of(runs / "deep" / "house" / "track-1.flac") == {"clap": 1.0, "fad": 2.0}
    (runs.parent / "scores.json").write_text('{"kad": 1}')  # above what was named
    assert "kad" not in ScoreFiles(runs).of(runs / "rain" / "track.flac")


def test_a_damaged_score_file_is_said_and_passed_over(runs: Path) -> None:
    (runs / "scores.json").write_text("{")
    found = collect([runs])
    assert len(found.exhibits) == 3
    assert "are not JSON" in found.left_out[0].reason


# --- what is drawn and measured ---------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100])
@pytest.mark.parametrize("amplitude", [1.0, 0.1])
def test_levels_are_relative_to_a_full_sine(rate: int, amplitude: float) -> None:
    clip = tone(440.0, 1.0, rate, amplitude)
    expected = 20 * np.log10(amplitude)
    assert linear_levels(clip, 20)[:, 10].max() == pytest.approx(expected, abs=1.5)
    assert mel_levels(clip, 20, 128)[:, 10].max() == pytest.approx(expected, abs=3.0)


def test_levels_agree_with_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    noise = np.random.default_rng(1).standard_normal(RATE, dtype=np.float32) * np.float32(0.25)
    theirs = librosa.feature.melspectrogram(y=noise, sr=RATE, n_fft=2048, hop_length=RATE // 20)
    ours = mel_levels(Clip(noise[None], RATE), 21, 128).mean(axis=1)
    difference = ours[2:] - librosa.power_to_db(theirs).mean(axis=1)[2:]
    assert difference.std() < 0.8  # the same but for one constant
    assert abs(np.diff(difference)).max() < 4.0


def test_silence_has_the_lowest_level() -> None:
    silent = Clip(np.zeros((2, 500), np.float32), RATE)
    assert (mel_levels(silent, 5, 64) == SILENCE_DB).all()
    assert (chroma(silent, 5) == 0.0).all()
    assert (extremes(silent, 900) == 0.0).all()


@pytest.mark.parametrize(("frequency", "pitch_class"), [(440.0, 9), (261.63, 0), (1479.98, 6)])
def test_chroma_knows_notes(frequency: float, pitch_class: int) -> None:
    strengths = chroma(tone(frequency, 1.0), 10)
    assert (strengths[:, 2:8].argmax(axis=0) == pitch_class).all()
    assert strengths.max() == pytest.approx(1.0)


def test_extremes_are_those_of_each_part() -> None:
    samples = np.array([[0.5, -0.25, 0.0, -2.0]], np.float32)
    found = extremes(Clip(samples, RATE), 2)
    np.testing.assert_allclose(found, [[-0.25, -1.0], [0.5, 0.0]])


def test_a_track_is_drawn_once(runs: Path, own_cache: Path) -> None:
    track = runs / "rain" / "track.flac"
    first = render(track, measure=False)
    assert len(base64.b64decode(first.outline)) == 2 * OUTLINE
    kept = sorted(own_cache.rglob("*.*"))
    assert len(kept) == 2
    before = [path.stat().st_mtime_ns for path in kept]
    copy = runs / "copy.flac"
    copy.write_bytes(track.read_bytes())  # known by its content, not its name
    assert render(copy, measure=False) == first
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert not first.measured
    assert render(track).measured
    assert render(track, measure=False).measured


def test_a_damaged_cache_is_made_again(runs: Path, own_cache: Path) -> None:
    track = runs / "rain" / "track.flac"
    first = render(track, measure=False)
    for path in own_cache.rglob("*.*"):
        path.write_bytes(path.read_bytes()[:-7])
        assert render(track, measure=False) == first


def test_the_picture_shows_the_tone_at_its_height(runs: Path) -> None:
    drawn = render(runs / "rain" / "track.flac", measure=False)
    with Image.open(io.BytesIO(drawn.picture)) as image:
        assert image.size == (COLUMNS, ROWS)
        brightness = np.asarray(image.convert("L"), float)[:, 100:-100].mean(axis=1)
    height = 1.0 - (brightness.argmax() + 0.5) / ROWS
    assert height == pytest.approx(float(hz_to_mel(440.0) / hz_to_mel(16_000.0)), abs=0.015)


def test_tempo_and_key_against_what_was_asked() -> None:
    assert tempo_nearness(120, 61.0) == "kept"
    assert tempo_nearness(120, 100.0) == "missed"
    assert tempo_nearness(None, 100.0) == tempo_nearness(120, None) == ""
    assert key_nearness("A minor", "A minor") == "kept"
    assert key_nearness("A minor", "C major") == "near"
    assert key_nearness("A minor", "F# major") == "missed"
    assert key_nearness("H dur", "C major") == ""


# --- what is said of it -----------------------------------------------------------------------


def test_fields_are_those_that_tracks_have(runs: Path) -> None:
    (runs / "rain" / "scores.json").write_text('{"clap": 0.3}')
    shows = prepare([runs], measure=False).shows
    facts = [facts_of(show.exhibit, show.rendering) for show in shows]
    fields = fields_of(facts)
    keys = [field.key for field in fields]
    assert (
        keys.index("parameters.model") < keys.index("parameters.seed") < keys.index("brief.genre")
    )
    assert keys[-1] == "scores.clap"
    assert {field.key: field.filter for field in fields}["parameters.guidance"] == "choices"
    assert {field.key: field.filter for field in fields}["scores.clap"] == "range"
    varying = [field.key for field in differing(fields, facts)]
    assert "parameters.guidance" in varying
    assert "parameters.model" not in varying


def test_values_are_plain() -> None:
    assert plain(True) == "yes"
    assert plain(None) == ""
    assert plain(float("nan")) == ""
    assert plain(["a", 1]) == "a, 1"
    assert plain(2**63 - 1) == "9223372036854775807"  # more than a browser's number holds
    assert written(3.14159) == "3.142"
    assert written(123456) == "123456"


# --- the folder -------------------------------------------------------------------------------


@pytest.fixture
def prepared(runs: Path) -> Prepared:
    return prepare([runs], measure=False)


def test_the_site_is_whole(prepared: Prepared, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert build_site(prepared.shows, site) == site / "index.html"
    assert not site.with_name("site.partial").exists()
    clips = site_data(site)["clips"]
    assert len(clips) == len({clip["id"] for clip in clips}) == 3
    named = {name for clip in clips for name in (clip["audio"], clip["picture"])}
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert there == named | {"index.html", MARKER}
    for clip, show in zip(clips, prepared.shows, strict=True):
        assert (site / clip["audio"]).read_bytes() == show.exhibit.track.read_bytes()


def test_building_again_writes_only_what_is_new(
    prepared: Prepared, runs: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    build_site(prepared.shows, site)
    before = {path: path.stat().st_ino for path in site.rglob("*.*")}
    (site / "mine.txt").write_text("keep me")
    build_site(prepared.shows[::2], site)
    after = {path: path.stat().st_ino for path in site.rglob("*.*")}
    assert {path for path in before if after.get(path) == before[path]} == {
        path for path in before if path.parent != site and path in after
    }
    gone = [path for path in before if path not in after]
    assert sorted(path.parent.name for path in gone) == ["audio", "pictures"]
    assert (site / "mine.txt").read_text() == "keep me"


def test_another_folder_is_left_alone(prepared: Prepared, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is no gallery"):
        build_site(prepared.shows, other)
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="is a file"):
        build_site(prepared.shows, other / "thesis.txt")


def test_a_marker_cannot_have_other_files_removed(prepared: Prepared, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build_site(prepared.shows, site)
    treasure = tmp_path / "treasure.txt"
    treasure.write_text("x")
    files = ["../treasure.txt", "audio/../../treasure.txt", str(treasure), "index.html", 3]
    (site / MARKER).write_text(json.dumps({"format": 1, "files": files[:-1]}))
    build_site(prepared.shows, site)
    (site / MARKER).write_text(json.dumps({"format": 1, "files": files}))
    with pytest.raises(UsageError):
        build_site(prepared.shows, site)
    assert treasure.exists()


def test_a_stopped_build_is_gone_on_with(prepared: Prepared, tmp_path: Path) -> None:
    site = tmp_path / "site"

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_site(prepared.shows, site, tick=stop)
    assert not site.exists()
    build_site(prepared.shows, site)
    assert not site.with_name("site.partial").exists()
    assert len(site_data(site)["clips"]) == 3


def test_sound_can_be_compressed(prepared: Prepared, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build_site(prepared.shows[:1], site, sound="ogg")
    (audio,) = (site / "audio").iterdir()
    assert audio.suffix == ".ogg"
    assert decode(audio).seconds == pytest.approx(prepared.shows[0].rendering.seconds, abs=0.1)


# --- the commands -----------------------------------------------------------------------------


def test_the_gallery_command(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "rain" / "track.flac").write_bytes(b"not audio")
    site = tmp_path / "site"
    assert run("gallery", runs, "-o", site, "--no-measure", "--json") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["made"] == [str(site / "index.html")]
    assert result["shown"] == 2
    assert [one["path"] for one in result["left_out"]] == [str(runs / "rain" / "track.flac")]
    assert "1 left out, 2 shown" in err


def test_without_librosa_the_gallery_goes_on(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run("gallery", runs, "-o", tmp_path / "site") == 0
    assert 'pip install "audio-chain[eval]"' in capsys.readouterr().err
    assert "heard.found_bpm" not in site_data(tmp_path / "site")["clips"][2]["facts"]


def test_tempo_and_key_are_found(runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("librosa")
    make_run(
        tmp_path / "clicks",
        prompt="clicks at 120 bpm",
        clip=clicks(120.0, 6.0),
    )
    assert run("gallery", tmp_path / "clicks", "-o", tmp_path / "site") == 0
    (clip,) = site_data(tmp_path / "site")["clips"]
    assert clip["facts"]["heard.asked_bpm"] == 120
    assert clip["facts"]["heard.tempo"] == "kept"


def clicks(bpm: float, seconds: float) -> Clip:
    samples = np.zeros((1, round(seconds * RATE)), np.float32)
    burst = np.random.default_rng(0).standard_normal(800) * np.exp(-np.arange(800) / 150)
    for beat in np.arange(0.0, seconds - 0.1, 60.0 / bpm):
        first = round(beat * RATE)
        samples[0, first : first + 800] += (0.3 * burst).astype(np.float32)
    return Clip(samples, RATE)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_that_cannot_be_written_is_one_line(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Sequence[object], **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ChainError, match="Permission denied; choose another folder"):
        build_site(prepared.shows, tmp_path / "site")
