"""A program that needs tokenizers and no model imports this before transformers, which then takes torch for not installed.

It supports that, and loads in a third of the time. Since this holds for the rest of the process, the programs do so only when they are run
themselves, not when they are imported.
"""

import sys

if "torch" not in sys.modules:
    sys.modules["torch"] = None  # as the language has it for a module that is not to be found
    from transformers.utils import is_torch_available

    is_torch_available()  # transformers remembers the answer
    del sys.modules["torch"]
