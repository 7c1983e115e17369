"""Pictures: equal bytes for equal data, words that stay words, colours of the page around them, numbers in the language's digits."""

import re
from collections import Counter
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
    return figures.curves(points, {"rouge1": "ROUGE-1", "loss": "loss"}, "removed", {"rouge1": SCORE, "loss": SCORE})


def scatter():
    points = [{"group": name, **SCORE, "speed": place, "size": None if place else 5.0} for place, name in enumerate(("fp32", "nf4"))]
    return figures.scatter(points, {"speed": "speed", "size": "size"}, "ROUGE-1")


def bars(label="PER"):
    rows = [{"label": label, "en": {"train": 1200, "test": 34}, "fa": {"train": 5}}, {"label": "DAT", "fa": {"train": 7, "test": 0}}]
    return figures.bars(rows, {"en": "English", "fa": "Persian"}, "entities")


def distributions(label="articles"):
    panels = [{"title": label, "width": 20, "shares": {"train": [10, 60, 30], "test": [0, 100, 0]}}]
    return figures.distributions([*panels, {"title": "references", "width": 1, "shares": {"train": [100.0]}}], "words", "share, %")


def trainings(label="tuned", common=True):
    lines = [
        {"group": "training", "marked": False, "points": [(1, 3.0), (2, 2.5)]},
        {"group": "validation", "marked": True, "points": [(0, 3.1), (2, 2.2)]},
    ]
    again = [lines[1] | {"points": [(0, 9.5), (2, 8.5)]}]
    panels = [{"title": label, "lines": lines, "ring": (2, 2.2)}, {"title": "again", "lines": again, "ring": None}]
    return figures.trainings(panels, "step", common)


def cells(label="q_proj"):
    found = [{"x": block, "y": label, "share": block / 2, "text": f"{50 * block}"} for block in range(3)]
    return figures.cells([{"title": "pruned", "columns": [0, 1, 2], "rows": [label], "cells": found}], "block", None, 24)


DRAWINGS = [intervals, curves, scatter, bars, distributions, trainings, cells]


def shown(picture):
    return re.findall(r">([^<>]+)</text>", picture)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_equal_data_make_equal_pictures(draw):
    assert draw() == draw()
    ElementTree.fromstring(draw())


@pytest.mark.parametrize("draw", DRAWINGS)
def test_all_text_lies_within_the_picture(draw):
    """By the places of its anchors: what is drawn beyond the edge is cut off."""
    root = ElementTree.fromstring(draw())
    _, _, width, height = map(float, root.get("viewBox").split())

    def walk(element, x, y):
        move = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", element.get("transform") or "")
        x, y = (x + float(move[1]), y + float(move[2])) if move else (x, y)
        if element.tag.endswith("}text"):
            assert 0 <= x <= width and 0 <= y <= height, (element.text, x, y)
        for child in element:
            walk(child, x, y)

    walk(root, 0, 0)


def test_bars_carry_their_sums_and_a_panel_leaves_out_what_it_does_not_count():
    texts = shown(bars())
    assert {"1,234", "5", "7"} <= set(texts) and texts.count("PER") == texts.count("DAT") == 1


def test_trainings_share_the_vertical_axis_only_where_they_are_to_be_compared():
    heights = [
        Counter(text for text in shown(trainings(common=common)) if re.fullmatch(r"[3-9](\.\d+)?", text)) for common in (True, False)
    ]
    assert set(heights[0].values()) == {2} and set(heights[1].values()) == {1}


def test_the_ground_of_a_cell_follows_its_share_and_leaves_its_text_readable():
    strengths = [float(found) for found in re.findall(r'fill-opacity="([\d.]+)"', cells())]
    assert strengths == sorted(strengths) and strengths[0] == 0 and strengths[-1] == figures.STRONGEST


def test_lengths_of_one_split_say_which():
    assert "train" in shown(figures.distributions([{"title": "articles", "width": 5, "shares": {"train": [100.0]}}], "words", "share, %"))


def test_points_at_one_place_stand_beside_each_other():
    points = [{"group": group, "x": x} for group in "abc" for x in (0, 30)]
    assert [figures.aside(point, points) for point in points] == [1, -1, 2, 0, 3, 1]


@pytest.mark.parametrize("draw", [intervals, bars, distributions, trainings, cells])
def test_text_of_the_data_stays_text(draw):
    picture = figures.described(draw(HOSTILE), "figure-x", HOSTILE, HOSTILE)
    assert "<script" not in picture and "`" not in picture
    tree = ElementTree.fromstring(picture)
    assert {element.tag.split("}")[1] for element in tree.iter()} <= {"svg", "title", "desc", "g", "path", "line", "text"}
    assert [element.text for element in tree.iter() if element.tag.endswith(("}title", "}desc"))] == [HOSTILE, HOSTILE]
    assert HOSTILE in {element.text for element in tree.iter() if element.tag.endswith("}text")}


@pytest.mark.parametrize("draw", DRAWINGS)
def test_colours_are_those_of_the_page_or_of_the_file(draw):
    picture = figures.described(draw(), "figure-x", "title", "text")
    assert not re.search(r"#[0-9a-f]{3,6}\b|\b(black|white)\b", picture)
    assert set(re.findall(r"var\((--[\w-]+)\)", picture)) <= set(figures.PALETTE)
    file = figures.standalone(picture)
    ElementTree.fromstring(file)
    assert "prefers-color-scheme:dark" in file and all(f"{name}:" in file for name in figures.PALETTE)


def test_groups_differ_in_colour_or_shape():
    groups = [str(number) for number in range(30)]
    colours, shapes = (channel(groups)["scale"]["range"] for channel in (figures.colour, figures.shape))
    assert len(set(zip(colours, shapes, strict=True))) == len(groups)


def test_numbers_alone_take_other_digits():
    digits = str.maketrans("0123456789.,", "۰۱۲۳۴۵۶۷۸۹٫٬")
    texts = shown(figures.described(intervals(), "figure-x", "title", "text", digits))
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
