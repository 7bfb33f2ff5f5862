"""A small run of a Perceiver, in a module of its own so that processes started anew can import it."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tiny import tiny_base
from training.part_of_base import load_part

from lorify.base.model import BaseLM
from lorify.data.examples import Example
from lorify.data.self_generated.pipeline import answer_context
from lorify.data.self_generated.store import SelfGeneratedRecord, open_folder, write_shard
from lorify.data.self_generated.teachers import LocalTeacher
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.objective import PerceiverObjective
from lorify.training.engine.loop import Trainer, TrainingProgress

NONE: Mapping[str, Any] = {}


def config(**changes) -> PerceiverTrainingConfig:
    shape = {"rank": 2, "latent_size": 16, "num_latents": 3, "num_blocks": 1, "num_heads": 2, "num_kv_heads": 1}
    document = {
        "kind": "perceiver",
        "hypernetwork": {**shape, "head_size": 8, "chunk_tokens": 120, "modules": ["down_proj", "q_proj"]},
        "data": {
            "niah": 1,
            "facts": 1,
            "niah_min_tokens": 120,
            "niah_max_tokens": 200,
            "questions_per_context": 2,
            "batch_context_tokens": 1600,
            "batch_question_tokens": 900,
            "chunk_probabilities": [0.5, 0.5],
        },
        "optimization": {"steps": 4, "learning_rate": 1e-2, "warmup_steps": 0, "bf16": False, "loss": "cross_entropy"},
        "evaluation_batches": 1,
        "evaluate_every": 4,
        "checkpoint_every": 2,
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            document[section][name] = value
        else:
            document[section] = value
    return PerceiverTrainingConfig.model_validate(document)


def objective(base: BaseLM | None = None, /, **changes) -> PerceiverObjective:
    trained_objective = PerceiverObjective(config(**changes), base or tiny_base())
    torch.manual_seed(2)
    for name, parameter in trained_objective.module.named_parameters():
        if name.startswith(("scale_B", "bias_B")):  # zero at the start, so that nothing before them would count
            torch.nn.init.normal_(parameter, std=0.3)
    return trained_objective


def weights_after(
    run_dir: Path, base: BaseLM | None = None, *, stop_at: int | None = None, **changes
) -> dict[str, torch.Tensor]:
    """Weights after a run in this process, on one thread.

    So many have the processes of `train_in_process`, too: more of them add up in another order, and AdamW makes a step
    of full size of a gradient that is almost zero, whatever its sign.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trained_objective = objective(base, **changes)
        Trainer(trained_objective.config, trained_objective, run_dir).run(lambda _: None, stop_at=stop_at)
    finally:
        torch.set_num_threads(threads)
    return trained_objective.module.state_dict()


def write_self_generated(folder: Path, base: BaseLM) -> None:
    """Short contexts with the base's own answers."""
    texts = [f"Mill {i} opens at {i % 12}, and {name} keeps bees." for i, name in enumerate("abcdefghijklmnopqrst" * 3)]
    teacher = LocalTeacher(base)
    examples = [
        Example((t,), tuple(answer_context(teacher, t, ["Who?"], top_k=2, max_new_tokens=2)), "x") for t in texts
    ]
    wanted = SelfGeneratedRecord(
        base_name=base.name, base_digest=base.digest, writer="w", documents_digest="d", top_k=2, rounds=1,
        questions_per_round=1, contexts_per_shard=60, max_new_tokens=2,
    )  # fmt: skip
    open_folder(folder, wanted)
    write_shard(folder, 0, examples)


def train_in_process(
    run_dir: Path, kill_at: int | None = None, changes: Mapping[str, Any] = NONE, base_dir: Path | None = None
) -> None:
    """What each of two processes does; the first writes the weights to `run_dir/weights.pt`.

    Args:
        run_dir: of the run.
        kill_at: after this step the process is killed, before it reports the step.
        changes: of the config.
        base_dir: a base that is to be sharded; by default the tiny one, whole.
    """
    trained_objective = objective(None if base_dir is None else load_part(base_dir), **changes)
    trainer = Trainer(trained_objective.config, trained_objective, run_dir)

    def report(progress: TrainingProgress) -> None:
        if progress.step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.run(report)
    assert torch.distributed.get_world_size() == 2
    if trainer.accelerator.is_main_process:
        torch.save(trained_objective.module.state_dict(), run_dir / "weights.pt")
