"""The gallery and the report in a real browser, opened from disk as a person would."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from gallery_runs import make_run, tone

from eval.gallery.building import prepare
from eval.gallery.report import build_report
from eval.gallery.site import build_site

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'//"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set CHROMIUM")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of six clips and a report of them; one run is hostile in all its texts."""
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIO_CHAIN_CACHE", str(folder / "cache"))
        for number, guidance in enumerate((1.0, 2.0, 3.0, 5.0, 8.0)):
            run = make_run(
                folder / "runs" / f"g{guidance:g}",
                prompt=f"a tone of {220 * (number + 1)} Hz",
                said="play me a tone" if number == 2 else "",
                settings={"guidance": guidance, "top_k": 250},
                clip=tone(220.0 * (number + 1), 3.0),
                seeds=(number,),
            )
            (run / "scores.json").write_text(json.dumps({"clap": (7 * number % 5) / 10}))
        make_run(
            folder / "runs" / "z'hostile $(x)",
            prompt=HOSTILE,
            said=HOSTILE,
            brief={"genre": HOSTILE},
            settings={"title": f"T {HOSTILE}", HOSTILE: HOSTILE},
            clip=tone(3000.0, 1.0),
            text=HOSTILE,
        )
        shows = prepare([folder / "runs"]).shows
        build_site(shows, folder / "site", title="Six clips")
        build_report(shows, folder / "report.html", title="Six clips")
    return folder


class Watched:
    """A page, and all that it asked for or complained of."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(viewport={"width": 1300, "height": 900}, **options)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("networkidle")

    def shown(self) -> list[str]:
        """The prompts on the page, in order."""
        return [
            text.strip() for text in self.page.locator("#clips > li:visible h2").all_inner_texts()
        ]


def until(page: Any, expression: str, seconds: float = 20.0) -> None:
    """Wait until it is so. Playwright's own waiting evaluates texts, which the policy forbids."""
    for _ in range(int(seconds / 0.05)):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


@pytest.fixture
def gallery(browser: Any, folder: Path) -> Iterator[Watched]:
    watched = Watched(browser, folder / "site" / "index.html")
    yield watched
    assert watched.complaints == []
    assert watched.page.title() == "Six clips"  # nothing of the hostile run ever ran
    for url in watched.requests:
        if not url.startswith("data:"):
            path = Path(unquote(urlsplit(url).path))
            assert path.is_relative_to(folder / "site")
            assert path.is_file()
    watched.page.close()


def test_it_opens_and_shows_all(gallery: Watched) -> None:
    assert len(gallery.shown()) == 6
    assert gallery.shown()[-1] == HOSTILE
    assert gallery.page.locator("#count").inner_text() == "6 clips"
    image = gallery.page.locator(".stage img").first
    assert image.evaluate("image => image.complete && image.naturalWidth") == 960


def test_it_plays_and_the_cursor_moves(gallery: Watched) -> None:
    card = gallery.page.locator("#clips > li").nth(1)
    cursor = "plot => new DOMMatrix(getComputedStyle(plot.querySelector('.cursor')).transform).m41"
    plot = card.locator(".plot")
    before = plot.evaluate(cursor)
    card.locator(".play").click()
    until(gallery.page, "current && current.at > 0.4")
    assert card.locator(".play").get_attribute("aria-pressed") == "true"
    first = plot.evaluate(cursor)
    until(gallery.page, "current.at > 0.9")
    second = plot.evaluate(cursor)
    assert before < first < second
    assert float(card.locator(".seek").get_attribute("aria-valuenow")) > 0.5
    other = gallery.page.locator("#clips > li").nth(2)
    other.locator(".play").click()  # one at a time
    until(gallery.page, "current.at > 0.1")
    assert card.locator(".play").get_attribute("aria-pressed") == "false"
    other.locator(".play").click()


def test_a_click_on_the_picture_seeks(gallery: Watched) -> None:
    card = gallery.page.locator("#clips > li").first
    box = card.locator(".seek").bounding_box()
    gallery.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    until(gallery.page, "current && current.at >= 1.5")
    gallery.page.keyboard.press("Space")
    until(gallery.page, "!current.playing")
    card.locator(".seek").focus()
    gallery.page.keyboard.press("Home")
    assert card.locator(".seek").get_attribute("aria-valuenow") == "0.0"
    gallery.page.keyboard.press("ArrowRight")
    assert card.locator(".seek").get_attribute("aria-valuetext") == "1.0 of 3.0 seconds"


def test_search_filters_and_order(gallery: Watched) -> None:
    page = gallery.page
    page.keyboard.press("/")
    page.keyboard.type("440 tone")
    until(page, "document.querySelector('#count').textContent === '1 of 6 clips'")
    assert gallery.shown() == ["a tone of 440 Hz"]
    page.fill("#query", "")
    until(page, "document.querySelector('#count').textContent === '6 clips'")

    page.click("#filter")
    guidance = page.locator("#filters fieldset", has_text="Guidance")
    guidance.get_by_role("button", name=re.compile("^5")).click()
    guidance.get_by_role("button", name=re.compile("^8")).click()
    assert gallery.shown() == ["a tone of 880 Hz", "a tone of 1100 Hz"]
    page.get_by_label("clap to").fill("0.1")
    assert gallery.shown() == ["a tone of 880 Hz"]
    page.reload()  # the address keeps it
    assert gallery.shown() == ["a tone of 880 Hz"]
    page.goto(page.url.partition("#")[0] + "#")
    page.reload()
    page.select_option("#sort", label="clap")
    assert gallery.shown()[0] == "a tone of 220 Hz"
    assert gallery.shown()[-1] == HOSTILE  # it has no score
    page.click("#direction")
    assert gallery.shown()[0] == "a tone of 660 Hz"
    assert gallery.shown()[-1] == HOSTILE
    page.fill("#query", "no such clip")
    page.get_by_role("button", name="Clear search and filters").click()
    assert len(gallery.shown()) == 6


def test_details_and_the_command(gallery: Watched, folder: Path) -> None:
    page = gallery.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("h2 button").last.click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("blockquote").inner_text() == HOSTILE
    command = dialog.locator("code").inner_text()
    assert command.startswith("audio-chain rerun '")
    dialog.get_by_role("button", name="Copy").click()
    until(page, "document.querySelector('#said').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == command
    page.keyboard.press("ArrowLeft")
    assert dialog.locator("h2").inner_text() == "a tone of 1100 Hz"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.textContent") == "a tone of 1100 Hz"


def test_two_side_by_side(gallery: Watched) -> None:
    page = gallery.page
    for place in (0, 3):
        page.locator("#clips > li").nth(place).get_by_role("button", name="Compare").click()
    page.click("#compare-open")
    dialog = page.get_by_role("dialog")
    assert dialog.locator(".plot").count() == 2
    row = dialog.locator(".versus tr.differs", has_text="Guidance")
    assert row.locator("td").all_inner_texts() == ["1", "5"]
    assert dialog.locator(".versus tr.same", has_text="Top-k").locator("td").inner_text() == "250"
    dialog.locator(".play").first.click()
    until(page, "current && current.at > 0.5")
    page.keyboard.press("x")
    until(page, "current.clip.order === 3 && current.at >= 0.5 && current.playing")
    page.keyboard.press("Escape")


def test_the_keyboard_alone(gallery: Watched) -> None:
    page = gallery.page
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("here().order") == 1
    page.keyboard.press("Space")
    until(page, "current && current.playing && current.clip.order === 1")
    page.keyboard.press("Space")
    page.keyboard.press("c")
    assert page.locator("#tray").inner_text().startswith("g2")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").locator("h2").inner_text() == "a tone of 220 Hz"
    page.keyboard.press("Escape")


def test_everything_has_a_name_for_screen_readers(gallery: Watched) -> None:
    page = gallery.page
    for role in ("button", "slider", "img", "searchbox", "combobox"):
        for element in page.get_by_role(role).all():
            name = element.get_attribute("aria-label") or element.get_attribute("alt")
            assert name or element.inner_text() or element.evaluate("e => e.labels?.length")
    assert page.locator("main").count() == 1
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_the_button(scheme: str, browser: Any, folder: Path) -> None:
    watched = Watched(browser, folder / "site" / "index.html", color_scheme=scheme)
    page = watched.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(247, 245, 242)", "rgb(18, 16, 23)"
    assert page.evaluate(ground) == {"light": light, "dark": dark}[scheme]
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(ground) == light
    assert watched.complaints == []
    page.close()


def test_nothing_is_wider_than_a_phone(browser: Any, folder: Path) -> None:
    for path in (folder / "site" / "index.html", folder / "report.html"):
        watched = Watched(browser, path)
        watched.page.set_viewport_size({"width": 360, "height": 780})
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 360
        watched.page.close()


def test_the_report_plays_from_within(browser: Any, folder: Path) -> None:
    watched = Watched(browser, folder / "report.html")
    page = watched.page
    assert page.locator("figure").count() == 6
    page.evaluate("document.querySelector('audio').play()")
    until(page, "document.querySelector('audio').currentTime > 0.2")
    assert page.locator("audio").first.evaluate("audio => audio.duration") == pytest.approx(
        3.0, abs=0.15
    )
    assert watched.complaints == []
    assert all(
        url.startswith("data:") or url == (folder / "report.html").as_uri()
        for url in watched.requests
    )
    page.close()
