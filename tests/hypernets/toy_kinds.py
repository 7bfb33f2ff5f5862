"""A document hypernetwork and a task hypernetwork as somebody else would write them, each with one small network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import lorify_version
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.images import Context
from lorify.hypernets.checkpoint import LoadedHypernetwork
from lorify.hypernets.evidence import PreparedAdapter, TokenEvidence
from lorify.hypernets.internalizer import Keep
from lorify.hypernets.kind import HypernetworkKind
from lorify.hypernets.options import InternalizerOptions
from lorify.hypernets.specializer import task_document

MODULE = "down_proj"


class ToyConfig(BaseModel):
    """Config of both kinds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    base_name: str
    base_digest: str
    in_features: int
    out_features: int


class ToyNetwork(nn.Module):
    """A rank-one update of the first block, as large as the text is long."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.randn(1, config.in_features))
        self.B = nn.Parameter(torch.randn(config.out_features, 1))

    def forward(self, num_tokens: int) -> tuple[Tensor, Tensor]:
        return self.A.detach(), self.B.detach() * num_tokens


def toy_config(base: BaseLM, kind: str) -> ToyConfig:
    linear = base.linear(0, MODULE)
    sizes = {"in_features": linear.in_features, "out_features": linear.out_features}
    return ToyConfig(kind=kind, base_name=base.name, base_digest=base.digest, **sizes)


@dataclass(frozen=True)
class Toy:
    """Either kind, joined to its base."""

    base: BaseLM
    loaded: LoadedHypernetwork[ToyConfig, ToyNetwork]
    system_turn: bool = False
    divider: None = None
    write_outer_products: None = None
    option_names: frozenset[str] = frozenset()
    rank: int = 1
    num_training_tasks: int | None = None

    @property
    def name(self) -> str:
        return self.loaded.name

    @property
    def digest(self) -> str:
        return self.loaded.digest

    def internalize(
        self,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        del report, cancel
        records = tuple(DocumentRecord(name=d.name, digest=d.digest, num_tokens=1) for d in documents)
        provenance = Provenance(
            base_name=self.base.name,
            base_digest=self.base.digest,
            hypernetwork=self.name,
            hypernetwork_digest=self.digest,
            documents=records,
            lorify_version=lorify_version(),
        )
        A, B = self.loaded.network(len(records))
        return Adapter({(0, MODULE): LoraPair(A, B)}, 1.0, provenance)

    def specialize(self, description: str) -> Adapter:
        return self.internalize([task_document(description)])

    def add(
        self,
        adapter: Adapter,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        raise NotImplementedError

    def remove(self, adapter: Adapter, names: Sequence[str]) -> Adapter:
        raise NotImplementedError

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        raise NotImplementedError

    def made(self, adapter: Adapter) -> bool:
        del adapter
        return False

    def can_rebuild(self, adapter: Adapter) -> bool:
        del adapter
        return False

    def locate(self, adapter: Adapter, question: str) -> list[TokenEvidence]:
        del adapter, question
        return []

    def reduce(self, adapter: Adapter, keep: Keep) -> Adapter:
        del keep
        return adapter

    def with_options(self, options: InternalizerOptions) -> Toy:
        options.check(self.option_names, self.name)
        return self

    def prepare(
        self,
        adapters: Sequence[Adapter],
        questions: Sequence[str],
        *,
        only_if_relevant: bool = True,
        focus: bool = True,
    ) -> list[PreparedAdapter]:
        del questions, only_if_relevant, focus
        return [PreparedAdapter(adapter) for adapter in adapters]


TOY_DOCUMENTS = HypernetworkKind(name="toy_documents", config=ToyConfig, build=ToyNetwork, load_internalizer=Toy)
TOY_TASKS = HypernetworkKind(name="toy_tasks", config=ToyConfig, build=ToyNetwork, load_specializer=Toy)
