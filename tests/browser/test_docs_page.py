"""The documentation page as a person sees it, in a real Chromium."""

import os
from urllib.parse import urlsplit

import configs
import pytest
from lockgate_process import TARGET, Gateway, until
from playwright.sync_api import expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = TARGET / "screenshots"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = os.environ.get("LOCKGATE_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            headless=True,
            args=FLAGS,
            viewport={"width": 1280, "height": 1400},
        )
        yield context
        context.close()


class Visit:
    """A page, and what went on while it was open."""

    def __init__(self, browser):
        self.page = browser.new_page()
        self.page.set_default_timeout(20_000)
        self.troubles = []
        self.hosts = set()
        self.page.on("console", lambda message: message.type == "error" and self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("requestfailed", lambda request: self.troubles.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url):
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(f"{parts.scheme}://{parts.netloc}")

    def operations(self):
        return [path.get_attribute("data-path") for path in self.page.locator(".opblock-summary-path").all()]

    def operation(self, path):
        shown = self.page.locator(f'.opblock-summary-path[data-path="{path}"]')
        return self.page.locator(".opblock", has=shown)


@pytest.fixture
def visit(browser):
    visit = Visit(browser)
    yield visit
    visit.page.close()


def test_the_page_shows_every_route_and_asks_no_other_host(visit, tmp_path):
    with Gateway(tmp_path) as gateway:
        visit.page.goto(f"{gateway.url}/docs")
        visit.page.locator(".opblock").first.wait_for()
        for route in ("chat", "completions", "embeddings"):
            assert f"/gateway/{route}/invocations" in visit.operations()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        visit.page.screenshot(path=SCREENSHOTS / "docs.png")
        assert visit.hosts == {gateway.url}
        assert visit.troubles == []


@pytest.mark.parametrize("route", ["chat", "completions", "embeddings"])
def test_the_example_of_a_route_can_be_sent_from_the_page(visit, tmp_path, route):
    with Gateway(tmp_path) as gateway:
        visit.page.goto(f"{gateway.url}/docs")
        operation = visit.operation(f"/gateway/{route}/invocations")
        operation.locator(".opblock-summary").click()
        operation.get_by_role("button", name="Try it out").or_(operation.locator(".execute")).first.wait_for()
        if not operation.locator(".execute").is_visible():
            operation.get_by_role("button", name="Try it out").click()
        operation.locator(".execute").click()
        answer = operation.locator(".live-responses-table .response")
        expect(answer.locator(".response-col_status")).to_contain_text("200")
        expect(answer.locator(".response-col_description")).to_contain_text("metadata")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        visit.page.screenshot(path=SCREENSHOTS / f"docs-{route}.png", full_page=True)
        assert visit.hosts == {gateway.url}
        assert visit.troubles == []


def test_the_front_page_and_the_old_address_lead_to_the_documentation(visit, tmp_path):
    with Gateway(tmp_path) as gateway:
        for path in ("/", "/redoc"):
            visit.page.goto(f"{gateway.url}{path}")
            visit.page.locator(".opblock").first.wait_for()
            assert urlsplit(visit.page.url).path.rstrip("/") == "/docs"


def test_the_page_shows_a_route_that_was_added_while_the_gateway_ran(visit, tmp_path):
    with Gateway(tmp_path, configs.many(1)) as gateway:
        gateway.config.write_text(configs.many(2))

        def shows_it():
            visit.page.goto(f"{gateway.url}/docs")
            visit.page.locator(".opblock").first.wait_for()
            return "/gateway/route-0001/invocations" in visit.operations()

        until(shows_it)
