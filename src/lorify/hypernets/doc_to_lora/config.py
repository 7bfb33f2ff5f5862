"""Config of the Doc-to-LoRA hypernetwork: its sizes, the base it was made for and the context encoder it reads."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lorify.contexts.encoders.encoding import EncoderKind
from lorify.contexts.encoders.patches import PatchGrid
from lorify.hypernets.adapted_modules import AdaptedModule


class ContextEncoderConfig(BaseModel):
    """The frozen model that computes the features of a context."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: EncoderKind = Field(default="per_layer_activations", description="Which hidden states are the features.")
    model_name: str | None = Field(default=None, description="Hub id or folder of the encoder; null for the base.")
    num_layers: int = Field(
        ge=0, description="Blocks that run (early exit), or blocks whose inputs are features (per-layer activations)."
    )
    feature_size: int = Field(gt=0, description="Width of its hidden states.")
    patches: PatchGrid | None = Field(default=None, description="How images are cut into patches, for kind patches.")
    quantized: bool = Field(default=False, description="Trained with an encoder in 4 bits (NF4); used on CUDA.")
    prefix_ids: tuple[int, ...] = Field(default=(), description="Token ids before each chunk of a context.")
    suffix_ids: tuple[int, ...] = Field(default=(), description="Token ids after each chunk of a context.")

    @model_validator(mode="after")
    def _check_patches(self) -> ContextEncoderConfig:
        if (self.kind == "patches") != (self.patches is not None):
            raise ValueError("patches goes with an encoder of kind patches; give both or neither")
        if self.patches is not None and self.patches.feature_size != self.feature_size:
            raise ValueError(
                f"feature_size is {self.feature_size}, but a patch has {self.patches.feature_size}; set it to that"
            )
        return self


class PerceiverConfig(BaseModel):
    """Config of a Perceiver hypernetwork, with the base it was made for and the encoder that it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["perceiver"] = Field(default="perceiver", description="Kind of hypernetwork.")
    base_name: str = Field(description="Base model it was meta-trained on.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    encoder: ContextEncoderConfig = Field(description="The context encoder.")
    num_layers: int = Field(gt=0, description="Adapted blocks of the base.")
    first_layer: int = Field(default=0, ge=0, description="First of them.")
    modules: tuple[AdaptedModule, ...] = Field(min_length=1, description="Adapted linear layers, in order of name.")
    rank: int = Field(default=8, gt=0, description="Rank that one chunk adds, and rank of the bias adapter.")
    scaling: float = Field(gt=0, description="Factor of every update.")
    latent_size: int = Field(default=512, gt=0, description="Width of the Perceiver.")
    num_latents: int = Field(default=8, gt=0, description="Latents that read the features.")
    num_blocks: int = Field(default=8, gt=0, description="Cross-attention blocks before the decoder.")
    self_attentions: int = Field(default=0, ge=0, description="Self-attentions after each cross-attention.")
    shared_weights: bool = Field(default=False, description="Whether later blocks share their weights.")
    num_heads: int = Field(default=16, gt=0, description="Query heads of each attention.")
    num_kv_heads: int = Field(default=4, gt=0, description="Key and value heads of each attention.")
    head_size: int = Field(default=128, gt=0, description="Width of a head.")
    residual_mlps: int = Field(default=1, ge=0, description="Residual MLPs between Perceiver and head.")
    mlp_per_layer: bool = Field(default=True, description="Whether each block of the base has its own residual MLPs.")
    bias_adapter: bool = Field(default=True, description="Adapters include a learned LoRA, the same for all contexts.")
    system_turn: bool = Field(default=False, description="Whether chats begin with a system turn, empty by default.")
    chunk_tokens: int = Field(gt=1, description="Longest chunk of a document, in tokens, without affixes.")

    @model_validator(mode="after")
    def _check_sizes(self) -> PerceiverConfig:
        names = [module.name for module in self.modules]
        if names != sorted(set(names)):
            raise ValueError(f"modules are {', '.join(names)}; expected distinct modules in order of name")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of num_kv_heads {self.num_kv_heads}; change one"
            )
        if self.per_layer and self.encoder.num_layers != self.num_layers:
            raise ValueError(
                f"the encoder gives features of {self.encoder.num_layers} blocks, but {self.num_layers} are adapted; "
                "give the same number"
            )
        return self

    @property
    def per_layer(self) -> bool:
        """Whether each block has its own features."""
        return self.encoder.kind == "per_layer_activations"

    @property
    def layers(self) -> range:
        """The adapted blocks of the base."""
        return range(self.first_layer, self.first_layer + self.num_layers)

    @property
    def widest(self) -> int:
        """Largest sum of input and output features of an adapted module."""
        return max(module.in_features + module.out_features for module in self.modules)
