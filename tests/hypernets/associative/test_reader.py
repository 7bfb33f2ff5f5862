import torch
from tiny_internalizer import INTERNALIZER

from lorify.hypernets.associative.reader import NUM_MATCH_FEATURES


@torch.no_grad()
def test_padding_changes_nothing():
    reader = INTERNALIZER.hypernetwork.reader
    documents, questions, matches = torch.randn(2, 9, 8), torch.randn(2, 4, 8), torch.rand(2, 9, NUM_MATCH_FEATURES)
    mask, question_mask = torch.ones(2, 9, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)
    mask[1, 5:] = question_mask[1, 3:] = False
    together = reader(documents, mask, questions, question_mask, matches)
    alone = reader(documents[1:, :5], mask[1:, :5], questions[1:, :3], question_mask[1:, :3], matches[1:, :5])
    torch.testing.assert_close(together.belongs[1:, :5], alone.belongs)
    torch.testing.assert_close(together.begins[1:, :5], alone.begins)
