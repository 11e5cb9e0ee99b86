"""The report site: its figures are those of the files, its links lead somewhere, it opens."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from docs.hooks import tables, weights
from docs.hooks.filling import fill
from docs.hooks.results import ABSENT, MissingFigureError, Results, estimate
from docs.showcase.making import SWEEPS, sweep_models
from docs.showcase.requests import MEMOS, load_requests

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]

_CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]*)\)")
_SOURCE = re.compile(r'(?:src|href)="([^"]+)"')
_FIGURE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```", re.DOTALL | re.MULTILINE)


@cache
def filled(page: Path) -> str:
    return fill(page.read_text("utf-8")) if DOCS in page.parents else page.read_text("utf-8")


def prose(text: str) -> str:
    return _INLINE_CODE.sub("", _CODE.sub("", text))


def anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as Python-Markdown's toc makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+)$", _CODE.sub("", filled(page)), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading)
        words = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", words))
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_figure_of_a_page_is_there(page: Path) -> None:
    text = filled(page)
    assert "{{" not in prose(text)
    assert not re.search(r"\| None|None \||None %|\bnan\b", prose(text))


@pytest.mark.parametrize("page", TEXTS, ids=[str(page.relative_to(ROOT)) for page in TEXTS])
def test_links_lead_somewhere(page: Path) -> None:
    text = filled(page)
    for link in _LINK.findall(prose(text)):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists(), f"{page.name}: {link}"
        if parts.fragment and target.suffix == ".md":
            assert parts.fragment in anchors(target), f"{page.name}: {link}"
    for source in _SOURCE.findall(text):
        if not urlsplit(source).scheme:
            # the built page lies where its source does, with another suffix
            assert (page.parent / source).resolve().is_file(), f"{page.name}: {source}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_percentage_is_typed_by_hand(page: Path) -> None:
    if page.name in ("evaluation.md", "gallery.md", "gpu-hours.md") and page.parent == DOCS:
        pytest.skip("has tables that the commands write themselves")
    text = prose(_FIGURE.sub("", page.read_text("utf-8")))
    settings = {"95 %", "4 %", "15 %"}  # intervals, and constants that the next test looks up
    assert set(re.findall(r"\d+(?:\.\d+)? %", text)) <= settings
    assert not re.findall(r"\d\.\d+ dB\b", text)


def test_constants_in_the_text_are_those_of_the_code() -> None:
    from audio_chain.transcribe.faster_whisper import BEAMS
    from audio_chain.transcribe.gate import ENDLESS
    from eval.adherence.tempo import TOLERANCE
    from training import codec, musicgen, pulse_head
    from training.factory import dataset
    from training.rewriter.targets import WEIGHTS

    def says(page: str, words: str) -> bool:
        return words in " ".join(filled(DOCS / page).split())

    assert says(
        "models/musicgen.md", f"dropped from {musicgen.TEXT_DROPOUT:.0%}".replace("%", " %")
    )
    assert says("models/codecs.md", rf"\gamma = {codec.DECAY}")
    assert says("models/codecs.md", f"with weight {codec.COMMITMENT}:")
    assert says("models/codecs.md", f"in twelve, with weight {codec.CHROMA:g}, and")
    tempo, place = pulse_head.WEIGHTS
    assert says("models/musicgen.md", rf"{tempo} \, \log q(\text{{tempo}}")
    assert says("models/musicgen.md", rf"{place} \, \log q(\text{{place}}_t")
    assert says("models/codecs.md", f"Without {codec.UNQUANTIZED} steps")
    assert says("models/codecs.md", f"of {min(codec.WINDOWS)} to {max(codec.WINDOWS):,} samples")
    assert says("data.md", f"{dataset._SOLOS:.0%} of the pieces".replace("%", " %"))
    assert says("models/whisper.md", f"with {BEAMS} beams")
    assert says("models/whisper.md", f"ratio above {ENDLESS:g} ")
    assert says("results/gallery.md", f"within {TOLERANCE:.0%},".replace("%", " %"))
    assert says(
        "models/rewriter.md",
        f"is {WEIGHTS['genre']:g} for tokens of genre, mood and tempo, {WEIGHTS['avoid']:g} for "
        f"instruments and things to avoid, {WEIGHTS['description']:g} for the description",
    )


def test_figures_are_those_of_the_files() -> None:
    found = json.loads((DOCS / "results" / "clap.json").read_text("utf-8"))
    value, (low, high) = (found["told_apart"]["mode"][key] for key in ("value", "interval"))
    expected = f"{100 * value:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    assert expected in filled(DOCS / "results" / "failures.md")
    speed = json.loads((DOCS / "results" / "speed-nano.json").read_text("utf-8"))
    assert f"that is {speed['ratio']:.2f} times" in filled(DOCS / "models" / "musicgen.md")


def test_a_renamed_figure_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "clap.json").write_text('{"told_apart": {"all": {"value": 0.5}}}', "utf-8")
    results = Results(tmp_path)
    assert fill('{{ share("clap", "told_apart/all") }}', results) == "50 %"
    with pytest.raises(MissingFigureError, match=r"clap\.json has no 'told_apart/none'"):
        fill('{{ share("clap", "told_apart/none") }}', results)
    with pytest.raises(MissingFigureError, match=r"clap\.json lacks 'targets' for table 'clap'"):
        fill('{{ results_table("clap") }}', results)
    with pytest.raises(MissingFigureError, match="'shar' is undefined"):
        fill('{{ shar("clap", "told_apart/all") }}', results)


def test_a_file_that_is_not_there_is_said_and_fails_nothing(tmp_path: Path) -> None:
    nothing = Results(tmp_path)
    assert fill('{{ number("codec", "any/thing") }}', nothing) == ABSENT
    for name in tables.MAKERS:
        line = tables.make(nothing, name)
        assert line.startswith("*Not measured yet: `")
        assert "\n" not in line
    for page in PAGES:
        assert fill(page.read_text("utf-8"), nothing)


def test_estimates_as_people_write_them() -> None:
    assert estimate({"value": 0.5, "interval": [None, None], "count": 1}, share=True, digits=1) == (
        "50.0 %"
    )
    assert estimate({"share": 0.69, "interval": [0.6, 0.79]}, share=True, digits=0) == (
        "69 % (60 to 79)"
    )
    assert estimate({"value": None, "interval": [None, None]}) == "-"
    assert estimate(1234.5, digits=0) == "1,234"


def test_counts_of_parameters_agree_with_the_catalogue() -> None:
    from audio_chain.models import CATALOGUE

    names = ("musicgen-nano", "spectral-codec-nano", "clap-nano", "smollm2-135m-rewriter")
    for name in names:
        assert weights.count(name) == CATALOGUE[name].parameters
    width, layers, rank = 576, 30, weights.config("smollm2-135m-rewriter", "r")
    sizes = [(width, width)] * 2 + [(width, 192)] * 2 + [(width, 1536)] * 3
    assert layers * rank * sum(map(sum, sizes)) == weights.count("smollm2-135m-rewriter")


def test_diagrams_are_balanced_and_connected() -> None:
    diagrams = [found for page in PAGES for found in _DIAGRAM.findall(filled(page))]
    assert len(diagrams) >= 9
    for diagram in diagrams:
        check_diagram(diagram)


def check_diagram(diagram: str) -> None:
    head, *lines = [line.strip() for line in diagram.strip().splitlines()]
    assert re.fullmatch(r"flowchart (TD|LR)", head)
    joined, named = set(), set()
    for line in lines:
        assert line.count('"') % 2 == 0, line
        bare = re.sub(r'"[^"]*"', "", line)
        for opening, closing in ("[]", "()"):
            assert bare.count(opening) == bare.count(closing), line
        ends = re.split(r"-->|-\.->", re.sub(r"\|[^|]*\|", "", bare))
        nodes = [re.match(r"\s*(\w+)", end) for end in ends]
        assert len(ends) == 2, line
        assert all(nodes), line
        joined |= {node[1] for node in nodes if node}
        named |= set(re.findall(r"(\w+)[\[(]", bare))
    assert joined == named, "every node has a text"


def test_the_diagrams_cover_every_model() -> None:
    text = filled(DOCS / "architecture.md")
    for heading in ("Whisper", "rewriter", "sentence encoder", "spectral codec", "MusicGen-nano",
                    "Stable Audio Open", "CLAP-nano", "FAD and KAD"):  # fmt: skip
        section = text.split(heading + "\n", 1)[1].split("\n## ")[0]
        assert "```mermaid" in section


def test_every_page_is_in_the_navigation() -> None:
    def listed(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for child in entry.values() if isinstance(entry, dict) else ():
            yield from listed(child)
        for child in entry if isinstance(entry, list) else ():
            yield from listed(child)

    class Loader(yaml.SafeLoader):
        """Reads tags of Python's as None."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    configuration = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)
    pages = list(listed(configuration["nav"]))
    assert sorted(pages) == [page.relative_to(DOCS).as_posix() for page in PAGES]
    assert configuration["strict"] is True
    assert configuration["theme"]["font"] is False


def test_commands_of_the_pages_exist() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    modules = set(re.findall(r"python -m ((?:training|eval|benchmarks|docs)[\w.]*)", text))
    assert len(modules) > 8
    for module in modules:
        assert importlib.util.find_spec(module), module
    words = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert set(re.findall(r"^audio-chain (\w+)", text, re.MULTILINE)) <= set(
        re.findall(r'help\("(\w+)', words)
    )


def test_the_showcase_asks_for_what_there_is() -> None:
    from eval.bench.contenders import parse_contenders
    from prompts.suite import load_suite

    seed, asked = load_requests()
    assert seed >= 0
    assert len(asked) >= 16
    assert {one.kind for one in asked} == {"memo", "text", "prompt"}
    assert all((MEMOS / one.content).is_file() for one in asked if one.kind == "memo")
    assert SWEEPS["guidance"] == (1, 2, 3, 5, 8)
    parse_contenders(sweep_models())
    assert len(load_suite(str(DOCS / "showcase" / "sweep.yaml")).prompts) == 8


def test_what_the_showcase_shows() -> None:
    results = Results()
    if not (results.has("showcase") and results.has("sweeps")):
        pytest.skip("the showcase has not been made")
    report, sweeps = results.read("showcase"), results.read("sweeps")
    _, asked = load_requests()
    assert [one["id"] for one in report["pairs"]] == [one.id for one in asked]
    shown = [*report["pairs"]]
    for name, values in SWEEPS.items():
        rows = sweeps["settings"][name]
        assert [row["value"] for row in rows] == list(values)
        assert (DOCS / "images" / f"sweep-{name.replace('_', '-')}.svg").is_file()
        shown += [clip for row in rows for clip in row["clips"]]
    for one in shown:
        assert (DOCS / one["audio"]).is_file()
        assert (DOCS / one["picture"]).is_file()
    sound = [*(DOCS / "listen" / "audio").iterdir(), *(DOCS / "spoken").iterdir()]
    assert sum(path.stat().st_size for path in sound) < 15e6
    page = (DOCS / "listen" / "index.html").read_text("utf-8")
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    assert not any(Path(clip["run"]).is_absolute() for clip in json.loads(data[1])["clips"])


def test_untrusted_words_are_escaped(tmp_path: Path) -> None:
    results = Results()
    if not results.has("showcase"):
        pytest.skip("the showcase has not been made")
    report = results.read("showcase")
    hostile = "<script>alert(1)</script> {{ 7 * 7 }} \n\n# heading"
    for field in ("asked", "heard", "prompt", "command"):
        report["pairs"][0][field] = hostile
    report["pairs"][0]["brief"]["genre"] = hostile
    (tmp_path / "showcase.json").write_text(json.dumps(report), "utf-8")
    text = fill("{{ pairs() }}", Results(tmp_path))
    assert "<script" not in text
    assert "49" not in text.split("<dt>Music")[0]
    assert "\n# heading" not in text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built."""
    pytest.importorskip("mkdocs", reason="pip install -r docs/requirements.txt")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_built_site_opens_and_asks_nobody_else(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set CHROMIUM")
    pages = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(pages) > len(PAGES)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=arguments)
        for path in pages:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            complaints: list[str] = []
            page.on("console", lambda message, to=complaints: to.append(message.text))
            page.on("pageerror", lambda error, to=complaints: to.append(str(error)))
            page.on("requestfailed", lambda request, to=complaints: to.append(request.url))
            page.on(
                "request",
                lambda request, to=complaints: (
                    None
                    if request.url.startswith(("file:", "data:", "blob:"))
                    else to.append(request.url)
                ),
            )
            page.goto(path.as_uri())
            page.wait_for_load_state("networkidle")
            for _ in range(100):  # diagrams are drawn one after another
                if not page.locator("pre.mermaid").count():
                    break
                page.wait_for_timeout(100)
            assert page.locator("pre.mermaid").count() == 0, path.name
            assert page.locator(".katex-error").count() == 0, path.name
            assert page.evaluate("document.documentElement.scrollWidth") <= 1280, path.name
            assert complaints == [], path.name
            page.close()
        browser.close()
