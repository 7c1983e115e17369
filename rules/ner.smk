# Named entity recognition (N1 to N13): two data sets become one, an encoder learns to tag it.
#
# in    the folders of the data sets and of the backbone
# out   <results>/ner/{train,validation,test}.parquet    the merged data: tokens, ner_tags, language, source
#       <results>/ner/labels.json                        the label scheme: types, labels, and what each source annotates
#       <results>/ner/cleaning.json                      what each cleaning step did
#       <results>/ner/audit.json                         what is wrong with the data sets as downloaded
#       <results>/ner/model/                             the trained tagger
#       <results>/ner/training_log.jsonl, training.json  how it was trained
#       <results>/ner/metrics.json, predictions.jsonl, errors.json
#       <results>/ner/sentences.json                     the configured sentences, tagged
NER = config["ner"]
NER_SPLITS = ["train", "validation", "test"]
BACKBONE = asset("models", NER["backbone"])


rule ner_clean:
    """Bring the data sets onto one scheme, clean them step by step, merge them (N3, N4)."""
    input:
        script=script("ner_clean.py"),
        datasets=[asset("datasets", name) for name in NER["datasets"]],
    output:
        train="<results>/ner/train.parquet",
        validation="<results>/ner/validation.parquet",
        test="<results>/ner/test.parquet",
        labels="<results>/ner/labels.json",
        report="<results>/ner/cleaning.json",
    log:
        "<logs>/ner_clean.log",
    benchmark:
        "<benchmarks>/ner_clean.jsonl"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=30,
    params:
        datasets=as_json(ner_datasets()),
        cleaning=as_json(NER["cleaning"]),
        flags=flags(NER, "label_scheme") + f" --seed {config['seed']}",
    message:
        "Cleaning and merging the NER data"
    shell:
        "python {input.script[0]} --folders {input.datasets} --datasets {params.datasets:q} --cleaning {params.cleaning:q}"
        " --train {output.train} --validation {output.validation} --test {output.test} --labels {output.labels}"
        " --report {output.report} {params.flags} 2> {log}"


rule ner_audit:
    """Find and count what is wrong with the data sets as downloaded, and say what was done about it (N2)."""
    input:
        script=script("ner_audit.py"),
        datasets=[asset("datasets", name) for name in NER["datasets"]],
        labels="<results>/ner/labels.json",
        cleaning="<results>/ner/cleaning.json",
        backbone=BACKBONE,
    output:
        audit="<results>/ner/audit.json",
    log:
        "<logs>/ner_audit.log",
    benchmark:
        "<benchmarks>/ner_audit.jsonl"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=30,
    params:
        datasets=as_json(ner_datasets()),
        flags=flags(NER, "max_length"),
    message:
        "Auditing the NER data as downloaded"
    shell:
        "python {input.script[0]} --folders {input.datasets} --datasets {params.datasets:q} --labels {input.labels}"
        " --cleaning {input.cleaning} --backbone {input.backbone} --output {output.audit} {params.flags} 2> {log}"


rule ner_train:
    """Train the tagger: our own head on the backbone (N5, N6, N9, N10)."""
    input:
        script=script("ner_train.py"),
        backbone=BACKBONE,
        train="<results>/ner/train.parquet",
        validation="<results>/ner/validation.parquet",
        labels="<results>/ner/labels.json",
    output:
        model=directory("<results>/ner/model"),
        log="<results>/ner/training_log.jsonl",
        summary="<results>/ner/training.json",
    log:
        "<logs>/ner_train.log",
    benchmark:
        "<benchmarks>/ner_train.jsonl"
    conda:
        "../envs/models.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 8000 * attempt,
        runtime=720,
    params:
        training=as_json(NER["training"]),
        title=config["models"][NER["backbone"]]["title"],
        flags=flags(NER, "alignment", "max_length", "dropout", "head_learning_rate", "embedding_rows", "precision")
        + f" --seed {config['seed']}",
    message:
        "Training the tagger"
    shell:
        "python {input.script[0]} --backbone {input.backbone} --train {input.train} --validation {input.validation}"
        " --labels {input.labels} --training {params.training:q} --title {params.title:q} --output {output.model}"
        " --log {output.log} --summary {output.summary} {params.flags} 2> {log}"


rule ner_evaluate:
    """Score the tagger on validation and test, with intervals, and look at its errors (N11, N12)."""
    input:
        script=script("ner_evaluate.py"),
        model="<results>/ner/model",
        validation="<results>/ner/validation.parquet",
        test="<results>/ner/test.parquet",
        labels="<results>/ner/labels.json",
    output:
        metrics="<results>/ner/metrics.json",
        predictions="<results>/ner/predictions.jsonl",
        errors="<results>/ner/errors.json",
    log:
        "<logs>/ner_evaluate.log",
    benchmark:
        "<benchmarks>/ner_evaluate.jsonl"
    conda:
        "../envs/models.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 6000 * attempt,
        runtime=120,
    params:
        flags=flags(NER, "precision") + f" --batch-size {NER['training']['per_device_eval_batch_size']} --seed {config['seed']}",
    message:
        "Evaluating the tagger"
    shell:
        "python {input.script[0]} --model {input.model} --validation {input.validation} --test {input.test}"
        " --labels {input.labels} --metrics {output.metrics} --predictions {output.predictions} --errors {output.errors}"
        " {params.flags} 2> {log}"


rule ner_predict:
    """Tag the configured sentences (N13)."""
    input:
        script=script("ner_predict.py"),
        model="<results>/ner/model",
    output:
        sentences="<results>/ner/sentences.json",
    log:
        "<logs>/ner_predict.log",
    benchmark:
        "<benchmarks>/ner_predict.jsonl"
    conda:
        "../envs/models.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 6000 * attempt,
        runtime=30,
    params:
        sentences=as_json(NER["sentences"]),
        flags=flags(NER, "precision") + f" --batch-size {NER['training']['per_device_eval_batch_size']}",
    message:
        "Tagging the configured sentences"
    shell:
        "python {input.script[0]} --model {input.model} --sentences {params.sentences:q} --output {output.sentences} {params.flags} 2> {log}"
