r"""Measure how well a model predicts the references of the validation pairs: the loss that fine-tuning lowers, for any system's model.

    python scripts/validation_loss.py --model MODEL_DIR --validation VALIDATION.parquet --template TEMPLATE.yaml --max-length 2048 \
        --precision nf4 --double-quantization --batch-size 4 --seed 42 --output LOSS.json

reads    MODEL_DIR           a Hugging Face model folder (safetensors) with its tokenizer
         VALIDATION.parquet  id, article, reference
         TEMPLATE.yaml       the prompt template; no shots are shown
writes   LOSS.json           value, low, high: the mean negative log-likelihood (nats) of a token of the references, the end included,
                            given their articles; 95 % bootstrap over pairs. tokens, pairs: how many there were

A row is at most --max-length tokens and what the model's context holds: longer articles are shortened as in fine-tuning, references
never. Weights are loaded as generation loads them.
"""

import lib.offline  # noqa: F401

from lib.completions import completion_losses, training_rows
from lib.generation import PRECISIONS, load_for_generation, unpacked
from lib.intervals import block, resampled_means
from lib.program import existing_file, model_folder, parser, program, progress
from lib.prompting import load_template, ready_tokenizer
from lib.publish import whole
from lib.records import read_parquet, write_json


@program
def main(argv=None):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--validation", required=True, type=existing_file)
    command.add_argument("--template", required=True, type=existing_file)
    command.add_argument("--max-length", required=True, type=int)
    command.add_argument("--precision", required=True, choices=PRECISIONS)
    command.add_argument("--double-quantization", action="store_true", help="for nf4: quantize the scales as well")
    command.add_argument("--batch-size", required=True, type=int)
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--output", required=True)
    args = command.parse_args(argv)
    template, tokenizer = load_template(args.template), ready_tokenizer(args.model)
    model = unpacked(load_for_generation(args.model, args.precision, args.double_quantization)[0])
    limit = min(args.max_length, getattr(model.config, "max_position_embeddings", None) or args.max_length)
    rows, _ = training_rows(tokenizer, template, read_parquet(args.validation, ["id", "article", "reference"]), limit, args.validation)
    losses = completion_losses(model, rows, args.batch_size, tokenizer.pad_token_id, "fp32").numpy()
    summary = token_mean(losses, args.seed) | {"tokens": int(losses[:, 1].sum()), "pairs": len(rows)}
    progress("validation loss {value:.4f} ({low:.4f} to {high:.4f})".format(**summary))
    with whole(args.output) as file:
        write_json(file, summary)


def token_mean(losses, seed):
    """{"value", "low", "high"} of the mean loss of a token; `losses` (pairs × 2): sum of losses and number of tokens of each pair."""
    means = resampled_means(losses, seed)
    return block(losses[:, 0].sum() / losses[:, 1].sum(), means[:, 0] / means[:, 1])


if __name__ == "__main__":
    main()
