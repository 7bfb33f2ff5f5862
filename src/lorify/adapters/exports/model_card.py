"""The model card of an exported adapter: how to ask it, and what to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lorify.adapters.adapter import Adapter
from lorify.base.chat.prompts import PLAIN_TEMPLATE
from lorify.base.files.locate import HUB_IDS

if TYPE_CHECKING:
    from lorify.base.model import BaseLM

_CARD = """\
---
base_model: {base_name}
library_name: peft
pipeline_tag: text-generation
tags:
- lora
- lorify
---

# A LoRA adapter written by lorify

Hypernetwork {hypernetwork} wrote it for {base_name} (SHA-256 of the weights {base_digest}){from_documents}.

## Asking

```python
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = {base_name!r}  # or the folder of a copy
tokenizer = AutoTokenizer.from_pretrained(base)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), ".").eval()
{template}chat = [{{"role": "user", "content": "Who founded the museum?"}}]
text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
inputs = tokenizer(text, add_special_tokens={adds_special_tokens}, return_tensors="pt")
with torch.no_grad():
    generated = model.generate(**inputs, do_sample=False, max_new_tokens=32)
print(tokenizer.decode(generated[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())
```

{offline}The question is the only turn, in the base's chat template and without a system message of your own; the
document is not in the prompt. (Adapters of imported Doc-to-LoRA checkpoints were trained with an empty system turn
before it.) Answers are short and begin with a space. Decode greedily.

## What to expect

- The base has to have exactly these weights; a quantized or fine-tuned version of it answers worse.{limits}
"""

_OFFLINE = """\
`AutoPeftModelForCausalLM.from_pretrained(".")` loads base and adapter in one step. Offline, and for exactly the weights
that the adapter was made for, set `base` to the folder that lorify keeps them in:

```python
from lorify.base.files.locate import resolve_base

base = str(resolve_base({name!r}))
```

"""

_DOCUMENT_LIMITS = """
- This is one adapter for all questions. Inside lorify, an adapter is focused on each question, which answers more of
  them; `lorify eval qa -m adapter,exported` measures how many more. `lorify adapter export --parts` writes an adapter
  for every few sentences, which answer more questions too.
- Load it for questions about its documents only: it changes the answers to most other prompts."""


def write_model_card(adapter: Adapter, base: BaseLM, base_name: str) -> str:
    """Write the model card of an adapter.

    Args:
        adapter: the adapter.
        base: the base it is for.
        base_name: name of the base to load it with.

    Returns:
        Markdown with the metadata that the Hugging Face hub reads. It contains no document names.
    """
    provenance = adapter.provenance
    num_tokens = sum(document.num_tokens for document in provenance.documents)
    count = len(provenance.documents)
    noun = "document" if count == 1 else "documents"
    has_template = bool(base.tokenizer.chat_template)
    return _CARD.format(
        base_name=base_name,
        base_digest=provenance.base_digest,
        hypernetwork=provenance.hypernetwork,
        from_documents=f" from {count} {noun} of {num_tokens} tokens" if count else "",
        offline=_OFFLINE.format(name=base.name) if base.name in HUB_IDS else "",
        template="" if has_template else f"tokenizer.chat_template = {PLAIN_TEMPLATE!r}\n",
        adds_special_tokens=not has_template,  # chat templates write the beginning-of-text token themselves
        limits=_DOCUMENT_LIMITS if count else "",
    )
