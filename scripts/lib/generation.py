"""Greedy generation for a whole test set: batches sorted by length, a shared beginning computed once, rows that ended leave the batch."""

import logging
from dataclasses import dataclass
from os.path import commonprefix

import torch
from transformers import BitsAndBytesConfig, DynamicCache
from transformers.cache_utils import DynamicLayer

from lib.device import DTYPES, device, resolve_precision
from lib.model_folder import load_model
from lib.program import InputError

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8", "nf4")
SHARED_WORTH_CACHING = 64  # tokens; below it one more pass costs more than it saves
ROOM = 64  # tokens that a cache makes room for at a time
AT_ONCE = 1024  # tokens of prompts that a CPU takes through the model at once: more take no less time each, and all take more memory


@dataclass(frozen=True)
class Continuation:
    ids: list  # the new tokens, without the one that ended them
    ended: bool  # by an end token or a stop string, not by the limit


def load_for_generation(folder, precision, double_quantization):
    """(model for inference on the device at hand, its dtype's name). `precision` is fp32, bf16, fp16, int8, nf4 or auto.

    Every precision runs on a CPU too: fp16 there takes 2.5 times as long as fp32, int8 as long, on the machine measured.
    """
    options = {}
    dtype = precision if precision == "fp16" else resolve_precision("auto" if precision in ("nf4", "int8") else precision)
    if precision == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=double_quantization,
            bnb_4bit_compute_dtype=DTYPES[dtype],
        )
    elif precision == "int8":
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)  # else it warns of its casts at every product
    return load_model(folder, DTYPES[dtype], device_map=str(device()), **options).eval(), dtype


def unpacked(model):
    """The model with its 4-bit weights turned back into numbers of its dtype, each once, if it runs on a CPU; else the model as it is.

    bitsandbytes turns them back at every product. The numbers are the same, but that where a processor has bf16 it rounds the blocks'
    scales to bf16 as well. The weights then take the place of unquantized ones. To be called before the model computes anything.
    """
    if model.device.type == "cpu" and getattr(model, "is_loaded_in_4bit", False):
        for name, weight in model.named_parameters():  # at its first product bitsandbytes may arrange them anew, which nothing turns back
            if getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False):
                raise RuntimeError(f"{name} has been computed with; expected a model as it was loaded")
        logging.getLogger("transformers.integrations.bitsandbytes").setLevel(logging.ERROR)  # else it warns of what is done here
        return model.dequantize(model.dtype)
    return model


def bytes_stored(model):
    """Bytes of a model's weights as save_pretrained would store them: in the precision they are loaded in, tied ones once."""
    tensors = [tensor for tensor in model.state_dict().values() if torch.is_tensor(tensor)]
    return sum({(tensor.data_ptr(), tensor.shape): tensor.nbytes for tensor in tensors}.values())


class Generator:
    """Continues prompts greedily, until a token of `end_ids`, a stop string (after leading white space) or `max_new_tokens`.

    `batch_size` is halved for good when memory runs out, and `batch_size_reduced` tells that it was.
    """

    def __init__(self, model, tokenizer, end_ids, stop_strings, max_new_tokens, batch_size):
        self.model, self.tokenizer = model, tokenizer
        self.end_ids = torch.tensor(end_ids, device=model.device)
        self.stop_strings, self.max_new_tokens = stop_strings, max_new_tokens
        self.batch_size, self.batch_size_reduced = batch_size, False
        self.shared_tokens = 0

    @torch.inference_mode()
    def continuations(self, prompts, done=lambda count: None):
        """A Continuation for each prompt (a list of ids), in the order given; `done` is called with the number finished so far."""
        shared = commonprefix(prompts)[: min(map(len, prompts)) - 1] if len(prompts) > 1 else []
        self.shared_tokens = len(shared) if len(shared) >= SHARED_WORTH_CACHING and repeatable(self.model.config) else 0
        beginning = None
        todo = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))  # the longest first: memory runs out early or never
        results = {}
        while todo:
            batch = todo[: self.batch_size]
            try:
                if beginning is None:
                    beginning = self._cache_of(shared[: self.shared_tokens])
                continued = self._batch([prompts[index][self.shared_tokens :] for index in batch], beginning)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                continued = None
            if continued is None:  # outside of `except`, whose traceback holds on to the tensors
                self._halve()
                continue
            results.update(zip(batch, continued, strict=True))
            todo = todo[len(batch) :]
            done(len(results))
        return [results[index] for index in range(len(prompts))]

    def _halve(self):
        if self.batch_size == 1:
            raise InputError(
                "batch_size 1: out of memory; shorten the prompts (max_prompt_tokens), or choose a smaller precision or a larger machine"
            )
        self.batch_size, self.batch_size_reduced = self.batch_size // 2, True
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _cache_of(self, ids):
        """Keys and values of a beginning that all prompts share, for a batch of one."""
        cache = roomy_cache(self.model.config)
        if ids:
            self.model(torch.tensor([ids], device=self.model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache

    def _batch(self, prompts, beginning):
        """Continuations of one batch, the longest prompt first."""
        new, ended = [[] for _ in prompts], [False] * len(prompts)
        rows = list(range(len(prompts)))  # the row of the prompts that each row of the tensors belongs to
        logits, mask, positions, cache = self._read(prompts, beginning)
        ids = None  # the tokens chosen last
        for _ in range(self.max_new_tokens):
            if ids is not None:
                logits = self._next(ids, mask, positions, cache)
            scores = logits.float()
            chosen = scores.argmax(-1)
            if not scores.gather(1, chosen[:, None]).isfinite().all():
                raise InputError(
                    f"precision: in {logits.dtype} the model's numbers overflow, so that no token is the likeliest; "
                    "expected finite ones; choose bf16 or fp32"
                )
            at_end = torch.isin(chosen, self.end_ids).tolist()
            for row, token, end in zip(rows, chosen.tolist(), at_end, strict=True):
                if not end:
                    new[row].append(token)
                ended[row] = end or self._stops(new[row])
            keep = [index for index, row in enumerate(rows) if not ended[row]]
            if not keep:
                break
            ids, positions = chosen[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            if len(keep) < len(rows):
                rows = [rows[index] for index in keep]
                keep = torch.tensor(keep, device=self.model.device)
                ids, positions, mask = ids[keep], positions[keep], mask[keep]
                cache.batch_select_indices(keep)
        return [Continuation(ids, end) for ids, end in zip(new, ended, strict=True)]

    def _read(self, prompts, beginning):
        """What follows the last tokens of the prompts (logits, rows × vocabulary), and the batch's mask, positions and cache.

        A CPU reads the prompts, of which the longest come first, in parts that are no wider than the longest of their own.
        """
        whole = self.model.device.type != "cpu" or not repeatable(self.model.config)
        parts, logits, caches = [prompts] if whole else prompts_in_parts(prompts, AT_ONCE), [], []
        for part in parts:
            ids, mask, positions = self._padded(part)
            caches.append(repeated(beginning, len(part), self.model.config))
            logits.append(self._next(ids, mask, positions, caches[-1]))
        return torch.cat(logits), *self._padded(prompts)[1:], joined(caches, self.shared_tokens, self.model.config)

    def _padded(self, prompts):
        """Ids, mask and positions. Padding stands between the shared beginning and each prompt's own part, hidden by the mask."""
        longest, pad = max(map(len, prompts)), self.tokenizer.pad_token_id
        ids = [[pad] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[1] * self.shared_tokens + [0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        ids, mask = (torch.tensor(rows, device=self.model.device) for rows in (ids, mask))
        return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)[:, self.shared_tokens :]

    def _next(self, ids, mask, positions, cache):
        """What follows the last of the `ids`, which the cache then holds: logits, rows × vocabulary."""
        found = self.model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return found.logits[:, -1]

    def _stops(self, ids):
        return bool(self.stop_strings) and self._cut(ids)[1]

    def _cut(self, ids):
        """(text up to the first stop string, whether there was one)."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).lstrip()
        places = [place for place in map(text.find, self.stop_strings) if place >= 0]
        return (text[: min(places)], True) if places else (text, False)

    def text(self, ids):
        """The summary that the tokens spell."""
        return self._cut(ids)[0].strip()


class RoomyLayer(DynamicLayer):
    """A layer of a cache that has room for some tokens to come; transformers' own copies all keys and values at every token."""

    room = None  # the tensors of which `keys` and `values` are the filled part

    def update(self, key_states, value_states, *args, **kwargs):
        filled = self.get_seq_length()
        length = filled + key_states.shape[-2]
        if self.room is None or self.keys is not self.filled_keys or length > self.room[0].shape[-2]:
            old, shape = (self.keys, self.values), (*key_states.shape[:2], length + ROOM)
            self.room = tuple(new.new_empty(*shape, new.shape[-1]) for new in (key_states, value_states))
            for room, part in zip(self.room, old, strict=True):
                if filled:
                    room[..., :filled, :] = part
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        for room, new in zip(self.room, (key_states, value_states), strict=True):
            room[..., filled:length, :] = new
        self._fill(length)
        return self.keys, self.values

    def batch_select_indices(self, indices):
        length = self.get_seq_length()
        self.room = tuple(room[indices] for room in self.room)
        self._fill(length)

    def _fill(self, length):
        self.keys, self.values = (room[..., :length, :] for room in self.room)
        self.filled_keys = self.keys


def roomy_cache(config):
    """An empty cache for a model; layers with a sliding window stay as transformers makes them."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def repeatable(config):
    """Whether `repeated` can copy this model's cache: a sliding window forgets, and keeps a count besides."""
    return all(type(layer) is RoomyLayer for layer in roomy_cache(config).layers)


def repeated(cache, times, config):
    """A copy of a cache of one row, with `times` rows."""
    copy = roomy_cache(config)
    for number, layer in enumerate(cache.layers):
        if layer.get_seq_length():
            copy.update(layer.keys.expand(times, -1, -1, -1), layer.values.expand(times, -1, -1, -1), number)
    return copy


def prompts_in_parts(prompts, tokens):
    """The prompts, of which the longest come first, in parts of at most so many tokens with padding, or of a single prompt."""
    parts = [[]]
    for prompt in prompts:
        if parts[-1] and (len(parts[-1]) + 1) * len(parts[-1][0]) > tokens:
            parts.append([])
        parts[-1].append(prompt)
    return parts


def joined(caches, shared, config):
    """The rows of caches that begin with the same `shared` tokens in one: what comes after is moved to the end of the longest.

    The caches given are used up, layer by layer, so that memory holds them once.
    """
    if len(caches) == 1:
        return caches[0]
    whole, longest = roomy_cache(config), max(cache.get_seq_length() for cache in caches)
    for number in range(len(whole.layers)):
        layers = [cache.layers[number] for cache in caches]
        rows = [[widened(tensor, shared, longest) for tensor in (layer.keys, layer.values)] for layer in layers]
        whole.update(*map(torch.cat, zip(*rows, strict=True)), number)
        for layer in layers:
            layer.keys = layer.values = layer.filled_keys = layer.room = None
    return whole


def widened(tensor, shared, length):
    """Keys or values (rows × heads × positions × width) with zeros after the `shared` positions, so that there are `length`."""
    gap = tensor.new_zeros(*tensor.shape[:2], length - tensor.shape[2], tensor.shape[3])
    return torch.cat([tensor[:, :, :shared], gap, tensor[:, :, shared:]], dim=2)


def out_of_memory(error):
    """Also where a library that torch calls says so: of the processor, and cuBLAS, whose workspace comes last."""
    words = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in words)
