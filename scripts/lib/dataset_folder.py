"""Data sets in folders as the hub lays them out: Parquet or JSON lines, with or without a README that names configs."""

import atexit
import tempfile
from pathlib import Path

import datasets
from datasets.data_files import sanitize_patterns
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard

from lib.program import InputError, one_line, out_of_space

FORMATS = (".parquet", ".jsonl", ".json", ".csv")


def load_splits(folder, config=None):
    """The splits of the data set in `folder`, as a DatasetDict.

    config  name of a config in the README's `configs:`, else of a folder of files (`conll2003` for `conll2003/train/0000.parquet`);
            None where there is only one

    Columns, and the names behind the ids of a ClassLabel, are in the splits' `features`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a data set as the hub lays it out; correct the path, or fetch it again")
    options = _arguments(folder, config)
    # a cache that lives as long as the process: one that outlives it would hide an edit of the files, and rows stay on disk until used
    cache = tempfile.TemporaryDirectory(prefix="kargah-")
    atexit.register(cache.cleanup)
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(**options, cache_dir=cache.name)
    except Exception as error:  # the readers below raise many kinds, with the cause inside
        if out_of_space(error):  # of the cache
            raise
        found = one_line(error.__cause__ or error)
        raise InputError(f"{folder}: cannot be read ({found}); expected a data set as the hub lays it out; correct its files") from error


def write_splits(folder, splits, licence, description):
    """Write {split: Dataset} to `folder` as the hub lays a data set out, one Parquet file a split and a README."""
    folder = Path(folder)
    (folder / "data").mkdir(parents=True)
    for name, split in splits.items():
        split.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    files = "".join(f"  - {{split: {name}, path: data/{name}-*}}\n" for name in splits)
    header = f"license: {licence}\nconfigs:\n- config_name: default\n  data_files:\n{files}"
    (folder / "README.md").write_text(f"---\n{header}---\n{description}\n", encoding="utf-8")


def _arguments(folder, config):
    """What to give to load_dataset."""
    configs, infos = _readme(folder)
    if config is None and len(configs) > 1:
        raise InputError(f"{folder}/README.md: several configs ({', '.join(configs)}); name one with the data set's key `config`")
    if config is None and configs:
        config = next(iter(configs))
    if config in configs:
        # named one by one, since load_dataset looks at the files of the README's first config, and only one config may have been fetched
        features = infos[config].features if config in infos else None
        return {"path": str(folder), "name": config, "data_files": sanitize_patterns(configs[config]["data_files"]), "features": features}
    if configs and not (folder / config).is_dir():
        raise InputError(f"{folder}/README.md: no config {config!r}; found {', '.join(configs)}; correct the data set's key `config`")
    place = folder / config if config else folder
    if not any(file.suffix in FORMATS for file in place.rglob("*")):
        raise InputError(f"{place}: no data files; expected {', '.join(FORMATS)}; correct the path or the data set's key `config`")
    return {"path": str(folder), "data_dir": config}


def _readme(folder):
    """The README's configs that name files, and what it says of columns: {config: {"data_files": …}}, {config: DatasetInfo}."""
    readme = folder / "README.md"
    if not readme.is_file():
        return {}, {}
    try:
        card = DatasetCard.load(readme).data
        configs, infos = MetadataConfigs.from_dataset_card_data(card), DatasetInfosDict.from_dataset_card_data(card)
    except Exception as error:  # YAML's errors and those of several libraries
        raise InputError(f"{readme}: the header between --- and --- cannot be read ({one_line(error)}); correct it") from error
    return {name: entry for name, entry in configs.items() if "data_files" in entry}, infos
