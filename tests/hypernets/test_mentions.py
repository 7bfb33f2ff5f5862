import torch

from lorify.hypernets.mentions import Mentions

V, D, C, L = 40, 24, 16, 2


def mentions() -> tuple[Mentions, torch.Tensor]:
    """Calibrated mentions over a random vocabulary, in which token 0 is in every document; and its embeddings."""
    torch.manual_seed(0)
    made = Mentions(layers=L, hidden_size=D, input_size=8, vocabulary_size=V, size=C)
    table = torch.randn(V, D)
    frequency = torch.ones(V)
    frequency[0] = 100
    made.calibrate(torch.arange(V), table, frequency, 100)
    return made, table


def around(made: Mentions, table: torch.Tensor, ids: list[int], num_tokens: int | None = None) -> torch.Tensor:
    tokens = torch.tensor([ids])
    is_token = torch.arange(len(ids))[None, :] < (num_tokens or len(ids))
    return made.around(tokens, table[tokens], torch.zeros(1, len(ids), D), is_token)[:, 0]


@torch.no_grad()
def test_a_question_is_nearest_to_the_sentence_that_has_its_rare_words():
    made, table = mentions()
    document = [0, 7, 8, 0, 11, 0, 0, 21, 22, 0, 12, 0]  # two names, each with a fact after it
    found = around(made, table, document)
    for name, other, fact in (((7, 8), 10, 4), ((21, 22), 4, 10)):
        question = torch.tensor([0, *name, 0])
        score = found @ made.text(question, table[question])  # [L, tokens]
        assert (score[:, fact] > score[:, other]).all()


@torch.no_grad()
def test_a_word_that_is_everywhere_says_nothing():
    made, table = mentions()
    assert made.text(torch.tensor([0, 0]), table[[0, 0]]).norm() == 0
    with_it, without = torch.tensor([5, 0, 9]), torch.tensor([5, 9])
    torch.testing.assert_close(made.text(with_it, table[with_it]), made.text(without, table[without]))


@torch.no_grad()
def test_padding_is_not_mentioned():
    made, table = mentions()
    plain = around(made, table, [3, 4, 5])
    torch.testing.assert_close(around(made, table, [3, 4, 5, 6, 7], num_tokens=3)[:, :3], plain)


@torch.no_grad()
def test_what_is_before_a_mention_hears_less_of_it_than_what_comes_after():
    made, table = mentions()
    found = around(made, table, [5, 6, 9, 7, 8])
    code = made.text(torch.tensor([9]), table[[9]])
    assert (found[:, 4] @ code > found[:, 0] @ code).all()


@torch.no_grad()
def test_queries_are_as_loud_beside_their_content_as_keys_are():
    made, _ = mentions()
    made.set_loudness(torch.tensor([2.0, 6.0]))
    inputs = torch.randn(L, 5000, 8)
    whole = inputs @ made.whole_query(torch.zeros(L, 3, 8)).transpose(1, 2)
    torch.testing.assert_close(whole.norm(dim=-1).mean(1), torch.tensor([1.0, 3.0]), rtol=0.3, atol=0)
