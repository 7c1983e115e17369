"""Say what the demo will do on this machine, and how long that should take.

    python tools/estimate.py

The minutes with bf16 were measured on two cores of a 2.6 GHz server processor; those without follow from single training steps there,
which take 2.8 times as long in fp32.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from lib.device import device_name, has_bf16

MINUTES = {True: 15, False: 35}


def main():
    bf16 = has_bf16()
    arithmetic = "bf16, which this processor has" if bf16 else "fp32, since this processor has no bf16"
    print(f"The demo, on {device_name()}: arithmetic in {arithmetic}; about {MINUTES[bf16]} minutes on two idle cores.")
    print("It downloads some 350 MB of data and weights from the package index, once.", flush=True)


if __name__ == "__main__":
    main()
