import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import tiny_model, tiny_tokenizer

TASK = {
    "name": "echo",
    "definition": "Say yes.",
    "descriptions": ["Say yes.", "Answer yes.", "Reply yes.", "Write yes."],
    "instances": [{"input": f"say {n}", "outputs": ["yes"]} for n in range(8)],
    "family": "echoes",
}


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_two_processes_train_what_one_does_with_two_batches_a_step(tmp_path: Path, sharded: bool) -> None:
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    (tmp_path / "tasks").mkdir()
    for name in ("one", "two"):
        (tmp_path / "tasks" / f"{name}.json").write_text(json.dumps(TASK | {"name": name, "family": name}))
    config = {
        "kind": "task",
        "base": str(tmp_path / "base"),
        "hypernetwork": {
            "modules": ["q_proj"],
            "rank": 2,
            "embedder": "base",
            "latent_size": 16,
            "head_input_size": 16,
        },
        "data": {
            "suite": False,
            "tasks_path": str(tmp_path / "tasks"),
            "tasks_per_batch": 1,
            "heldout_family_share": 0,
        },
        "optimization": {"steps": 3, "warmup_steps": 1, "bf16": False, "learning_rate": 0.01},
        "evaluate_every": 3,
        "evaluation_batches": 1,
        "sharded": sharded,
        "sharded_base": sharded,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    train = ["-m", "lorify", "train", str(tmp_path / "config.json"), "-o"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command in (
        [*launch, *train, str(tmp_path / "two")],
        [*train, str(tmp_path / "one"), "--set", "optimization.accumulation=2"],
    ):
        result = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("best") == 1, "one process tells the result"
        alone = command[:2] == train[:2]
        assert ("has no effect: this is one process" in result.stderr) == (sharded and alone)
    one, two = (torch.load(tmp_path / n / "checkpoint" / "state.pt", weights_only=True) for n in ("one", "two"))
    assert one["step"] == two["step"] == 3
    for name, tensor in one["hypernetwork"].items():
        torch.testing.assert_close(two["hypernetwork"][name], tensor)
