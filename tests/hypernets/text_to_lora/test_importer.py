import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from devices import device_of_tests
from tiny import tiny_base, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from lorify.base.model import BaseLM
from lorify.cli import app
from lorify.errors import HypernetworkError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.kind import HypernetworkKind
from lorify.hypernets.text_to_lora.importer import import_t2l

FIXTURES = sorted((Path(__file__).parents[4] / "shared" / "fixtures").glob("t2l_*"))
MODULES = ("q_proj", "v_proj", "down_proj")


@pytest.mark.skipif(not FIXTURES, reason="the parity fixtures are not at hand")
@pytest.mark.parametrize("folder", FIXTURES, ids=lambda folder: folder.name)
def test_generates_what_the_reference_implementation_does(folder):
    model = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32).to(device_of_tests())
    config, hypernetwork = import_t2l(folder, BaseLM(model, tiny_tokenizer(), name="fixture", digest="d"))
    expected = np.load(folder / "expected.npz")
    with torch.no_grad():
        weights = hypernetwork(torch.tensor(expected["task_emb"])).weights
    compared = 0
    for name in expected.files:
        if name == "task_emb":
            continue
        index, path = name.split(".", 1)
        block, module, part = path.split(".layers.")[1].split(".")[0], path.split(".")[-3], path.split(".")[-2][-1]
        found = getattr(weights[module], part)[int(index), int(block)]
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-5)
        compared += 1
    assert compared == 3 * len(config.layers) * len(config.modules) * 2


class Checkpoint:
    """A checkpoint in the authors' layout, with the names and shapes that their code gives its tensors."""

    def __init__(self, base: BaseLM, folder: Path) -> None:
        self.base, self.folder = base, folder
        self.width, self.latent, self.head_input, self.rank = 32, 32, 24, 4
        self.arguments = {"exp_setup": "hyper_lora", "training_task": "sft", "emb_model": "organisation/encoder"}
        self.arguments |= {"hypernet_latent_size": self.latent, "head_in_size": self.head_input}
        self.adapter = {"peft_type": "LORA", "r": self.rank, "lora_alpha": 16, "target_modules": sorted(MODULES)}
        self.sizes = {m.name: (m.in_features, m.out_features) for m in adapted_modules(base, (0, 1), MODULES)}
        torch.manual_seed(0)
        self.weights: dict[str, torch.Tensor] = {}
        self.add_tables("AB_offset", zero=True)
        self.add_tables("mean_recon_target", zero=True)
        self.add_tables("std_recon_target", zero=True)
        self.add("task_encoder.mlp.0", 16, 20)
        self.add("task_encoder.mlp.1", 16)
        for name, num in (("layer_depth_encoder", 2), ("layer_type_encoder", len(MODULES))):
            self.weights[f"{name}.0.weight"] = torch.randn(num, 8)
            self.add(f"{name}.1", 8)
        self.add_perceptron("mixer", 1, self.width)
        for name in ("mlp1.mlp", "mlp2.mlp", "mlp3"):
            self.add(f"{name}.0", self.width)
            self.add_perceptron(name, 1, self.head_input if name == "mlp3" else self.width)
        for module, (i, o) in self.sizes.items():
            self.add(f"heads.{module}", self.rank * (i + o), self.head_input)

    def add(self, name: str, *shape: int) -> None:
        self.weights |= {f"{name}.weight": torch.randn(shape) / 5, f"{name}.bias": torch.randn(shape[0]) / 5}

    def add_perceptron(self, name: str, first: int, out_features: int) -> None:
        self.add(f"{name}.{first}", 4 * self.width, self.width)
        self.add(f"{name}.{first + 3}", out_features, 4 * self.width)

    def add_tables(self, name: str, *, zero: bool = False) -> None:
        for module, (i, o) in self.sizes.items():
            for part, shape in (("A", (2, self.rank, i)), ("B", (2, o, self.rank))):
                self.weights[f"{name}.{part}.{module}"] = torch.zeros(shape) if zero else torch.randn(shape)

    def share_heads(self, *, bias: bool) -> None:
        self.arguments["shared_AB_head"] = True
        self.add("out_emb_norm", self.width)
        for module, sizes in self.sizes.items():
            del self.weights[f"heads.{module}.weight"], self.weights[f"heads.{module}.bias"]
            self.add(f"heads.{module}", self.rank * max(sizes), self.head_input)
            if not bias:
                del self.weights[f"heads.{module}.bias"]
            self.weights |= {f"out_emb.{module}.{part}": torch.randn(self.width) for part in "AB"}

    def quantize(self) -> None:
        for name in ("task_encoder.mlp.1.weight", "task_encoder.mlp.1.bias"):
            del self.weights[name]
        self.add("task_encoder.mlp.0", 64, 20)
        self.add("task_encoder.mlp.3", 16, 64)
        self.add("task_encoder.ln", 16)
        self.weights |= {f"task_encoder.{name}": torch.randn(16, 5) for name in ("embed", "embed_avg")}
        self.weights["task_encoder.cluster_size"] = torch.ones(5)

    def load(self):
        torch.save(self.weights, self.folder / "hypermod.pt")
        (self.folder / "args.yaml").write_text(yaml.dump(self.arguments))
        (self.folder / "adapter_config.json").write_text(json.dumps(self.adapter))
        return import_t2l(self.folder, self.base)

    def generate(self, embeddings: torch.Tensor):
        with torch.no_grad():
            return self.load()[1](embeddings)


EMBEDDINGS = torch.randn(3, 20, generator=torch.Generator().manual_seed(7))


@pytest.fixture
def checkpoint(tmp_path) -> Checkpoint:
    return Checkpoint(tiny_base("gemma2"), tmp_path)


@pytest.mark.parametrize(("flag", "scaling"), [(True, 16 / math.sqrt(4)), (False, 4.0), (None, 4.0)])
def test_rslora_flag_is_what_scaled_the_training(checkpoint, flag, scaling):
    checkpoint.adapter |= {} if flag is None else {"use_rslora": flag}
    assert checkpoint.load()[0].scaling == scaling


def test_the_heads_tell_the_order_of_the_modules(checkpoint):
    config, _ = checkpoint.load()
    assert tuple(module.name for module in config.modules) == MODULES != tuple(checkpoint.adapter["target_modules"])


def test_z_scores_of_a_shared_head_become_weights(checkpoint):
    checkpoint.share_heads(bias=False)
    plain = checkpoint.generate(EMBEDDINGS)
    checkpoint.add_tables("mean_recon_target")
    checkpoint.add_tables("std_recon_target")
    checkpoint.arguments |= {"training_task": "recon", "factorized": True, "pred_z_score": True}
    scored = checkpoint.generate(EMBEDDINGS)
    for name in MODULES:
        for part in "AB":
            mean = checkpoint.weights[f"mean_recon_target.{part}.{name}"]
            deviation = checkpoint.weights[f"std_recon_target.{part}.{name}"]
            z_scores = getattr(plain.weights[name], part)
            torch.testing.assert_close(getattr(scored.weights[name], part), z_scores * deviation + mean)
            torch.testing.assert_close(getattr(scored.written[name], part), z_scores)


def test_delta_w_scaling_is_taken_back(checkpoint):
    plain = checkpoint.generate(EMBEDDINGS).weights
    checkpoint.arguments |= {"training_task": "recon", "factorized": False, "delta_w_scaling": 400}
    scaled = checkpoint.generate(EMBEDDINGS).weights
    for name in MODULES:
        torch.testing.assert_close(scaled[name].B @ scaled[name].A, plain[name].B @ plain[name].A / 400)


def test_multi_task_lora_is_added(checkpoint):
    plain = checkpoint.generate(EMBEDDINGS).weights
    checkpoint.add_tables("AB_offset")
    offset = checkpoint.generate(EMBEDDINGS).weights
    for name in MODULES:
        torch.testing.assert_close(offset[name].A, plain[name].A + checkpoint.weights[f"AB_offset.A.{name}"])
        torch.testing.assert_close(offset[name].B, plain[name].B + checkpoint.weights[f"AB_offset.B.{name}"])


def test_quantized_tasks_share_adapters(checkpoint):
    checkpoint.quantize()
    config, hypernetwork = checkpoint.load()
    assert (config.task_encoder, config.num_codes) == ("vq", 5)
    encoder = hypernetwork.task_encoder
    codes, _ = encoder(EMBEDDINGS)
    codebook = checkpoint.weights["task_encoder.embed"].T  # one code a row
    nearest = torch.cdist(encoder.net(EMBEDDINGS), codebook).argmin(-1)
    torch.testing.assert_close(codes, encoder.norm(codebook[nearest]))


@pytest.mark.parametrize(
    ("emb_model", "one_hot", "name"),
    [("organisation/encoder", False, "organisation/encoder"), ("", False, "base"), ("", True, "one-hot task number")],
)
def test_embedder_is_named(checkpoint, emb_model, one_hot, name):
    checkpoint.arguments |= {"emb_model": emb_model, "use_one_hot_task_emb": one_hot}
    assert checkpoint.load()[0].embedder_name == name


def test_a_checkpoint_for_another_base_is_refused(checkpoint):
    checkpoint.load()
    with pytest.raises(HypernetworkError, match=r"does not fit base tiny-gemma2.* is \(2, 8\), expected \(3, 8\)"):
        import_t2l(checkpoint.folder, tiny_base("gemma2", num_layers=3))


class Malice:
    def __reduce__(self):
        return (print, ("executed",))


def missing(folder):
    (folder / "args.yaml").unlink()


def truncated(folder):
    data = (folder / "hypermod.pt").read_bytes()
    (folder / "hypermod.pt").write_bytes(data[: len(data) // 2])


def malicious(folder):
    torch.save({"task_encoder.mlp.0.weight": Malice()}, folder / "hypermod.pt")


def malicious_yaml(folder):
    (folder / "args.yaml").write_text("!!python/object/apply:os.getcwd []\n")


def nested_yaml(folder):
    (folder / "args.yaml").write_text("[" * 5000)


def unfit_tag(folder):
    (folder / "args.yaml").write_text("factorized: !!bool maybe\n")


def other_setup(folder):
    (folder / "args.yaml").write_text("exp_setup: lora\n")


def damaged_json(folder):
    (folder / "adapter_config.json").write_text("{")


def dora(folder):
    document = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(document | {"use_dora": True}))


def other_modules(folder):
    document = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(document | {"target_modules": ["k_proj"]}))


def other_latent_size(folder):
    arguments = yaml.safe_load((folder / "args.yaml").read_text())
    (folder / "args.yaml").write_text(yaml.dump(arguments | {"hypernet_latent_size": 30}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing, "args.yaml is missing"),
        (truncated, "hypermod.pt is damaged"),
        (malicious, "holds more than tensors"),
        (malicious_yaml, "args.yaml is damaged"),
        (nested_yaml, "args.yaml is damaged"),
        (unfit_tag, "args.yaml is damaged"),
        (other_setup, "exp_setup hyper_lora"),
        (damaged_json, "adapter_config.json is damaged"),
        (dora, "use_dora; only plain LoRA"),
        (other_modules, "give the files of one training run"),
        (other_latent_size, "latent_size"),
    ],
)
def test_unusable_checkpoints_are_refused_in_one_line(checkpoint, damage, message, capsys):
    checkpoint.load()
    damage(checkpoint.folder)
    with pytest.raises(HypernetworkError, match=message) as caught:
        import_t2l(checkpoint.folder, checkpoint.base)
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out


SAVE = HypernetworkKind.save


def save_weakened(kind, folder, config, hypernetwork, **options):
    with torch.no_grad():
        hypernetwork = copy.deepcopy(hypernetwork)
        next(iter(hypernetwork.heads.parameters())).mul_(1 / 8)
    SAVE(kind, folder, config, hypernetwork, **options)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (None, None),
        ("written otherwise", "the imported hypernetwork differs from its checkpoint"),
        ("not trained", "change the probe's logits by 0"),
        ("not finite", "off by nan"),
    ],
)
def test_an_import_proves_itself(checkpoint, tmp_path, monkeypatch, trouble, message):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    tiny_model("gemma2").save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    if trouble == "written otherwise":
        monkeypatch.setattr(HypernetworkKind, "save", save_weakened)
    for name, tensor in checkpoint.weights.items():
        if name.startswith("heads."):
            tensor.mul_({"not trained": 0, "not finite": math.nan}.get(trouble, 1))
    checkpoint.load()
    command = ["import", str(checkpoint.folder), "-o", str(tmp_path / "out"), "--base", str(tmp_path / "base")]
    result = CliRunner().invoke(app, command)
    if message is None:
        assert result.exit_code == 0, result.output
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "hypernetwork.safetensors"]
    else:
        assert result.exit_code == 2 and message in result.stderr, result.output
        assert not (tmp_path / "out").exists()


def test_a_tokenizer_that_is_larger_than_the_vocabulary_is_named(checkpoint, tmp_path):
    tiny_model("gemma2", vocab_size=60).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    checkpoint.load()
    command = ["import", str(checkpoint.folder), "-o", str(tmp_path / "out"), "--base", str(tmp_path / "base")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0 and "is larger than its vocabulary" in result.stderr.replace("\n", " ")


def test_settings_that_no_reader_expects_are_named(checkpoint, tmp_path):
    tiny_model("gemma2").save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    checkpoint.load()
    arguments = checkpoint.folder / "args.yaml"
    for strange in ("training_task: recon\ndelta_w_scaling: 0\n", "training_task: recon\ndelta_w_scaling: [1]\n"):
        arguments.write_text(strange)
        command = ["import", str(checkpoint.folder), "-o", str(tmp_path / "out"), "--base", str(tmp_path / "base")]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2 and "cannot be imported for base" in result.stderr.replace("\n", " ")
        assert "unexpected" not in result.stderr
