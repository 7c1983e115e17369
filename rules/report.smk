# The report, and the archive to hand in.
#
# in    all that a run measured (run_files in scripts/lib/report_data.py), templates, texts, answers, facts, bibliography, prompts/{name}.yaml
# out   <results>/config.yaml, config_differences.json, environment.json    what the run is
#       <results>/rules.json                                                which rule makes which file of the report
#       <results>/report/report.{en,fa}.{md,html}                           the report
#       <results>/report/figures/{figure}.{en,fa}.svg                       the pictures of its Markdown
#       <results>/submission/NLP-CA4-{student_id}.zip                       the archive, on request (target `submission`)
from lib.config import without_removed
from lib.report_studies import figure_names

ASSIGNMENT = without_removed(PROJECT)
WORKFLOW = (
    "Snakefile config.yaml Makefile README.md LICENSE pyproject.toml requirements.txt requirements.in "
    "rules scripts envs schemas presets profiles prompts report data"
).split()
TEMPLATES = folders(config["report"]["templates"], "report/templates")
ANSWERS = folders(config["report"]["answers"], "report/answers")


localrules:
    record_config,
    report,
    submission,


rule record_config:
    """Record the configuration, how it differs from the assignment's, the machine and the software at hand, and the rules."""
    input:
        script=script("record_config.py"),
    output:
        config=shown("<results>/config.yaml", "configuration", "Provenance", file="configuration"),
        differences="<results>/config_differences.json",
        environment=shown("<results>/environment.json", "environment", "Provenance", file="environment"),
        rules="<results>/rules.json",
    log:
        "<logs>/record_config.log",
    benchmark:
        "<benchmarks>/record_config.jsonl"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=json.dumps(config, ensure_ascii=False),
        assignment=json.dumps(ASSIGNMENT, ensure_ascii=False),
        rules=lambda w: rules_of_run(),
    message:
        "Recording the configuration"
    shell:
        "python {input.script[0]} --config {params.config:q} --assignment {params.assignment:q} --output {output.config}"
        " --differences {output.differences} --environment {output.environment} --rules {params.rules:q} --rule-record {output.rules}"
        " 2> {log}"


rule report:
    """Write the report in both languages, as Markdown and as HTML."""
    input:
        script=script("report.py"),
        config="<results>/config.yaml",
        run=[f"<results>/{path}" for path in run_files(config) if path != "config.yaml"],
        templates=files_under(*TEMPLATES),
        answers=files_under(*ANSWERS),
        texts=[f"report/{name}" for name in ("texts.en.yaml", "texts.fa.yaml", "requirements.yaml", "assignment_training.yaml")],
        sources=["report/facts.yaml", "report/references.bib", "report/fonts/Vazirmatn.woff2"],
        prompts=sorted({prompt_template(name) for name in GENERATING}),
    output:
        markdown=expand("<results>/report/report.{language}.md", language=["en", "fa"]),
        pages=[shown(f"<results>/report/report.{language}.html", "report", "Report", language=language) for language in ("en", "fa")],
        figures=[
            shown(f"<results>/report/figures/{figure}.{language}.svg", "figure", "Figures", figure=figure, language=language)
            for figure in figure_names(config)
            for language in ("en", "fa")
        ],
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        templates=TEMPLATES,
        answers=ANSWERS,
        folder=lambda w, output: os.path.dirname(output[0]),
        benchmarks=f"benchmarks/{config['run']}",
        preflight=lambda w: rules.preflight.output[0],
    message:
        "Writing the report"
    shell:
        "python {input.script[0]} --config {input.config} --templates {params.templates:q} --answers {params.answers:q}"
        " --report-folder report --prompts prompts --benchmarks {params.benchmarks} --preflight {params.preflight}"
        " --output {params.folder} 2> {log}"


rule submission:
    """Pack the report, and the code of each part with the output of its run beside it."""
    input:
        script=script("submission.py"),
        config="<results>/config.yaml",
        report=rules.report.output,
        parts="report/submission.yaml",
        answers=files_under(*ANSWERS),
        templates=files_under(*TEMPLATES),
        tagged=expand("<results>/{variant}/{file}.json", variant=["ner", *ner_variants()], file=["audit", "sentences"]),
        data=[file for name in systems.used_assets(config) for file in local_files_of(name)],
        project=files_under(*WORKFLOW),
        checked=rules.preflight.output,  # so that this target, too, begins with it
    output:
        f"<results>/submission/NLP-CA4-{config['student_id']}.zip",
    log:
        "<logs>/submission.log",
    benchmark:
        "<benchmarks>/submission.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        answers=ANSWERS,
        templates=TEMPLATES,
        data=local_folders(),
        largest=flags(config["report"], "largest_model_mb"),
        logs=f"logs/{config['run']}",
    message:
        "Packing the archive {output}"
    shell:
        "python {input.script[0]} --config {input.config} --logs {params.logs} --parts {input.parts} --answers {params.answers:q}"
        " --templates {params.templates:q} --data {params.data:q} --project {input.project:q} {params.largest} --output {output} 2> {log}"
