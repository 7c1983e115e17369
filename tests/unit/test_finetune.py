"""Fine-tuning: what a training row is, what the loss is computed on, what is written, and zeros that stay zero."""

import json
import subprocess
import sys
import weakref

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, TrainerState
from trl import SFTConfig, SFTTrainer

import finetune
from batches import Batches
from halved import Halved
from lib import sft
from lib.best_weights import BestWeights
from lib.completions import completion_losses, training_rows
from lib.device import resolve_precision
from lib.master_weights import rounded, spread
from lib.memory import with_batch_that_fits
from lib.model_folder import load_model
from lib.packing import IGNORED, Collator, padded
from lib.program import InputError
from lib.prompting import load_template, ready_tokenizer
from lib.records import read_json, read_jsonl
from lib.sft import CompletionTrainer
from lib.zeros import KeepZeros
from tuning import TEMPLATE, TRAINING, cut, linear, make_start, pairs, tune, weights

CHAT = TEMPLATE.with_name("chat.yaml")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start")


@pytest.fixture(scope="module")
def tuned(start):
    return tune(start, start.parent / "tuned")


@pytest.fixture(scope="module")
def pruned(tuned):
    return cut(tuned, tuned.parents[1] / "pruned")


# ------------------------------------------------------------------ training rows


@pytest.mark.parametrize("file", [TEMPLATE, CHAT])
def test_a_training_row_is_the_prompt_of_generation_followed_by_the_completion(start, file):
    template, tokenizer = load_template(file), ready_tokenizer(start)
    (row,), shortened = training_rows(tokenizer, template, pairs(1), 1000, "train")
    prompt = template.prompt(tokenizer, pairs(1)[0]["article"])
    ids = template.token_ids(tokenizer, prompt)
    assert row["input_ids"][: len(ids)] == ids
    assert tokenizer.decode(row["input_ids"]).removeprefix(tokenizer.bos_token) == prompt.removeprefix(
        tokenizer.bos_token
    ) + template.completion(tokenizer, pairs(1)[0]["reference"])
    assert row["labels"] == [IGNORED] * len(ids) + row["input_ids"][len(ids) :]
    assert row["labels"][-1] in template.end_ids(tokenizer, start)  # the model learns to stop
    assert shortened == 0


@pytest.mark.parametrize("file", [TEMPLATE, CHAT])
def test_the_article_gives_way_and_the_reference_never(start, file):
    template, tokenizer = load_template(file), ready_tokenizer(start)
    rows = pairs(4, article="A long article. " * 50) + pairs(1, article="Short.")
    empty = len(template.token_ids(tokenizer, template.prompt(tokenizer, "")))
    completions = [template.completion_ids(tokenizer, row["reference"]) for row in rows]
    for room in (3, 7, 60, 200):  # "Short." takes six of these
        limit = empty + len(completions[0]) + room
        made, shortened = training_rows(tokenizer, template, rows, limit, "train")
        assert shortened == 4 + (room < 6)
        for row, completion in zip(made, completions, strict=True):
            assert len(row["input_ids"]) <= limit
            assert row["input_ids"][-len(completion) :] == completion
            assert [label for label in row["labels"] if label != IGNORED] == completion


def test_a_pair_that_does_not_fit_without_its_article_names_max_length(start):
    template, tokenizer = load_template(TEMPLATE), ready_tokenizer(start)
    with pytest.raises(InputError, match=r"max_length 30: row row0 of train.parquet takes .*never cut"):
        training_rows(tokenizer, template, pairs(2), 30, "train.parquet")


@pytest.mark.parametrize("part", ["article", "reference"])
def test_an_empty_text_is_refused(start, part):
    with pytest.raises(InputError, match=f"train.parquet: row row1 has an empty {part}"):
        rows = [*pairs(1), {**pairs(2)[1], part: " \n"}]
        training_rows(ready_tokenizer(start), load_template(TEMPLATE), rows, 500, "train.parquet")


# ------------------------------------------------------------------ the loss


def trainers(start, tmp_path, kind, rows, **changes):
    arguments = {"per_device_train_batch_size": 3, "per_device_eval_batch_size": 2, "bf16": False, "use_cpu": True, "report_to": "none"}
    arguments |= {"dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None, "disable_tqdm": True}
    tokenizer = ready_tokenizer(start)
    return kind(
        model=AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32),
        args=SFTConfig(output_dir=str(tmp_path), **{**arguments, **changes}),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )


def test_the_loss_is_that_of_the_completions_and_equals_trls(start, tmp_path):
    template, tokenizer = load_template(TEMPLATE), ready_tokenizer(start)
    rows, _ = training_rows(
        tokenizer, template, pairs(2) + pairs(1, reference="Much, much longer than the others are.", article="Brief."), 500, "train"
    )
    ours, trls = trainers(start, tmp_path, CompletionTrainer, rows), trainers(start, tmp_path, SFTTrainer, rows)
    batch = ours.data_collator(rows)
    count = torch.tensor(77)  # tokens of all batches that one step accumulates
    for number in (None, count):
        losses = [trainer.compute_loss(trainer.model.train(), dict(batch), num_items_in_batch=number) for trainer in (ours, trls)]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    for loss in losses:
        loss.backward()
    for mine, theirs in zip(ours.model.parameters(), trls.model.parameters(), strict=True):
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-4, atol=1e-7)

    by_hand, tokens = 0.0, 0
    for row in rows:
        logits = ours.model.eval()(torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        first = row["labels"].index(next(label for label in row["labels"] if label != IGNORED))
        by_hand -= sum(logits[place - 1, row["input_ids"][place]].item() for place in range(first, len(row["input_ids"])))
        tokens += len(row["input_ids"]) - first
    assert ours.evaluate()["eval_loss"] == pytest.approx(by_hand / tokens, rel=1e-5)  # whatever batches the rows fell into


@pytest.mark.parametrize("packing", [False, True])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(start, tmp_path, monkeypatch, packing):
    template, tokenizer = load_template(TEMPLATE), ready_tokenizer(start)
    texts = [pairs(1, article=f"{'The council met. ' * number}", reference=f"{'It met. ' * number}")[0] for number in (5, 1, 3, 2)]
    rows, _ = training_rows(tokenizer, template, texts, 500, "train")
    trainer = trainers(start, tmp_path, CompletionTrainer, rows)
    trainer.create_optimizer()
    batch = Collator(tokenizer.pad_token_id, packing, 2 * len(rows[0]["input_ids"]))(rows)
    count = (batch["labels"] != IGNORED).sum()
    passes, losses, gradients = [], [], []
    trainer.model.register_forward_pre_hook(lambda _, args, kwargs: passes.append(kwargs["input_ids"].shape), with_kwargs=True)
    for tokens in (10**6, 1):
        monkeypatch.setattr(sft, "AT_ONCE", tokens)
        trainer.model.zero_grad()
        losses.append(trainer.training_step(trainer.model, dict(batch), num_items_in_batch=count).item())
        gradients.append([weight.grad.clone() for weight in trainer.model.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for whole, added in zip(*gradients, strict=True):
        assert torch.allclose(whole, added, rtol=1e-4, atol=1e-7)
    lengths = [len(sequence) for sequence in batch["input_ids"]] if packing else [len(row["input_ids"]) for row in rows]
    assert passes == [batch["input_ids"].shape, *((1, length) for length in lengths)]
    assert trainer.sequences == 2 * len(lengths)


def test_the_parts_of_a_step_and_the_batches_of_an_evaluation_share_the_weights_turned_to_bf16(start, tmp_path, monkeypatch):
    monkeypatch.setattr(sft, "AT_ONCE", 1)
    rows, _ = training_rows(ready_tokenizer(start), load_template(TEMPLATE), pairs(3), 500, "train")
    trainer = trainers(start, tmp_path, CompletionTrainer, rows, bf16=True)
    trainer.create_optimizer()
    model, gradients = trainer.accelerator.prepare(trainer.model), []
    batch = padded(rows, 0)
    count = (batch["labels"] != IGNORED).sum()
    for parts in ([batch], sft.parts_of(batch)):
        with Halved(model) as halved:
            for part in parts:
                trainer.training_step(model, part, num_items_in_batch=count)
        assert set(halved.counts.values()) == {len(parts)}
        gradients.append([weight.grad.clone() for weight in model.parameters()])
        model.zero_grad()
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    for number, weight in enumerate(model.parameters()):
        weight.requires_grad_(number == 0)  # as with adapters: autocast keeps no frozen weight of its own
    with Halved(model) as halved:
        trainer.evaluate()
    assert set(halved.counts.values()) == {1}
    assert [weight.requires_grad for weight in model.parameters()] == [True, *[False] * (len(gradients[0]) - 1)]


def test_a_table_that_is_the_head_as_well_has_the_gradients_of_both(start, tmp_path):
    rows, _ = training_rows(ready_tokenizer(start), load_template(TEMPLATE), pairs(3), 500, "train")
    trainer = trainers(start, tmp_path, CompletionTrainer, rows)
    table, gradients = trainer.model.get_input_embeddings(), []
    assert table.sparse and table.weight is trainer.model.get_output_embeddings().weight
    for sparse in (True, False):
        table.sparse = sparse
        for _ in range(2):  # the second adds to the first
            trainer.compute_loss(trainer.model, padded(rows, 0)).backward()
        gradients.append(table.weight.grad)
        trainer.model.zero_grad()
    assert not gradients[0].is_sparse
    assert torch.allclose(*gradients, rtol=1e-5, atol=1e-8)


def test_a_table_of_its_own_has_a_dense_gradient(start, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(start, tie_word_embeddings=False)
    model.set_output_embeddings(torch.nn.Linear(model.config.hidden_size, model.config.vocab_size, bias=False))
    tokenizer = ready_tokenizer(start)
    rows, _ = training_rows(tokenizer, load_template(TEMPLATE), pairs(1), 500, "train")
    data, args = Dataset.from_list(rows), SFTConfig(output_dir=str(tmp_path), dataset_kwargs={"skip_prepare_dataset": True}, use_cpu=True)
    trainer = CompletionTrainer(model=model, args=args, train_dataset=data, eval_dataset=data, processing_class=tokenizer)
    assert not trainer.model.get_input_embeddings().sparse


@pytest.mark.parametrize(("tokens", "sizes"), [(1, [1, 1, 1, 1]), (20, [2, 2]), (39, [3, 1]), (40, [4])])
def test_parts_of_a_batch_hold_so_many_tokens_and_no_padding_of_others(tokens, sizes, monkeypatch):
    monkeypatch.setattr(sft, "AT_ONCE", tokens)
    rows = [{"input_ids": list(range(1, length + 1)), "labels": [IGNORED] * length} for length in (10, 4, 7, 3)]
    parts = sft.parts_of(padded(rows, 0))
    assert [len(part["labels"]) for part in parts] == sizes
    for part in parts:
        assert int(part["attention_mask"].sum(dim=1).max()) == part["input_ids"].shape[1] == part["labels"].shape[1]
    found = [ids[mask == 1].tolist() for part in parts for ids, mask in zip(part["input_ids"], part["attention_mask"], strict=True)]
    assert found == [row["input_ids"] for row in rows]


# ------------------------------------------------------------------ the script


def test_the_loss_falls_and_the_log_tells(tuned):
    log, summary = read_jsonl(tuned.parent / "training_log.jsonl"), read_json(tuned.parent / "training.json")
    steps = [row for row in log if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 10))
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.5
    assert all(set(row) == {"step", "epoch", "loss", "learning_rate", "seconds"} for row in steps)
    checks = [row for row in log if "validation_loss" in row]
    assert [row["step"] for row in checks] == [0, 3, 6, 9]
    losses = summary["validation_loss"]
    assert (losses["before"], losses["best"]) == (checks[0]["validation_loss"], checks[-1]["validation_loss"])
    assert losses["after"] == losses["best"]
    assert summary["best_step"] == 9
    assert checks[-1]["validation_loss"] < checks[0]["validation_loss"] - 0.5
    assert (summary["rows"], summary["steps"], summary["effective_batch"], summary["precision"]) == (12, 9, 4, "fp32")
    assert summary["longest"] <= summary["max_length"] <= TRAINING["max_length"]


def test_the_model_is_stored_like_its_start_and_names_no_place(start, tuned):
    assert {tensor.dtype for tensor in weights(tuned).values()} == {torch.bfloat16}
    assert set(weights(tuned)) == set(weights(start))
    assert "do_sample" not in read_json(tuned / "generation_config.json")
    for path in tuned.parent.rglob("*.*"):
        assert str(start.parent).encode() not in path.read_bytes(), f"{path.name} holds a path of this machine"


def test_a_pruned_model_tuned_again_generates_the_same_in_a_fresh_process_as_before_it_was_saved(pruned, tmp_path, monkeypatch):
    """transformers alone reads the folder there."""
    said, save_model = {}, finetune.save_model

    def generated(model, tokenizer):
        return model.float().generate(**tokenizer("The council", return_tensors="pt"), max_new_tokens=20, do_sample=False).tolist()

    def watched(folder, model, tokenizer, *others):
        save_model(folder, model, tokenizer, *others)
        said["before"] = generated(model.eval(), tokenizer)

    monkeypatch.setattr(finetune, "save_model", watched)
    retuned = tune(pruned, tmp_path / "retuned", keep_zeros=True)
    code = (
        "import sys, torch; from transformers import AutoModelForCausalLM as M, AutoTokenizer as T;"
        "m = M.from_pretrained(sys.argv[1], dtype=torch.float32); t = T.from_pretrained(sys.argv[1]);"
        "print(m.generate(**t('The council', return_tensors='pt'), max_new_tokens=20, do_sample=False).tolist())"
    )
    fresh = subprocess.run([sys.executable, "-c", code, retuned], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert json.loads(fresh) == said["before"]
    assert len(set(said["before"][0])) > 3, "a model that repeats itself would hide a difference"


def test_the_weights_of_the_lowest_validation_loss_are_stored(start, tmp_path, monkeypatch):
    """Three epochs of three steps of which the first did best store what one epoch stores."""
    one = tune(start, tmp_path / "one", num_train_epochs=1, lr_scheduler_type="constant")
    losses = iter([9.0, 2.0, 3.0, 2.0])  # before, after steps 3, 6, 9; equal to the best is not better
    monkeypatch.setattr(CompletionTrainer, "validation_loss", lambda self, model: next(losses))
    three = tune(start, tmp_path / "three", lr_scheduler_type="constant")
    for name, tensor in weights(one).items():
        assert torch.equal(weights(three)[name], tensor), name
    summary = read_json(tmp_path / "three" / "training.json")
    assert (summary["best_step"], summary["steps"]) == (3, 9)
    assert summary["validation_loss"] == {"before": 9.0, "best": 2.0, "after": 2.0}
    assert "after step 3" in (three / "README.md").read_text()


def test_rounded_weights_are_those_of_the_file_and_give_way_to_the_masters(start):
    model = load_model(start, torch.float32)
    spread(model, torch.bfloat16, seed=1)
    before, stored = (dict(load_model(start, dtype).named_parameters()) for dtype in (torch.float32, torch.bfloat16))
    masters = {name: weight.clone() for name, weight in model.named_parameters()}
    assert not torch.equal(masters["model.norm.weight"], before["model.norm.weight"])
    with pytest.raises(KeyboardInterrupt), rounded(model, torch.bfloat16):
        for name, weight in model.named_parameters():
            assert (weight.dtype, weight.requires_grad) == (torch.float32, True)
            assert torch.equal(weight, stored[name].float()), name
        raise KeyboardInterrupt
    assert all(torch.equal(weight, masters[name]) for name, weight in model.named_parameters())


def test_what_autocast_rounds_need_not_be_rounded_before(start, tmp_path):
    rows, _ = training_rows(ready_tokenizer(start), load_template(TEMPLATE), pairs(3), 500, "train")
    trainer = trainers(start, tmp_path, CompletionTrainer, rows, bf16=True)
    spread(trainer.model, torch.bfloat16, seed=1)
    masters = trainer.validation_loss(trainer.model)
    trainer.stored = torch.bfloat16
    found = trainer.evaluate()["eval_loss"]
    with rounded(trainer.model, torch.bfloat16):
        assert found == trainer.validation_loss(trainer.model) != masters
    with rounded(trainer.model, torch.bfloat16, autocast=True):
        changed = [name for name, weight in trainer.model.named_parameters() if torch.equal(weight, weight.to(torch.bfloat16).float())]
    assert {name.split(".")[-2] for name in changed} == {"embed_tokens", "input_layernorm", "post_attention_layernorm", "norm"}


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_what_is_trained_on_does_not_change_the_weights_that_were_kept(dtype):
    layer = torch.nn.Linear(4, 4)
    best, before = BestWeights(layer, dtype), layer.weight.detach().to(dtype).float()
    best.on_evaluate(None, TrainerState(global_step=3), None, {"eval_loss": 1.0})
    layer.weight.data += 1
    best.restore()
    assert torch.equal(layer.weight, before)


def test_the_start_is_not_kept_even_if_it_did_best(start, tmp_path, monkeypatch):
    losses = iter([1.0, 2.0])
    monkeypatch.setattr(CompletionTrainer, "validation_loss", lambda self, model: next(losses))
    assert not torch.equal(*(weights(folder)["model.norm.weight"] for folder in (start, tune(start, tmp_path, num_train_epochs=1))))
    assert read_json(tmp_path / "training.json")["best_step"] == 3


def test_a_loss_that_is_no_number_is_one_line(start, tmp_path, monkeypatch):
    monkeypatch.setattr(CompletionTrainer, "validation_loss", lambda self, model: float("nan"))
    with pytest.raises(SystemExit, match="^error: training: the validation loss was no number .* lower learning_rate"):
        tune(start, tmp_path, num_train_epochs=1)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("changes", [{}, {"lora": {"r": 2, "alpha": 4, "dropout": 0.0, "targets": ["q_proj", "v_proj"]}}])
def test_the_loss_after_is_that_of_the_stored_model(start, tmp_path, changes):
    tuned = tune(start, tmp_path, num_train_epochs=1, **changes)
    template, tokenizer = load_template(TEMPLATE), ready_tokenizer(tuned)
    rows, _ = training_rows(tokenizer, template, pairs(3), 500, "validation")
    total, tokens = completion_losses(load_model(tuned, torch.float32), rows, 2, tokenizer.pad_token_id, "fp32").sum(dim=0).tolist()
    assert read_json(tmp_path / "training.json")["validation_loss"]["after"] == pytest.approx(total / tokens, rel=1e-6)


def test_training_again_gives_the_same_bytes(start, tuned, tmp_path):
    again = tune(start, tmp_path)
    for path in tuned.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    assert (tuned.parent / "training.json").read_bytes() == (tmp_path / "training.json").read_bytes()


def test_long_articles_are_counted_and_limited_by_the_percentile(start, tmp_path):
    long = pairs(3, article="Words and words. " * 40)
    tune(start, tmp_path, train=pairs(5) + long, validation=pairs(2), num_train_epochs=1, max_length=4000)
    summary = read_json(tmp_path / "training.json")
    assert summary["truncated"] == {"train": 3, "validation": 0}
    assert summary["longest"] <= summary["max_length"] < 250  # 150 tokens is the percentile, the prompt and the reference come on top


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_master_weights_are_fp32_in_any_precision(start, tmp_path, precision, monkeypatch):
    seen, compute_loss = set(), CompletionTrainer.compute_loss

    def watched(self, model, *args, **options):
        seen.update(parameter.dtype for parameter in model.parameters())
        return compute_loss(self, model, *args, **options)

    monkeypatch.setattr(CompletionTrainer, "compute_loss", watched)
    tune(start, tmp_path, num_train_epochs=1, precision=precision)
    assert seen == {torch.float32}


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp16"), ((8, 0), "bf16")])
def test_a_gpu_without_bf16_is_given_fp16_autocast_over_fp32_weights(monkeypatch, tmp_path, capability, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert resolve_precision("auto") == precision
    monkeypatch.undo()
    config = finetune.sft_config(TRAINING, precision, 1, str(tmp_path), 1, 1)
    assert (config.fp16, config.bf16) == (precision == "fp16", precision == "bf16")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_spread_weights_round_to_what_they_were_and_lose_no_small_step_on_average(dtype):
    layer = torch.nn.Linear(400, 500)
    layer.weight.data[:, :40] = 0
    layer.to(dtype).float()
    before = layer.weight.detach().clone()
    step = torch.ldexp(torch.full_like(before, torch.finfo(dtype).eps), torch.frexp(before).exponent - 1) / 10 * (before != 0)
    assert torch.equal((before + step).to(dtype).float(), before)  # what would happen: a tenth of a step is rounded away
    spread(layer, dtype, seed=1)
    assert torch.equal(layer.weight.to(dtype).float(), before)
    assert torch.equal(layer.weight == 0, before == 0)
    taken = ((layer.weight + step).to(dtype).float() - before) / step.clamp(min=1e-12)
    assert taken[:, 40:].mean().item() == pytest.approx(1, abs=0.05)


def test_when_memory_runs_out_the_batch_shrinks_and_the_effective_batch_stays(start, tmp_path, monkeypatch):
    compute_loss = CompletionTrainer.compute_loss

    def greedy(self, model, inputs, **options):
        if model.training and len(inputs["input_ids"]) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return compute_loss(self, model, inputs, **options)

    monkeypatch.setattr(CompletionTrainer, "compute_loss", greedy)
    tune(start, tmp_path, num_train_epochs=1)
    summary = read_json(tmp_path / "training.json")
    assert (summary["batch_size"], summary["effective_batch"], summary["steps"], summary["out_of_memory"]) == (2, 4, 3, [4])


def test_an_attempt_that_ran_out_of_memory_leaves_nothing_behind():
    left = []

    class Trainer:
        def __init__(self):
            self.callback = self  # as a trainer's callbacks do

    def train(size, accumulation):
        assert [trainer() for trainer in left] == [None] * len(left)
        trainer = Trainer()
        left.append(weakref.ref(trainer))
        if size > 2:
            raise RuntimeError("CUDA out of memory.")
        return accumulation

    assert with_batch_that_fits(train, 8, 1, Batches()) == (4, [8, 4, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rte": 1}, "--training: unknown key learning_rte; expected eval_steps"),
        ({"lr_scheduler_type": "sideways"}, "--training: .*sideways"),
        ({"max_length": 20}, "max_length 20"),
        ({"precision": "fp16"}, "precision fp16"),
        ({"lora": {"r": 2, "alpha": 4, "dropout": 0, "targets": ["lm_head"]}}, "training.lora.targets: found 'lm_head'"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(start, tmp_path, changes, message):
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        tune(start, tmp_path, **changes)
    assert not [path for path in tmp_path.iterdir() if path.name not in ("lengths.json", "train.parquet", "validation.parquet")]


def test_a_missing_argument_is_named():
    training = {key: value for key, value in TRAINING.items() if key != "weight_decay"}
    with pytest.raises(InputError, match="weight_decay is missing"):
        finetune.checked(training)


def test_a_model_that_is_quantized_or_not_whole_is_refused(start, tmp_path):
    from shutil import copytree

    from safetensors.torch import save_file

    broken = copytree(start, tmp_path / "broken")
    save_file({name: tensor for name, tensor in weights(start).items() if "q_proj" not in name}, broken / "model.safetensors")
    with pytest.raises(SystemExit, match="broken: its safetensors lack model.layers.0.self_attn.q_proj.weight"):
        tune(broken, tmp_path / "out")
    (broken / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(SystemExit, match="broken: no causal language model that can be read"):
        tune(broken, tmp_path / "out")
    quantized = copytree(start, tmp_path / "quantized")
    config = read_json(quantized / "config.json")
    (quantized / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes"}}))
    with pytest.raises(SystemExit, match="quantized: the model is quantized"):
        tune(quantized, tmp_path / "out")


# ------------------------------------------------------------------ zeros


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_zeros_stay_zero_and_the_rest_is_trained(pruned, tmp_path, precision):
    retuned = tune(pruned, tmp_path, keep_zeros=True, precision=precision)
    before, after = linear(pruned), linear(retuned)
    for name, tensor in before.items():
        assert torch.equal(after[name] == 0, tensor == 0), name
        assert not torch.equal(after[name], tensor), name
    assert read_json(tmp_path / "training.json")["zeros_kept"] == sum(int((tensor == 0).sum()) for tensor in before.values())


def test_without_the_mask_the_zeros_would_be_lost(pruned, tmp_path):
    retuned = tune(pruned, tmp_path, keep_zeros=False, num_train_epochs=1)
    zeros = [sum(int((tensor == 0).sum()) for tensor in linear(folder).values()) for folder in (pruned, retuned)]
    assert zeros[1] < zeros[0] / 10


def test_keeping_zeros_of_a_dense_model_is_refused(start, tmp_path):
    with pytest.raises(SystemExit, match="--keep-zeros: no weight"):
        tune(start, tmp_path, keep_zeros=True)


OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.5),
    "fused adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.5, fused=True),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=1e-2, momentum=0.9, weight_decay=0.1),
    "adafactor": lambda parameters: torch.optim.Adafactor(parameters, lr=1e-2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("scaled", [False, True])
def test_zeros_survive_any_optimizer_with_momentum_from_before_and_gradients_that_overflow(pruned, name, scaled):
    model = AutoModelForCausalLM.from_pretrained(pruned, dtype=torch.float32)
    optimizer, batch = OPTIMIZERS[name](model.parameters()), torch.arange(40).view(2, 20)
    scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=2.0**30, backoff_factor=2.0**-8)

    def step():
        with torch.autocast("cpu", dtype=torch.float16, enabled=scaled):
            loss = model(batch, labels=batch).loss
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    masks = {name: tensor == 0 for name, tensor in linear(pruned).items()}
    parameters = dict(model.named_parameters())
    saved = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    for _ in range(3):
        step()  # without a mask: the optimizer now has momentum in every weight
    for name, parameter in parameters.items():
        parameter.data.copy_(saved[name])
    zeros = KeepZeros(model)
    assert zeros.count() == sum(int(mask.sum()) for mask in masks.values())
    for _ in range(4):
        step()
        zeros.on_optimizer_step(None, None, None)
        zeros.check()
    assert all(bool((parameters[name][mask] == 0).all()) for name, mask in masks.items())
    assert any(not torch.equal(parameters[name], saved[name]) for name in masks)


def moving_everything(monkeypatch):
    """Let the optimizer of the training move every weight, whatever its gradient."""
    step = torch.optim.AdamW.step

    def moved(self, *args, **options):
        step(self, *args, **options)
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data += 1e-3

    monkeypatch.setattr(torch.optim.AdamW, "step", moved)


def test_zeros_survive_a_training_whose_optimizer_moves_every_weight(pruned, tmp_path, monkeypatch):
    moving_everything(monkeypatch)
    retuned = tune(pruned, tmp_path, keep_zeros=True, num_train_epochs=1)
    assert all(torch.equal(linear(retuned)[name] == 0, tensor == 0) for name, tensor in linear(pruned).items())


def test_zeros_lost_in_training_are_never_stored(pruned, tmp_path, monkeypatch):
    moving_everything(monkeypatch)
    monkeypatch.setattr(KeepZeros, "restore", lambda self: None)
    with pytest.raises(RuntimeError, match="zeros were lost in training"):
        tune(pruned, tmp_path, keep_zeros=True, num_train_epochs=1)
    assert not (tmp_path / "model").exists()


def test_zeros_lost_after_training_are_never_stored(pruned, tmp_path, monkeypatch):
    """Where the best weights are put back, say."""
    monkeypatch.setattr(BestWeights, "restore", lambda self: [weight.data.add_(1e-3) for weight in self.weights.values()])
    with pytest.raises(RuntimeError, match="zeros were lost in training"):
        tune(pruned, tmp_path, keep_zeros=True, num_train_epochs=1)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("check", ["check", "on_evaluate", "on_train_end"])
def test_a_lost_zero_is_noticed(pruned, check):
    model = AutoModelForCausalLM.from_pretrained(pruned, dtype=torch.float32)
    zeros = KeepZeros(model)
    weight = model.model.layers[1].mlp.up_proj.weight
    weight.data[tuple(map(int, (weight == 0).nonzero()[0]))] = 0.5
    with pytest.raises(RuntimeError, match=r"layers\.1\.mlp\.up_proj: 1 zeros were lost"):
        getattr(zeros, check)(*[None] * 3 * (check != "check"))


def test_masked_gradients_do_not_count_in_clipping(pruned):
    model = AutoModelForCausalLM.from_pretrained(pruned, dtype=torch.float32)
    KeepZeros(model)
    batch = torch.arange(40).view(2, 20)
    model(batch, labels=batch).loss.backward()
    for name, tensor in linear(pruned).items():
        assert bool((model.get_parameter(name).grad[tensor == 0] == 0).all())
