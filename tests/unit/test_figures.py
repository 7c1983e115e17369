"""Pictures: equal bytes for equal data, words that stay words, colours of the page around them, numbers in the language's digits."""

import re
from xml.etree import ElementTree

import pytest

from lib import figures
from lib.overlap import shared_runs

HOSTILE = '<script>alert("no")</script> & `<b>` ]]> \' -->'
SCORE = {"value": 30.0, "low": 27.0, "high": 33.0}


def intervals(label="Lead-3"):
    return figures.intervals(
        [{"label": label, "group": label, "rouge1": SCORE}, {"label": "other", "group": "other", "rouge1": SCORE}], {"rouge1": label}
    )


def curves():
    points = [{"group": f"line {line}", "x": x, "rouge1": SCORE, "loss": SCORE if x else None} for line in range(8) for x in (0, 30, 50)]
    return figures.curves(points, {"rouge1": "ROUGE-1", "loss": "loss"}, "removed", {"rouge1": 29.0})


def scatter():
    points = [{"group": name, **SCORE, "speed": place, "size": None if place else 5.0} for place, name in enumerate(("fp32", "nf4"))]
    return figures.scatter(points, {"speed": "speed", "size": "size"}, "ROUGE-1")


@pytest.mark.parametrize("draw", [intervals, curves, scatter])
def test_equal_data_make_equal_pictures(draw):
    assert draw() == draw()
    ElementTree.fromstring(draw())


def test_text_of_the_data_stays_text():
    picture = figures.described(intervals(HOSTILE), "figure-x", HOSTILE, HOSTILE)
    assert "<script" not in picture and "`" not in picture
    tree = ElementTree.fromstring(picture)
    assert {element.tag.split("}")[1] for element in tree.iter()} <= {"svg", "title", "desc", "g", "path", "line", "text"}
    assert [element.text for element in tree.iter() if element.tag.endswith(("}title", "}desc"))] == [HOSTILE, HOSTILE]
    assert HOSTILE in {element.text for element in tree.iter() if element.tag.endswith("}text")}


def test_colours_are_those_of_the_page_or_of_the_file():
    picture = figures.described(curves(), "figure-x", "title", "text")
    assert not re.search(r"#[0-9a-f]{3,6}\b|\b(black|white)\b", picture)
    assert set(re.findall(r"var\((--[\w-]+)\)", picture)) <= set(figures.PALETTE)
    file = figures.standalone(picture)
    ElementTree.fromstring(file)
    assert "prefers-color-scheme:dark" in file and all(f"{name}:" in file for name in figures.PALETTE)


def test_groups_differ_in_colour_or_shape():
    alt, groups = figures.altair(), [str(number) for number in range(30)]
    colours = figures.colour(alt, groups).to_dict()["scale"]["range"]
    shapes = figures.shape(alt, groups).to_dict()["scale"]["range"]
    assert len(set(zip(colours, shapes, strict=True))) == len(groups)


def test_numbers_alone_take_other_digits():
    digits = str.maketrans("0123456789.,", "۰۱۲۳۴۵۶۷۸۹٫٬")
    texts = re.findall(r">([^<>]+)</text>", figures.described(intervals(), "figure-x", "title", "text", digits))
    assert (
        "Lead-3" in texts and "۳۰" in texts and not [text for text in texts if re.fullmatch(r"[\d.,]+", text) and re.search("[0-9]", text)]
    )


@pytest.mark.parametrize(
    ("text", "reference", "marked"),
    [
        ("The old library opens", "An OLD library, at last", ["old library"]),
        ("old, library!", "the old library", ["old, library"]),
        ("library old", "old library", []),
        ("a b c d", "c d a b c", ["a b c"]),
        ("a b x a b", "a b", ["a b", "a b"]),
        ("", "a b", []),
        ("a b", "", []),
        ("کتابخانهٔ کهنه باز شد", "کتابخانهٔ کهنه بسته شد", ["کتابخانهٔ کهنه"]),
    ],
)
def test_longest_shared_runs_of_words(text, reference, marked):
    assert [text[start:end] for start, end in shared_runs(text, reference)] == marked
