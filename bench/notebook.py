r"""The assignment as a competent student does it in a notebook: one stage of it a process, on the data that a run of Kargah has split.

    python bench/notebook.py STAGE --run results/bench-quarter --output FOLDER

STAGE    ner_training    a head on XLM-R with transformers' Trainer, scored with seqeval; tags of the test sentences
         zero_shot       the test articles, one at a time through generate, in 4 bits
         few_shot        the same with the run's own shots before each
         fine_tuning     trl's SFTTrainer; the tuned model
         scoring         rouge_score a pair, bert_score.score a system, of the summaries of all systems

reads    RUN             config.yaml, the splits, the shots; models from assets/
writes   FOLDER/made.json (fine_tuning: FOLDER/model as well)     what the stage made, to be compared with Kargah's

Data, models, epochs, batch sizes, rates, lengths and steps between evaluations are those of the run's config.yaml, but for two that a
student would not think of: one rate for the tagger's head and its backbone, and a loss that also counts types a data set does not
annotate. All else is as the libraries have it: fp32 and random batches padded to their longest for the tagger, SFTConfig's bf16 and
gradient checkpointing, the weights' dtype as stored, and no setting of the memory allocator. The 4-bit model computes in bf16, as
tutorials have it, and no reference is embedded twice on purpose: that is how bert_score.score works. On hardware without bf16, which
emulates it many times slower, weights and arithmetic are fp32, as a student would find out.
"""

import argparse
import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import bert_score
import numpy as np
import seqeval.metrics
import torch
import yaml
from datasets import Dataset, load_dataset
from rouge_score.rouge_scorer import RougeScorer
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    XLMRobertaModel,
    set_seed,
)
from trl import SFTConfig, SFTTrainer

ROOT = Path(__file__).resolve().parents[1]
IGNORED = -100
if torch.cuda.is_available():
    BF16 = torch.cuda.get_device_capability() >= (8, 0)
else:
    BF16 = "AMX" in torch.backends.cpu.get_cpu_capability() or torch.cpu._is_avx512_bf16_supported()
DTYPE = "auto" if BF16 else torch.float32  # of weights: as stored
OF_THE_RUN = ("num_train_epochs", "per_device_train_batch_size", "learning_rate", "warmup_steps", "eval_steps", "logging_steps")


def main():
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("stage", choices=STAGES)
    command.add_argument("--run", required=True, type=Path)
    command.add_argument("--output", required=True, type=Path)
    args = command.parse_args()
    config = yaml.safe_load((args.run / "config.yaml").read_text(encoding="utf-8"))
    args.output.mkdir(parents=True, exist_ok=True)
    made = STAGES[args.stage](config, args.run, args.output)
    (args.output / "made.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")


def model_folder(run, name):
    """The folder under assets/ of a model of the run, which keeps the folder's record."""
    files = read_json(run / f"assets/{name}.json")["files"]
    return next(path.with_suffix("") for path in (ROOT / "assets" / name).glob("*.json") if read_json(path)["files"] == files)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def training_arguments(config, training, *more):
    """What both trainers are told: the run's own values, of these keys and `more`, and to be quiet."""
    quiet = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "use_cpu": not torch.cuda.is_available()}
    return {key: training[key] for key in (*OF_THE_RUN, *more)} | quiet | {"eval_strategy": "steps", "seed": config["seed"]}


# ------------------------------------------------------------------ named entities


class Tagger(nn.Module):
    def __init__(self, backbone, labels):
        super().__init__()
        self.backbone = XLMRobertaModel.from_pretrained(backbone, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(self.backbone.config.hidden_size, labels)

    def forward(self, input_ids, attention_mask, labels=None):
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits = self.head(self.dropout(hidden))
        loss = None if labels is None else nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        return {"loss": loss, "logits": logits}


def ner_training(config, run, output):
    """{"predicted": tags of each test sentence, "sentences": number of sentences trained on, all epochs}."""
    settings, backbone = config["ner"], model_folder(run, config["ner"]["backbone"])
    data = load_dataset("parquet", data_files={split: str(run / f"ner/{split}.parquet") for split in ("train", "validation", "test")})
    labels = sorted({tag for split in data.values() for tags in split["ner_tags"] for tag in tags})
    tokenizer = AutoTokenizer.from_pretrained(backbone)

    def encode(batch):
        encoded = tokenizer(batch["tokens"], is_split_into_words=True, truncation=True, max_length=settings["max_length"])
        encoded["labels"] = []
        for number, tags in enumerate(batch["ner_tags"]):
            words = encoded.word_ids(number)
            first = [word is not None and word != before for word, before in zip(words, [None, *words[:-1]], strict=True)]
            encoded["labels"].append([labels.index(tags[word]) if here else IGNORED for word, here in zip(words, first, strict=True)])
        return encoded

    def tags_of(logits, gold):
        """Predicted and right tags of each sentence, at the first subwords of its words."""
        places = gold != IGNORED
        guesses = logits.argmax(-1)
        return [[[labels[number] for number in row[place]] for row, place in zip(rows, places, strict=True)] for rows in (guesses, gold)]

    def metrics(prediction):
        predicted, right = tags_of(*prediction)
        return {"f1": seqeval.metrics.f1_score(right, predicted)}

    encoded = data.map(encode, batched=True, remove_columns=data["train"].column_names)
    training = settings["training"]
    set_seed(config["seed"])
    trainer = Trainer(
        model=Tagger(backbone, len(labels)),
        args=TrainingArguments(
            output_dir=str(output / "Roberta-fa-en-ner"),
            **training_arguments(config, training, "per_device_eval_batch_size", "gradient_checkpointing", "weight_decay"),
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded["validation"],
        data_collator=DataCollatorForTokenClassification(tokenizer),
        compute_metrics=metrics,
    )
    trainer.train()
    trainer.evaluate()
    prediction = trainer.predict(encoded["test"])
    predicted, _ = tags_of(prediction.predictions, prediction.label_ids)
    return {"predicted": predicted, "sentences": len(data["train"]) * training["num_train_epochs"]}


# ------------------------------------------------------------------ summarization


def messages(template, article):
    return [
        {"role": "system", "content": template["system"]},
        {"role": "user", "content": template["prompt"].replace("{article}", article)},
    ]


def template_of(config, model):
    return yaml.safe_load((ROOT / "prompts" / f"{config['models'][model]['prompt']}.yaml").read_text(encoding="utf-8"))


def summaries(config, run, shots):
    """{"predictions": a text an article, "new_tokens": how many tokens they are}."""
    summarization = config["summarization"]
    folder, template = model_folder(run, "llama"), template_of(config, "llama")
    data = load_dataset("parquet", data_files={split: str(run / f"summarization/{split}.parquet") for split in ("train", "test")})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    computed = torch.bfloat16 if BF16 else torch.float32
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=computed
    )
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=quantization, dtype=DTYPE)
    turns = []
    rows = {row["id"]: row for row in data["train"]}
    for row in (rows[shot] for shot in shots):
        ids = tokenizer(row["article"], truncation=True, max_length=summarization["generation"]["shot_article_tokens"]).input_ids
        turns += [
            *messages(template, tokenizer.decode(ids, skip_special_tokens=True))[1:],
            {"role": "assistant", "content": row["reference"]},
        ]
    predictions, new_tokens = [], 0
    for article in data["test"]["article"]:
        system, user = messages(template, article)
        inputs = tokenizer.apply_chat_template(
            [system, *turns, user], add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(model.device)
        limit = summarization["generation"]["max_new_tokens"]
        ids = model.generate(**inputs, max_new_tokens=limit, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        new = ids[0, inputs["input_ids"].shape[1] :]
        predictions.append(tokenizer.decode(new, skip_special_tokens=True).strip())
        new_tokens += sum(token != tokenizer.eos_token_id for token in new.tolist())
    return {"predictions": predictions, "new_tokens": new_tokens}


def zero_shot(config, run, output):
    return summaries(config, run, shots=())


def few_shot(config, run, output):
    record = run / "summarization/systems/llama_few_shot/generation.json"
    return summaries(config, run, read_json(record)["shots"])


def fine_tuning(config, run, output):
    """{"pairs": number of pairs trained on, all epochs}; the model lies in `output`."""
    training = config["summarization"]["training"]
    folder, template = model_folder(run, "smollm2"), template_of(config, "smollm2")

    def pairs(split):
        rows = load_dataset("parquet", data_files=str(run / f"summarization/{split}.parquet"), split="train")
        return Dataset.from_list(
            [
                {"prompt": messages(template, row["article"]), "completion": [{"role": "assistant", "content": row["reference"]}]}
                for row in rows
            ]
        )

    train = pairs("train")
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPE),
        args=SFTConfig(
            output_dir=str(output / "sft"),
            bf16=BF16,
            max_length=training["max_length"],
            **training_arguments(config, training, "per_device_eval_batch_size", "gradient_accumulation_steps", "lr_scheduler_type"),
        ),
        train_dataset=train,
        eval_dataset=pairs("validation"),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.train()
    trainer.save_model(str(output / "model"))
    return {"pairs": len(train) * training["num_train_epochs"]}


def scoring(config, run, output):
    """{"scores": {system: {metric: mean in percent}}, "pairs": number of pairs scored}."""
    scores, pairs = {}, 0
    encoder, layer = model_folder(run, config["summarization"]["bertscore"]["model"]), config["summarization"]["bertscore"]["layer"]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=config["summarization"]["rouge"]["stemmer"])
    for folder in sorted((run / "summarization/systems").iterdir()):
        rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
        references, predictions = [row["reference"] for row in rows], [row["prediction"] for row in rows]
        found = [scorer.score(*pair) for pair in zip(references, predictions, strict=True)]
        means = {metric: 100 * float(np.mean([score[metric].fmeasure for score in found])) for metric in found[0]}
        written = [place for place, text in enumerate(predictions) if text.strip()]  # bert_score fails on an empty text, which scores 0
        f1 = torch.zeros(len(rows))
        if written:
            texts = [[column[place] for place in written] for column in (predictions, references)]
            f1[written] = bert_score.score(*texts, model_type=str(encoder), num_layers=layer)[2]
        scores[folder.name] = means | {"bertscore_f1": 100 * f1.mean().item()}
        pairs += len(rows)
    return {"scores": scores, "pairs": pairs}


STAGES = {stage.__name__: stage for stage in (ner_training, zero_shot, few_shot, fine_tuning, scoring)}

if __name__ == "__main__":
    main()
