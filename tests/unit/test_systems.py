"""What the configuration says of systems, variants and seeds."""

from lib import systems

CHAIN = {
    "lead3": {"kind": "lead"},
    "base": {"kind": "prompt", "model": "m"},
    "tuned": {"kind": "finetune", "model": "m"},
    "pruned": {"kind": "prune", "parent": "tuned"},
    "pruned_untuned": {"kind": "prune", "model": "m"},
    "retuned": {"kind": "finetune", "parent": "pruned"},
    "tuned_after": {"kind": "finetune", "parent": "pruned_untuned"},
    "prompted": {"kind": "prompt", "parent": "retuned", "precision": "nf4"},
}
NER = {
    "backbone": "b",
    "alignment": "first",
    "cleaning": {"one": True, "two": True},
    "training": {"learning_rate": 1},
    "train_languages": ["en"],
}


def test_whatever_descends_from_training_repeats_for_each_further_seed():
    repeated = systems.with_seeds(CHAIN, [43, 44])
    assert list(repeated)[: len(CHAIN)] == list(CHAIN)
    trained = ["tuned", "pruned", "retuned", "tuned_after", "prompted"]
    assert list(repeated)[len(CHAIN) :] == [f"{name}/seeds/{seed}" for seed in (43, 44) for name in trained]
    assert repeated["prompted/seeds/43"] == {"kind": "prompt", "parent": "retuned/seeds/43", "precision": "nf4"}
    assert list(systems.lineage(repeated, "retuned/seeds/44")) == ["retuned/seeds/44", "pruned/seeds/44", "tuned/seeds/44"]
    assert repeated["tuned_after/seeds/43"]["parent"] == "pruned_untuned", "what is not trained has no repetition"
    assert CHAIN["pruned"]["parent"] == "tuned"


def test_one_seed_repeats_nothing():
    assert systems.with_seeds(CHAIN, systems.extra_seeds({"seeds": [42]})) == CHAIN


def test_the_folder_of_a_seed():
    assert systems.split_seed(systems.seed_folder("ner/variants/x", 43)) == ("ner/variants/x", 43)
    assert systems.split_seed("ner") == ("ner", None)


def test_a_variant_overrides_single_keys():
    config = {"ner": NER | {"variants": {"x": {"cleaning": {"two": False}, "train_languages": ["fa"], "training": {"learning_rate": 2}}}}}
    assert systems.ner_folders(config) == {"ner": None, "ner/variants/x": "x"}
    own = systems.ner_settings(config, "x")
    assert own["cleaning"] == {"one": True, "two": False}
    assert (own["train_languages"], own["training"], own["alignment"]) == (["fa"], {"learning_rate": 2}, "first")
    assert systems.ner_settings(config, None)["cleaning"] == {"one": True, "two": True}
