"""Import this before torch, transformers or datasets: the hub is switched off, caches stay quiet, tokenizers do not fork.

Only fetch.py and preflight.py touch a network; every other script that loads these imports this module first. Two settings make the
imports that follow a fifth shorter: nothing here is compiled, and without that switch bitsandbytes loads torch's compiler; and the garbage
collector, which finds nothing to collect in millions of new objects of modules, looks less often until `lib.program` begins.
"""

import gc
import os

gc.set_threshold(100_000, 10, 10)
os.environ["TORCHDYNAMO_DISABLE"] = "1"

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
