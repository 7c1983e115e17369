# Kargah: bilingual named entity recognition and summarization with small language models, from raw data to a finished report.
from snakemake.utils import min_version

min_version("9.25")


configfile: "config.yaml"


report: "report/captions/workflow.rst"


include: "rules/common.smk"


pathvars:
    results=f"results/{config['run']}",
    logs=f"logs/{config['run']}",
    benchmarks=f"benchmarks/{config['run']}",


include: "rules/assets.smk"
include: "rules/ner.smk"
include: "rules/summarization.smk"
include: "rules/compression.smk"
include: "rules/report.smk"
include: "rules/compare.smk"


refuse_edited(made_folders())


rule all:
    default_target: True
    input:
        rules.preflight.output,
        expand("<results>/report/report.{language}.{format}", language=["en", "fa"], format=["md", "html"]),
        expand("<results>/{variant}/{file}.json", variant=ner_variants(), file=["audit", "sentences"]),
