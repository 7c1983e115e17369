r"""Tag sentences with the trained tagger.

    python scripts/ner_predict.py --model MODEL_DIR --precision auto --batch-size 24 --output SENTENCES.json --html SENTENCES.html \
        --sentences '[{"language": "en", "text": "…"}, …]'
    python scripts/ner_predict.py --model MODEL_DIR --precision auto --batch-size 24 --language fa --text "…"
    python scripts/ner_predict.py --model MODEL_DIR --precision auto --batch-size 24 --language en --file TEXT.txt

reads    MODEL_DIR       a tagger, as ner_train.py writes it; a run's is results/RUN/ner/model
         TEXT.txt        a sentence a line, in UTF-8; lines without a word are left out
writes   SENTENCES.json  for each sentence: language, text, and lists with an entry a word: tokens, offsets (start and end in the
                         text, in characters), tags (IOB2), scores (the tag's probability)
         SENTENCES.html  a fragment to paste into a page: the texts with their entities marked, right to left where the language is

Prints tokens, tags and scores. Any language goes, also one that the tagger was not trained on. The tagger sees words cleaned by the steps
that its training data were (`token_steps` in its config.json); tokens and offsets are the text's own.
"""

from contextlib import ExitStack

import lib.offline  # noqa: F401

from lib.entity_html import fragment
from lib.program import InputError, existing_file, json_value, model_folder, parser, positive, program
from lib.publish import whole
from lib.records import write_json
from lib.tagging import RawTagger
from lib.words import words


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder, help="folder of the trained tagger")
    command.add_argument(
        "--precision", required=True, choices=["auto", "fp32", "bf16", "fp16"], help="to compute in; auto: what the hardware does well"
    )
    command.add_argument("--batch-size", required=True, type=positive, help="windows in a batch; fewer need less memory")
    given = command.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", help="one sentence")
    given.add_argument("--file", type=existing_file, help="a sentence a line")
    given.add_argument("--sentences", type=json_value, help="a JSON list of objects with language and text")
    command.add_argument("--language", help="the ISO code of the language of --text or --file: en, fa, …")
    command.add_argument("--output", help="a JSON file to write")
    command.add_argument("--html", help="a file for the highlighted HTML fragment")
    args = command.parse_args(argv)
    if (args.sentences is None) != bool(args.language):
        command.error("--language: give it with --text and --file, and not with --sentences, which name their own")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    sentences = given_sentences(args)
    cut = [words(sentence["text"]) for sentence in sentences]
    for number, (sentence, found) in enumerate(zip(sentences, cut, strict=True)):
        if not found:
            raise InputError(f"sentence {number + 1}: no word in {sentence['text']!r}; expected text; remove the sentence")
    tagger = RawTagger(args.model, args.precision, args.batch_size)
    tags, scores = tagger.tag([[word for word, _, _ in found] for found in cut], [sentence["language"] for sentence in sentences])
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
    with ExitStack() as outputs:
        if args.output:
            write_json(outputs.enter_context(whole(args.output)), results)
        if args.html:
            outputs.enter_context(whole(args.html)).write_text(fragment(results), encoding="utf-8")


def given_sentences(args):
    """Dicts of language and text."""
    sentences = args.sentences
    if args.text is not None:
        sentences = [{"language": args.language, "text": args.text}]
    elif args.file is not None:
        sentences = [{"language": args.language, "text": line.strip()} for line in lines(args.file) if words(line)]
        if not sentences:
            raise InputError(f"{args.file}: no word in it; expected a sentence a line; write one into it")
    if not isinstance(sentences, list):
        raise InputError(f"--sentences: found {sentences!r}; expected a list of objects with language and text; correct it")
    for number, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, dict) or not all(isinstance(sentence.get(key), str) for key in ("language", "text")):
            raise InputError(f"--sentences: sentence {number} is {sentence!r}; expected an object with language and text; correct it")
        if any("\ud800" <= char <= "\udfff" for char in sentence["text"]):
            raise InputError(f"sentence {number}: {sentence['text']!r} is not Unicode text; expected UTF-8; convert it")
    return sentences


def lines(path):
    try:
        return path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8 ({error.reason}); expected text in UTF-8; convert the file") from None


if __name__ == "__main__":
    main()
