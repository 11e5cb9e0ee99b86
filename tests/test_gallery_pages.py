"""Pages of runs whose every text is hostile: gallery, report, sheet. Text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from gallery_runs import make_run, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_chain.audio import decode
from audio_chain.errors import ChainError, UsageError
from eval.gallery.building import Prepared, prepare
from eval.gallery.pages import embedded_json
from eval.gallery.report import build_report, second_ticks, sentence, tables_of
from eval.gallery.sheet import draw_sheet
from eval.gallery.site import build_site

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></style><img src=x onerror=alert(1)>",
    '" onload="alert(1)" x=\'',
    "{{ 7 * 7 }} {% raw %} ${x} %s",
    "\u2028\u2029\u202eevil\x00\x1b[31m",
    "lone \udcff surrogate",
    "$\\frac{1}{$ \\input{/etc/passwd} _^",
    "音楽 🎹 مرحبا",
    "javascript:alert(1)",
    "../../../../etc/passwd",
)


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text of each script."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag
        if tag in ("script", "style"):
            {"script": self.scripts, "style": self.styles}[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            {"script": self.scripts, "style": self.styles}[self._inside][-1] += data
        else:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [found[name] for _, found in self.elements if name in found]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def hostile_run(folder: Path, text: str) -> Path:
    name = re.sub(r"[/\0]", "_", text).encode("utf-8", "replace").decode()[:80]
    run = make_run(
        folder / f"a{name}",  # before the other one
        prompt=text,
        said=text,
        brief={"genre": text, "mood": text, "instruments": [text, text], "key": text},
        settings={"title": f"title {text}", "guidance": 3.0, text: text},
        clip=tone(440.0, 0.3),
        text=text,
    )
    (run / "scores.json").write_text(json.dumps({text: 0.5, "said": text}))
    return run


def prepared(folder: Path, text: str) -> Prepared:
    hostile_run(folder, text)
    make_run(folder / "other", prompt="plain", clip=tone(880.0, 0.3))
    return prepare([folder], measure=False)


# --- the gallery ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_the_gallery_keeps_text_text(text: str, tmp_path: Path) -> None:
    made = prepared(tmp_path / "runs", text)
    index = build_site(made.shows, tmp_path / "site", title=text or "x")
    page = Page(index.read_bytes())
    harmless = Page(
        build_site(prepared(tmp_path / "b", "harmless").shows, tmp_path / "site2").read_bytes()
    )
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    data = json.loads(page.scripts[0])
    hostile = next(clip for clip in data["clips"] if clip["prompt"] != "plain")
    assert hostile["prompt"] == hostile["said"] == text
    assert hostile["facts"]["brief.genre"] == text
    assert re.fullmatch(r"audio/[a-z0-9.-]+", hostile["audio"])
    assert re.fullmatch(r"pictures/[a-z0-9.-]+", hostile["picture"])
    assert all(char.isprintable() for char in hostile["command"])


@pytest.mark.parametrize("kind", ["site", "report"])
def test_the_policy_names_style_and_script_by_hash(kind: str, tmp_path: Path) -> None:
    made = prepared(tmp_path / "runs", "x")
    if kind == "site":
        path = build_site(made.shows, tmp_path / "site")
    else:
        path = build_report(made.shows, tmp_path / "report.html")
    page = Page(path.read_bytes())
    (policy,) = [found["content"] for _, found in page.elements if "http-equiv" in found]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules["style-src"] == digest(page.styles[0])
    expected = digest(page.scripts[1]) if kind == "site" else "'none'"
    assert rules["script-src"] == expected


def test_pages_ask_nobody_for_anything(tmp_path: Path) -> None:
    made = prepared(tmp_path / "runs", "x")
    for path in (
        build_site(made.shows, tmp_path / "site"),
        build_report(made.shows, tmp_path / "report.html"),
    ):
        page = Page(path.read_bytes())
        for address in page.attributes("src") + page.attributes("href"):
            assert address.startswith(("data:", "#", "audio/", "pictures/"))
        assert "url(" not in "".join(page.styles)
        assert not re.search(r"\bfetch\(|XMLHttp|import\(|innerHTML|eval\(", "".join(page.scripts))
        assert b"http://" not in path.read_bytes().replace(b"http://www.w3.org/", b"")
        assert b"https://" not in path.read_bytes()


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_can_be_embedded(value: Any) -> None:
    text = str(embedded_json(value))
    assert json.loads(text) == value
    assert text.isascii()
    assert not set("<>&") & set(text)


# --- the report -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_the_report_keeps_text_text(text: str, tmp_path: Path) -> None:
    made = prepared(tmp_path / "runs", text)
    page = Page(build_report(made.shows, tmp_path / "r.html", title=text).read_bytes())
    harmless = prepared(tmp_path / "b", "harmless")
    expected = Page(build_report(harmless.shows, tmp_path / "h.html").read_bytes())
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in expected.elements]
    for (_, found), (_, wanted) in zip(page.elements, expected.elements, strict=True):
        assert found.keys() == wanted.keys()
    visible = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    visible = visible.replace("\u2028", " ").replace("\u2029", " ")
    assert page.text.replace("\0", "\ufffd").count(visible) >= 4


def test_the_report_has_the_sound_in_it(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", prompt="a tone", clip=tone(440.0, 1.5))
    made = prepare([tmp_path / "runs"], measure=False)
    page = Page(build_report(made.shows, tmp_path / "report.html").read_bytes())
    (audio,) = [found["src"] for tag, found in page.elements if tag == "audio"]
    kind, _, content = audio.partition(";base64,")
    assert kind == "data:audio/mpeg"
    (tmp_path / "a.mp3").write_bytes(base64.b64decode(content))
    assert decode(tmp_path / "a.mp3").seconds == pytest.approx(1.5, abs=0.1)
    (image,) = [found["href"] for tag, found in page.elements if tag == "image"]
    assert image.startswith("data:image/webp;base64,")


def test_tables_tell_what_differs(tmp_path: Path) -> None:
    for guidance in (1.0, 3.0):
        run = make_run(
            tmp_path / "runs" / f"g{guidance:g}", prompt="same", settings={"guidance": guidance}
        )
        (run / "scores.json").write_text(json.dumps({"clap": guidance / 10}))
    tables = tables_of(prepare([tmp_path / "runs"], measure=False).shows)
    assert {heading: [field.label for field in some] for heading, some in tables.differing.items()}
    assert [field.key for field in tables.differing["Parameters"]] == ["parameters.guidance"]
    assert [field.key for field in tables.differing["Scores"]] == ["scores.clap"]
    assert ("Model", "musicgen-x") in tables.common


def test_a_report_is_of_a_known_kind(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", prompt="x")
    shows = prepare([tmp_path / "runs"], measure=False).shows
    with pytest.raises(UsageError, match=r"\.html or \.pdf"):
        build_report(shows, tmp_path / "report.docx")
    with pytest.raises(UsageError, match="there is no folder"):
        build_report(shows, tmp_path / "nowhere" / "report.html")


@given(st.floats(0.05, 7200.0), st.integers(3, 20))
def test_ticks_are_round_and_few(seconds: float, most: int) -> None:
    times = second_ticks(seconds, most)
    assert 1 <= len(times) <= most
    assert times[0] == 0.0
    assert times[-1] <= seconds * (1 + 1e-6)


def test_sentences_end() -> None:
    assert sentence("a b ") == "a b."
    assert sentence("really?") == "really?"
    assert sentence("") == ""


def test_pdf_and_sheet_take_any_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for number, text in enumerate(HOSTILE[4:9]):
        hostile_run(tmp_path / "runs" / str(number), text)
    made = prepare([tmp_path / "runs"], measure=False)
    pdf = build_report(made.shows, tmp_path / "report.pdf", title=HOSTILE[7])
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf.read_bytes())) >= 3
    for suffix, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF-")):
        sheet = draw_sheet(made.shows, tmp_path / f"sheet{suffix}", title=HOSTILE[6])
        assert sheet.read_bytes().startswith(start)
    assert list(tmp_path.glob(".*.part")) == []


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    make_run(tmp_path / "runs" / "a", prompt="x")
    shows = prepare([tmp_path / "runs"], measure=False).shows
    with pytest.raises(ChainError, match=r'needs matplotlib: pip install "audio-chain\[plot\]"'):
        build_report(shows, tmp_path / "report.pdf")
    with pytest.raises(ChainError, match=r"audio-chain\[plot\]"):
        draw_sheet(shows, tmp_path / "sheet.png")
    build_report(shows, tmp_path / "report.html")  # needs nothing but the core
    build_site(shows, tmp_path / "site")
