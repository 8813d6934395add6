"""The page in a real browser over a real server: every page and action, live, at three widths, in both themes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fm_anomaly.storage import default_path, open_store
from fm_anomaly.storage.keys import Scope, create_key
from fm_anomaly.testing import outage_log
from tests.api.server import Server, eventually

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: it comes with the development set")

PAGES = ("/incidents", "/templates", "/services", "/digest", "/silences", "/send")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.M)
FOREVER_MS = 30_000
"""How long a change may take to show: a loaded machine, not a promise."""


def at(stamp: str) -> datetime:
    """Return a time of the log."""
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC)


def log_ending_now() -> str:
    """Return a log with an outage whose last line is from this moment."""
    text = "".join(f"{line}\n" for line in outage_log())
    behind = datetime.now(UTC) - at(STAMP.findall(text)[-1])
    return STAMP.sub(lambda found: (at(found[0]) + behind).strftime("%Y-%m-%d %H:%M:%S"), text)


def send(server: Server, text: str) -> None:
    """Send lines as they stand."""
    kept = server.client.post("/api/v1/logs?service=shop", content=text, headers={"content-type": "text/plain"})
    assert kept.status_code == 200, kept.text


def has(server: Server, path: str) -> bool:
    """Return whether a list is not empty."""
    return bool(server.client.get(path).json())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has seen an outage."""
    with Server(tmp_path_factory.mktemp("page")) as running:
        lines = log_ending_now()
        send(running, lines)
        eventually(lambda: has(running, "/api/v1/incidents"))
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


class Tab:
    """A page, and what it complained of."""

    def __init__(self, browser: Any, server: Server, width: int = 1200, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.base = f"http://127.0.0.1:{server.port}"
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Any:
        """Go to a page."""
        self.page.goto(self.base + path, wait_until="load")
        return self.page


@pytest.fixture(scope="module")
def category(server: Server) -> str:
    """The page of a category of error, after the service has run its job once."""
    assert server.client.post("/api/v1/categories/run", json={}).status_code == 202
    eventually(lambda: has(server, "/api/v1/categories"), within_s=120)
    return f"/categories/{server.client.get('/api/v1/categories').json()[0]['category_id']}"


@pytest.fixture
def tab(browser: Any, server: Server) -> Iterator[Callable[..., Tab]]:
    """Opens tabs; a complaint on any of their consoles fails the test."""
    opened: list[Tab] = []

    def new(**options: Any) -> Tab:
        opened.append(Tab(browser, server, **options))
        return opened[-1]

    yield new
    for each in opened:
        each.context.close()
        assert each.complaints == []


def incident_of(server: Server) -> str:
    """Return the id of the outage."""
    found = server.client.get("/api/v1/incidents", params={"kind": "new_error"}).json()
    incident_id: str = next(each for each in found if "cart" in each["services"])["incident_id"]
    return incident_id


def template_of(server: Server) -> str:
    """Return the path of a template of errors."""
    found = server.client.get("/api/v1/templates", params={"errors_only": True, "order": "count"}).json()
    return f"/templates/{found[0]['template_id']}?service={found[0]['service']}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1400])
def test_every_page_fits_and_is_quiet(
    server: Server, category: str, tab: Callable[..., Tab], width: int, scheme: str
) -> None:
    """No page scrolls sideways, none complains on the console; with FM_ANOMALY_SHOTS=DIR each is kept as a picture."""
    this = tab(width=width, scheme=scheme)
    for path in (*PAGES, "/categories", category, f"/incidents/{incident_of(server)}", template_of(server)):
        page = this.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if shots := os.environ.get("FM_ANOMALY_SHOTS"):
            name = re.sub(r"\W+", "-", path.split("?")[0])
            page.wait_for_timeout(400)
            page.screenshot(path=str(Path(shots) / f"{name}-{width}-{scheme}.png"), full_page=True)


def test_an_incident_shows_its_chart_and_lines(server: Server, tab: Callable[..., Tab]) -> None:
    """The chart is drawn, the evidence stands, and the list leads here."""
    page = tab().open("/incidents")
    page.click(f"a[href='/incidents/{incident_of(server)}']")
    page.wait_for_url("**/incidents/i-*")
    page.wait_for_selector(".chart canvas")
    assert "price service answered 503" in page.inner_text("main")
    assert "never seen in the" in page.inner_text(".reason.big")


def says(page: Any, words: str) -> None:
    """Wait until the page tells what was done."""
    page.wait_for_function("words => document.getElementById('toast').textContent.includes(words)", arg=words)


def test_people_act(server: Server, tab: Callable[..., Tab]) -> None:
    """Take, comment, give feedback and mute: each says what it did, and the page shows it at once."""
    page = tab().open(f"/incidents/{incident_of(server)}")
    page.set_default_timeout(FOREVER_MS)
    page.click("text=Take it")
    says(page, "taken it on")
    page.wait_for_selector("text=Take again")
    page.fill("input[name=text]", "the replica <b>was</b> rebuilt")
    page.click("text=Add")
    page.wait_for_selector(".timeline >> text=the replica <b>was</b> rebuilt")
    page.click(".actions.small >> text=real >> nth=0")
    says(page, "real")
    page.wait_for_selector("button[aria-pressed=true] >> text=real")
    page.click("summary:has-text('mute') >> nth=0")
    page.fill("input[name=reason] >> nth=0", "moving the shop")
    page.click("details[open] button:has-text('Mute')")
    says(page, "silenced")
    page.goto(page.url.split("/incidents")[0] + "/silences")
    assert "moving the shop" in page.inner_text("main")
    page.click("text=End it")
    page.wait_for_selector("text=over, ended by")


def test_a_template_gets_a_name(server: Server, tab: Callable[..., Tab]) -> None:
    """Renaming shows at once, here and in the list."""
    page = tab().open(template_of(server))
    page.fill("input[name=name]", "price service down")
    page.click("text=Rename")
    page.wait_for_selector("h1:has-text('price service down')", timeout=FOREVER_MS)
    page.goto(page.url.split("/templates")[0] + "/templates?q=price+service+down")
    assert "price service down" in page.inner_text("table")


def test_a_category_gets_a_name(category: str, tab: Callable[..., Tab]) -> None:
    """Renaming shows at once, here and in the list; a run may be asked for from there."""
    page = tab().open(category)
    page.fill("input[name=name]", "price <service> down")
    page.click("text=Rename")
    page.wait_for_selector("h1:has-text('price <service> down')", timeout=FOREVER_MS)
    page.click("text=Categories >> nth=0")
    page.wait_for_selector("h2:has-text('price <service> down')", timeout=FOREVER_MS)
    page.click("text=Run now")
    page.wait_for_selector("button:text-is('Run now'):enabled", timeout=120_000)
    page.wait_for_selector("h2:has-text('price <service> down')", timeout=FOREVER_MS)


def test_search_finds_and_escapes(tab: Callable[..., Tab]) -> None:
    """What is typed comes back as text."""
    page = tab().open("/templates")
    page.fill("input[name=q]", "<script>alert(1)</script>")
    page.press("input[name=q]", "Enter")
    page.wait_for_selector("text=No template fits.")
    assert page.input_value("input[name=q]") == "<script>alert(1)</script>"


def test_the_keyboard_reaches_everything(tab: Callable[..., Tab]) -> None:
    """The first Tab offers to skip to the content; links and buttons show where the focus is."""
    page = tab().open("/incidents")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_an_error_is_told_and_nothing_is_lost(server: Server, tab: Callable[..., Tab]) -> None:
    """A refused change says why, and what was typed stands."""
    this = tab()
    page = this.open(template_of(server))
    page.fill("input[name=other]", "zzzz")
    page.click("text=Merge")
    page.wait_for_selector("#toast.error", timeout=FOREVER_MS)
    assert page.input_value("input[name=other]") == "zzzz"
    # the browser notes a refused request on its console by itself
    this.complaints[:] = [text for text in this.complaints if "the server responded with a status of 4" not in text]


def test_news_shows_without_a_reload(browser: Any, tmp_path: Path) -> None:
    """An incident that begins while the page is open appears in the list."""
    # a server of its own: what begins while the silence of another one is told may be one matter with it
    with Server(tmp_path) as server:
        send(server, log_ending_now())
        eventually(lambda: has(server, "/api/v1/incidents"))
        opened = Tab(browser, server)
        page = opened.open("/incidents")
        page.wait_for_selector("#live.on", timeout=FOREVER_MS)
        before = page.locator("article").count()
        now = datetime.now(UTC)
        lines = [f"{now:%Y-%m-%d %H:%M:%S} ERROR [mail] cannot reach the relay, letter {i} kept" for i in range(40)]
        send(server, "".join(f"{line}\n" for line in lines))
        page.wait_for_function("n => document.querySelectorAll('article').length > n", arg=before, timeout=FOREVER_MS)
        assert "cannot reach the relay" in page.inner_text("main")
        opened.context.close()
        assert opened.complaints == []


@pytest.fixture
def serious() -> Callable[[Any], list[tuple[str, str]]]:
    """What axe-core (from npm) finds serious or critical on an open page."""
    modules = os.environ.get("FM_ANOMALY_NPM")
    axe = Path(modules or "/nowhere") / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("no axe-core: npm install --prefix FOLDER what .ci/npm.txt lists, then FM_ANOMALY_NPM=FOLDER")
    script = axe.read_text()

    def look(page: Any) -> list[tuple[str, str]]:
        page.evaluate(script)
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = (v for v in told["violations"] if v["impact"] in ("serious", "critical"))
        return [(v["id"], v["nodes"][0]["html"][:200]) for v in bad]

    return look


def test_nothing_serious_for_those_who_cannot_see(
    server: Server, category: str, tab: Callable[..., Tab], serious: Callable[[Any], list[tuple[str, str]]]
) -> None:
    """axe-core finds nothing serious or critical on any page, in either theme."""
    found = {}
    for scheme in ("light", "dark"):
        this = tab(scheme=scheme)
        for path in (*PAGES, "/categories", category, f"/incidents/{incident_of(server)}", template_of(server)):
            found[path, scheme] = serious(this.open(path))
    assert {where: bad for where, bad in found.items() if bad} == {}


def test_nothing_serious_where_one_signs_in(
    browser: Any, tmp_path: Path, serious: Callable[[Any], list[tuple[str, str]]]
) -> None:
    """The same for the form that asks for a key, also when it has refused one."""
    with Server(tmp_path, environ={"FM_ANOMALY_TOKEN": "a-token-of-more-than-16"}) as server:
        for scheme in ("light", "dark"):
            opened = Tab(browser, server, scheme=scheme)
            page = opened.open("/sign-in")
            assert serious(page) == []
            page.fill("input[name=key]", "fma_wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector("#problem", timeout=FOREVER_MS)
            assert serious(page) == []
            opened.context.close()


def test_the_page_asks_nobody_else(server: Server) -> None:
    """No page names another host for a script, style or picture."""
    for path in PAGES:
        text = httpx.get(f"http://127.0.0.1:{server.port}{path}", headers={"accept": "text/html"}).text
        assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', text) == []


def test_signing_in_and_out(browser: Any, tmp_path: Path) -> None:
    """Where a key is needed: a wrong one is told, a right one leads to the page that was asked for, live; a link from
    elsewhere finds who is signed in; signing out ends it. No script sees the cookie."""
    with open_store(default_path(tmp_path)) as store:
        scopes = frozenset({Scope.OPERATE})
        _, secret = create_key(store, "default", "ann", scopes, by="tests", now_us=1)
    with Server(tmp_path) as server:
        opened = Tab(browser, server)
        page = opened.open("/services")
        page.fill("input[name=key]", "fma_wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#problem", timeout=FOREVER_MS)
        assert opened.complaints.pop().count("401") == 1
        page.fill("input[name=key]", secret)
        page.keyboard.press("Enter")
        page.wait_for_url("**/services", timeout=FOREVER_MS)
        page.wait_for_selector("#live.on", timeout=FOREVER_MS)
        assert page.evaluate("document.cookie") == ""
        elsewhere = opened.context.new_page()
        elsewhere.set_content(f'<a href="{opened.base}/silences">look</a>')
        elsewhere.click("a")
        elsewhere.wait_for_selector("h1:text-is('Silences')", timeout=FOREVER_MS)
        page.click("text=Sign out")
        page.wait_for_url("**/sign-in", timeout=FOREVER_MS)
        assert opened.open("/services").url.endswith("/sign-in?next=%2Fservices")
        opened.context.close()
        assert opened.complaints == []
