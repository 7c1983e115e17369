# Named entity recognition (N1 to N13): two data sets become one, an encoder learns to tag it.
#
# in    the folders of the data sets and of the backbone
# out   <results>/{tagger}/, for the main tagger (ner), each variant (ner/variants/{name}), and each of both again for every further
#       training seed (…/seeds/{seed}, which has no data of its own):
#
#       train.parquet, validation.parquet, test.parquet    the merged data: tokens, ner_tags, language, source
#       labels.json                        the label scheme: types, labels, and what each source annotates
#       cleaning.json, cleaning_rows.parquet    what each cleaning step did, and what became of each downloaded row
#       audit.json                         what is wrong with the data sets as downloaded
#       model/, model.json                 the trained tagger, and the checksums of its files
#       training_log.jsonl, training.json  how it was trained
#       metrics.json, predictions.jsonl, errors.json
#       sentences.json, sentences.html     the configured sentences, tagged


rule ner_clean:
    """Bring the data sets onto one scheme, clean them step by step, merge them (N3, N4)."""
    input:
        script=script("ner_clean.py"),
        datasets=[asset("datasets", name) for name in config["ner"]["datasets"]],
    output:
        train="<results>/{tagger}/train.parquet",
        validation="<results>/{tagger}/validation.parquet",
        test="<results>/{tagger}/test.parquet",
        labels="<results>/{tagger}/labels.json",
        report="<results>/{tagger}/cleaning.json",
        rows="<results>/{tagger}/cleaning_rows.parquet",
    log:
        "<logs>/{tagger}/clean.log",
    benchmark:
        "<benchmarks>/{tagger}/clean.jsonl"
    wildcard_constraints:
        tagger=any_of(NER_FOLDERS),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(4000 + 2 * local_mb(*config["ner"]["datasets"])),
        runtime=growing(60 + local_mb(*config["ner"]["datasets"]) // 5),
    params:
        datasets=as_json(ner_datasets()),
        cleaning=lambda w: as_json(ner_of(w)["cleaning"]),
        flags=cleaning_flags,
    message:
        "Cleaning and merging the NER data ({wildcards.tagger})"
    shell:
        "python {input.script[0]} --folders {input.datasets} --datasets {params.datasets:q} --cleaning {params.cleaning:q}"
        " --train {output.train} --validation {output.validation} --test {output.test} --labels {output.labels}"
        " --report {output.report} --rows {output.rows} {params.flags} 2> {log}"


rule ner_audit:
    """Find and count what is wrong with the data sets as downloaded, and say what was done about it (N2)."""
    input:
        script=script("ner_audit.py"),
        datasets=[asset("datasets", name) for name in config["ner"]["datasets"]],
        labels="<results>/{tagger}/labels.json",
        cleaning="<results>/{tagger}/cleaning.json",
        rows="<results>/{tagger}/cleaning_rows.parquet",
        backbone=backbone,
    output:
        audit=shown("<results>/{tagger}/audit.json", "audit", "Entity recognition", tagger="{tagger}", file="audit"),
    log:
        "<logs>/{tagger}/audit.log",
    benchmark:
        "<benchmarks>/{tagger}/audit.jsonl"
    wildcard_constraints:
        tagger=any_of(NER_FOLDERS),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(4000 + 2 * local_mb(*config["ner"]["datasets"])),
        runtime=growing(60 + local_mb(*config["ner"]["datasets"]) // 5),
    params:
        datasets=as_json(ner_datasets()),
        flags=lambda w: f"{flags(ner_of(w), 'max_length')} {near_flags(ner_of(w))}",
    message:
        "Auditing the NER data as downloaded ({wildcards.tagger})"
    shell:
        "python {input.script[0]} --folders {input.datasets} --datasets {params.datasets:q} --labels {input.labels}"
        " --cleaning {input.cleaning} --rows {input.rows} --backbone {input.backbone} --output {output.audit} {params.flags} 2> {log}"


rule ner_train:
    """Train a tagger: our own head on the backbone (N5, N6, N9, N10); with `processes` above 1, in as many through accelerate."""
    input:
        script=script("ner_train.py"),
        backbone=backbone,
        train=ner_data("train.parquet"),
        validation=ner_data("validation.parquet"),
        labels=ner_data("labels.json"),
    output:
        model=directory("<results>/{tagger}/model"),
        manifest="<results>/{tagger}/model.json",
        log=shown("<results>/{tagger}/training_log.jsonl", "training_log", "Entity recognition", tagger="{tagger}", file="training log"),
        summary="<results>/{tagger}/training.json",
    log:
        "<logs>/{tagger}/train.log",
    benchmark:
        "<benchmarks>/{tagger}/train.jsonl"
    wildcard_constraints:
        tagger=any_of(ner_taggers()),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: ner_training_mb(w.tagger)),
        runtime=growing(lambda w: minutes("training", ner_work(ner_of(w)))),
        processes=1,
        checkpoint_minutes=CHECKPOINT_MINUTES,
    params:
        training=lambda w: as_json(ner_of(w)["training"]),
        work=lambda w: work_folder(w.tagger),
        flags=lambda w: flags(ner_of(w), "alignment", "max_length", "dropout", "head_learning_rate", "embedding_rows", "precision")
        + f" --start {ner_of(w)['backbone']} --seed {seed_of(w.tagger)} --token-steps {token_steps(w)}",
    message:
        "Training the tagger ({wildcards.tagger})"
    shell:
        "python {input.script[0]} --backbone {input.backbone} --train {input.train} --validation {input.validation}"
        " --labels {input.labels} --training {params.training:q} --output {output.model}"
        " --log {output.log} --summary {output.summary} --processes {resources.processes} {params.flags}"
        " --work {params.work} --checkpoint-minutes {resources.checkpoint_minutes} 2> {log}"


rule ner_evaluate:
    """Score a tagger on validation and test, with intervals, and look at its errors (N11, N12)."""
    input:
        script=script("ner_evaluate.py"),
        model="<results>/{tagger}/model",
        validation=ner_data("validation.parquet"),
        test=ner_data("test.parquet"),
        labels=ner_data("labels.json"),
        train=seen_train,
    output:
        metrics=shown("<results>/{tagger}/metrics.json", "ner_metrics", "Entity recognition", tagger="{tagger}", file="metrics"),
        predictions="<results>/{tagger}/predictions.jsonl",
        errors=shown("<results>/{tagger}/errors.json", "ner_errors", "Entity recognition", tagger="{tagger}", file="errors"),
    log:
        "<logs>/{tagger}/evaluate.log",
    benchmark:
        "<benchmarks>/{tagger}/evaluate.jsonl"
    wildcard_constraints:
        tagger=any_of(ner_taggers()),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: tagging_mb(w.tagger)),
        runtime=growing(lambda w: 60 + minutes("generation", tagging_work(ner_of(w)))),
    params:
        flags=lambda w: f"{tagging_flags(w)} --seed {config['seed']}",
        train=given("--train", "train"),
        seen=seen_flags,
    message:
        "Evaluating the tagger ({wildcards.tagger})"
    shell:
        "python {input.script[0]} --model {input.model} --validation {input.validation} --test {input.test}"
        " --labels {input.labels} {params.train} {params.seen} --metrics {output.metrics} --predictions {output.predictions}"
        " --errors {output.errors} {params.flags} 2> {log}"


rule ner_predict:
    """Tag the configured sentences (N13)."""
    input:
        script=script("ner_predict.py"),
        model="<results>/{tagger}/model",
    output:
        sentences="<results>/{tagger}/sentences.json",
        html=shown("<results>/{tagger}/sentences.html", "ner_sentences", "Entity recognition", tagger="{tagger}", file="tagged sentences"),
    log:
        "<logs>/{tagger}/predict.log",
    benchmark:
        "<benchmarks>/{tagger}/predict.jsonl"
    wildcard_constraints:
        tagger=any_of(ner_taggers()),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: tagging_mb(w.tagger)),
        runtime=growing(30),
    params:
        sentences=as_json(config["ner"]["sentences"]),
        flags=tagging_flags,
    message:
        "Tagging the configured sentences ({wildcards.tagger})"
    shell:
        "python {input.script[0]} --model {input.model} --sentences {params.sentences:q} --output {output.sentences}"
        " --html {output.html} {params.flags} 2> {log}"
