"""The report's pages in a browser without a network: the demo's, and those of a run whose every text is hostile."""

import json
import re
import subprocess
from itertools import product

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser, tool
from demo_run import PAGES
from report_run import make_run, with_studies
from test_report import write_report

LANGUAGES = ("en", "fa")
ATTACK = "window.attacked = true"
HOSTILE = " ".join(
    [
        f'<script>{ATTACK}</script> <img src=x onerror="{ATTACK}"> <svg onload="{ATTACK}">',
        f'<iframe srcdoc="<script>parent.{ATTACK}</script>">',
        f"</code></pre></style></title></desc></svg></details></table><script>{ATTACK}</script>",
        f"""" onmouseover="{ATTACK}" x=" ' onfocus='{ATTACK}' [link](javascript:{ATTACK}) <javascript:{ATTACK}>""",
        "{{ 7 * 7 }} {% raise %} `code` **bold** | cell | --> ]]> <!-- https://evil.example/",
        "\u202ereversed\u202c \x07bell \x1b[31m \x00nul " + "unbroken" * 40,
    ]
)
SHOWN = [
    f'<script>{ATTACK}</script> <img src=x onerror="{ATTACK}">',
    "{{ 7 * 7 }} {% raise %} `code` **bold** | cell | --> ]]> <!-- https://evil.example/ ⟨U+202E⟩reversed",
]


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.quit()


# ------------------------------------------------------------------ the pages

TABLE = """
| name | value | time | mixed |
| --- | --: | --: | --- |
| a | {{ num(-1234.5) }} | {{ seconds(45) }} | {{ integer(10) }} layers |
| b | – | {{ seconds(150) }} | {{ integer(9) }} layers |
| c | {{ interval({"value": 81.0, "low": 78.0, "high": 84.0}) }} | {{ seconds(9000) }} | – |
| d | ×{{ num(2.4) }} | {{ seconds(119) }} | {{ integer(100) }} layers |
| e | {{ num(2.5) }} ± {{ num(0.3) }} | – | {{ percent(0.3) }} |
| f | {{ scientific(0.00002) }} | {{ seconds(8000) }} | {{ t("words.test") }} |
| g | {{ integer(1234567) }} | {{ seconds(0.4) }} | {{ t("words.all") }} |
| h | {{ p_value(0.0001) }} | {{ seconds(7100) }} | {{ gigabytes(20000000) }} |
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return attacked_report(tmp_path_factory.mktemp("hostile"))


def attacked_report(folder):
    """The folder of a report on a run in which every text that comes from data or from the student is an attack."""
    run = make_run(folder / "run", articles=[HOSTILE] * 5, predictions=HOSTILE, overrides={"seeds": [42]}, change=attacked)
    for path in (run / "assets").iterdir():
        change(path, lambda asset: asset | {"title": HOSTILE, "licence": HOSTILE, "origin": HOSTILE})
    change(run / "environment.json", lambda environment: environment | {"packages": {HOSTILE: HOSTILE}})
    change(run / "config_differences.json", lambda found: [*found, {"key": HOSTILE, "assignment": HOSTILE, "here": HOSTILE}])
    change(run / "ner" / "errors.json", lambda errors: errors | {"commonest": [attacked_error(error) for error in errors["commonest"]]})
    change(run / "ner" / "audit.json", attacked_audit)
    words = HOSTILE.split(" ")
    tags = ['B-PER" onmouseover="' + ATTACK, *["O"] * (len(words) - 1)]
    sentence = {"text": HOSTILE, "tokens": words, "offsets": [[0, 1]] * len(words), "tags": tags, "scores": [0.5] * len(words)}
    change(run / "ner" / "sentences.json", lambda _: [sentence | {"language": language} for language in LANGUAGES])
    for path in run.glob("summarization/systems/*/speed.json"):
        change(path, lambda speed: speed | {"device": HOSTILE})
    for language in LANGUAGES:
        answer = folder / "answers" / language / "N7.md"
        answer.parent.mkdir(parents=True)
        answer.write_text(TABLE, encoding="utf-8")
    write_report(run, own_answers=str(folder / "answers"))
    return run / "report"


def attacked(config):
    with_studies(config)
    config["student_name"] = HOSTILE
    config["about"] = dict.fromkeys(LANGUAGES, HOSTILE)
    config["stand_ins"] = [{"for": dict.fromkeys(LANGUAGES, HOSTILE), "here": dict.fromkeys(LANGUAGES, HOSTILE)}]
    for model in config["models"].values():
        model["title"] = HOSTILE[:120]


def attacked_error(error):
    return error | {"gold_type": HOSTILE, "examples": [example | {"tokens": ["in", HOSTILE, "."]} for example in error["examples"]]}


def attacked_audit(audit):
    findings = [finding | {"examples": [example | {"text": HOSTILE} for example in finding["examples"]]} for finding in audit["findings"]]
    return audit | {"findings": findings}


def change(path, changed):
    path.write_text(json.dumps(changed(json.loads(path.read_text(encoding="utf-8"))), ensure_ascii=False), encoding="utf-8")


@pytest.fixture(scope="module", params=product(("demo", "hostile"), LANGUAGES), ids="-".join)
def page(request):
    """Each HTML page in turn."""
    kind, language = request.param
    if kind == "hostile":
        return request.getfixturevalue("hostile") / f"report.{language}.html"
    request.getfixturevalue("demo")
    return next(page for page in PAGES if page.name == f"report.{language}.html")


def opened(browser, page, **look):
    """The page with everything unfolded."""
    browser.open(page, **look).run("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    return browser


# ------------------------------------------------------------------ quiet, alone, drawn


def test_the_browser_complains_of_nothing_and_asks_for_nothing(browser, page):
    opened(browser, page).run("scrollTo(0, document.body.scrollHeight)")
    assert browser.messages() == []
    assert browser.requests() == [page.as_uri()]
    assert browser.run("return document.fonts.check('1em Vazirmatn') && [...document.fonts].every((font) => font.status === 'loaded')")


def test_what_is_asked_for_would_be_seen(browser, page, tmp_path):
    """The same without the page's policy asks for nothing; a picture put into it is noticed."""
    text = without_policy(page)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    assert browser.open(tmp_path / "page.html").requests() == [(tmp_path / "page.html").as_uri()]
    (tmp_path / "with.html").write_text(text.replace("<main", '<img src="https://example.org/a.png"><main'), encoding="utf-8")
    assert "https://example.org/a.png" in browser.open(tmp_path / "with.html").requests()


def without_policy(page):
    text, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    assert count == 1
    return text


def test_the_policy_lets_no_other_script_or_style_in(browser, page, tmp_path):
    foreign = "<script>window.foreign = true</script><style>main { display: none }</style><p style='color: red' onclick='1'>"
    (tmp_path / "page.html").write_text(page.read_text(encoding="utf-8").replace("<main", f"{foreign}<main"), encoding="utf-8")
    browser.open(tmp_path / "page.html")
    assert browser.run("return [window.foreign ?? null, getComputedStyle(document.querySelector('main')).display]") == [None, "block"]
    assert len([message for message in browser.messages() if "Content Security Policy" in message]) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_drawn(browser, page, scheme):
    """Each has its size, marks of colours that stand out from the ground, and words that can be read on it."""
    opened(browser, page, scheme=scheme)
    figures = browser.run(
        """
        const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = (colour) => channels(colour).slice(0, 3).map((value) => value / 255)
          .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
          .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
        const ground = light(getComputedStyle(document.body).backgroundColor);
        const contrast = (colour) => (Math.max(light(colour), ground) + 0.05) / (Math.min(light(colour), ground) + 0.05);
        const contrasts = (elements, property) => elements.map((element) => getComputedStyle(element)[property])
          .filter((colour) => colour !== "none").map(contrast);
        return [...document.querySelectorAll("figure svg")].map((svg) => {
          const { width, height } = svg.getBoundingClientRect();
          const all = (selector) => [...svg.querySelectorAll(selector)];
          const sizes = all("path, line, text").map((mark) => mark.getBoundingClientRect());
          return {
            name: svg.querySelector("title").textContent, width, height, drawn: sizes.filter((size) => size.width + size.height > 0).length,
            marks: Math.min(...contrasts(all(".mark-symbol path"), "fill"), ...contrasts(all(".mark-line path"), "stroke"), 99),
            words: Math.min(...contrasts(all("[class*=role-axis] text, [class*=role-legend] text"), "fill"), 99),
          };
        });
        """
    )
    assert figures
    for figure in figures:
        assert figure["width"] > 200 and figure["height"] > 80 and figure["drawn"] > 5, figure
        assert figure["marks"] >= 3 and figure["words"] >= 4.5, figure


# ------------------------------------------------------------------ tables


SORTED = {  # column: its names in ascending and in descending order; what is missing comes last in both
    "value": ("afhdecgb", "gcedhfab"),
    "time": ("gadbhfce", "cfhbdage"),
    "mixed": ("hbaedgfc", "fgdeabhc"),
    "name": ("abcdefgh", "hgfedcba"),
}
PERSIAN = {"mixed": ("hbaedfgc", "gfdeabhc")}


def sortable(browser):
    """The element of the table that has all kinds of cells."""
    return browser.run("return [...document.querySelectorAll('table')].find((table) => table.tHead.textContent.includes('mixed'))")


def order(browser, table):
    return browser.run("return [...arguments[0].tBodies[0].rows].map((row) => row.cells[0].textContent.trim()).join('')", table)


def arrows(browser, table):
    return browser.run("return [...arguments[0].tHead.rows[0].cells].map((cell) => cell.ariaSort)", table)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SORTED)
def test_a_click_sorts_a_table(browser, hostile, language, name):
    table = sortable(opened(browser, hostile / f"report.{language}.html"))
    button = next(button for button in table.find_elements("css selector", "th button") if button.text == name)
    place = ["name", "value", "time", "mixed"].index(name)
    ascending, descending = (SORTED | (PERSIAN if language == "fa" else {}))[name]
    for expected, arrow in ((ascending, "ascending"), (descending, "descending"), ("abcdefgh", None), (ascending, "ascending")):
        button.click()
        assert order(browser, table) == expected
        assert arrows(browser, table) == [arrow if number == place else None for number in range(4)]


def test_the_keyboard_sorts_a_table(browser, hostile):
    table = sortable(opened(browser, hostile / "report.fa.html"))
    buttons = table.find_elements("css selector", "th button")
    browser.run("arguments[0].focus()", buttons[0])
    buttons[0].send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    assert focused == buttons[1]
    assert browser.run("return getComputedStyle(arguments[0]).outlineStyle", focused) == "solid"
    focused.send_keys(Keys.ENTER)
    assert (order(browser, table), arrows(browser, table)[1]) == (SORTED["value"][0], "ascending")
    focused.send_keys(Keys.SPACE)
    assert (order(browser, table), arrows(browser, table)[1]) == (SORTED["value"][1], "descending")
    assert browser.driver.switch_to.active_element == focused


def test_every_table_of_several_rows_sorts_by_every_named_column(browser, page):
    """All its rows stay."""
    tables = opened(browser, page).run(
        """
        return [...document.querySelectorAll(".table > table")].filter((table) => table.tBodies[0]?.rows.length > 1).map((table) => {
          const rows = [...table.tBodies[0].rows];
          const names = [...table.tHead.querySelectorAll("th")];
          const buttons = names.map((name) => name.querySelector("button"));
          buttons.forEach((button) => button?.click());
          const same = new Set(rows);
          return { names: names.length, buttons: buttons.filter(Boolean).length, sorted: table.tHead.querySelectorAll("[aria-sort]").length,
                   same: [...table.tBodies[0].rows].filter((row) => same.has(row)).length === rows.length };
        });
        """
    )
    assert len(tables) > 20
    assert all(table["names"] == table["buttons"] and table["sorted"] == 1 and table["same"] for table in tables)


def test_without_its_script_the_page_is_all_there(browser, page):
    shown = "return [document.querySelectorAll('th button').length, document.querySelector('main').innerText.length]"
    browser.open(page)
    buttons, _ = browser.run(shown)
    browser.open(page, script=False)
    assert buttons > 0 and browser.run(shown)[0] == 0
    assert browser.run(
        "return document.querySelector('.contents details').open && document.querySelector('.contents li a').checkVisibility()"
    )
    assert browser.run("return [...document.querySelectorAll('.table, .drawing, pre')].every((region) => region.tabIndex === 0)")


def test_contents_show_where_one_is(browser, page):
    browser.open(page).run("document.getElementById('S4').scrollIntoView({ behavior: 'instant' })")
    browser.settle()
    assert browser.run("return [...document.querySelectorAll('[aria-current]')].map((link) => link.hash)") == ["#S4"]
    place = browser.run("return document.querySelector('[aria-current]').getBoundingClientRect().toJSON()")
    assert 0 <= place["top"] < place["bottom"] <= browser.run("return innerHeight")
    browser.open(page, width=360)
    assert not browser.run("return document.querySelector('.contents details').open")


# ------------------------------------------------------------------ right to left


def test_persian_runs_from_right_to_left(browser, page):
    if page.name == "report.en.html":
        opened(browser, page)
        assert browser.run("return [document.dir, getComputedStyle(document.querySelector('main')).direction]") == ["ltr", "ltr"]
        return
    opened(browser, page)
    assert browser.run("return [document.dir, document.documentElement.lang]") == ["rtl", "fa"]
    found = browser.run(
        """
        const main = document.querySelector("main");
        const right = (element) => {
          const range = document.createRange();
          range.selectNodeContents(element);
          return Math.max(...[...range.getClientRects()].filter((box) => box.width).map((box) => box.right));
        };
        const own = [...main.querySelectorAll("p, h1, h2, h3")].filter((element) => element.checkVisibility()
          && element.textContent.trim() && !element.closest("[dir=ltr], figure, .tagged, .contents"));
        const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
        const mixed = [];
        while (texts.nextNode()) {
          const { textContent, parentElement } = texts.currentNode;
          const apart = parentElement.closest("bdi, code, pre, svg, [dir=ltr], .id");
          if (!apart && /(?<!\\w)[A-Za-z]{2}/.test(textContent)) mixed.push(textContent);
        }
        return {
          ragged: own.filter((element) => element.parentElement.closest("main, div, li")
            && Math.abs(right(element) - element.getBoundingClientRect().right + parseFloat(getComputedStyle(element).paddingRight)) > 2)
            .map((element) => element.textContent.slice(0, 80)),
          columns: [...main.querySelectorAll("table")].filter((table) => table.checkVisibility() && !table.closest("[dir=ltr]"))
            .map(({ tHead: { rows: [{ cells }] } }) => [...cells].map((cell) => cell.getBoundingClientRect().left))
            .filter(([first, second]) => first < second).length,
          code: [...main.querySelectorAll("code, pre")].filter((element) => getComputedStyle(element).direction !== "ltr"
            || getComputedStyle(element).unicodeBidi !== "isolate").length,
          contents: document.querySelector(".contents").getBoundingClientRect().right === innerWidth,
          mixed,
        };
        """
    )
    assert found == {"ragged": [], "columns": 0, "code": 0, "contents": True, "mixed": []}


def test_english_texts_on_the_persian_page_read_from_left_to_right(browser, page):
    """A summary in a table ends with its full stop, at its right."""
    opened(browser, page)
    edges = browser.run(
        """
        const box = (node, place) => {
          const range = document.createRange();
          range.setStart(node, place);
          range.setEnd(node, place + 1);
          return range.getBoundingClientRect();
        };
        return [...document.querySelectorAll("td div[lang=en]")].filter((cell) => cell.firstChild?.length > 1).map((cell) => {
          const text = cell.firstChild;
          const end = [...text.textContent].findIndex((_, place) => place && box(text, place).top > box(text, 0).top + 4);
          const last = (end === -1 ? text.length : end) - 1;
          return [box(text, 0).left - cell.getBoundingClientRect().left, box(text, last).left - box(text, 0).left];
        });
        """
    )
    assert len(edges) > 5
    assert all(abs(start) < 8 and end > 0 for start, end in edges)


# ------------------------------------------------------------------ readable


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_it_is_readable_at_any_width(browser, page, width):
    """Nothing sticks out of the page; what is wider scrolls by itself, and the keyboard can reach it; no text is tiny."""
    opened(browser, page, width=width).settle()
    found = browser.run(
        """
        const inside = (element) => element.closest(".table, .drawing, pre, .contents");
        const shown = [...document.querySelectorAll("main *")].filter((element) => element.checkVisibility());
        const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
        const small = [];
        while (texts.nextNode()) {
          const { textContent, parentElement } = texts.currentNode;
          if (!textContent.trim() || parentElement.closest("title, desc, script") || !parentElement.checkVisibility()) continue;
          const scale = parentElement.closest("svg")?.getScreenCTM().a ?? 1;
          const size = parseFloat(getComputedStyle(parentElement).fontSize) * scale;
          if (size < (parentElement.closest("svg") ? 9.5 : 10.5)) small.push(`${size.toFixed(1)} ${textContent.trim().slice(0, 40)}`);
        }
        return {
          page: document.scrollingElement.scrollWidth - innerWidth,
          out: shown.filter((element) => !inside(element)).filter((element) => {
            const { left, right, width } = element.getBoundingClientRect();
            return width && (left < -1 || right > innerWidth + 1);
          }).map((element) => element.outerHTML.slice(0, 120)),
          unreachable: shown.filter((element) => inside(element) === element && element.scrollWidth > element.clientWidth + 1)
            .filter((element) => element.tabIndex !== 0).map((element) => element.outerHTML.slice(0, 120)),
          nameless: [...document.querySelectorAll(".table")].filter((region) => !region.ariaLabel).length,
          small: [...new Set(small)].slice(0, 20),
        };
        """
    )
    assert found == {"page": 0, "out": [], "unreachable": [], "nameless": 0, "small": []}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 360)])
def test_axe_finds_nothing(browser, page, scheme, width):
    assert opened(browser, page, scheme=scheme, width=width).violations() == []


# ------------------------------------------------------------------ on paper


def test_paper_shows_what_is_folded_and_needs_no_screen(browser, page):
    """As wide as A4 within its margins: nothing is cut off or shrunk; light, whatever the screen; no buttons."""
    browser.open(page, width=672, scheme="dark", media="print")
    found = browser.run(
        """
        const shown = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.getBoundingClientRect().height);
        return {
          wide: document.scrollingElement.scrollWidth - innerWidth,
          folded: document.querySelectorAll("details:not([open])").length > 5,
          hidden: document.querySelectorAll("h2 ~ details > :not(summary)").length - shown("h2 ~ details > :not(summary)").length,
          buttons: shown(".to-contents").length,
          heads: new Set([...document.querySelectorAll("thead")].map((head) => getComputedStyle(head).display)).size,
          ground: getComputedStyle(document.body).backgroundColor,
        };
        """
    )
    assert found == {"wide": 0, "folded": True, "hidden": 0, "buttons": 0, "heads": 1, "ground": "rgb(255, 255, 255)"}


def test_the_printed_page_has_heads_addresses_and_numbers(browser, demo, tmp_path):
    browser.open(PAGES[0], scheme="dark")
    (tmp_path / "report.pdf").write_bytes(browser.pdf())
    command = [tool("pdftotext"), "-layout", tmp_path / "report.pdf", "-"]
    pages = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\f")[:-1]
    numbered = [bool(re.search(rf"^\W*{number} / {len(pages)}\W*$", text, re.M)) for number, text in enumerate(pages, 1)]
    assert numbered == [False] + [True] * (len(pages) - 1)
    assert re.search(r"\(https://(arxiv|doi)\.org/[^)]+\)", re.sub(r"\s", "", "".join(pages)))
    assert not [number for number, text in enumerate(pages, 1) if not text.split("\n", 1)[0] and len(text.split()) < 4], "an empty page"
    lines = "\n".join(pages).splitlines()
    heads = [line for line in lines if re.search(r"layer\s+zeros\s+weights\s+sparsity\s*$", line)]
    assert len(heads) > 3, "the heads of two tables of several pages"


# ------------------------------------------------------------------ what data says


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("guarded", [True, False], ids=["with its policy", "without"])
def test_nothing_in_data_runs(browser, hostile, tmp_path, language, guarded):
    """With the page's policy and without it: no script of the data's, no element of its making, and its text to be read."""
    page = hostile / f"report.{language}.html"
    if not guarded:
        (tmp_path / "page.html").write_text(without_policy(page), encoding="utf-8")
        page = tmp_path / "page.html"
    opened(browser, page)
    found = browser.run(
        """
        for (const element of document.querySelectorAll("*"))
          for (const name of ["mouseover", "focus", "error", "load"]) element.dispatchEvent(new Event(name));
        const all = [...document.querySelectorAll("*")];
        return {
          attacked: window.attacked ?? null,
          scripts: document.scripts.length,
          made: document.querySelectorAll("img, iframe, object, embed, form, base").length,
          handlers: all.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith("on")),
          links: [...document.links].filter((link) => !/^(https?:|file:)/.test(link.protocol) || link.host.includes("evil")).length,
        };
        """
    )
    assert found == {"attacked": None, "scripts": 1, "made": 0, "handlers": [], "links": 0}
    text = re.sub(r"\s+", " ", browser.run("return document.querySelector('main').textContent"))
    assert all(text.count(shown) > 20 for shown in SHOWN)
    assert browser.messages() == [] and browser.requests() == [page.as_uri()]


def test_nothing_in_a_picture_runs(browser, hostile):
    pictures = sorted((hostile / "figures").glob("*.svg"))
    assert pictures
    named = 0
    for picture in pictures:
        browser.open(picture)
        found = "const all = [...document.querySelectorAll('*')]; return [document.documentElement.nodeName, window.attacked ?? null, "
        found += "all.filter((element) => ['script', 'image', 'foreignObject'].includes(element.nodeName)).length, "
        found += "all.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith('on')).length]"
        assert browser.run(found) == ["svg", None, 0, 0]
        named += f"<script>{ATTACK}</script>" in browser.run("return document.documentElement.textContent")
        assert browser.requests() == [picture.as_uri()]
    assert named
