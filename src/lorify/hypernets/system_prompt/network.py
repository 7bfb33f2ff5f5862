"""A hypernetwork for tasks that puts a description into the place of the chat's own system message.

Every chat of many bases begins with the same tokens, whatever is asked: a system message that the template writes. What
enters a linear layer of a low block there is known, `x_i` at token i, so that a low-rank update can answer to each of
them alone: `A x_i = e_i`, and `A x` about zero for what a user says. With `B`'s column i the difference between the
hidden state of the description's token i and that of the system message's token i after this block, the base goes on
above as if the description stood there: in every later block, for every later token. No word has to be known from
training, where an embedding of the whole description keeps hardly any.

The last slots hold such an embedding all the same, as soft tokens: it says what kind of task is meant, in whatever
words, which the tokens, read by a small base, do less well.

What is learned is how to follow what stands there: the soft tokens, and a LoRA that is the same for all tasks in the
blocks above. Below there is none, so that `A` does not change while it is trained.

Shape letters: k slots (system message tokens that are written over), of which the last m hold the embedding, n
descriptions, e embedding size, d hidden size, f features that enter the linear layer, L blocks with the LoRA for all
tasks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from lorify.adapters.adapter import lora_scaling
from lorify.base.chat import build_prompt_ids, question_messages
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.contexts.descriptions import DescriptionEncoder
from lorify.errors import HypernetworkError
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.text_to_lora.lora_table import LoraTable

WRITTEN_MODULE = "down_proj"
"""The linear layer of a block whose update writes the description: what leaves it is added to the hidden states."""

FIRST_SLOT = 1
"""The first token keeps its state: all others look at it, whatever is said."""

NUM_COMMON_TOKENS = 400
FIXED_SHARE = 0.3
OTHERS_SHARE = 1e-3
RIDGE = 1e-6

# A mark before a closing quote would be one token with it. What begins small and ends with a mark is said at the end of
# something: its first word has the token there that it has after a space.
_MARK_IN_QUOTES = re.compile(r'"([^"]*[^\w\s"])"')
_END_IN_QUOTES = re.compile(r'"([a-z][^"]*[^\w\s"]) "')


class SystemMessageConfig(BaseModel):
    """Shape of the hypernetwork and the base it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["system_message"] = Field(default="system_message", description="Which hypernetwork this is.")
    base_name: str = Field(description="Base model it was made for.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    chat_start: tuple[int, ...] = Field(description="Token ids that every chat of the base begins with.")
    num_slots: int = Field(gt=0, description="Tokens of the system message that are written over.")
    embedded_slots: int = Field(ge=0, description="How many of them, the last ones, hold the description's embedding.")
    embedder_name: str = Field(description="What embeds the descriptions (see `load_description_encoder`).")
    embedder_digest: str | None = Field(description="SHA-256 of the embedder's weights; null: not known.")
    embedding_size: int = Field(gt=0, description="Size of an embedding.")
    filler: int = Field(ge=0, description="Token id that shorter descriptions are filled up with.")
    written_layer: int = Field(ge=0, description="Block after which the description takes the system message's place.")
    written_size: int = Field(gt=0, description="Input features of the linear layer that writes it.")
    hidden_size: int = Field(gt=0, description="Width of the base's hidden states.")
    layers: tuple[int, ...] = Field(min_length=1, description="Blocks with the LoRA for all tasks.")
    modules: tuple[AdaptedModule, ...] = Field(min_length=1, description="Its linear layers.")
    rank: int = Field(gt=0, description="Its rank.")
    lora_alpha: float = Field(gt=0, description="Numerator of its scaling.")
    use_rslora: bool = Field(description="Its scaling is lora_alpha / sqrt(rank) instead of lora_alpha / rank.")
    common_tokens: tuple[int, ...] = Field(
        description="Token ids of training descriptions, commonest first: left out first where slots are too few."
    )
    num_training_tasks: int | None = Field(default=None, description="Tasks it was trained on; null: not known.")

    @model_validator(mode="after")
    def _leaves_slots_for_tokens(self) -> SystemMessageConfig:
        if self.embedded_slots >= self.num_slots:
            raise ValueError(f"{self.embedded_slots} embedded slots leave none of {self.num_slots} for tokens")
        return self

    @property
    def scaling(self) -> float:
        """Scale of the update for all tasks."""
        return lora_scaling(self.lora_alpha, self.rank, use_rslora=self.use_rslora)


@dataclass(frozen=True)
class ReadDescriptions:
    """What is known of n descriptions before anything learned comes to it, in float32.

    Attributes:
        states: hidden states of their tokens `[n, k - m, d]`.
        embeddings: of the whole descriptions, of length one `[n, e]`.
        plain: hidden states of the system message `[k, d]`.
    """

    states: Tensor
    embeddings: Tensor
    plain: Tensor


class SystemMessageHypernetwork(nn.Module):
    """What answers to the slots, soft tokens from embeddings, and the LoRA for all tasks."""

    def __init__(self, config: SystemMessageConfig) -> None:
        """Nothing is written, and the LoRA starts as PEFT starts one: A drawn, B zero."""
        super().__init__()
        self.config = config
        self.register_buffer("slot_A", torch.zeros(config.num_slots, config.written_size))
        self.slot_A: Tensor
        e, d = config.embedding_size, config.hidden_size
        self.soft_tokens = nn.Parameter(torch.randn(config.embedded_slots, e, d) / e**0.5)
        self.shared = LoraTable(config.modules, len(config.layers), config.rank, learned=True)
        self.shared.draw()

    def forward(self, read: ReadDescriptions) -> LoraBatch:
        """The updates of n descriptions, one row each."""
        return {(self.config.written_layer, WRITTEN_MODULE): self.write(read), **self.shared_updates()}

    def write(self, read: ReadDescriptions) -> LoraTensors:
        """The update that puts n descriptions into the place of the system message."""
        # Soft tokens are as large as the others.
        scale = read.plain.square().mean().sqrt() * self.config.embedding_size**0.5
        soft = scale * torch.einsum("ne,med->nmd", read.embeddings, self.soft_tokens)
        return LoraTensors(self.slot_A, torch.cat([read.states, soft], dim=1) - read.plain)  # B [n, k, d]

    def shared_updates(self) -> LoraBatch:
        """The updates that are the same for all tasks."""
        batch: dict[tuple[int, str], LoraTensors] = {}
        for module in self.config.modules:
            A, B = self.shared.A[module.name], self.shared.B[module.name].transpose(-1, -2) * self.config.scaling
            # Unbound, not indexed: the gradient of each index would be as large as all layers together.
            for layer, a, b in zip(self.config.layers, A.unbind(0), B.unsqueeze(1).unbind(0), strict=True):
                batch[layer, module.name] = LoraTensors(a, b)
        return batch


class DescriptionReader:
    """Reads descriptions: with the bare base, up to the block after which they take their place, and the embedder."""

    def __init__(self, base: BaseLM, encoder: DescriptionEncoder, config: SystemMessageConfig) -> None:
        """Read the system message that is written over."""
        self.base, self.encoder, self.config = base, encoder, config
        self._commonness = {token: place for place, token in enumerate(config.common_tokens)}
        self._plain = self._states([config.chat_start])[0, : config.num_slots]  # [k, d]

    @torch.no_grad()
    def read(self, descriptions: Sequence[str]) -> ReadDescriptions:
        """Read some descriptions.

        Raises:
            ContextError: if one is empty or longer than the embedder reads.
        """
        embeddings = self.encoder.encode(list(descriptions)).to(self._plain)
        room = self.config.num_slots - self.config.embedded_slots
        rows, places = [], []
        for description in descriptions:
            tokens = self.tokens(description)
            missing = max(room - len(tokens), 0)
            places.append([*self._chosen(tokens, room), *range(len(tokens), len(tokens) + missing)])
            rows.append([self.config.chat_start[0], *tokens, *[self.config.filler] * missing])
        states = self._states(rows)
        chosen = torch.stack([states[row, own] for row, own in enumerate(places)])  # [n, k - m, d]
        return ReadDescriptions(chosen, F.normalize(embeddings, dim=-1), self._plain)

    def tokens(self, description: str) -> list[int]:
        """Token ids of a description; what is quoted has tokens of its own."""
        text = _MARK_IN_QUOTES.sub(r'"\1 "', description.strip())
        return self.base.encode_text(_END_IN_QUOTES.sub(r'" \1 "', text))

    def _states(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Hidden states after the written block, the first token's left out `[n, longest row - 1, d]`, in float32."""
        above, longest = self.config.written_layer + 1, max(map(len, rows))
        filled = [[*row, *[self.config.filler] * (longest - len(row))] for row in rows]
        ids = torch.tensor(filled, device=self.base.device)
        return self.base.activations(ids, None, layers=[above]).states[above][:, FIRST_SLOT:].float()

    def _chosen(self, tokens: Sequence[int], room: int) -> list[int]:
        """Places of the tokens that get a slot, in order: all, or without the commonest that are not quoted.

        Quotes stay with what is quoted, which ends nowhere without them.
        """
        if len(tokens) <= room:
            return list(range(len(tokens)))
        is_quoted, inside = [], False
        for token in tokens:
            marks = self.base.tokenizer.decode([token]).count('"')
            is_quoted.append(inside or marks > 0)
            inside ^= marks % 2 == 1
        rare = len(self._commonness)

        def importance(place: int) -> tuple[bool, int, int]:
            return is_quoted[place], self._commonness.get(tokens[place], rare), place

        return sorted(sorted(range(len(tokens)), key=importance)[-room:])


def find_slots(base: BaseLM) -> tuple[tuple[int, ...], int]:
    """What every chat of a base begins with, and how many of these tokens can be written over.

    The first token keeps its state, and so does what ends the system's turn and begins the user's.

    Raises:
        HypernetworkError: if the base's chats begin with no system message of their own.
    """

    def start(*messages: dict[str, str]) -> list[int]:
        one, other = (
            build_prompt_ids(base.tokenizer, [*messages, *question_messages(question)]) for question in ("A", "zebra")
        )
        return one[: _common(one, other)]

    chat_start = start()
    other_message = start({"role": "system", "content": "?"})
    num_slots = len(chat_start) - _common(chat_start[::-1], other_message[::-1]) - FIRST_SLOT
    if num_slots <= 0:
        raise HypernetworkError(
            f"chats of base {base.name} begin with no system message of their own, which a description could take the "
            "place of; train with kind task"
        )
    return tuple(chat_start), num_slots


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of leading tokens that both share."""
    shorter = min(len(one), len(other))
    return next((i for i in range(shorter) if one[i] != other[i]), shorter)


def commonest_tokens(token_lists: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """Token ids by the number of lists that have them, largest first."""
    counts = Counter(token for tokens in token_lists for token in set(tokens))
    return tuple(token for token, _ in counts.most_common(NUM_COMMON_TOKENS))


def fit_slots(slots: Tensor, fixed: Tensor, others: Tensor) -> Tensor:
    """`A [k, f]` that answers to each slot alone.

    It is the ridge regression of the identity on the slots' inputs X, with what else enters as the ridge G:
    `argmin |A X^T - I|^2 + tr(A G A^T) = (X G^-1 X^T + I)^-1 X G^-1`.

    Args:
        slots: what enters the linear layer at the slots `[k, f]`.
        fixed: at other tokens of every chat's start `[m, f]`.
        others: at tokens that users and the base say `[n, f]`.
    """
    slots, fixed, others = slots.double(), fixed.double(), others.double()
    moments = others.T @ others / len(others) + FIXED_SHARE * fixed.T @ fixed  # [f, f]
    ridge = OTHERS_SHARE * moments
    ridge.diagonal().add_(RIDGE * moments.diagonal().mean())
    reached = torch.linalg.solve(ridge, slots.T)  # G^-1 X^T [f, k]
    identity = torch.eye(len(slots), dtype=slots.dtype, device=slots.device)
    return torch.linalg.solve(slots @ reached + identity, reached.T).float()
