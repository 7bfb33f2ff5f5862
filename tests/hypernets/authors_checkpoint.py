"""Checkpoints in the layout of Doc-to-LoRA's authors, and what they mean, worked out the plain way.

Written from the published description: one context at a time, one block, module and rank at a time, their tensor names.
"""

import enum
import sys
import types
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F

from lorify.base.model import BaseLM

HEADS, KV_HEADS, HEAD_SIZE = 16, 4, 128
PERCEIVER = "aggregator.perceiver"


class Packages:
    """Their packages, which are not installed, or are and have to stay as they are: there while a file is saved."""

    def __init__(self) -> None:
        self.modules: dict[str, types.ModuleType] = {}

    def add(self, path: str, cls: type) -> None:
        module_name, _, name = path.rpartition(".")
        parts = module_name.split(".")
        for end in range(1, len(parts) + 1):
            parent = ".".join(parts[:end])
            self.modules.setdefault(parent, types.ModuleType(parent))
        cls.__module__, cls.__qualname__ = module_name, name
        setattr(self.modules[module_name], name, cls)

    def settings(self, path: str, **values: object) -> object:
        kind = type(path.rpartition(".")[2], (), {})
        self.add(path, kind)
        instance = kind()
        instance.__dict__.update(values)
        return instance

    def installed(self):
        return mock.patch.dict(sys.modules, self.modules)


class AuthorsCheckpoint:
    """A random checkpoint for a base; settings may be changed before `save`."""

    def __init__(
        self,
        base: BaseLM,
        *,
        encoder="per_layer_activations",
        modules=("down_proj",),
        rank=3,
        self_attentions=0,
        shared_weights=False,
        per_layer=True,
        num_blocks=2,
        residual_mlps=1,
        layer_idx: int | None = 1,
        encoder_model: BaseLM | None = None,
    ) -> None:
        self.base, self.encoder, self.modules, self.rank = base, encoder, sorted(modules), rank
        self.latent, self.num_latents, self.num_blocks = 8, 3, num_blocks
        self.self_attentions, self.shared, self.per_layer = self_attentions, shared_weights, per_layer
        self.residual_mlps, self.layer_idx = residual_mlps, layer_idx
        self.encoder_model = encoder_model or base
        linears = {m: base.linear(0, m) for m in self.modules}
        self.inputs = {m: linear.in_features for m, linear in linears.items()}
        self.outputs = {m: linear.out_features for m, linear in linears.items()}
        self.widest = max(self.inputs[m] + self.outputs[m] for m in self.modules)
        torch.manual_seed(3)
        self.weights: dict[str, torch.Tensor] = {}
        self._fill()

    def _fill(self) -> None:
        L, d, f, w = self.base.num_layers, self.latent, self.encoder_model.hidden_size, self.weights
        self._mlp(f"{PERCEIVER}.modality_projection", f, d)
        queries = len(self.modules) * self.rank * (1 if self.encoder == "per_layer_activations" else L)
        for half, latents in (("encoder", self.num_latents), ("decoder", queries)):
            w[f"{PERCEIVER}.{half}.latents_q"] = torch.randn(latents, d)
            w[f"{PERCEIVER}.{half}.layernorm.weight"] = 1 + torch.randn(d) / 5
        known: dict[tuple[str, int], str] = {}
        for number in range(self.num_blocks * (1 + self.self_attentions)):
            block, position = divmod(number, 1 + self.self_attentions)
            name = f"{PERCEIVER}.encoder.layers.{number}"
            kind = ("cross", min(block, 1)) if position == 0 else ("within", position)
            if self.shared and kind in known:  # the same module once more
                first = known[kind]
                w |= {name + key.removeprefix(first): x for key, x in w.items() if key.startswith(f"{first}.")}
            else:
                self._layer(name, is_cross=position == 0)
                known[kind] = name
        self._layer(f"{PERCEIVER}.decoder.layers.0", is_cross=True)
        for i in range(self.residual_mlps):
            self._residual(f"layers.{i}")
        for m in self.modules:
            w[f"bias_A.{m}"] = torch.randn(L, self.rank, self.inputs[m]) / 10
            w[f"bias_B.{m}"] = torch.randn(L, self.rank, self.outputs[m]) / 10
            w[f"scaler_A.{m}"] = 1 + torch.randn(1, L, self.rank, 1) / 5
            w[f"scaler_B.{m}"] = torch.randn(1, L, self.rank, 1) / 5
        head = torch.randn(L, len(self.modules), d, self.widest) / 3
        w["head.weight"] = head[:, 0] if len(self.modules) == 1 else head

    def _linear(self, name: str, out: int, size: int) -> None:
        self.weights[f"{name}.weight"] = torch.randn(out, size) / size**0.5

    def _mlp(self, name: str, size: int, out: int) -> None:
        self._linear(f"{name}.gate_proj", 4 * size, size)
        self._linear(f"{name}.up_proj", 4 * size, size)
        self._linear(f"{name}.down_proj", out, 4 * size)

    def _layer(self, name: str, *, is_cross: bool) -> None:
        d = self.latent
        norms = ["input_latents_layernorm", "post_attention_layernorm", "pre_ff_layernorm", "post_ff_layernorm"]
        for norm in [*norms, *(["input_context_layernorm"] if is_cross else [])]:
            self.weights[f"{name}.{norm}.weight"] = 1 + torch.randn(d) / 5
        for part, heads in (("q_proj", HEADS), ("k_proj", KV_HEADS), ("v_proj", KV_HEADS)):
            self._linear(f"{name}.self_attn.{part}", heads * HEAD_SIZE, d)
        self._linear(f"{name}.self_attn.o_proj", d, HEADS * HEAD_SIZE)
        self._mlp(f"{name}.mlp", d, d)

    def _residual(self, name: str) -> None:
        L, d, w = self.base.num_layers, self.latent, self.weights
        inner, part_indices = ("layers", "0134") if self.per_layer else ("mlp", "0256")
        for part_index in (part_indices[0], part_indices[3]):
            w[f"{name}.{inner}.{part_index}.weight"] = 1 + torch.randn(d) / 5
            w[f"{name}.{inner}.{part_index}.bias"] = torch.randn(d) / 5
        for part_index, size, out in ((part_indices[1], d, 4 * d), (part_indices[2], 4 * d, d)):
            shape = (L, size, out) if self.per_layer else (out, size)
            w[f"{name}.{inner}.{part_index}.weight"] = torch.randn(shape) / size**0.5
            w[f"{name}.{inner}.{part_index}.bias"] = torch.randn((1, L, 1, 1, out) if self.per_layer else (out,)) / 5

    def save(
        self, folder: Path, *, trained_on="somebody/base", compiled=False, lora_alpha=7.0, earlier=False, **changes
    ) -> Path:
        """Write `pytorch_model.bin` as `torch.save` does it; `changes` go into the hypernetwork's settings."""
        packages = Packages()
        settings = packages.settings
        pooling = enum.Enum("POOL_FN", ["MEAN", "MAX"])
        packages.add("ctx_to_lora.pooling.POOL_FN", pooling)
        aggregator = settings(
            "ctx_to_lora.modeling.aggregator.AggregatorConfig",
            aggregator_type="perceiver",
            pooling_type=pooling["MEAN"],
            num_layers=self.base.num_layers,
            num_modules=len(self.modules),
            num_extra_modules=0,
            output_size=self.latent,
            feature_size=self.encoder_model.hidden_size,
            lora_r=self.rank,
            n_latent_queries=self.num_latents,
            num_blocks=self.num_blocks,
            num_self_attn_per_block=self.self_attentions,
            shared_weights=self.shared,
            layer_to_layer_ctx_encoder=self.encoder == "per_layer_activations",
        )
        lora = settings(
            "peft.tuners.lora.config.LoraConfig", r=self.rank, target_modules=set(self.modules), lora_alpha=lora_alpha
        )
        values: dict[str, object] = {
            "latent_size": self.latent,
            "per_rank_gen": True,
            "per_layer_processing": self.per_layer,
            "num_pre_head_layers": self.residual_mlps,
            "use_bias": True,
            "extra_modules": None,
            "lora_config": lora,
            "base_hidden_size": self.base.hidden_size,
            "layer_indices": torch.arange(self.base.num_layers),
            "feature_sizes": (self.inputs, self.outputs),
            "aggregator_config": aggregator,
        }
        if earlier:
            del values["num_pre_head_layers"], values["use_bias"]
        encoder_name = None if self.encoder_model is self.base else self.encoder_model.name
        encoder_values = {"ctx_encoder_model_name_or_path": encoder_name, "ctx_encoder_type": self.encoder}
        encoder_values |= {"layer_idx": self.layer_idx, "quantize_ctx_encoder": False}
        stored: dict[str, object] = {("_orig_mod." if compiled else "") + k: v for k, v in self.weights.items()}
        stored |= {
            "base_model_name_or_path": trained_on,
            "hypernet_config": settings("ctx_to_lora.modeling.hypernet.HypernetConfig", **(values | changes)),
            "ctx_encoder_args": settings("ctx_to_lora.configs.CtxEncoderArguments", **encoder_values),
        }
        folder.mkdir(parents=True, exist_ok=True)
        with packages.installed():
            torch.save(stored, folder / "pytorch_model.bin")
        return folder

    # What the tensors mean.

    def adapter(self, ids: list[int], module: str) -> tuple[torch.Tensor, torch.Tensor]:
        """`A [L, r, d_in]` and `B [L, r, d_out]` of one context."""
        L, M, r, w = self.base.num_layers, len(self.modules), self.rank, self.weights
        states = self._features(ids)
        if self.encoder == "per_layer_activations":
            latents = torch.stack([self._perceive(x) for x in states])  # [L, M*r, d]
        else:
            latents = self._perceive(states[0])
        latents = latents.reshape(L, M, r, self.latent)
        at = self.modules.index(module)
        split = self.inputs[module]
        A, B = torch.empty(L, r, split), torch.empty(L, r, self.outputs[module])
        for layer in range(L):
            for rank in range(r):
                z = latents[layer, at, rank]
                for i in range(self.residual_mlps):
                    z = z + self._residual_of(f"layers.{i}", z, layer)
                head = w["head.weight"][layer] if M == 1 else w["head.weight"][layer, at]
                row = (z / z.norm()) @ head
                A[layer, rank] = row[:split] * w[f"scaler_A.{module}"][0, layer, rank]
                B[layer, rank] = row[split : split + self.outputs[module]] * w[f"scaler_B.{module}"][0, layer, rank]
        return A, B

    def _features(self, ids: list[int]) -> list[torch.Tensor]:
        """Hidden states `[tokens, hidden]` of the model cut short, by the library's own means."""
        model = self.encoder_model.decoder
        kept = model.layers
        depth = {"per_layer_activations": len(kept) - 1, "early_exit": self.layer_idx, "embed_only": len(kept)}
        model.layers = kept[: depth[self.encoder]]
        model.config.num_hidden_layers = len(model.layers)
        try:
            out = model(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
        finally:
            model.layers = kept
            model.config.num_hidden_layers = len(kept)
        states = [x[0] for x in out.hidden_states]
        return {"per_layer_activations": states, "early_exit": [out.last_hidden_state[0]], "embed_only": states[:1]}[
            self.encoder
        ]

    def _perceive(self, features: torch.Tensor) -> torch.Tensor:
        source = self._gated(f"{PERCEIVER}.modality_projection", features)
        for half, layers in (("encoder", self.num_blocks * (1 + self.self_attentions)), ("decoder", 1)):
            z = self.weights[f"{PERCEIVER}.{half}.latents_q"]
            for number in range(layers):
                name = f"{PERCEIVER}.{half}.layers.{number}"
                is_cross = half == "decoder" or number % (1 + self.self_attentions) == 0
                queries = self._rms(f"{name}.input_latents_layernorm", z)
                seen = self._rms(f"{name}.input_context_layernorm", source) if is_cross else queries
                z = z + self._rms(f"{name}.post_attention_layernorm", self._attend(f"{name}.self_attn", queries, seen))
                inner = self._gated(f"{name}.mlp", self._rms(f"{name}.pre_ff_layernorm", z))
                z = z + self._rms(f"{name}.post_ff_layernorm", inner)
            source = self._rms(f"{PERCEIVER}.{half}.layernorm", z)
        return source

    def _attend(self, name: str, queries: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        w, out = self.weights, []
        for head in range(HEADS):
            kv = head // (HEADS // KV_HEADS)
            rows, kv_rows = slice(head * HEAD_SIZE, (head + 1) * HEAD_SIZE), slice(kv * HEAD_SIZE, (kv + 1) * HEAD_SIZE)
            q = queries @ w[f"{name}.q_proj.weight"][rows].T
            k = seen @ w[f"{name}.k_proj.weight"][kv_rows].T
            v = seen @ w[f"{name}.v_proj.weight"][kv_rows].T
            out.append((q @ k.T / HEAD_SIZE**0.5).softmax(-1) @ v)
        return torch.cat(out, -1) @ w[f"{name}.o_proj.weight"].T

    def _gated(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gate, up, down = (self.weights[f"{name}.{part}_proj.weight"] for part in ("gate", "up", "down"))
        return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T

    def _rms(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.weights[f"{name}.weight"] * x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()

    def _residual_of(self, name: str, z: torch.Tensor, layer: int) -> torch.Tensor:
        w, d = self.weights, self.latent
        inner, part_indices = ("layers", "0134") if self.per_layer else ("mlp", "0256")
        names = [f"{name}.{inner}.{part_index}" for part_index in part_indices]
        x = F.layer_norm(z, (d,), w[f"{names[0]}.weight"], w[f"{names[0]}.bias"])
        for i in (1, 2):
            weight, bias = w[f"{names[i]}.weight"], w[f"{names[i]}.bias"]
            x = x @ weight[layer] + bias[0, layer, 0, 0] if self.per_layer else x @ weight.T + bias
            x = F.silu(x) if i == 1 else x
        return F.layer_norm(x, (d,), w[f"{names[3]}.weight"], w[f"{names[3]}.bias"])
