"""The tokenizer of a model folder."""

from pathlib import Path

from transformers import AutoTokenizer

from lib.program import InputError


def load_tokenizer(folder, **options):
    """The tokenizer of a model folder; `options` are those of transformers. Raises InputError if there is none that can be read.

    Without its file, transformers would make an empty one of the model's config.
    """
    if not (Path(folder) / "tokenizer.json").is_file():
        raise InputError(
            f"{folder}: there is no tokenizer.json in it; expected a tokenizer beside the weights; make or fetch the model again"
        )
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # tokenizers raises bare Exceptions for a file that it cannot read
        raise InputError(
            f"{folder}: no tokenizer that can be read ({error}); expected a whole tokenizer.json; make or fetch the model again"
        ) from None
