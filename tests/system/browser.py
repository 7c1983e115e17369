"""A headless Chromium without a network: what it shows, what it complains of, what it asks for."""

import base64
import json
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from demo_run import ROOT

AXE = ROOT / "tests" / "system" / "node_modules" / "axe-core" / "axe.min.js"
PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver", "pdftotext": "poppler-utils"}  # on Debian
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # where its driver is
)


def tool(name):
    """The path of a program that these tests need."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name}: no such command; the report's tests need it; install it (Debian: apt-get install {PACKAGES[name]})")
    return path


def axe():
    """The script of axe-core."""
    if not AXE.is_file():
        pytest.fail(f"{AXE.relative_to(ROOT)}: no such file; expected axe-core; install it: npm ci --prefix tests/system")
    return AXE.read_text(encoding="utf-8")


def loaded(driver):
    return driver.execute_script("return location.protocol === 'file:' && document.readyState === 'complete'")


class Browser:
    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = tool("chromium")
        for option in OPTIONS:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(tool("chromedriver")))
        self.driver.set_script_timeout(300)
        self.quit = self.driver.quit
        self.command("Network.enable")
        self.command("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)

    def command(self, name, **values):
        return self.driver.execute_cdp_cmd(name, values)

    def open(self, page, width=1440, scheme="light", media="", script=True):
        """Load a file from disk; width in CSS pixels."""
        self.driver.get("about:blank")
        self.messages(), self.requests()  # those of the page before
        self.look(width, scheme, media)
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.driver.get(page.as_uri())
        WebDriverWait(self.driver, 60, poll_frequency=0.05).until(loaded, message=f"{page}: does not load")  # `get` may come back sooner
        return self

    def look(self, width, scheme, media):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}  # a click finds its place without waiting
        features = [{"name": name, "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, script, *values):
        """The value of a function's body within the page; a promise is waited for."""
        return self.driver.execute_script(script, *values)

    def settle(self):
        """Let the page's own script answer what happened."""
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def messages(self):
        """What stands in the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """The addresses that were asked for since the last call, but for those that hold their own data."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "about:"))]

    def pdf(self):
        return base64.b64decode(self.command("Page.printToPDF", preferCSSPageSize=True)["data"])

    def violations(self):
        """What axe-core finds wrong with the page as it is now: one line each."""
        self.run(axe())
        found = self.run("return axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [f"{entry['impact']}: {entry['id']}: {node['html'][:200]}" for entry in found for node in entry["nodes"]]
