"""What a run asks of the machine, against what the machine has: checks that need no work to be done first."""

from dataclasses import dataclass, field

OK, NOTE, FAILED = "ok", "note", "failed"
TRAINING_BYTES = 16  # a weight: itself, its gradient and AdamW's two moments, in fp32
# of the arithmetic that a product of matrices reaches, by training and by reading prompts, as the demo did on two processors
TRAINING_SHARE = {"fp32": 0.75, "bf16": 0.3, "fp16": 0.3}
PROMPT_SHARE = {"fp32": 0.45, "bf16": 0.35, "fp16": 0.35}
SECONDS_A_JOB = 12  # to start Python, import, load


@dataclass(frozen=True)
class Machine:
    """memory, gpu_memory  bytes; gpu_memory is None without a GPU
    free_memory          bytes that are free now; None where the system does not say
    operations           floating point operations a second of a product of matrices, in the precision `auto` means here
    bandwidth            bytes a second that memory gives
    lacking              {precision: why it does not run here} of those that were tried
    """

    device: str
    memory: int
    gpu_memory: int | None
    precision: str
    operations: float
    bandwidth: float
    lacking: dict = field(default_factory=dict)
    free_memory: int | None = None


@dataclass(frozen=True)
class Check:
    """A line of the table. A failed one has a way out in its text."""

    name: str
    status: str
    text: str


def check_memory(needs, machine):
    """needs: {"memory": {"what", "mb"}, "trained_gigabytes"}; the first as the rules state it, the second of weights in half precision."""
    asked, found = needs["memory"]["mb"], machine.memory / 1e6
    if asked > found:
        yield Check(
            "memory",
            FAILED,
            f"{needs['memory']['what']} asks for {asked / 1e3:.1f} GB and this machine has {found / 1e3:.1f}; "
            "choose smaller models or batches, or run on a machine with more",
        )
    elif machine.free_memory is not None and asked > machine.free_memory / 1e6:
        free = f"of {found / 1e3:.1f} only {machine.free_memory / 1e9:.1f} are free now"
        yield Check("memory", NOTE, f"{needs['memory']['what']} asks for {asked / 1e3:.1f} GB, and {free}; close other programs")
    else:
        yield Check("memory", OK, f"{asked / 1e3:.1f} of {found / 1e3:.1f} GB ({needs['memory']['what']})")
    if machine.gpu_memory is not None:
        asked = needs["trained_gigabytes"] / 2 * TRAINING_BYTES
        text = f"the weights that are trained take {asked:.1f} of {machine.gpu_memory / 1e9:.1f} GB, without activations"
        fits = asked < machine.gpu_memory / 1e9
        yield Check("GPU memory", OK if fits else FAILED, text if fits else f"{text}; choose a smaller model or a larger GPU")


def check_disk(needs, disks):
    """A line for each disk, since folders may share one.

    needs  {"disk": {folder: {"gigabytes"}}}, of a whole run
    disks  {folder: (number of the disk on which it lies, bytes free there, bytes of the run that are in it already)}
    """
    for disk in dict.fromkeys(number for number, _, _ in disks.values()):
        sharing = [folder for folder, (number, _, _) in disks.items() if number == disk]
        asked = sum(max(0, needs["disk"][folder]["gigabytes"] - disks[folder][2] / 1e9) for folder in sharing)
        found, names = disks[sharing[0]][1] / 1e9, ", ".join(sharing)
        text = f"{asked:.1f} GB to be written to {names}, {found:.1f} free"
        fits = asked <= found
        yield Check(f"disk: {names}", OK if fits else FAILED, text if fits else f"{text}; free some, or link a folder to a larger disk")


def check_precisions(needs, machine, elsewhere):
    """needs: {"precisions": {"training", "generation"}}, each {key of the configuration: precision}.

    elsewhere  whether jobs run on other machines than this
    """
    if elsewhere:
        yield Check("device", NOTE, "jobs run on other machines, whose devices and memory are not seen from here")
        return
    yield Check("device", OK, f"{machine.device}; auto is {machine.precision}")
    for work, precisions in needs["precisions"].items():
        for key, precision in precisions.items():
            if precision in machine.lacking:
                yield Check(key, FAILED, f"{precision} does not run on this device: {machine.lacking[precision]}; choose another, or auto")
            elif precision == "fp16" and machine.gpu_memory is None and work == "training":
                yield Check(key, FAILED, "found fp16, and there is no GPU here to train in it; choose bf16, fp32 or auto, or run on a GPU")
            elif precision in ("bf16", "fp16") and precision != machine.precision and not (precision == "fp16" and machine.gpu_memory):
                yield Check(key, NOTE, f"{precision} is emulated on this device, and slower than {machine.precision}")


def check_versions(pinned, installed):
    """Both {package: version}; packages of the lock that are not installed here are other environments'."""
    differ = [
        f"{name} {installed[name]} for {version}"
        for name, version in pinned.items()
        if name in installed and installed[name].split("+")[0] != version
    ]
    if differ:
        text = f"{', '.join(differ)}: results can differ from those of the lock; `pip install -r requirements.txt` installs it"
        yield Check("versions", NOTE, text)
    else:
        yield Check("versions", OK, f"{sum(name in installed for name in pinned)} packages as in requirements.txt")


def hours(work, machine):
    """How long the work should take on this machine, roughly.

    work  {"jobs": number, "training": [{"parameters", "tokens"}], "generation": [{"parameters", "articles", "prompt_tokens", "new_tokens",
          "batch_size"}]}: parameters are those that take part for each token

    A token costs two operations a parameter forward and four backward; each token that is generated reads all weights, two bytes each,
    once for a batch.
    """
    seconds = work["jobs"] * SECONDS_A_JOB
    training, prompts = (share[machine.precision] * machine.operations for share in (TRAINING_SHARE, PROMPT_SHARE))
    for part in work["training"]:
        seconds += 6 * part["parameters"] * part["tokens"] / training
    for part in work["generation"]:
        seconds += 2 * part["parameters"] * part["articles"] * part["prompt_tokens"] / prompts
        batches = -(-part["articles"] // part["batch_size"])
        seconds += batches * part["new_tokens"] * 2 * part["parameters"] / machine.bandwidth
    return seconds / 3600


def table(checks):
    """The checks as lines of text, their columns aligned."""
    width = max(len(check.name) for check in checks)
    return [f"{check.status:6}  {check.name:{width}}  {check.text}" for check in checks]
