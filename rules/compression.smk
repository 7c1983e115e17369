# Training and compression: the models that systems make.
#
# in    the folder of the model that a system starts from (fetched, or its parent's), the pairs and their lengths, prompts/{name}.yaml
# out   <results>/summarization/systems/{system}/model/, model.json                 ordinary weights, tokenizer, model card; their checksums
#       <results>/summarization/systems/{system}/training_log.jsonl, training.json  of those that are fine-tuned
#       <results>/summarization/systems/{system}/sparsity.csv                       of those that are pruned or descend from such
#       <results>/summarization/systems/{system}/model.bitmask.safetensors, storage.json    the same ones without their zeros
#       <results>/summarization/systems/{system}/validation_loss.json               of those in a study of pruning, and on request


rule finetune:
    """Fine-tune a model to summarize, with the loss on the summary only (S14, P4); with `processes` above 1, in as many."""
    input:
        script=script("finetune.py"),
        model=lambda w: start_model(w.system),
        train=SUMMARIZATION_SPLITS["train"],
        validation=SUMMARIZATION_SPLITS["validation"],
        template=lambda w: prompt_template(w.system),
        lengths=lambda w: f"<results>/summarization/lengths/{root_model(w.system)}.json",
    output:
        model=directory("<results>/summarization/systems/{system}/model"),
        manifest="<results>/summarization/systems/{system}/model.json",
        log=shown(
            "<results>/summarization/systems/{system}/training_log.jsonl",
            "training_log",
            "Training and compression",
            system="{system}",
            file="training log",
        ),
        summary="<results>/summarization/systems/{system}/training.json",
    log:
        "<logs>/finetune/{system}.log",
    benchmark:
        "<benchmarks>/finetune/{system}.jsonl"
    wildcard_constraints:
        system=any_of(systems_of_kind("finetune")),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: finetuning_mb(w.system)),
        runtime=growing(lambda w: minutes("training", finetuning_work(w.system))),
        processes=1,
        checkpoint_minutes=CHECKPOINT_MINUTES,
    params:
        training=lambda w: as_json(settings(w.system, "training")),
        work=lambda w: work_folder(f"finetune/{w.system}"),
        flags=lambda w: f"--length-percentile {SUMMARIZATION['length_percentile']} --seed {seed_of(w.system)} --start {origin(w.system)}",
        zeros=lambda w: "--keep-zeros" if is_sparse(w.system) else "",
    message:
        "Fine-tuning {wildcards.system}"
    shell:
        "python {input.script[0]} --model {input.model} --train {input.train} --validation {input.validation}"
        " --template {input.template} --lengths {input.lengths} --training {params.training:q} --system {wildcards.system}"
        " --processes {resources.processes} {params.flags} {params.zeros} --output {output.model} --log {output.log}"
        " --summary {output.summary} --work {params.work}"
        " --checkpoint-minutes {resources.checkpoint_minutes} 2> {log}"


rule prune:
    """Set a share of the weights of a model's linear layers to zero, for good (P1)."""
    input:
        script=script("prune.py"),
        model=lambda w: start_model(w.system),
        calibration=lambda w: SUMMARIZATION_SPLITS["train"] if is_calibrated(w.system) else [],
        template=lambda w: prompt_template(w.system) if is_calibrated(w.system) else [],
    output:
        model=directory("<results>/summarization/systems/{system}/model"),
        manifest="<results>/summarization/systems/{system}/model.json",
    log:
        "<logs>/prune/{system}.log",
    benchmark:
        "<benchmarks>/prune/{system}.jsonl"
    wildcard_constraints:
        system=any_of(systems_of_kind("prune")),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: system_mb(w.system, times=10)),
        runtime=growing(lambda w: minutes_of_loading(w.system, 60)),
    params:
        rows=given("--calibration", "calibration"),
        template=given("--template", "template"),
        calibration=calibration_flags,
        flags=lambda w: flags(SYSTEMS[w.system], "method", "amount", "amount_of", "scope")
        + f" --seed {seed_of(w.system)} --start {origin(w.system)}",
    message:
        "Pruning {wildcards.system}"
    shell:
        "python {input.script[0]} --model {input.model} --system {wildcards.system} {params.flags} {params.rows} {params.template}"
        " {params.calibration} --output {output.model} 2> {log}"


rule sparsity:
    """Count zeros layer by layer; a model that descends from a pruned one has all of its zeros (P2). Store it exactly without them (P7)."""
    input:
        script=script("sparsity.py"),
        model=lambda w: model_made_by(w.system),
        parent=parent_sparsity,
    output:
        table=shown(
            "<results>/summarization/systems/{system}/sparsity.csv",
            "sparsity",
            "Training and compression",
            system="{system}",
            file="sparsity",
        ),
        packed="<results>/summarization/systems/{system}/model.bitmask.safetensors",
        storage=shown(
            "<results>/summarization/systems/{system}/storage.json",
            "storage",
            "Training and compression",
            system="{system}",
            file="storage",
        ),
    log:
        "<logs>/sparsity/{system}.log",
    benchmark:
        "<benchmarks>/sparsity/{system}.jsonl"
    wildcard_constraints:
        system=any_of(filter(is_sparse, SYSTEMS)),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(lambda w: system_mb(w.system)),
        runtime=growing(lambda w: minutes_of_loading(w.system, 15)),
    params:
        parent=given("--at-least", "parent"),
    message:
        "Counting the zeros of {wildcards.system}, and storing it without them"
    shell:
        "python {input.script[0]} --model {input.model} {params.parent} --output {output.table} --packed {output.packed}"
        " --storage {output.storage} 2> {log}"


rule validation_loss:
    """The loss of a system's model on the references of the validation pairs, with its interval (P5, P7)."""
    input:
        script=script("validation_loss.py"),
        model=lambda w: model_made_by(w.system),
        template=lambda w: prompt_template(w.system),
        validation=SUMMARIZATION_SPLITS["validation"],
    output:
        "<results>/summarization/systems/{system}/validation_loss.json",
    log:
        "<logs>/validation_loss/{system}.log",
    benchmark:
        "<benchmarks>/validation_loss/{system}.jsonl"
    wildcard_constraints:
        system=any_of(GENERATING),
    conda:
        "../envs/models.yaml"
    threads: threads_of_a_model
    resources:
        mem_mb=growing(lambda w: system_mb(w.system)),
        runtime=growing(lambda w: minutes("generation", loss_work(w.system))),
    params:
        flags=loss_flags,
        seed=config["seed"],
    message:
        "Measuring the validation loss of {wildcards.system}"
    shell:
        "python {input.script[0]} --model {input.model} --validation {input.validation} --template {input.template} {params.flags}"
        " --seed {params.seed} --output {output} 2> {log}"
