# Two finished runs side by side, on request: snakemake --cores 1 compare --config left=demo right=full
#
# in    results/{left}/, results/{right}/: not as inputs, since a comparison must not run these workflows again
# out   results/comparisons/{left}-{right}/comparison.{md,json}, written anew each time that it is asked for


localrules:
    compare,


rule compare:
    """Set two runs' scores and settings side by side, and mark what differs by more than noise."""
    input:
        script=script("compare.py"),
    log:
        "<logs>/compare.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        runs=f"--left {config.get('left', '')!r} --right {config.get('right', '')!r}",
        output=f"results/comparisons/{config.get('left')}-{config.get('right')}",
        seed=config["seed"],
    message:
        "Comparing two runs"
    shell:
        "python {input.script[0]} --results results {params.runs} --seed {params.seed} --output {params.output:q} 2> {log}"
