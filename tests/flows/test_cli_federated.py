"""`carousel federated`: a coordinator and members as processes on the loopback, one of them killed, one stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.recommenders.factory import load_model
from flows import cli
from tests.components.recommenders.support import SMALL
from tests.components.stages.support import write_split
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]
NAMES = ("east", "middle", "north", "south", "west")
DEADLINE_S = 60  # in the first round each process imports torch's optimizers
VALUES = [
    *SMALL, "federated.min_clients=2", "federated.rounds=3", "federated.local_epochs=1", "federated.wait_s=120",
    f"federated.deadline_s={DEADLINE_S}",
]  # fmt: skip


def test_a_key_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], checkout: Path) -> None:
    assert cli.run(["federated", "key", str(tmp_path / "key.pem"), "--json"]) == 0
    assert len(bytes.fromhex(json.loads(capsys.readouterr().out)["public_key"])) == 32
    assert cli.run(["federated", "key", str(tmp_path / "key.pem")]) == 1
    assert "exists" in capsys.readouterr().err


class Processes:
    """Commands of `carousel federated`, each with a log of its own; `stop` ends those that still run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        sets = [word for value in VALUES for word in ("--set", value)]
        environment = {**os.environ, "CAROUSEL_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "federated", *arguments, *sets, "--json"],
                cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def wait_for_line(self, name: str, text: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while text not in self.log_of(name):
            assert time.monotonic() < until, self.log_of(name)
            assert self.running[name].poll() is None, self.log_of(name)
            time.sleep(0.1)

    def stop(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path)
    yield found
    found.stop()


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_of_processes_survives_a_killed_and_a_stopped_member(
    world: World, processes: Processes, tmp_path: Path
) -> None:
    from components.federated.keys import write_identity

    events, catalogue, users = world
    listed = []
    for n, name in enumerate(NAMES):
        part = events.filter(events.user_idx // 2 % len(NAMES) == n)
        write_split(tmp_path / name, (part, catalogue, users))
        listed.append(f"{name}: {write_identity(tmp_path / name / 'key.pem')}\n")
    nobody = replace(events.filter(np.zeros(len(events), bool)), n_users=0)
    write_split(tmp_path / "coordinator", (nobody, catalogue, users))
    (tmp_path / "members.yaml").write_text("".join(listed))
    members, port = ("--members", str(tmp_path / "members.yaml")), free_port()

    def paths(name: str) -> tuple[str, ...]:
        return ("--split", str(tmp_path / name / "data/split"), "--out", str(tmp_path / name / "out"), *members)

    features = str(tmp_path / "coordinator/features")
    processes.start("coordinator", "coordinate", "--port", port, "--features", features, *paths("coordinator"))
    for name in NAMES:
        key = str(tmp_path / name / "key.pem")
        processes.start(name, "join", f"http://127.0.0.1:{port}", name, "--key", key, *paths(name))
    processes.wait_for_line("coordinator", "pairs: 5 of 5", 300)  # what follows is the first round
    processes.running["west"].kill()
    processes.running["east"].send_signal(signal.SIGSTOP)
    out, _ = processes.running["coordinator"].communicate(timeout=300)
    assert processes.running["coordinator"].returncode == 0, processes.log_of("coordinator")
    sums = json.loads(out)["sums"]
    assert [row["purpose"] for row in sums] == ["items", "pairs", *["round"] * 3]
    assert [row["problem"] for row in sums] == [None] * 5
    assert [row["summed"] for row in sums[-2:]] == [3, 3]
    assert sums[4]["loss"] < sums[2]["loss"]
    assert all(row["received_bytes"] > 0 for row in sums)
    for name in ("middle", "north", "south"):
        assert processes.running[name].wait(60) == 0, processes.log_of(name)
        shared = load_model(tmp_path / "coordinator/out/sequence").score(users)
        np.testing.assert_allclose(load_model(tmp_path / name / "out/sequence").score(users), shared, atol=1e-5)
    central = load_model(tmp_path / "coordinator/out/ease")
    odd = central.recommend(users, 3).items[1:] % 2
    assert (odd == (users.user_idx[1:] % 2)[:, None]).mean() > 0.95
