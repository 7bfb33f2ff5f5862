"""The associative hypernetwork: a document becomes an associative memory, written as LoRA in closed form.

In each adapted block `l` the low-rank update of `down_proj` has a learned `A_l` shared by all contexts; only `B_l` is
generated. Each token `t` of the context gives a key, a value and a gate:

    k_t = normalize(A_l m_t + W_k gelu(P_k N(h_t) + R_l c_t) + b_k)    [r]
    v_t = a * N(u_{t+1}) + W_v gelu(P_v [N(h_t); N(u_{t+1})])          [d]
    g_t = exp(gate score), bounded above by e^3                        gate

`h_t` is the base's hidden state at that block, `m_t` the input of its `down_proj` and `u_{t+1}` the output embedding of
the next token. `A_l` reads `m` when the adapter is used, so `A_l m_t` makes the key equal to the query at that token:
an untrained memory already continues a text it has read (a random `A_l` of rank 64 finds 6 to 8 of 10 next tokens of a
partly given answer in SmolLM2), and `a * N(u)` outputs the token that came next. Training adds what is missing: getting
from a question to the first token of its answer. For that, `c_t`, a small bidirectional transformer over the chunk's
states at a middle block, tells the key what follows `t`: in `Ada Smith leads the choir`, everything that a question
could match comes after the answer, and the base reads from left to right.

`N` standardizes each dimension: a base's hidden states share a large common part (their cosine is 0.5 to 0.65 in
SmolLM2), which would make all keys alike at the start of training. A token whose key is repeated inside its chunk
shares its weight with the repetitions:

    w_t = g_t / (1 + sum_{s != t} g_s (k_t . k_s)^4)

The statistics `S = sum w k k^T` and `M = sum w k v^T` of chunks and documents add; the adapter is the ridge solution
`B_l = s_l (S + lambda_l I)^-1 M`. In addition to this memory, an adapter has two small static LoRAs, the same for all
contexts: one on `down_proj`, which learns the form of answers, and optionally one on the attention's projections. The
second lets the base collect the question at the answer's first position in lower blocks than usual, so that more blocks
can look up the answer. This hypernetwork is lorify's own; the notation is that of Doc-to-LoRA (arXiv 2602.15902).

Shape letters: L adapted blocks, N chunks or contexts, T tokens, d hidden size, f input size of the adapted module,
r rank of the memory, w width, K blocks with an attention LoRA, q its rank.
"""

from __future__ import annotations

from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.base.precision import widest_float
from lorify.contexts.encoders.features import Features
from lorify.errors import BaseModelError, HypernetworkError
from lorify.hypernets.associative.encoder import BidirectionalEncoder
from lorify.hypernets.associative.memory import Statistics, TokenMemory, factorize_ridge
from lorify.hypernets.associative.reader import Reader
from lorify.hypernets.associative.removed_keys import drop_reading_keys
from lorify.hypernets.internalizer import check_made_for

MAX_LOG_GATE = 3.0


class LinearShape(BaseModel):
    """A linear layer of the base, of the same shape in all blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the layer, such as `q_proj`.")
    input_size: int = Field(gt=0, description="Its input width.")
    output_size: int = Field(gt=0, description="Its output width.")


class AssociativeConfig(BaseModel):
    """Shape of an associative hypernetwork and the base it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field("associative", pattern="^associative$", description="Which hypernetwork this is.")
    base_name: str = Field(description="Base model it was meta-trained on.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    hidden_size: int = Field(gt=0, description="Width of the base's hidden states and of the module's output.")
    input_size: int = Field(gt=0, description="Input width of the adapted module.")
    layers: tuple[int, ...] = Field(min_length=1, description="Adapted blocks of the base.")
    module: str = Field("down_proj", description="Adapted linear layer of each block.")
    rank: int = Field(128, gt=0, description="Rank of the memory: number of key dimensions.")
    width: int = Field(192, gt=0, multiple_of=4, description="Hidden width of the key and value networks.")
    bias_rank: int = Field(16, ge=0, description="Rank of the static LoRA that learns the form of answers.")
    attention_rank: int = Field(0, ge=0, description="Rank of the static LoRA on attention layers; 0: none.")
    attention_layers: tuple[int, ...] = Field((), description="Blocks with that LoRA.")
    attention_modules: tuple[LinearShape, ...] = Field((), description="Its linear layers.")
    chunk_tokens: int = Field(256, gt=1, description="Longest chunk of a document, in tokens.")
    reader_width: int = Field(
        0, ge=0, multiple_of=4, description="Width of the reader, which focuses an adapter on a question; 0: no reader."
    )
    reader_finds_ends: bool = Field(
        False, description="Whether the reader also finds where answers end, so that answers can be quoted."
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_removed_keys(cls, document: Any) -> Any:
        return drop_reading_keys(document)

    @model_validator(mode="after")
    def _check_attention(self) -> Self:
        # The memory is distinguished from this LoRA by its rank.
        if self.attention_rank >= self.rank + self.bias_rank:
            raise ValueError(
                f"attention_rank {self.attention_rank} is not below the memory's {self.rank + self.bias_rank} (rank + "
                "bias_rank); lower it"
            )
        return self

    @property
    def middle(self) -> int:
        """Index in `layers` of the adapted block whose input the reader and the bidirectional encoder take."""
        return len(self.layers) // 2


def check_base(config: AssociativeConfig, base: BaseLM, name: str) -> None:
    """Refuse a base that a hypernetwork was not made for.

    Args:
        config: the hypernetwork's.
        base: the base.
        name: name of the hypernetwork, for the error.

    Raises:
        HypernetworkError: if the base has other weights, or lacks the linear layers that the config names.
    """
    check_made_for(base, base_name=config.base_name, base_digest=config.base_digest, name=name)
    for layer in config.layers:
        try:
            linear = base.linear(layer, config.module)
        except BaseModelError as error:
            raise HypernetworkError(f"hypernetwork {name} is damaged: {error}; fetch or train it again") from error
        if (linear.in_features, linear.out_features) != (config.input_size, config.hidden_size):
            raise HypernetworkError(
                f"hypernetwork {name} is damaged: it maps {config.input_size} to {config.hidden_size} features at "
                f"{config.module} of block {layer}, the base {linear.in_features} to {linear.out_features}; fetch or "
                "train it again"
            )


class AssociativeHypernetwork(nn.Module):
    """Maps features of a context to the memory of its tokens, and statistics to LoRA matrices.

    See the module docstring. Its parameter names are used in saved weights: `query` and `bias_A` are the rows of
    `lora_A` for the memory and for the static LoRA.
    """

    def __init__(self, config: AssociativeConfig) -> None:
        """Draw random initial weights; fit the buffers to the base's activations before training."""
        super().__init__()
        L, d, f = len(config.layers), config.hidden_size, config.input_size
        r, w, bias_rank = config.rank, config.width, config.bias_rank
        self.middle = config.middle
        self.key_in = nn.Parameter(torch.randn(L, d, w) / d**0.5)
        self.key_bias = nn.Parameter(torch.zeros(L, 1, r))
        self.key_out = nn.Parameter(torch.randn(L, w, r) * (0.1 / w**0.5))
        self.surroundings = BidirectionalEncoder(input_size=d, width=w)
        self.key_surroundings = nn.Parameter(torch.zeros(L, w, w))
        self.gate = nn.Parameter(torch.zeros(L, w, 1))
        self.gate_bias = nn.Parameter(torch.zeros(L, 1, 1))
        self.value_in = nn.Parameter(torch.randn(L, 2 * d, w) / (2 * d) ** 0.5)
        self.value_out = nn.Parameter(torch.randn(L, w, d) * (0.1 / w**0.5))
        self.value_skip = nn.Parameter(torch.ones(L, 1, d))
        self.reader = (
            Reader(hidden_size=d, width=config.reader_width, finds_ends=config.reader_finds_ends)
            if config.reader_width
            else None
        )
        self.query = nn.Parameter(torch.randn(L, r, f) / f**0.5)
        self.log_lambda = nn.Parameter(torch.full((L,), -1.0))
        self.log_scale = nn.Parameter(torch.full((L,), -4.0))
        self.bias_A = nn.Parameter(torch.randn(L, bias_rank, f) / f**0.5)
        self.bias_B = nn.Parameter(torch.zeros(L, bias_rank, d))
        K, q = len(config.attention_layers), config.attention_rank
        self.attention_A = nn.ParameterDict(
            {m.name: torch.randn(K, q, m.input_size) / m.input_size**0.5 for m in config.attention_modules}
        )
        self.attention_B = nn.ParameterDict(
            {m.name: torch.zeros(K, q, m.output_size) for m in config.attention_modules}
        )
        # Mean and inverse standard deviation of each dimension of the features.
        self.state_mean = nn.Buffer(torch.zeros(L, 1, d))
        self.state_scale = nn.Buffer(torch.ones(L, 1, d))
        self.next_mean = nn.Buffer(torch.zeros(1, 1, d))
        self.next_scale = nn.Buffer(torch.ones(1, 1, d))
        # Root mean square of the adapted module's input and output, so that all learned matrices are of order one.
        self.input_rms = nn.Buffer(torch.ones(L))
        self.output_rms = nn.Buffer(torch.ones(L))

    def forward(self, features: Features) -> TokenMemory:
        """Compute key, value and weight of each token.

        Args:
            features: states `[L, N, T, d]`, inputs `[L, N, T, f]`, next outputs `[N, T, d]`, mask `[N, T]`.
        """
        assert features.inputs is not None
        L, N, T, d = features.states.shape
        h = self.normalize_states(features.states, slice(None)).reshape(L, N * T, d)
        u = self.normalize_outputs(features.next_outputs).reshape(1, N * T, d)
        c = self.surroundings(h[self.middle].view(N, T, d), features.is_token).reshape(1, N * T, -1).to(h.dtype)
        key_hidden = torch.bmm(h, self.key_in.to(h.dtype)) + c @ self.key_surroundings.to(h.dtype)
        key_hidden = F.gelu(key_hidden)  # [L, N*T, w]
        keys = torch.bmm(key_hidden, self.key_out.to(h.dtype))
        keys = keys + self.compute_queries(features.inputs.reshape(L, N * T, -1))
        score = torch.bmm(key_hidden, self.gate.to(h.dtype)).view(L * N, T)
        value_in = self.value_in.to(h.dtype)
        value_hidden = F.gelu(torch.bmm(h, value_in[:, :d]) + u @ value_in[:, d:])  # [L, N*T, w]
        values = torch.bmm(value_hidden, self.value_out.to(h.dtype)) + u * self.value_skip.to(h.dtype)
        # Float32 from here on: the statistics of many tokens are summed and solved.
        with torch.autocast(h.device.type, enabled=False):
            keys = F.normalize(keys.float() + self.key_bias, dim=-1).view(L * N, T, -1)
            score = score.float() + self.gate_bias.view(L, 1).repeat_interleave(N, 0)
            weights = _token_weights(keys, score, features.mask.repeat(L, 1))
        return TokenMemory(keys.view(L, N, T, -1), values.float().view(L, N, T, d), weights.view(L, N, T))

    def encode_documents(self, states: Tensor, outputs: Tensor, is_token: Tensor) -> Tensor:
        """Encode the tokens of chunks for the reader.

        Args:
            states: states of the middle block `[N, T, d]`.
            outputs: output embeddings of the tokens `[N, T, d]`.
            is_token: `[N, T]`, False for padding.

        Returns:
            `[N, T, reader width]`.
        """
        assert self.reader is not None
        outputs = self.normalize_outputs(outputs)
        states = self.normalize_states(states, self.middle)
        return self.reader.document(torch.cat([states, outputs, outputs.roll(-1, dims=1)], dim=-1), is_token)

    def encode_questions(self, states: Tensor, outputs: Tensor, is_token: Tensor) -> Tensor:
        """Encode the tokens of questions for the reader; arguments and result as for `encode_documents`."""
        assert self.reader is not None
        states = self.normalize_states(states, self.middle)
        return self.reader.question(torch.cat([states, self.normalize_outputs(outputs)], dim=-1), is_token)

    def normalize_states(self, states: Tensor, layers: slice | int) -> Tensor:
        """Standardize the states of some adapted blocks `[..., N, T, d]`."""
        mean, scale = self.state_mean[layers].unsqueeze(-2), self.state_scale[layers].unsqueeze(-2)  # [..., 1, 1, d]
        h = F.layer_norm(states, states.shape[-1:])
        # The state of the first token is an outlier.
        return ((h - mean.to(h.dtype)) * scale.to(h.dtype)).clamp(-8, 8)

    def normalize_outputs(self, outputs: Tensor) -> Tensor:
        """Standardize output embeddings `[N, T, d]`."""
        return (outputs - self.next_mean.to(outputs.dtype)) * self.next_scale.to(outputs.dtype)

    def compute_queries(self, inputs: Tensor) -> Tensor:
        """Map inputs of the adapted module `[L, tokens, f]` to queries of the memory `[L, tokens, r]`."""
        A = self.query / self.input_rms.view(-1, 1, 1)
        return torch.bmm(inputs, A.transpose(1, 2).to(inputs.dtype))

    def lora_A(self) -> Tensor:
        """Compute `A [L, r + bias_rank, f]`, the same for all contexts."""
        return torch.cat([self.query, self.bias_A], dim=1) / self.input_rms.view(-1, 1, 1)

    def write(self, statistics: Statistics) -> Tensor:
        """Solve for the adapters of contexts: `B [L, N, r + bias_rank, d]`, scaling included."""
        factor = self.factorize(statistics.S)
        solution = torch.cholesky_solve(statistics.M.to(factor.dtype), factor).float()
        return self.append_static_lora(self.output_scale() * solution)

    def factorize(self, S: Tensor) -> Tensor:
        """Compute the Cholesky factor of `S + lambda I` `[L, N, r, r]`."""
        # With thousands of chunks, the largest and smallest eigenvalues of S differ by many orders of magnitude.
        # Training has few chunks, and the gradient of a float64 solution would take longer than everything else.
        return factorize_ridge(S.to(torch.float32 if self.training else widest_float(S.device)), self.log_lambda)

    def output_scale(self) -> Tensor:
        """Return the scale of solutions `[L, 1, 1, 1]`."""
        return (self.log_scale.exp() * self.output_rms).view(-1, 1, 1, 1)

    def append_static_lora(self, solution: Tensor) -> Tensor:
        """Append the static rows to solutions `[L, N, r, d]`: `B [L, N, r + bias_rank, d]`."""
        L, N, _, d = solution.shape
        static_B = (self.bias_B * self.output_rms.view(L, 1, 1)).unsqueeze(1).expand(L, N, -1, d)
        return torch.cat([solution, static_B], dim=2)


def _token_weights(keys: Tensor, score: Tensor, mask: Tensor) -> Tensor:
    """Weights `[chunks, T]` from keys `[chunks, T, r]`, gate scores and mask `[chunks, T]`."""
    gates = torch.exp(MAX_LOG_GATE - F.softplus(MAX_LOG_GATE - score))
    gates = gates * mask
    similarity = torch.bmm(keys, keys.transpose(1, 2)).square().square()  # [chunks, T, T]
    repeated = torch.bmm(similarity, gates.unsqueeze(-1)).squeeze(-1) - gates
    return gates / (1 + repeated.clamp_min(0))


def address_adapters(
    config: AssociativeConfig, hypernetwork: AssociativeHypernetwork, A: Tensor, B: Tensor
) -> LoraBatch:
    """Address written adapters and the static attention LoRA to the base's modules, one row per context.

    Args:
        config: config of the hypernetwork.
        hypernetwork: the hypernetwork.
        A: `[L, r, f]`, from `lora_A`.
        B: `[L, N, r, d]`, from `write`.
    """
    # Unbound, not indexed: the gradient of each index would be as large as all layers together.
    addressed = {
        (layer, config.module): LoraTensors(layer_A, layer_B)
        for layer, layer_A, layer_B in zip(config.layers, A.unbind(0), B.unbind(0), strict=True)
    }
    for module in config.attention_modules:
        static = hypernetwork.attention_A[module.name], hypernetwork.attention_B[module.name]
        for layer, layer_A, layer_B in zip(config.attention_layers, *(part.unbind(0) for part in static), strict=True):
            addressed[layer, module.name] = LoraTensors(layer_A, layer_B.unsqueeze(0))
    return addressed
