"""The log of a training by transformers' Trainer: rows for training_log.jsonl, and progress lines for whoever waits."""

import time

from transformers import TrainerCallback

from lib.program import Steps, progress
from lib.records import write_jsonl

NOT_METRICS = ("eval_loss", "_runtime", "_per_second")  # the loss has its own name, the rest are timings


class TrainingLog(TrainerCallback):
    """Collects `rows`: {step, epoch, loss, learning_rate, seconds} where Trainer logs, {step, epoch, validation_loss, …} where it
    evaluates.

    Whatever else an evaluation reports (metrics of compute_metrics) stands in its row under the name that it was given.
    """

    def __init__(self, what="training step"):
        self.what, self.rows, self.loss = what, [], None

    def on_train_begin(self, args, state, control, **kwargs):
        self.start, self.first, self.steps = time.monotonic(), None, Steps(self.what, state.max_steps)
        progress(f"{self.what}s: {state.max_steps} in {state.num_train_epochs} epoch{'s' * (state.num_train_epochs != 1)}")

    def on_step_end(self, args, state, control, **kwargs):
        details = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        if not self.first:  # no measure of the rest: batches by length begin with the longest, and memory is touched first
            self.first = state.global_step, time.monotonic()
        else:
            step, then = self.first
            left = (time.monotonic() - then) / (state.global_step - step) * (state.max_steps - state.global_step)
            details.append(f"{left:.0f} s left")
        self.steps.at(state.global_step, ", ".join(details))

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.loss = logs["loss"]
            values = {"loss": self.loss, "learning_rate": logs["learning_rate"], "seconds": round(time.monotonic() - self.start, 2)}
        elif "eval_loss" in logs:
            values = {"validation_loss": logs["eval_loss"]}
            values |= {
                name.removeprefix("eval_"): value
                for name, value in logs.items()
                if name.startswith("eval_") and not name.endswith(NOT_METRICS)
            }
            progress(f"validation loss {logs['eval_loss']:.4f} after step {state.global_step}")
        else:  # the summary at the end of a training
            return
        self.rows.append({"step": state.global_step, "epoch": round(state.epoch or 0, 4), **values})

    def state_dict(self):
        return {"rows": self.rows, "loss": self.loss, "seconds": time.monotonic() - self.start}

    def load_state_dict(self, state):
        self.rows, self.loss, self.start = state["rows"], state["loss"], time.monotonic() - state["seconds"]

    def write(self, path):
        write_jsonl(path, self.rows)
