import torch

from lorify.adapters.document_statistics import DocumentStatistics


def test_the_size_is_that_of_all_tensors():
    statistics = DocumentStatistics({"S": torch.zeros(2, 3), "words": torch.zeros(4, dtype=torch.int64)})
    assert statistics.num_bytes == 2 * 3 * 4 + 4 * 8


def test_digests_are_those_of_the_content():
    numbers = torch.arange(6.0)
    digest = DocumentStatistics({"S": numbers.view(2, 3)}).digest("S")
    assert DocumentStatistics({"S": numbers.clone().view(2, 3), "M": numbers}).digest("S") == digest
    assert DocumentStatistics({"S": numbers.view(3, 2).T.contiguous().T.reshape(2, 3)}).digest("S") == digest
    for other in (numbers.view(3, 2), numbers.double().view(2, 3), (numbers + 1).view(2, 3)):
        assert DocumentStatistics({"S": other}).digest("S") != digest
