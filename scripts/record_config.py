r"""Record what a run is: its resolved configuration, how that differs from the assignment's, and the software at hand.

    python scripts/record_config.py --config '{"run": "demo", …}' --assignment '{"run": "full", …}' \
        --output results/demo/config.yaml --differences OUT.json --environment OUT.json --rules '{"files": {…}, …}' --rule-record OUT.json

reads    --config        the configuration that Snakemake resolved, as JSON
         --assignment    the project's own configuration, which is the assignment, as JSON
         --rules         which rule makes which file (rules_of_run in rules/common.smk), as JSON
writes   --output        the configuration, as YAML
         --differences   [{"key": "ner.max_length", "assignment": 512, "here": 256}, …]; a side that lacks the key is left out
         --environment   versions of Python and of the packages that the workflow is built on, and the machine on which this ran
         --rule-record   the rules
"""

import platform
from importlib import metadata

import lib.offline  # noqa: F401

import yaml

from lib.machine import machine
from lib.program import json_value, parser, program
from lib.publish import whole
from lib.records import write_json
from lib.settings import compared

PACKAGES = (
    *("torch", "transformers", "datasets", "accelerate", "trl", "bitsandbytes", "seqeval", "rouge_score", "bert_score", "pandas"),
    *("numpy", "tokenizers", "safetensors", "pyarrow", "jinja2", "snakemake"),
)


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--config", required=True, type=json_value)
    command.add_argument("--assignment", required=True, type=json_value)
    command.add_argument("--output", required=True)
    command.add_argument("--differences", required=True)
    command.add_argument("--environment", required=True)
    command.add_argument("--rules", required=True, type=json_value)
    command.add_argument("--rule-record", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    with (
        whole(args.output) as config,
        whole(args.differences) as differences,
        whole(args.environment) as environment,
        whole(args.rule_record) as rules,
    ):
        config.write_text(yaml.safe_dump(args.config, allow_unicode=True, sort_keys=False, width=140), encoding="utf-8")
        write_json(differences, compared(args.assignment, args.config, "assignment", "here"))
        write_json(environment, {"python": platform.python_version(), "machine": machine(), "packages": installed()})
        write_json(rules, args.rules)


def installed():
    """{package: version}; a package that this environment lacks is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
