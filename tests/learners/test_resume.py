"""A meta-training that is killed (SIGKILL) and started again ends with the same bytes as one left alone."""

from __future__ import annotations

import logging
import math
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from resumed_training import STEPS, as_bytes, train

from med_maml_pipeline.learners.state_file import StateFile, read_state

torch.set_num_threads(1)

SCRIPT = Path(__file__).with_name("resumed_training.py")
KILLS = {"maml": 10, "linear_probe": 10}

PROCESSES = multiprocessing.get_context("fork")  # processes of their own, that need not load torch anew


def _train_and_tell(name: str, state: Path, told: Connection) -> None:
    torch.set_num_threads(1)
    train(name, StateFile(state, every=0), lambda done, total, figures: told.send(done))


def _killed(name: str, state: Path, draw: random.Random) -> int:
    """Kills a training at a random moment; the updates that it had told of."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_train_and_tell, args=(name, state, there))
    process.start()
    there.close()
    for _ in range(draw.randint(1, 12)):
        last = here.recv()
    time.sleep(draw.uniform(0, 0.03))  # anywhere in an update, a look or a save
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return int(last)


@pytest.mark.parametrize("name", KILLS)
def test_killed_at_random_moments_it_ends_with_the_same_bytes(name: str, tmp_path: Path) -> None:
    state, result, draw = tmp_path / "state", tmp_path / "result", random.Random(name)
    found = [_killed(name, state, draw) for _ in range(KILLS[name])]
    assert all(0 < done < STEPS for done in found)  # every kill hit a running training
    assert found == sorted(found)
    assert found[-1] > found[0] + 12  # and what they had done was not done again
    command = [sys.executable, str(SCRIPT), name, str(state), str(result)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert found[-1] <= int(ended.stdout.split()[0]) <= STEPS  # a fresh interpreter goes on from there
    assert result.read_bytes() == as_bytes(train(name, None))


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Both save to one file and may take up each other's state; both end alike."""
    results = [tmp_path / "one", tmp_path / "other"]
    command = [sys.executable, str(SCRIPT), "protonet", str(tmp_path / "state")]
    processes = [subprocess.Popen([*command, str(result)], stdout=subprocess.DEVNULL) for result in results]
    assert [process.wait() for process in processes] == [0, 0]
    alone = as_bytes(train("protonet", None))
    assert [result.read_bytes() == alone for result in results] == [True, True]
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("name", ["maml", "protonet", "prior", "fine_tune"])
def test_saving_and_going_on_change_nothing(name: str, tmp_path: Path) -> None:
    """Broken off in the middle of a record of the curve, and once more when all is done."""

    class BrokenError(Exception):
        pass

    def break_off(done: int, total: int, figures: object) -> None:
        if done == 40:
            raise BrokenError

    path = tmp_path / "state"
    with pytest.raises(BrokenError):
        train(name, StateFile(path, every=0), break_off)
    found = read_state(path)
    assert found is not None
    assert found[1]["step"] == 39
    alone = as_bytes(train(name, None))
    assert as_bytes(train(name, StateFile(path, every=0))) == alone
    assert as_bytes(train(name, StateFile(path, every=0))) == alone


def test_the_best_look_is_kept_and_marked(tmp_path: Path) -> None:
    history = train("maml", None).history
    looks = [record for record in history if not math.isnan(record["validation"])]
    assert [record["step"] for record in looks] == [*range(7, STEPS, 7), STEPS]
    (kept,) = (record for record in history if record["kept"])
    assert kept["validation"] == max(record["validation"] for record in looks)


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_state_is_ignored_with_a_warning(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state"
    alone = as_bytes(train("protonet", StateFile(path, every=0)))
    content = path.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes({"cut": content[:middle], "changed": changed, "emptied": b""}[damage])
    caplog.set_level(logging.WARNING)
    told: list[int] = []
    again = train("protonet", StateFile(path, every=0), lambda done, total, figures: told.append(done))
    assert as_bytes(again) == alone
    assert told[0] == 1
    assert [message for message in caplog.messages if "damaged" in message]


def test_a_state_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"

    def vanish(done: int, total: int, figures: object) -> None:
        if done < STEPS and folder.exists():
            (folder / "state").unlink()
            folder.rmdir()

    alone = as_bytes(train("protonet", None))
    assert as_bytes(train("protonet", StateFile(folder / "state", every=0), vanish)) == alone
    assert read_state(folder / "state") is not None
