"""The last stage: from the generator's clips to a complete run folder."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audio_chain import __version__
from audio_chain.audio import Clip, Tags, encode
from audio_chain.devices import pick
from audio_chain.loudness import master
from audio_chain.manifest import (
    Record,
    TrackRecord,
    describe_file,
    describe_models,
    describe_platform,
    identifier,
    installed_versions,
    samples_sha256,
)
from audio_chain.page import render_page
from audio_chain.picture import draw
from audio_chain.progress import Progress
from audio_chain.run import MANIFEST, PAGE, Run

if TYPE_CHECKING:
    from audio_chain.stages import Pass


def finish(work: Pass, progress: Progress) -> Run:
    """Write tracks, pictures, page and manifest, and give the folder its name.

    Parameters
    ----------
    work : Pass
        All stages before are done.
    progress : Progress
        Told the tracks finished, of their number and one more for the page.

    Returns
    -------
    Run
        Its paths are those of the published folder.
    """
    start = time.perf_counter()
    request, draft = work.request, work.draft
    model = work.backends.cards["generate"].name
    clips: list[Clip] = []
    tracks: list[Path] = []
    pictures: list[Path] = []
    for number, (raw, seed) in enumerate(zip(work.clips, request.seeds, strict=True), start=1):
        clip = master(raw, loudness=request.loudness, fades=request.fades)
        suffix = f"-{number}" if request.count > 1 else ""
        tags = Tags(
            title=request.title + (f" ({number})" if request.count > 1 else ""),
            prompt=work.prompt,
            seed=seed,
            model=model,
            version=__version__,
        )
        tracks.append(encode(clip, draft.path / f"track{suffix}.{request.format}", tags=tags))
        pictures.append(draw(clip, draft.path / f"spectrogram{suffix}.png"))
        clips.append(clip)
        progress(number, request.count + 1)

    seconds = {**work.seconds, "finish": time.perf_counter() - start}
    seconds = {stage: round(taken, 3) for stage, taken in seconds.items()}
    record = _record(work, clips, tracks, seconds)
    draft.write(PAGE, render_page(record, clips, tracks, pictures))
    files = {path.name: describe_file(path) for path in sorted(draft.path.iterdir())}
    draft.write_json(MANIFEST, replace(record, files=files).to_dict())
    folder = draft.publish()
    progress(request.count + 1, request.count + 1)
    return Run(
        folder=folder,
        request=request,
        transcript=work.transcript,
        brief=work.brief,
        prompt=work.prompt,
        negative=work.negative,
        clips=tuple(clips),
        tracks=tuple(folder / path.name for path in tracks),
        pictures=tuple(folder / path.name for path in pictures),
        page=folder / PAGE,
        manifest=folder / MANIFEST,
        seconds=seconds,
    )


def _record(work: Pass, clips: list[Clip], tracks: list[Path], seconds: dict[str, float]) -> Record:
    """All of the manifest but the files."""
    request, cards = work.request, work.backends.cards
    return Record(
        audio_chain=__version__,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        settings=request.settings(),
        models={stage: identifier(card) for stage, card in cards.items()},
        device=pick(work.backends.device),
        precision=work.backends.precision,
        memo=work.memo,
        recordings=work.recordings,
        transcript=work.transcript.to_dict() if work.transcript else None,
        brief=work.brief.to_dict() if work.brief else None,
        prompt=work.prompt,
        negative=work.negative,
        track_seconds=work.track_seconds,
        tracks=tuple(
            TrackRecord(path.name, seed, samples_sha256(clip))
            for path, seed, clip in zip(tracks, request.seeds, clips, strict=True)
        ),
        files={},
        seconds=seconds,
        weights=describe_models(cards[stage] for stage in request.stages),
        platform=describe_platform(),
        versions=installed_versions(),
    )
