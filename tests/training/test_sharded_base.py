"""A base whose blocks are cut over two processes."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tiny import tiny_model, tiny_tokenizer
from torch.multiprocessing.spawn import ProcessExitedException
from training import part_of_base, small_perceiver
from training.two_processes import in_two_processes

from lorify.base.loading import load_base
from lorify.errors import BaseModelError
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.doc_to_lora.objective import prepare_perceiver
from lorify.training.preparation import Preparation

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
ACCELERATE = [
    "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "--no_python",
]  # fmt: skip
LORIFY = str(Path(sys.executable).with_name("lorify"))


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_model(num_layers=4).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def run_config(base_dir: Path, tmp_path_factory) -> small_perceiver.PerceiverTrainingConfig:
    """A run of one context a batch, of which some have stored answers and others need the base to answer."""
    folder = tmp_path_factory.mktemp("files")
    base = load_base(str(base_dir))
    small_perceiver.write_self_generated(folder / "data", base)
    changes = {
        "base": base.name,
        "optimization__loss": "kl",
        "optimization__bf16": True,
        "data__facts": 0,
        "data__self_generated": 1,
        "data__self_generated_path": str(folder / "data"),
        "data__batch_contexts": 1,
        "seed": 1,  # with which in three of four steps one process has to ask the base, and the other has not
    }
    small_perceiver.objective(base, **changes | {"data__self_generated": 0}).save_best(folder / "start")
    return small_perceiver.config(**changes, init_from=str(folder / "start"))


def trained(run_config, folder: Path, launch: list[str], **changes: object) -> dict[str, torch.Tensor]:
    """Weights of a run on the command line."""
    (folder / "config.json").write_text(run_config.model_dump_json())
    settings = [part for key, value in changes.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]
    run_dir = folder / "run"
    command = [LORIFY, "train", str(folder / "config.json"), "-o", str(run_dir), *settings]
    if launch:
        command = [sys.executable, "-m", *launch, *command]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    assert "one process" not in result.stderr
    state = torch.load(run_dir / "checkpoint" / "state.pt", weights_only=True)
    assert state["step"] == 4
    return state["hypernetwork"]


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=tolerance, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.slow
def test_two_processes_train_what_one_does_with_twice_the_accumulation(run_config, base_dir, tmp_path):
    perceiver_objective = prepare_perceiver(
        run_config, Preparation(tmp_path, lambda _: load_base(str(base_dir)), lambda *_: nullcontext(lambda *_: None))
    )
    asks = [perceiver_objective.train_batches.build(batch)[0].teacher_answers[0] is None for batch in range(8)]
    assert [asks[step] != asks[step + 1] for step in range(0, 8, 2)] == [True, True, False, True]
    folders = [tmp_path / name for name in ("one", "whole", "parts")]
    for folder in folders:
        folder.mkdir()
    one = trained(run_config, folders[0], [], optimization__accumulation=2)
    whole = trained(run_config, folders[1], TORCHRUN)
    parts = trained(run_config, folders[2], ACCELERATE, sharded_base="true")
    assert_same(parts, whole, 0)
    assert_same(parts, one, 1e-5)


@pytest.mark.slow
def test_each_process_holds_half_of_the_blocks(base_dir):
    in_two_processes(part_of_base.check_in_process, base_dir)


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_a_killed_run_goes_on_as_if_it_had_never_stopped(base_dir, tmp_path, sharded):
    # Blocks below the first adapted one compute only what is new to their process.
    changes = {"sharded": sharded, "sharded_base": sharded, "hypernetwork__first_layer": 2 if sharded else 0}
    of = (changes, base_dir if sharded else None)
    with pytest.raises(ProcessExitedException):
        in_two_processes(small_perceiver.train_in_process, tmp_path / "killed", 3, *of)
    assert not (tmp_path / "killed" / "weights.pt").exists()
    for name in ("killed", "whole"):
        in_two_processes(small_perceiver.train_in_process, tmp_path / name, None, *of)
    found, wanted = (torch.load(tmp_path / n / "weights.pt", weights_only=True) for n in ("killed", "whole"))
    assert_same(found, wanted, 0)
    base = load_base(str(base_dir), dtype=torch.float32) if sharded else None
    assert_same(
        found, small_perceiver.weights_after(tmp_path / "one", base, optimization__accumulation=2, **changes), 1e-5
    )


@pytest.mark.parametrize(
    ("config", "changes"), [(AssociativeTrainingConfig, {}), (ReaderTrainingConfig, {"init_from": "hypernetwork"})]
)
def test_runs_that_call_the_base_unevenly_are_refused(config, changes):
    with pytest.raises(ValidationError, match=r"the base cannot be sharded in a run of kind .*; set sharded_base to f"):
        config(sharded_base=True, **changes)


def test_one_process_has_nothing_to_share_the_base_with(base_dir):
    with pytest.raises(
        BaseModelError, match="cannot be sharded over a single process; start several with accelerate launch or"
    ):
        load_base(str(base_dir), sharded=True)
