"""A Slurm cluster of three nodes on this machine: its daemons, its configuration and its state in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

PACKAGES = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}  # on Debian
SETTINGS = Path("/etc/slurm")  # where jobs look, which do not inherit SLURM_CONF
NODES = ("n1", "n2", "n3")
PATIENCE = 30  # seconds for a daemon to be there, or gone

NAME, PORT = "ClusterName=kargah", 16817

CONFIGURATION = """
{name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
MpiDefault=none
ReturnToService=2
JobRequeue=0
MinJobAge=300
KillWait=20
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/none
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[16821-16822] CPUs=1 RealMemory=30000
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port=16823 CPUs=2 RealMemory=30000 Gres=gpu:2
PartitionName=cpu Nodes=n[1-2] Default=YES MaxTime=1440 State=UP
PartitionName=gpu Nodes=n3 MaxTime=1440 State=UP
"""
GPUS = "NodeName=n3 Name=gpu File=/dev/null,/dev/zero\n"


class Cluster:
    """Nodes n1 and n2 of one processor in the partition cpu, n3 of two, with a GPU each, in the partition gpu; as a context, it is up."""

    def __init__(self, folder):
        self.folder, self.daemons = folder, {}

    def __enter__(self):
        if os.geteuid():
            pytest.fail(f"uid {os.geteuid()}: the tests on Slurm bring up a cluster of their own; expected root; run them as root")
        programs = {name: program(name) for name in PACKAGES}
        refuse_another_cluster()
        self._configure()
        key, socket_file = self.folder / "munge.key", self.folder / "munge.sock"
        files = {"key-file": key, "socket": socket_file, "pid-file": self.folder / "munged.pid", "log-file": self.folder / "munged.log"}
        options = [f"--{name}={path}" for name, path in files.items()]
        try:
            self._start("munged", programs["munged"], "--foreground", "--force", f"--seed-file={self.folder / 'munge.seed'}", *options)
            wait_until(socket_file.exists, "munged has made no socket")
            self._start("slurmctld", programs["slurmctld"], "-D")
            for node in NODES:
                self._start(node, programs["slurmd"], "-D", "-N", node)
            wait_until(lambda: self._idle() == set(NODES), "the nodes are not up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with suppress(subprocess.SubprocessError):
            said("scancel", "--user=root", "--signal=KILL", timeout=5)
        for name in reversed(self.daemons):
            self.daemons[name].terminate()
        for name, daemon in self.daemons.items():
            try:
                daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                daemon.kill()
            if name in NODES:
                kill_processes_of(name)
        for name in ("slurm.conf", "gres.conf"):
            (SETTINGS / name).unlink(missing_ok=True)

    def _configure(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self.folder.chmod(0o755)
        host = socket.gethostname().split(".")[0]
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(name=NAME, host=host, port=PORT, folder=self.folder))
        (self.folder / "gres.conf").write_text(GPUS)
        SETTINGS.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (SETTINGS / name).unlink(missing_ok=True)
            (SETTINGS / name).symlink_to(self.folder / name)

    def _start(self, name, *command):
        """A daemon that ends with this process, whatever ends that."""
        command = ["setpriv", "--pdeathsig", "TERM", *command]
        with open(self.folder / f"{name}.log", "w") as log:
            self.daemons[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _idle(self):
        return set(said("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N", check=False).split())

    # ------------------------------------------------------------------ what happens to it

    def jobs(self, *states):
        """The jobs, in these states or whatever their state: [{"id", "state", "node", "rule", "memory"}], the oldest first."""
        chosen = ",".join(states) or "all"
        lines = said("squeue", "--noheader", f"--states={chosen}", "--sort=i", "--format=%i|%T|%N|%k|%m").splitlines()
        return [dict(zip(("id", "state", "node", "rule", "memory"), line.split("|"), strict=True)) for line in lines]

    def kill_node(self, name):
        """As if somebody had pulled its plug, and the cluster had noticed."""
        self.daemons[name].kill()
        self.daemons.pop(name).wait()
        # before its jobs are killed: what watches over a job lives on without the daemon, and would report that the job had failed
        said("scontrol", "update", f"nodename={name}", "state=down", "reason=killed")
        kill_processes_of(name)


def refuse_another_cluster():
    for file in SETTINGS / "slurm.conf", SETTINGS / "gres.conf":
        if file.exists() and not (file.is_symlink() and NAME in (SETTINGS / "slurm.conf").read_text()):
            pytest.fail(f"{file}: there is one; expected a machine that belongs to no cluster; run these tests on another")
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", PORT)):
        pytest.fail(f"port {PORT}: a cluster of these tests is up already; expected none; end the other tests, or its slurmctld and slurmd")


def program(name):
    """The path of a program that these tests need."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.fail(f"{name}: no such command; the tests on Slurm need it; install it (Debian: apt-get install {PACKAGES[name]})")
    return path


def said(*command, timeout=PATIENCE, check=True):
    return subprocess.run(command, timeout=timeout, check=check, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def wait_until(condition, otherwise, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} after {seconds} seconds"
        time.sleep(0.2)


def kill_processes_of(node):
    """What runs on a node says so in its environment."""
    mark = f"SLURMD_NODENAME={node}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
