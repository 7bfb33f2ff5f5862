import json

import pytest
from hypernets.test_images import of_patches, save_random
from tiny import tiny_base

from lorify.facade import Lorify
from lorify.hypernets.registry import load_internalizer


@pytest.fixture(scope="session")
def image_model(tmp_path_factory) -> Lorify:
    """A random base with a random hypernetwork that reads images."""
    base = tiny_base()
    return Lorify(base, load_internalizer(base, save_random(tmp_path_factory.mktemp("h") / "h", base, of_patches())))


@pytest.fixture
def questions_path(tmp_path):
    """A file of four passages with three questions each."""
    path = tmp_path / "q.jsonl"
    rows = [
        {"context": f"Passage {p}.", "question": f"Question {p}.{q}?", "answers": [f"answer {q}"]}
        for p in range(4)
        for q in range(3)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
