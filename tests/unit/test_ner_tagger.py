"""The tagger: its loss, its files, the embedding rows that it trains, and memory that runs out."""

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from batches import Batches
from halved import Halved
from lib.alignment import IGNORED
from lib.embedding_rows import UsedRows
from lib.memory import with_batch_that_fits
from lib.program import InputError
from lib.tagger import Collator, XLMRobertaTagger, load_tagger, new_tagger, predict, token_losses
from lib.tagging import Encoder, tag_words
from tagged import make_backbone

LABELS = ["O", "B-PER", "I-PER", "B-DAT", "I-DAT"]
SILENT = torch.tensor([[False] * 5, [False, False, False, True, True]])


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("tagger") / "backbone")


@pytest.fixture
def tagger(backbone):
    torch.manual_seed(0)
    return new_tagger(backbone, LABELS, 0.1, outside=0.8)


@pytest.fixture(scope="module")
def tokenizer(backbone):
    return AutoTokenizer.from_pretrained(backbone)


def test_without_silent_labels_the_loss_is_cross_entropy():
    logits, labels = torch.randn(2, 4, 5), torch.tensor([[0, 1, IGNORED, 2], [IGNORED, 0, 3, 4]])
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    assert torch.allclose(token_losses(logits, labels).sum(), expected)
    assert torch.allclose(token_losses(logits, labels, SILENT[[0, 0]]).sum(), expected)


def test_an_o_allows_the_labels_that_its_source_never_tags():
    logits = torch.randn(2, 2, 5)
    labels = torch.tensor([[0, 1], [0, 1]])
    p = logits.softmax(-1)
    expected = [p[0, 0, 0], p[0, 1, 1], p[1, 0, [0, 3, 4]].sum(), p[1, 1, 1]]
    assert torch.allclose(token_losses(logits, labels, SILENT), -torch.tensor([value.log() for value in expected]), atol=1e-6)


def test_a_masked_negative_does_not_push_against_a_silent_label():
    logits = torch.zeros(1, 1, 5, requires_grad=True)
    token_losses(logits, torch.tensor([[0]]), SILENT[1:]).sum().backward()
    assert (logits.grad[0, 0, [0, 3, 4]] < 0).all()
    assert (logits.grad[0, 0, [1, 2]] > 0).all()


def test_the_head_starts_with_the_share_of_o(tagger):
    assert tagger.classifier.bias.softmax(0)[0].item() == pytest.approx(0.8)


def test_a_saved_tagger_loads_anywhere(tagger, tokenizer, tmp_path):
    tagger.eval()
    batch = tokenizer(["Ada sleeps"], return_tensors="pt")
    before = tagger(**batch).logits
    tagger.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).id2label == dict(enumerate(LABELS))
    assert torch.equal(load_tagger(tmp_path)(**batch).logits, before)
    assert torch.allclose(AutoModelForTokenClassification.from_pretrained(tmp_path).eval()(**batch).logits, before, atol=1e-6)


def test_a_folder_without_all_weights_is_refused(tagger, backbone, tmp_path):
    with pytest.raises(InputError, match="its safetensors lack classifier"):
        load_tagger(backbone)
    tagger.config.num_hidden_layers = 3
    tagger.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="its safetensors lack roberta.encoder.layer.2"):
        new_tagger(tmp_path, LABELS, 0.1, outside=0.8)


def windows(tokenizer, sentences):
    return list(Encoder(tokenizer, 64).words([sentence.split() for sentence in sentences]))


def test_predictions_keep_the_order_and_do_not_depend_on_the_batch(tagger, tokenizer):
    tagger.train()
    encoded = windows(tokenizer, ["one", "a much longer sentence than that", "two words", "three more words"])
    collator = Collator(tokenizer.pad_token_id)
    alone, together = (predict(tagger, encoded, collator, size, "fp32") for size in (1, 4))
    for one, other in zip(alone, together, strict=True):
        assert one[0].tolist() == other[0].tolist()
        assert np.allclose(one[1], other[1], atol=1e-5)
    assert [len(ids) for ids, _, _ in alone] == [1, 6, 2, 3]
    assert tagger.training


def test_memory_that_runs_out_in_tagging_halves_its_own_batch(no_collection, tagger, tokenizer, monkeypatch):
    encoded = windows(tokenizer, [f"word {number}" for number in range(9)])
    expected = predict(tagger, encoded, Collator(tokenizer.pad_token_id), 8, "fp32")
    sizes, forward = [], XLMRobertaTagger.forward

    def small(self, input_ids, *rest, **options):
        sizes.append(len(input_ids))
        if len(input_ids) > 3:
            out_of_memory()
        return forward(self, input_ids, *rest, **options)

    monkeypatch.setattr(XLMRobertaTagger, "forward", small)
    found = predict(tagger, encoded, Collator(tokenizer.pad_token_id), 8, "fp32")
    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    for one, other in zip(found, expected, strict=True):
        assert (one[0] == other[0]).all()
        assert one[1] == pytest.approx(other[1], abs=1e-5)
    monkeypatch.setattr(XLMRobertaTagger, "forward", out_of_memory)
    with pytest.raises(InputError, match="memory ran out with 1 sentence to tag"):
        predict(tagger, encoded, Collator(tokenizer.pad_token_id), 8, "fp32")


def test_every_word_gets_a_tag_even_in_a_sentence_of_many_windows(tagger, tokenizer):
    sentence = [*("word" for _ in range(50)), "\u200b", "end"]
    encoded = list(Encoder(tokenizer, 16).words([sentence, ["short"]]))
    assert len(encoded) > 2
    tags, scores, losses = tag_words(tagger, encoded, 2, Collator(tokenizer.pad_token_id), 4, "fp32")
    assert [len(each) for each in tags] == [len(each) for each in scores] == [52, 1]
    assert losses.tolist() == [0, 0]
    assert all(0 < score <= 1 for each in scores for score in each)


def test_the_losses_of_a_sentence_are_those_of_all_its_windows(tagger, tokenizer):
    encoded = [
        window | {"labels": [IGNORED, *[1] * (len(window["input_ids"]) - 2), IGNORED], "source": 0}
        for window in Encoder(tokenizer, 16).words([["word"] * 50, ["short"], ["two", "words"]])
    ]
    collator = Collator(tokenizer.pad_token_id, SILENT)
    losses = tag_words(tagger, encoded, 3, collator, 2, "fp32")[2]
    for number in range(3):
        alone = [window for window in encoded if window["sentence"] == number]
        assert losses[number] == pytest.approx(sum(loss for _, _, loss in predict(tagger, alone, collator, 1, "fp32")), rel=1e-5)
    assert losses[0] > losses[2] > losses[1] > 0


def test_batches_share_the_weights_turned_to_bf16(tagger, tokenizer):
    encoded = list(Encoder(tokenizer, 16).words([["word"], ["two", "words"], ["and", "three", "words"]]))
    with Halved(tagger) as halved:
        predict(tagger, encoded, Collator(tokenizer.pad_token_id), 1, "bf16")
    assert set(halved.counts.values()) == {1}


# ------------------------------------------------------------------ embedding rows


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_training_the_used_rows_gives_what_training_all_gives(backbone, tokenizer, decay):
    """In all rows in use; the others stay as they were, where training them all lets AdamW decay them."""
    encoded = [
        window | {"labels": [IGNORED, *[1] * (len(window["input_ids"]) - 2), IGNORED], "source": 0}
        for window in windows(tokenizer, ["Ada sleeps", "Bob walks home"])
    ]
    used = {number for window in encoded for number in window["input_ids"]}
    results = {}
    for mode in ("all", "used"):
        torch.manual_seed(0)
        model = new_tagger(backbone, LABELS, 0.0, outside=0.8)
        start = model.get_input_embeddings().weight.detach().clone()
        rows = UsedRows(model, used, tokenizer.all_special_ids, tokenizer.unk_token_id) if mode == "used" else None
        if rows:
            assert model.get_input_embeddings().num_embeddings < len(start)
        collator = Collator(tokenizer.pad_token_id, SILENT, rows.rows if rows else None)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=decay)
        for _ in range(3):
            model(**collator(encoded)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        if rows:
            rows.restore(model)
        results[mode] = {name: value.clone() for name, value in model.state_dict().items()}
    assert results["all"].keys() == results["used"].keys()
    table = "roberta.embeddings.word_embeddings.weight"
    rows = torch.tensor(sorted(used))
    absent = torch.tensor([row for row in range(len(start)) if row not in used])
    for name, value in results["all"].items():
        chosen = rows if name == table else slice(None)
        assert torch.allclose(value[chosen], results["used"][name][chosen], atol=1e-5), name
    trained = (results["used"][table] != start).any(1).nonzero().flatten().tolist()
    assert used <= set(trained) <= (used | set(tokenizer.all_special_ids) if decay else used)
    assert torch.allclose(results["all"][table][absent], start[absent] * (1 - 1e-2 * decay) ** 3, atol=1e-6)


# ------------------------------------------------------------------ memory


@pytest.fixture
def no_collection(monkeypatch):
    """Spare the garbage collection of everything that other tests left behind."""
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda **_: None)
    monkeypatch.setattr("lib.tagger.clear_device_cache", lambda **_: None)


def out_of_memory(*_):
    raise RuntimeError("CUDA out of memory. Tried to allocate more than there is.")


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "fits", "expected"),
    [(24, 1, 6, [24, 12, 6]), (24, 2, 3, [24, 12, 6, 3]), (9, 1, 1, [9, 3, 1]), (24, 1, 24, [24])],
)
def test_the_effective_batch_stays_when_memory_runs_out(no_collection, batch_size, accumulation, fits, expected):
    def train(size, steps):
        assert size * steps == batch_size * accumulation
        return "trained" if size <= fits else out_of_memory()

    assert with_batch_that_fits(train, batch_size, accumulation, Batches()) == ("trained", expected)


def test_a_training_that_was_killed_begins_with_the_batch_that_it_had_found(no_collection):
    batches = Batches(24, 12)
    assert with_batch_that_fits(lambda size, steps: (size, steps), 24, 1, batches) == ((6, 4), [24, 12, 6])
    with pytest.raises(InputError):
        with_batch_that_fits(out_of_memory, 24, 1, batches)
    assert batches.kept == [24, 12, 6, 3], "all that something smaller was tried after"


def test_a_batch_of_one_that_does_not_fit_is_refused(no_collection):
    with pytest.raises(InputError, match="memory ran out with 1 sentence in a batch"):
        with_batch_that_fits(out_of_memory, 4, 1, Batches())
    with pytest.raises(InputError, match="memory ran out with 3 sentences in a batch"):
        with_batch_that_fits(out_of_memory, 12, 1, Batches(), multiple_of=3)


def test_other_errors_are_not_taken_for_memory(no_collection):
    def fails(size, steps):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        with_batch_that_fits(fails, 4, 1, Batches())
