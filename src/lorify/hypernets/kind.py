"""A kind of hypernetwork: everything the rest of lorify needs to know about it.

Each kind has its own package (config, network, and internalizer or specializer). Its `kind.py` defines one
`HypernetworkKind`, which `lorify.hypernets.registry` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from pydantic import ValidationError
from torch import Tensor

from lorify.adapters.document_statistics import DocumentStatistics
from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError, first_problem
from lorify.hypernets.checkpoint import (
    CONFIG_NAME,
    DEFAULT_KIND,
    Config,
    LoadedHypernetwork,
    Network,
    build_with_weights,
    damaged,
    hypernetwork_digest,
    hypernetwork_folder,
    read_config,
    read_weights,
    replaced_hypernetwork,
    write_folder,
)
from lorify.hypernets.internalizer import DocumentInternalizer, Keep
from lorify.hypernets.specializer import Specializer
from lorify.hypernets.weight_storage import exact_weights


@dataclass(frozen=True)
class Importer(Generic[Config, Network]):
    """Reads checkpoints published by the authors of a paper.

    Attributes:
        source: the project that writes the checkpoints, such as `Doc-to-LoRA`.
        marker: name of a file that only its checkpoints have.
        named_base: (checkpoint) -> hub id or folder of the base that the checkpoint names, or None.
        read: (checkpoint, base) -> config and network, in float32 and in evaluation mode.
        check: (base, converted, network as read) -> the largest change that an adapter of the converted hypernetwork
            makes to a logit; raises a HypernetworkError unless both networks make the same adapter.
        describe: what a user may want to know about the config, as JSON values.
        find_doubts: (checkpoint, base) -> a warning if the base can only be compared in part, or None.
    """

    source: str
    marker: str
    named_base: Callable[[Path], str | None]
    read: Callable[[Path, BaseLM], tuple[Config, Network]]
    check: Callable[[BaseLM, LoadedHypernetwork[Config, Network], Network], float]
    describe: Callable[[Config], dict[str, object]]
    find_doubts: Callable[[Path, BaseLM], str | None] = lambda _path, _base: None


@dataclass(frozen=True)
class HypernetworkKind(Generic[Config, Network]):
    """A kind of hypernetwork.

    Attributes:
        name: `kind` in `config.json`.
        config: pydantic model of `config.json`, with a field `kind`.
        build: makes the untrained network of a config.
        load_internalizer: joins a loaded hypernetwork with its base; None if the kind does not read documents.
        load_specializer: the same for task descriptions; exactly one of the two is given.
        store: state dict -> tensors of the weights file, such as `packed_weights`.
        kept_of: statistics of a document -> how much of its tokens is kept; `none` for statistics of other kinds.
        more_files: names of files that the kind keeps in its folder in addition to `HYPERNETWORK_FILES`.
        importer: converts checkpoints of the authors' own code; None if there are none.
    """

    name: str
    config: type[Config]
    build: Callable[[Config], Network]
    load_internalizer: Callable[[BaseLM, LoadedHypernetwork[Config, Network]], DocumentInternalizer] | None = None
    load_specializer: Callable[[BaseLM, LoadedHypernetwork[Config, Network]], Specializer] | None = None
    store: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = exact_weights
    kept_of: Callable[[DocumentStatistics], Keep] = lambda _statistics: "none"
    more_files: frozenset[str] = frozenset()
    importer: Importer[Config, Network] | None = None

    def save(
        self,
        folder: Path,
        config: Config,
        network: Network,
        *,
        exact: bool = False,
        write_more: Callable[[Path], None] | None = None,
    ) -> None:
        """Write a hypernetwork; an earlier one in `folder` is replaced completely or not at all.

        Args:
            folder: folder to write; missing parents are created.
            config: its config.
            network: its weights.
            exact: store every weight in float32, whatever form the kind uses.
            write_more: writes further files into the folder passed to it.

        Raises:
            HypernetworkError: if `folder` holds other files or cannot be written.
        """
        weights = network.state_dict()
        stored = exact_weights(weights) if exact else self.store(weights)
        with replaced_hypernetwork(folder, self.more_files) as temporary:
            write_folder(temporary, config, stored)
            if write_more is not None:
                write_more(temporary)

    def load(self, folder: Path) -> tuple[Config, Network]:
        """Read a hypernetwork, in float32 and in evaluation mode.

        Raises:
            HypernetworkError: if a file is missing or damaged, the hypernetwork is of another kind, or the weights do
                not fit the config.
        """
        folder = hypernetwork_folder(folder)
        config = self.load_config(folder)
        return config, build_with_weights(self.build, config, read_weights(folder), folder)

    def load_config(self, folder: Path) -> Config:
        """Read the config of a hypernetwork in a local folder.

        Raises:
            HypernetworkError: if it is missing or damaged, or the hypernetwork is of another kind.
        """
        document = read_config(folder)
        found = document.get("kind", DEFAULT_KIND)
        if found != self.name:
            raise HypernetworkError(
                f"hypernetwork {folder} is of kind {found}, expected {self.name}; give a folder of that kind"
            )
        try:
            return self.config.model_validate(document)
        except ValidationError as error:
            raise damaged(folder, f"{CONFIG_NAME}: {first_problem(error)}") from error

    def open(self, folder: Path, base: BaseLM) -> LoadedHypernetwork[Config, Network]:
        """Read a hypernetwork onto the device of a base.

        Raises:
            HypernetworkError: as `load`.
        """
        folder = hypernetwork_folder(folder)
        config, network = self.load(folder)
        return LoadedHypernetwork(folder, hypernetwork_digest(folder), config, network.to(base.device))
