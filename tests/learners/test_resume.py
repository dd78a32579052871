"""A meta-training that is killed (SIGKILL) and started again ends with the same bytes as one left alone."""

from __future__ import annotations

import logging
import math
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from resumed_training import STEPS, as_bytes, train

from med_maml_pipeline.learners.state_file import StateFile, read_state

torch.set_num_threads(1)

SCRIPT = Path(__file__).with_name("resumed_training.py")
KILLS = {"maml": 10, "linear_probe": 10}


def _killed_until_done(name: str, folder: Path, kills: int) -> list[int]:
    """Kills the training at random moments, then lets it end; the updates that each kill found done."""
    draw, found = random.Random(name), []
    command = [sys.executable, str(SCRIPT), name, str(folder / "state"), str(folder / "result")]
    while not (folder / "result").exists():
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            if len(found) < kills:
                for _ in range(draw.randint(1, 12)):
                    last = int(process.stdout.readline())
                time.sleep(draw.uniform(0, 0.03))  # anywhere in an update, a look or a save
                process.kill()
                assert process.wait() == -signal.SIGKILL
                found.append(last)
            else:
                process.stdout.read()
                assert process.wait() == 0
    return found


def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in KILLS}
    for folder in folders.values():
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        running = {n: pool.submit(_killed_until_done, n, folders[n], kills) for n, kills in KILLS.items()}
        found = {name: future.result() for name, future in running.items()}
    for name, folder in folders.items():
        assert len(found[name]) == KILLS[name]
        assert all(0 < done < STEPS for done in found[name])  # every kill hit a running training
        assert found[name] == sorted(found[name])
        assert found[name][-1] > found[name][0] + 12  # and what they had done was not done again
        assert (folder / "result").read_bytes() == as_bytes(train(name, None)), name


@pytest.mark.parametrize("name", ["maml", "protonet", "prior", "fine_tune"])
def test_saving_and_going_on_change_nothing(name: str, tmp_path: Path) -> None:
    """BrokenError off in the middle of a record of the curve, and once more when all is done."""

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
