"""Measure a clip against what was asked of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from audio_chain import sound_check
from audio_chain.brief import Brief
from audio_chain.clip import Clip
from audio_chain.errors import AudioError
from audio_chain.loudness import integrated_loudness
from eval.adherence import looping
from eval.adherence.asked import Asked
from eval.adherence.findings import LOUDNESS_TOLERANCE, Adherence, Finding, Measure
from eval.adherence.instruments import is_heard
from eval.adherence.key import estimate_key, parse_key, relation
from eval.adherence.tempo import estimate_tempo, same_tempo

if TYPE_CHECKING:
    from eval.adherence.listener import Heard, Listener

MIN_SECONDS: Final = 1.0


def measure(clip: Clip, asked: Brief | Asked, *, listener: Listener | None = None) -> Adherence:
    """Measure a clip against what was asked of it.

    Parameters
    ----------
    clip : Clip
        Of any rate and number of channels, at least a second.
    asked : Brief or Asked
        What does not apply (no tempo in numbers, no drums, an instrument that the listener
        doesn't know) is said, not scored.
    listener : Listener, optional
        The shipped CLAP-nano, loaded once, if not given.

    Returns
    -------
    Adherence

    Raises
    ------
    AudioError
        The clip is shorter than a second.

    Examples
    --------
    >>> adherence = measure(clip, brief)  # doctest: +SKIP
    >>> adherence["key"].score, adherence["key"].note  # doctest: +SKIP
    (0.0, 'relative')
    """
    if clip.seconds < MIN_SECONDS:
        raise AudioError(f"{clip.seconds:.2f} s is too short to measure; it takes {MIN_SECONDS:g}")
    asked = Asked.of(asked) if isinstance(asked, Brief) else asked
    heard = (listener or _shipped()).hear(clip)
    mono, wrong = clip.mono(), defects(clip)
    is_silent = wrong["silence"].score == 0
    findings = [
        _tempo(mono, asked),
        _key(mono, asked),
        _genre(heard, asked, is_silent=is_silent),
        _instruments(heard, asked, is_silent=is_silent),
        _avoided(heard, asked, is_silent=is_silent),
        *wrong.values(),
        _loudness(clip, asked),
    ]
    return Adherence({finding.measure: finding for finding in findings})


def defects(clip: Clip) -> dict[Measure, Finding]:
    """Measure what can be wrong with a clip of a second or more, whatever was asked: `DEFECTS`."""
    mono = clip.mono()
    check = sound_check.check_sound(mono.samples[0], mono.rate)
    findings = (
        _silence(check),
        _clipping(clip),
        _drone(check),
        _repetition(mono, is_silent=check.silent),
    )
    return {finding.measure: finding for finding in findings}


@cache
def _shipped() -> Listener:
    from eval.adherence.listener import load_listener

    return load_listener()


def _tempo(mono: Clip, asked: Asked) -> Finding:
    if asked.bpm is None:
        return Finding("tempo", None, note="no tempo in numbers was asked")
    wanted = f"{asked.bpm} bpm"
    if not asked.has_drums:
        return Finding("tempo", None, wanted, note="no drums were asked: the estimator needs them")
    if mono.seconds < 3:
        return Finding("tempo", None, wanted, note="a tempo takes 3 s")
    bpm = estimate_tempo(mono.samples[0], mono.rate)
    found = "none" if bpm is None else f"{bpm:.1f} bpm"
    return Finding("tempo", float(same_tempo(bpm, asked.bpm)), wanted, found, bpm)


def _key(mono: Clip, asked: Asked) -> Finding:
    if asked.key is None:
        return Finding("key", None, note="no key was asked")
    if mono.seconds < 2:
        return Finding("key", None, asked.key, note="a key takes 2 s")
    wanted, found = parse_key(asked.key), estimate_key(mono.samples[0], mono.rate)
    if found is None:
        return Finding("key", 0.0, asked.key, "none")
    near = relation(wanted, found)
    note = near if near in ("relative", "fifth", "parallel") else ""
    return Finding("key", float(near == "same"), asked.key, str(found), note=note)


def _genre(heard: Heard, asked: Asked, *, is_silent: bool) -> Finding:
    if asked.genre is None:
        return Finding("genre", None, note="no genre was asked")
    found = "nothing" if is_silent else heard.genre
    return Finding("genre", float(found == asked.genre), asked.genre, found)


def _instruments(heard: Heard, asked: Asked, *, is_silent: bool) -> Finding:
    return _heard("instruments", asked.instruments, heard, is_silent=is_silent, wanted=True)


def _avoided(heard: Heard, asked: Asked, *, is_silent: bool) -> Finding:
    return _heard("avoided", asked.avoid, heard, is_silent=is_silent, wanted=False)


def _heard(
    measure: Measure, names: Sequence[str], heard: Heard, *, is_silent: bool, wanted: bool
) -> Finding:
    """The share of names, of those the listener knows, that are heard as wanted."""
    if not names:
        return Finding(measure, None, note=f"no instrument was {'asked' if wanted else 'excluded'}")
    asked = ", ".join(names)
    answers = {name: is_heard(name, heard.instruments) for name in names}
    unknown = [name for name, answer in answers.items() if answer is None]
    note = f"the listener doesn't know {', '.join(unknown)}" if unknown else ""
    known = {name: yes and not is_silent for name, yes in answers.items() if yes is not None}
    if not known:
        return Finding(measure, None, asked, note=note)
    found = ", ".join(name for name, answer in known.items() if answer) or "none of them"
    share = sum(answer == wanted for answer in known.values()) / len(known)
    return Finding(measure, share, asked, found, share, note)


def _silence(check: sound_check.SoundCheck) -> Finding:
    level = check.level if math.isfinite(check.level) else None
    found = "digital silence" if level is None else f"{level:.1f} dBFS"
    return Finding("silence", float(not check.silent), found=found, value=level)


def _clipping(clip: Clip) -> Finding:
    share = sound_check.clipped_share(clip.samples)  # of every channel: a mix of them hides it
    found = f"{share:.2%} of the samples"
    return Finding("clipping", float(share <= sound_check.CLIPPED_SHARE), found=found, value=share)


def _drone(check: sound_check.SoundCheck) -> Finding:
    if check.silent:
        return Finding("drone", None, note="the clip is silent")
    found = f"change {check.change:.3f}"
    return Finding("drone", float(not check.drones), found=found, value=check.change)


def _repetition(mono: Clip, *, is_silent: bool) -> Finding:
    if is_silent:
        return Finding("repetition", None, note="the clip is silent")
    similarity = looping.loop_similarity(mono.samples[0], mono.rate)
    if similarity is None:
        too_short = mono.seconds < looping.LOOP_SECONDS
        note = f"it takes {looping.LOOP_SECONDS:g} s" if too_short else "nothing changes"
        return Finding("repetition", None, note=note)
    score = float(similarity <= looping.STUCK_SIMILARITY)
    return Finding("repetition", score, found=f"similarity {similarity:.3f}", value=similarity)


def _loudness(clip: Clip, asked: Asked) -> Finding:
    level = integrated_loudness(clip)
    value = level if math.isfinite(level) else None
    found = "silence" if value is None else f"{value:.1f} LUFS"
    if asked.loudness is None:
        return Finding("loudness", None, "", found, value, "no loudness was asked")
    score = float(abs(level - asked.loudness) <= LOUDNESS_TOLERANCE)
    return Finding("loudness", score, f"{asked.loudness:g} LUFS", found, value)
