"""The dashboard over the real API in a real browser. SCREENSHOT=PATH keeps a picture of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mastery.apps.dashboard.cards import short
from mastery.engine import Engine
from mastery.lake import Lake
from mastery.lake.tenants import root_of
from mastery.pipelines.ingest.ingest import ingest
from mastery.scorers import SPECS
from mastery.settings import load_settings

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TESTS = Path(__file__).parents[2]
MAIN = "from mastery.apps.cli import main; main()"
FROM_OUTSIDE = f"import share_right; from mastery.scorers import register; register(share_right.SPEC); {MAIN}"
"""The command line of somebody who has registered a scorer of their own."""
CHARTS = "[data-testid=stVegaLiteChart] svg"
WAIT_MS = 60_000
MANY = 97

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path(CHROMIUM).exists() and os.environ.get("REQUIRE_SERVICES") != "1",
        reason="there is no Chromium; apt-get install chromium",
    ),
]


def environment() -> dict[str, str]:
    """Return the variables of a process that finds our code and that of the tests, and no setting of ours."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")}
    return ours | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}


def start(
    home: Path, cwd: Path, *options: str, main: str = MAIN, **variables: str
) -> tuple[subprocess.Popen[str], list[str]]:
    """Start `mastery serve` on free ports and return it with the URLs it printed."""
    with socket.socket() as one, socket.socket() as other:
        ports = []
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-c", main, "--home", str(home), "serve", *options],
        cwd=cwd,
        env=environment()
        | {
            "MASTERY_API__PORT": str(ports[0]),
            "MASTERY_DASHBOARD__PORT": str(ports[1]),
            "MASTERY_LOG_LEVEL": "warning",
            "PYTHONUNBUFFERED": "1",
        }
        | variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    urls = [process.stdout.readline().split()[-1] for _ in range(2)]
    return process, urls


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def search(page, student_id: str) -> None:
    page.get_by_label("or by the school's own id").fill(student_id)
    page.get_by_label("or by the school's own id").press("Enter")


def marked(page):
    """The student whose name is in bold beside the heatmap."""
    return page.locator(CHARTS).first.locator("text[font-weight=bold]")


def shown(home: Path, student_id: str) -> str:
    """What the page calls a student."""
    return short(
        Engine.connect(load_settings(home=home, environ={}).settings).pseudonyms.student("default", student_id)
    )


@pytest.fixture(scope="module")
def large_home(tmp_path_factory):
    """A home of MANY students on two topics; the higher a student's number, the more of their answers are right."""
    folder = tmp_path_factory.mktemp("large") / "home"
    file = folder.parent / "quiz_attempts.csv"
    rows = ["student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp"]
    for number in range(MANY):
        for n in range(10):
            right = int(n < number * 10 // MANY or number == MANY - 1)
            rows.append(f"P{number:03d},q{n},topic-{n % 2},{right},20,1,2026-05-01T10:{n:02d}:00Z")
    file.write_text("\n".join(rows) + "\n")
    engine = Engine.connect(load_settings(home=folder, environ={}).settings)
    ingest(
        [file], lake=engine.lake, pseudonyms=engine.pseudonyms, tenant="default", now=datetime(2026, 5, 2, tzinfo=UTC)
    )
    engine.recompute("latest", workers=1)
    engine.close()
    return folder


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(WAIT_MS)
    yield page
    page.close()


def test_a_teacher_sees_the_class_a_student_with_reasons_and_their_history(home, tmp_path, page):
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT_MS)
    process, (_, dashboard) = start(home, tmp_path)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(dashboard)
        expect(page.get_by_text("Student mastery")).to_be_visible()
        expect(page.get_by_text("default · as of 11 April 2026")).to_be_visible()
        expect(page.get_by_text("students need help on a topic")).to_be_visible()
        expect(page.get_by_text("Too little evidence (no number)")).to_be_visible()
        expect(page.get_by_text(re.compile(r"\d+ topics, lowest score first"))).to_be_visible()
        expect(page.locator(".m-why").first).to_contain_text(re.compile("answers? (right|wrong)|graded"))
        page.locator(CHARTS).nth(1).wait_for()

        # By the school's own id: another student, who is shown, named and marked alike.
        search(page, "S000010")
        expect(page.get_by_text("18 topics, lowest score first")).to_be_visible()
        expect(page.get_by_role("combobox", name="Student")).to_have_value(shown(home, "S000010"))
        expect(marked(page)).to_have_text(shown(home, "S000010"))

        search(page, "nobody")
        expect(page.get_by_text("Nothing is known under this name")).to_be_visible()
        expect(marked(page)).to_have_text(shown(home, "S000010"))
        search(page, "")
        expect(page.get_by_text("Nothing is known under this name")).to_be_hidden()

        # A click on a cell shows its student and their history on its topic.
        cell = page.locator("[aria-label*='Equivalent fractions'][aria-label*='Graded']").last
        student = re.search(r"s_[0-9a-f]{8}", cell.get_attribute("aria-label")).group()
        cell.click()
        expect(page.get_by_role("combobox", name="Student")).to_have_value(student)
        expect(page.get_by_role("combobox", name="Score over time")).to_have_value("Equivalent fractions")
        expect(page.get_by_label("or by the school's own id")).to_have_value("")
        expect(marked(page)).to_have_text(student)
        expect(page.locator(CHARTS).nth(1).locator("[aria-label*='Graded answers so far']").first).to_be_visible()

        if os.environ.get("SCREENSHOT"):
            page.mouse.move(5, 5)
            page.wait_for_timeout(3_000)
            page.screenshot(path=os.environ["SCREENSHOT"])
        assert {url.split("/")[2] for url in asked if url.startswith("http")} == {dashboard.removeprefix("http://")}
    finally:
        end(process)


def each_shows_its_own_scores(page, options: list[str]) -> None:
    """Choose every scorer of the menu in turn: its class, a student with reasons and a history, no error."""
    from playwright.sync_api import expect

    menu = page.get_by_role("combobox", name="Scorer")
    numbers = set()
    for option in options:
        menu.click()
        page.get_by_role("option", name=option, exact=True).click()
        expect(menu).to_have_value(option, timeout=WAIT_MS)
        expect(page.get_by_text(re.compile(r"\d+ topics, lowest score first"))).to_be_visible(timeout=WAIT_MS)
        page.locator(CHARTS).nth(1).wait_for()
        page.wait_for_timeout(1_000)
        expect(page.locator("[data-testid=stAlert]")).to_have_count(0)
        expect(page.locator(".m-topic .m-score").first).to_have_text(re.compile(r"^\d+ \d+–\d+$"))
        expect(page.locator(".m-why").first).not_to_be_empty()
        numbers.add("".join(page.locator(".m-score").all_text_contents()))
    assert len(numbers) == len(options)


def offered(page) -> list[str]:
    page.get_by_role("combobox", name="Scorer").click()
    options = page.get_by_role("option").all_text_contents()
    page.keyboard.press("Escape")
    return options


def test_every_scorer_of_the_menu_shows_the_class_and_the_menu_starts_on_the_setting(home, tmp_path, page):
    from playwright.sync_api import expect

    process, (_, dashboard) = start(home, tmp_path, MASTERY_SCORER="bkt")
    try:
        page.goto(dashboard)
        menu = page.get_by_role("combobox", name="Scorer")
        expect(menu).to_have_value("Knowledge tracing (BKT)", timeout=WAIT_MS)
        options = offered(page)
        shown = ["Rules", "Knowledge tracing (BKT)", "Elo", "All together (blend)"]
        assert options == shown  # no model set has been fitted
        each_shows_its_own_scores(page, options)
    finally:
        end(process)


@pytest.fixture(scope="module")
def fitted_home(tmp_path_factory):
    """A home of a small school on whose answers every scorer has been fitted, one from outside among them."""
    folder = tmp_path_factory.mktemp("fitted")

    def run(*arguments: str) -> str:
        line = [sys.executable, "-c", FROM_OUTSIDE, "--home", str(folder / "home"), *arguments]
        return subprocess.run(line, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True, check=True).stdout

    run("simulate", "--out", "school", "--students", "16", "--days", "20", "--topics", "5")
    run("ingest", "school")
    version = json.loads(run("fit", "--json"))["version"]
    run("models", "activate", version, "--as-of", "latest", "--force")  # too few answers for a set of one's own
    return folder / "home"


def test_once_a_model_set_is_fitted_every_scorer_shows_its_scores_and_so_does_one_from_outside(
    fitted_home, tmp_path, page
):
    from playwright.sync_api import expect

    process, (_, dashboard) = start(fitted_home, tmp_path, main=FROM_OUTSIDE, MASTERY_SCORER="blend")
    try:
        page.goto(dashboard)
        menu = page.get_by_role("combobox", name="Scorer")
        expect(menu).to_have_value("All together (blend)", timeout=WAIT_MS)
        options = offered(page)
        assert options == [spec.label for spec in SPECS.values() if spec.has_scores] + ["Share right"]
        each_shows_its_own_scores(page, options)
    finally:
        end(process)


def test_a_class_of_more_than_a_page_is_counted_whole_and_a_student_is_found_on_any_page(large_home, tmp_path, page):
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT_MS)
    process, (_, dashboard) = start(large_home, tmp_path)
    try:
        page.goto(dashboard)
        expect(page.locator(".m-tile").first).to_have_text(f"{MANY}students")
        expect(page.get_by_text("Page of 2, 60 students each, lowest means first")).to_be_visible()
        search(page, f"P{MANY - 1:03d}")  # who has answered best is the last of the last page
        expect(page.get_by_role("spinbutton")).to_have_value("2")
        expect(page.get_by_role("combobox", name="Student")).to_have_value(shown(large_home, f"P{MANY - 1:03d}"))
        expect(marked(page)).to_have_text(shown(large_home, f"P{MANY - 1:03d}"))
        expect(page.locator(".m-tile").first).to_have_text(f"{MANY}students")
    finally:
        end(process)


def test_on_a_phone_the_numbers_of_the_class_can_be_read_by_scrolling(home, tmp_path, browser):
    from playwright.sync_api import expect

    process, (_, dashboard) = start(home, tmp_path)
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    try:
        phone.goto(dashboard)
        chart = phone.locator(CHARTS).first
        chart.wait_for(timeout=WAIT_MS)
        expect(phone.get_by_text(re.compile(r"\d+ topics, lowest score first"))).to_be_visible(timeout=WAIT_MS)
        phone.wait_for_timeout(2_000)
        assert chart.bounding_box()["width"] > 25 * 20  # a cell for each of 25 topics, wide enough for two digits
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390  # the chart scrolls, the page does not
    finally:
        phone.close()
        end(process)


def test_on_a_tablet_class_and_student_stand_below_each_other_and_the_name_of_the_scorer_is_whole(
    home, tmp_path, browser
):
    from playwright.sync_api import expect

    process, (_, dashboard) = start(home, tmp_path, MASTERY_SCORER="bkt")
    tablet = browser.new_page(viewport={"width": 820, "height": 1180})
    try:
        tablet.goto(dashboard)
        tablet.locator(CHARTS).nth(1).wait_for(timeout=WAIT_MS)
        menu, pick = (tablet.get_by_role("combobox", name=name) for name in ("Scorer", "Student"))
        expect(menu).to_have_value("Knowledge tracing (BKT)", timeout=WAIT_MS)
        assert menu.evaluate("input => input.scrollWidth <= input.clientWidth")
        class_box, student_box = tablet.locator(CHARTS).first.bounding_box(), pick.bounding_box()
        assert student_box["y"] > class_box["y"] + class_box["height"]
        assert tablet.evaluate("document.documentElement.scrollWidth") <= 820
    finally:
        tablet.close()
        end(process)


def test_a_home_without_scores_says_how_to_begin(tmp_path, page):
    from playwright.sync_api import expect

    Lake.open(root_of(str(tmp_path / "empty" / "lake"), "default"))
    process, (_, dashboard) = start(tmp_path / "empty", tmp_path)
    try:
        page.goto(dashboard)
        expect(page.get_by_text("No scores yet")).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_text("mastery ingest FILE...")).to_be_visible()
    finally:
        end(process)


def test_an_api_that_is_down_is_said_and_tried_again(home, tmp_path, page):
    from playwright.sync_api import expect

    from mastery.apps.dashboard.server import command

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    nowhere = {"MASTERY_DASHBOARD__PORT": port, "MASTERY_DASHBOARD__API_URL": "http://127.0.0.1:9"}
    line = command(load_settings(home=home, environ=nowhere).settings)
    process = subprocess.Popen(line, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL)
    try:
        for _ in range(WAIT_MS // 200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    break
            page.wait_for_timeout(200)
        page.goto(f"http://127.0.0.1:{port}")
        expect(page.get_by_text("The API does not answer")).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_text("mastery serve")).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        assert "Traceback" not in page.content()
    finally:
        process.terminate()
        process.wait(timeout=60)
