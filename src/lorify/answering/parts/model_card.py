"""The model card of an adapter that was exported in parts: how to choose a part, and how to load the parts."""

from __future__ import annotations

from collections.abc import Collection

from lorify.adapters.exports.exporter import Exporter
from lorify.answering.parts.records import PARTS_NAME
from lorify.base.files.locate import hub_id
from lorify.base.model import BaseLM

_CARD = """\
---
base_model: {base_name}
tags:
- lora
- lorify
---

# LoRA adapters of a clause each, written by lorify

Hypernetwork {hypernetwork} wrote these {count} adapters for {base_name} (SHA-256 of the weights {base_digest}). Each
holds one clause of a document. `{parts_name}` lists them in order, each with the text of its clause and the number of
its passage (a few sentences), since a clause alone can be hard to understand.

For each question, choose an adapter, and ask the question with it as the only turn, in the base's chat template and
without a system message. Decode greedily; answers are short and begin with a space. Questions about none of the
documents go to the base without an adapter.

`lorify adapter route FOLDER QUESTION` prints the path of the adapter to choose. In Python:

```python
from lorify import load_router

router = load_router(".")
part = router.choose("Who founded the museum?")  # None if no document is about this
print(part.adapter if part else "the base")
```

Any other search works too: find the passage that answers the question, and in it the clause.

{loading}"""


def write_parts_card(
    base: BaseLM, hypernetwork: str, num_parts: int, exporter: Exporter, ranks: Collection[int]
) -> str:
    """Write the model card of an adapter in parts.

    Args:
        base: the base that the parts are for.
        hypernetwork: name of the hypernetwork that wrote them.
        num_parts: number of parts.
        exporter: wrote the parts.
        ranks: the distinct ranks of all their pairs.

    Returns:
        Markdown with the metadata that the Hugging Face hub reads. It does not name any document.
    """
    base_name = hub_id(base.name)
    return _CARD.format(
        base_name=base_name,
        base_digest=base.digest,
        hypernetwork=hypernetwork,
        count=num_parts,
        parts_name=PARTS_NAME,
        loading=exporter.describe_loading(base_name, ranks),
    )
