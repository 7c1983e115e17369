r"""Tag sentences with the trained tagger.

    python scripts/ner_predict.py --model MODEL_DIR --precision auto --batch-size 24 --output SENTENCES.json \
        --sentences '[{"language": "en", "text": "…"}, …]'
    python scripts/ner_predict.py --model MODEL_DIR --precision auto --batch-size 24 --language fa --text "…"
    python scripts/ner_predict.py --model MODEL_DIR --precision auto --batch-size 24 --language en --file TEXT.txt

reads    MODEL_DIR       a tagger, as ner_train.py writes it
         TEXT.txt        a sentence a line
writes   SENTENCES.json  for each sentence: language, text, and lists with an entry a word: tokens, offsets (start and end in the
                         text, in characters), tags (IOB2), scores (the tag's probability)

Prints tokens, tags and scores. The tagger sees words cleaned as in training (letters, invisible characters); tokens and offsets
are the text's own.
"""

import lib.offline  # noqa: F401

from transformers import AutoTokenizer

from lib.cleaning import normalize_letters, remove_invisible
from lib.device import resolve_precision
from lib.program import InputError, existing_file, json_value, model_folder, parser, program
from lib.publish import whole
from lib.records import write_json
from lib.tagger import Collator, load_tagger
from lib.tagging import Encoder, tag_words
from lib.words import words


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--precision", required=True, choices=["auto", "fp32", "bf16", "fp16"])
    command.add_argument("--batch-size", required=True, type=int, help="windows in a batch")
    given = command.add_mutually_exclusive_group(required=True)
    given.add_argument("--sentences", type=json_value, help="a list of objects with language and text")
    given.add_argument("--text")
    given.add_argument("--file", type=existing_file)
    command.add_argument("--language", help="the ISO code of the language of --text or --file")
    command.add_argument("--output")
    args = command.parse_args(argv)
    if (args.sentences is None) != bool(args.language):
        command.error("--language: give it with --text and --file, and not with --sentences, which name their own")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    sentences = args.sentences or [{"language": args.language, "text": text} for text in texts(args)]
    cut = [words(sentence["text"]) for sentence in sentences]
    for number, (sentence, found) in enumerate(zip(sentences, cut, strict=True)):
        if not found:
            raise InputError(f"sentence {number + 1}: no word in {sentence['text']!r}; expected text; remove the sentence")
    cleaned = [
        [remove_invisible(normalize_letters(word, sentence["language"]), sentence["language"]) for word, _, _ in found]
        for sentence, found in zip(sentences, cut, strict=True)
    ]
    model, tokenizer = load_tagger(args.model), AutoTokenizer.from_pretrained(args.model, local_files_only=True)
    encoded = list(Encoder(tokenizer, tokenizer.model_max_length).words(cleaned))
    precision = resolve_precision(args.precision)
    tags, scores, _ = tag_words(model, encoded, len(cleaned), Collator(tokenizer.pad_token_id), args.batch_size, precision)
    results = [
        {
            "language": sentence["language"],
            "text": sentence["text"],
            "tokens": [word for word, _, _ in found],
            "offsets": [[start, end] for _, start, end in found],
            "tags": tags[number],
            "scores": [round(score, 4) for score in scores[number]],
        }
        for number, (sentence, found) in enumerate(zip(sentences, cut, strict=True))
    ]
    for result in results:
        print(result["text"])
        for token, tag, score in zip(result["tokens"], result["tags"], result["scores"], strict=True):
            print(f"    {tag:6} {score:.2f}  {token}")
    if args.output:
        with whole(args.output) as part:
            write_json(part, results)


def texts(args):
    return [args.text] if args.file is None else [line.strip() for line in args.file.read_text("utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
