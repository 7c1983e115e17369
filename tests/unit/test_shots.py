"""Selections of shots: what is near is chosen, twins are not shown together, and nothing depends on chance or comes from test."""

import random

import pytest

from lib import bm25
from lib.bm25 import Index
from lib.program import InputError
from lib.search_words import words
from lib.shot_selections import BY_ARTICLE, SELECTIONS
from lib.shots import choose, refuse_seen
from summarizing import pairs


def row(name, article, reference="One two three four five."):
    return {"id": name, "article": article, "reference": reference}


FILLER = [row(f"filler{n}", f"Nothing of note happened in the town of Number{n} today, officials said on Monday.") for n in range(8)]
STORM = row("storm", "A storm tore roofs from houses on the coast, and thousands lost power.")
STORM_TWIN = row("twin", "A storm tore roofs from houses on the coast, and thousands lost power overnight.")
FLOOD = row("flood", "The coast flooded after days of rain; boats brought thousands to safety.")
CRICKET = row("cricket", "The bowler took five wickets as the visitors won the cricket match.")
TRAIN = [*FILLER[:4], CRICKET, STORM, FLOOD, STORM_TWIN, *FILLER[4:]]
STORM_NEWS = row("test1", "Thousands lost power when a storm hit the coast and tore roofs off; the coast flooded, and boats were lost.")
CRICKET_NEWS = row("test2", "A cricket match ended when the bowler took two wickets.")


def ids(selection, number=2, train=TRAIN, test=(STORM_NEWS, CRICKET_NEWS)):
    return [[shot["id"] for shot in own] for own in choose(train, list(test), number, selection, 42)]


def test_similar_takes_the_nearest_articles_for_each_article_the_nearest_last():
    storm, cricket = ids("similar", 3)
    assert set(storm) == {"storm", "twin", "flood"} and storm[0] == "flood"
    assert cricket[-1] == "cricket"
    assert ids("similar", 1) == [storm[-1:], ["cricket"]]


def test_diverse_shows_the_nearest_but_not_its_twin():
    storm, _ = ids("diverse", 2)
    assert storm[-1] == ids("similar", 1)[0][0]
    assert len({"storm", "twin"} & set(storm)) == 1 and "flood" in storm
    assert {"storm", "twin"} == set(ids("similar", 2)[0])


@pytest.mark.parametrize("selection", BY_ARTICLE)
def test_scores_are_those_of_bm25s_itself(selection):
    index = Index([row["article"] for row in TRAIN])
    engine = bm25.bm25s.BM25()
    engine.index([words(row["article"]) for row in TRAIN], show_progress=False)
    for query in (STORM_NEWS, CRICKET_NEWS):
        known = sorted({word for word in words(query["article"]) if word in engine.vocab_dict})
        (found,) = index.scores([query["article"]])
        assert found == pytest.approx(engine.get_scores(known), rel=1e-5)


def test_a_batch_of_queries_scores_as_each_alone(monkeypatch):
    train, test = pairs(30), pairs(9, start=100)
    alone = {selection: [ids(selection, 3, train, [article])[0] for article in test] for selection in BY_ARTICLE}
    monkeypatch.setattr(bm25, "QUERIES", 4)
    assert {selection: ids(selection, 3, train, test) for selection in BY_ARTICLE} == alone


@pytest.mark.parametrize("selection", BY_ARTICLE)
def test_any_number_of_shots_and_each_pair_once(selection):
    for number in range(1, len(TRAIN) + 1):
        for own in ids(selection, number):
            assert len(own) == len(set(own)) == number


def test_equally_near_articles_keep_the_order_of_train():
    train = [row(str(n), "The same words in another order." if n % 2 else "Another order in the same words.") for n in range(6)]
    assert ids("similar", 3, train, [row("test", "the words in order")]) == [["2", "1", "0"]]
    assert ids("similar", 2, train, [row("test", ""), row("test2", "unknown")]) == [["1", "0"]] * 2
    assert ids("diverse", 2, train, [row("test", "")]) == [["1", "0"]]


@pytest.mark.parametrize("selection", BY_ARTICLE)
def test_texts_without_words_are_no_error(selection):
    assert ids(selection, 1, [row("a", "..."), row("b", "")], [row("test", "?")]) == [["a"]]


@pytest.mark.parametrize(
    ("query", "near"),
    [("زلزلهٔ شدید در كرمان", "زلزله در کرمان رخ داد"), ("地震袭击日本东北", "日本发生地震"), ("МОСКВА: снег", "В Москва выпал снег")],
)
def test_nearness_is_found_in_any_script(query, near):
    others = [row("a", "بازی فوتبال در تهران"), row("b", "足球比赛"), row("c", "футбол вчера"), row("d", "Football yesterday")]
    assert ids("similar", 1, [*others, row("near", near)], [row("test", query)]) == [["near"]]


def test_words_are_compared_without_case_letter_variants_and_width():
    assert words("The ＢＢＣ's Straße, 3.5") == ["the", "bbc", "s", "strasse", "3", "5"]
    assert words("كتاب‌ها") == words("کتاب‌ها") == ["کتاب‌ها"]
    assert words("हिन्दी") == ["हिन्दी"]
    assert words("ไทย日本") == list("ไทย日本")


def test_short_takes_the_shortest_articles_whose_references_are_of_use():
    article = "This is an article of some words that goes on for a while and then it ends here for good"
    train = [
        row("long", article + " and more"),
        row("long2", article + " and even more"),
        row("empty", "Short.", ""),
        row("one word", article, "Storm."),
        row("copy", "Five words make this up.", "Five words make this up."),
        row("repeats", article, "no no no no no no no"),
        row("good", article),
    ]
    assert ids("short", 1, train) == [["good"]] * 2
    assert ids("short", 3, train) == [["good", "long", "long2"]] * 2
    with pytest.raises(InputError, match="asked for 4 of the selection short, train has 3"):
        ids("short", 4, train)


def test_random_draws_what_it_always_drew():
    train = pairs(50)
    order = list(range(50))
    random.Random(42).shuffle(order)
    assert ids("random", 5, train, pairs(2, start=90)) == [[train[place]["id"] for place in order[:5]]] * 2
    assert ids("random", 3, train, pairs(1, start=90)) == [["row25", "row23", "row19"]]


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("key", ["id", "article"])
def test_a_pair_that_stands_in_test_is_refused_whatever_the_article_it_is_shown_to(selection, key):
    train = [row(f"train{n}", f"The council of town {n} met again today to speak of roads and bridges and schools.") for n in range(3)]
    test = [row("test0", "Town 0."), row("test1", "Town 1.") | {key: train[1][key]}]
    number = 1 if selection in BY_ARTICLE else 3  # that of the second article only, or all
    with pytest.raises(InputError, match=f"the {key} .* stands in test as well"):
        refuse_seen([shot for own in choose(train, test, number, selection, 42) for shot in own], test, 0.8, 5)


def test_a_shot_that_is_nearly_a_test_article_is_refused():
    story = "A storm came over the coast at night, and the harbour of the old town was closed until the morning."
    train = [row("other", "Town 1."), row("copy", f"Updated: {story}")]
    test = [row("test0", "Town 0."), row("test1", story)]
    with pytest.raises(InputError, match="nearly the same as 'test1' of test.*summarization.near_duplicates"):
        refuse_seen(train, test, 0.8, 5)
    refuse_seen(train[:1], test, 0.8, 5)
    refuse_seen(train, test, 1, 5)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_more_shots_than_pairs_are_refused(selection):
    with pytest.raises(InputError, match="asked for 13, train has 12"):
        ids(selection, 13)
