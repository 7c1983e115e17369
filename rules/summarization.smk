# Summarization: pairs of article and reference summary, what each system makes of them, and how good that is.
#
# in    the data set's folder, models' folders (fetched, or made in compression.smk), prompts/{name}.yaml, the run's tagger
# out   <results>/summarization/{train,validation,test}.parquet, split.json     the cleaned and sampled pairs
#       <results>/summarization/lengths/{model}.json, stats.json                their lengths
#       <results>/summarization/systems/{system}/predictions.jsonl, speed.json, generation.json
#       <results>/summarization/systems/{system}/scores.json, scores_by_article.csv
#       <results>/summarization/comparison.csv, studies/{study}.csv             systems side by side
#       <results>/summarization/qualities.json                                  length, copying, repetition, faithfulness

SUMMARIZATION_SPLITS = {split: f"<results>/summarization/{split}.parquet" for split in ("train", "validation", "test")}
PAIRS = config["datasets"][SUMMARIZATION["dataset"]]
GENERATING = systems_of_kind("prompt", "finetune", "prune")
SCORES_BY_ARTICLE = "<results>/summarization/systems/{system}/scores_by_article.csv"
PERCENTILES = sorted({95, SUMMARIZATION["length_percentile"], *SUMMARIZATION["percentiles"]})


scattergather:
    generation=SUMMARIZATION["generation"]["shards"],


SHARDS = len(gather.generation("{scatteritem}"))  # the number of --set-scatter, where it is given
SHARD = "{scatteritem}" if SHARDS > 1 else "1-of-1"


localrules:
    lead,
    text_statistics,
    gather_predictions,
    compare_systems,
    study,


rule summ_split:
    """Clean the pairs, and sample each split."""
    input:
        script=script("summ_split.py"),
        dataset=asset("datasets", SUMMARIZATION["dataset"]),
    output:
        **SUMMARIZATION_SPLITS,
        record="<results>/summarization/split.json",
    log:
        "<logs>/summ_split.log",
    benchmark:
        "<benchmarks>/summ_split.jsonl"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(4000 + 2 * local_mb(SUMMARIZATION["dataset"])),
        runtime=growing(30 + local_mb(SUMMARIZATION["dataset"]) // 5),
    params:
        config=flags(PAIRS, "config") if "config" in PAIRS else "",
        columns=as_json(SUMMARIZATION["columns"]),
        sizes=as_json(SUMMARIZATION["splits"]),
        words=" ".join(f"--{key}-words {value}" for key, value in SUMMARIZATION["article_words"].items() if value is not None),
        near=near_flags(SUMMARIZATION),
        seed=config["seed"],
    message:
        "Sampling articles and summaries"
    shell:
        "python {input.script[0]} --dataset {input.dataset} {params.config} --columns {params.columns:q} --sizes {params.sizes:q}"
        " {params.words} {params.near} --seed {params.seed} --train {output.train} --validation {output.validation} --test {output.test}"
        " --record {output.record} 2> {log}"


rule token_lengths:
    """Lengths of articles and references in tokens of one model."""
    input:
        **SUMMARIZATION_SPLITS,
        script=script("length_statistics.py"),
        model=lambda w: asset("models", w.model),
    output:
        "<results>/summarization/lengths/{model}.json",
    log:
        "<logs>/token_lengths/{model}.log",
    benchmark:
        "<benchmarks>/token_lengths/{model}.jsonl"
    wildcard_constraints:
        model=any_of(language_models()),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(15 + sum(SUMMARIZATION["splits"].values()) // 1000),
    message:
        "Measuring lengths in tokens of {wildcards.model}"
    shell:
        "python {input.script[0]} --model {input.model} --train {input.train} --validation {input.validation} --test {input.test}"
        " --output {output} 2> {log}"


rule text_statistics:
    """Lengths of articles and references in characters, words, sentences, and tokens of each model."""
    input:
        **SUMMARIZATION_SPLITS,
        script=script("text_statistics.py"),
        lengths=expand("<results>/summarization/lengths/{model}.json", model=language_models()),
    output:
        shown("<results>/summarization/stats.json", "lengths", "Summarization", file="lengths"),
    log:
        "<logs>/text_statistics.log",
    benchmark:
        "<benchmarks>/text_statistics.jsonl"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10 + sum(SUMMARIZATION["splits"].values()) // 1000),
    params:
        percentiles=" ".join(map(str, PERCENTILES)),
        tokens=lambda w, input: " ".join(f"{model}={path}" for model, path in zip(language_models(), input.lengths)),
        seed=config["seed"],
    message:
        "Measuring lengths of articles and summaries"
    shell:
        "python {input.script[0]} --train {input.train} --validation {input.validation} --test {input.test}"
        " --percentiles {params.percentiles} --tokens {params.tokens} --seed {params.seed} --output {output} 2> {log}"


rule lead:
    """The first sentences of each article."""
    input:
        script=script("lead.py"),
        test=SUMMARIZATION_SPLITS["test"],
    output:
        predictions="<results>/summarization/systems/{system}/predictions.jsonl",
        speed="<results>/summarization/systems/{system}/speed.json",
    log:
        "<logs>/lead/{system}.log",
    benchmark:
        "<benchmarks>/lead/{system}.jsonl"
    wildcard_constraints:
        system=any_of(systems_of_kind("lead")),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        flags=lambda w: flags(SYSTEMS[w.system], "sentences"),
    message:
        "Summarizing with {wildcards.system}"
    shell:
        "python {input.script[0]} --test {input.test} {params.flags} --predictions {output.predictions} --speed {output.speed} 2> {log}"


rule generate:
    """Summarize the test articles, or a shard of them, with a model."""
    input:
        script=script("generate.py"),
        model=lambda w: model_made_by(w.system),
        template=lambda w: prompt_template(w.system),
        test=SUMMARIZATION_SPLITS["test"],
        train=lambda w: SUMMARIZATION_SPLITS["train"] if settings(w.system, "generation")["shots"] else [],
    output:
        predictions=of_shard("predictions.jsonl"),
        speed=of_shard("speed.json"),
        record=of_shard("generation.json"),
    log:
        f"<logs>/generate/{{system}}/{SHARD}.log",
    benchmark:
        f"<benchmarks>/generate/{{system}}/{SHARD}.jsonl"
    wildcard_constraints:
        system=any_of(GENERATING),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: system_mb(w.system)),
        runtime=growing(lambda w: minutes("generation", generation_work(w.system))),
    params:
        flags=generation_flags,
        train=given("--train", "train"),
        shots=shot_flags,
        shard=SHARD,
    message:
        "Summarizing with {wildcards.system} (shard {params.shard})"
    shell:
        "python {input.script[0]} --model {input.model} --test {input.test} --template {input.template} {params.flags} {params.train}"
        " {params.shots} --shard {params.shard} --predictions {output.predictions} --speed {output.speed} --record {output.record} 2> {log}"


rule gather_predictions:
    """Join the shards of a system's summaries, in the order of the test articles."""
    input:
        script=script("gather_predictions.py"),
        predictions=of_all_shards("predictions.jsonl"),
        speeds=of_all_shards("speed.json"),
        records=of_all_shards("generation.json"),
    output:
        predictions="<results>/summarization/systems/{system}/predictions.jsonl",
        speed="<results>/summarization/systems/{system}/speed.json",
        record="<results>/summarization/systems/{system}/generation.json",
    log:
        "<logs>/gather_predictions/{system}.log",
    benchmark:
        "<benchmarks>/gather_predictions/{system}.jsonl"
    wildcard_constraints:
        system=any_of(GENERATING if SHARDS > 1 else []),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    message:
        "Joining the summaries of {wildcards.system}"
    shell:
        "python {input.script[0]} --shard-predictions {input.predictions} --shard-speeds {input.speeds} --shard-records {input.records}"
        " --predictions {output.predictions} --speed {output.speed} --record {output.record} 2> {log}"


rule score:
    """ROUGE and BERTScore of all systems' summaries, with intervals; in one job, so that each reference is embedded once."""
    input:
        script=script("score.py"),
        predictions=expand("<results>/summarization/systems/{system}/predictions.jsonl", system=SYSTEMS),
        model=asset("models", SUMMARIZATION["bertscore"]["model"]),
    output:
        scores=expand("<results>/summarization/systems/{system}/scores.json", system=SYSTEMS),
        by_article=expand(SCORES_BY_ARTICLE, system=SYSTEMS),
    log:
        "<logs>/score.log",
    benchmark:
        "<benchmarks>/score.jsonl"
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(2000 + loaded_mb(SUMMARIZATION["bertscore"]["model"])),
        runtime=growing(30 + len(SYSTEMS) * SUMMARIZATION["splits"]["test"] // 100),
    params:
        folder=lambda w, input: folder_of_systems(input.predictions),
        systems=" ".join(SYSTEMS),
        rouge="--stemmer" if SUMMARIZATION["rouge"]["stemmer"] else "",
        bertscore=bertscore_flags(SUMMARIZATION["bertscore"]),
        seed=config["seed"],
    message:
        "Scoring all systems"
    shell:
        "python {input.script[0]} --systems-folder {params.folder} --systems {params.systems} {params.rouge}"
        " --bertscore-model {input.model} {params.bertscore} --seed {params.seed} 2> {log}"


rule compare_systems:
    """All systems' scores side by side, with paired tests."""
    input:
        script=script("compare_systems.py"),
        by_article=expand(SCORES_BY_ARTICLE, system=SUMMARIZATION["systems"]),
    output:
        shown("<results>/summarization/comparison.csv", "comparison", "Summarization", file="all systems"),
    log:
        "<logs>/compare_systems.log",
    benchmark:
        "<benchmarks>/compare_systems.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        folder=lambda w, input: folder_of_systems(input.by_article),
        systems=system_entries(SUMMARIZATION["systems"]),
        compare_to=" ".join(SUMMARIZATION["compare_to"]),
        family=" ".join(systems.own_systems(config)),
        seed=config["seed"],
    message:
        "Comparing all systems"
    shell:
        "python {input.script[0]} --systems-folder {params.folder} --systems {params.systems} --parents"
        " --compare-to {params.compare_to} --family {params.family} --seed {params.seed} --output {output} 2> {log}"


rule study:
    """The systems of a study beside its baseline, with paired tests against it."""
    input:
        script=script("compare_systems.py"),
        by_article=lambda w: expand(SCORES_BY_ARTICLE, system=systems_of_study(w)),
    output:
        shown("<results>/summarization/studies/{study}.csv", "study", "Summarization", file="study {study}"),
    log:
        "<logs>/study/{study}.log",
    benchmark:
        "<benchmarks>/study/{study}.jsonl"
    wildcard_constraints:
        study=any_of(SUMMARIZATION["studies"]),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        folder=lambda w, input: folder_of_systems(input.by_article),
        systems=lambda w: system_entries(systems_of_study(w)),
        baseline=lambda w: systems_of_study(w)[0],
        family=lambda w: " ".join(systems_of_study(w)),
        seed=config["seed"],
    message:
        "Comparing the systems of the study {wildcards.study}"
    shell:
        "python {input.script[0]} --systems-folder {params.folder} --systems {params.systems}"
        " --compare-to {params.baseline} --family {params.family} --seed {params.seed} --output {output} 2> {log}"


rule qualities:
    """What scores against a reference do not see: length, copying, repetition, and faithfulness by the run's own tagger."""
    input:
        script=script("qualities.py"),
        test=SUMMARIZATION_SPLITS["test"],
        predictions=expand("<results>/summarization/systems/{system}/predictions.jsonl", system=SUMMARIZATION["systems"]),
        model="<results>/ner/model",
    output:
        shown("<results>/summarization/qualities.json", "qualities", "Summarization", file="qualities"),
    log:
        "<logs>/qualities.log",
    benchmark:
        "<benchmarks>/qualities.jsonl"
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(tagging_mb("ner")),
        runtime=growing(30 + len(SUMMARIZATION["systems"]) * SUMMARIZATION["splits"]["test"] // 200),
    params:
        folder=lambda w, input: folder_of_systems(input.predictions),
        systems=" ".join(SUMMARIZATION["systems"]),
        flags=f"{flags(config['ner'], 'precision')} --batch-size {config['ner']['training']['per_device_eval_batch_size']}",
        language=SUMMARIZATION["language"],
        seed=config["seed"],
    message:
        "Measuring length, copying, repetition and faithfulness"
    shell:
        "python {input.script[0]} --test {input.test} --systems-folder {params.folder} --systems {params.systems} --model {input.model}"
        " {params.flags} --language {params.language} --seed {params.seed} --output {output} 2> {log}"
