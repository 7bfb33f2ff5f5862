"""The default base with the hypernetwork that ships: the main job on real input."""

import random
from collections import Counter
from pathlib import Path

import pytest
import torch

import lorify
from lorify.adapters import AdapterStack, build_lora_batch, export_peft, merge_into_base
from lorify.answering.follow_ups import rewrite_follow_ups
from lorify.answering.plan import Query, continue_chat
from lorify.contexts.documents import document_from_text
from lorify.data.follow_ups.generate import generate_follow_up
from lorify.data.sources.niah import generate_niah_example
from lorify.data.tasks.suite import suite_training_tasks
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.scoring.metrics import exact_match, mean
from lorify.evaluation.suites.facts import FactsSuite
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.document_refinement.statement_examples import statement_examples
from lorify.hypernets.system_prompt.key_values import KEY_MODULE

pytestmark = pytest.mark.shipped
DEMO = Path(__file__).parent.parent / "demo"


@pytest.fixture(scope="module")
def model() -> lorify.Lorify:
    return lorify.load()


def test_most_questions_on_unseen_fact_documents_are_answered_closed_book(model):
    cases = FactsSuite(documents=6, seed=7).build(model)
    answers = answer_cases(model, cases, parse_methods("adapter,none"), max_new_tokens=48, timed=False)
    exact = {method: mean([a.exact for a in answers if a.method == method]) for method in ("adapter", "none")}
    assert exact["adapter"] > 0.75 > 0.05 > exact["none"]


def test_most_questions_on_a_long_document_are_answered_too(model):
    cases = FactsSuite(documents=1, pages=25, questions=12).build(model)
    answers = answer_cases(model, cases, parse_methods("adapter"), max_new_tokens=48, timed=False)
    assert mean([a.exact for a in answers]) > 0.6


def test_short_questions_about_prose_are_answered_with_its_words(model):
    text = (
        "The lighthouse on Skarn was built by the engineer Ole Brandt in 1887, after two ships had been lost in one "
        "winter. It stands thirty metres above the sea. Its first keeper, Marta Lind, lived there with three "
        "children until a storm took the roof of the house, and the family moved to the village of Tavik."
    )
    adapter = model.internalize(document_from_text(text))
    asked = {
        "Who built the lighthouse?": "Ole Brandt",
        "When was it built?": "1887",
        "Who was the first keeper of the lighthouse?": "Marta Lind",
        "Where did the family move?": "Tavik",
    }
    answers = {question: model.ask(question, adapter, only_if_relevant=False) for question in asked}
    assert sum(expected in answers[question] for question, expected in asked.items()) >= 3
    assert all(answer.rstrip(".") in text for answer in answers.values())


def test_who_is_meant_is_told_apart_where_a_document_says_the_same_of_several(model):
    mayors = {"Torvik": "Ada Lund", "Holmsund": "Peter Wren", "Askvik": "Mira Stone"}
    document = " ".join(f"The mayor of {town} is {name}. {town} lies by the sea." for town, name in mayors.items())
    adapter = model.internalize(document_from_text(document))
    answers = {town: model.ask(f"Who is the mayor of {town}?", adapter) for town in mayors}
    assert sum(answers[town] == mayor for town, mayor in mayors.items()) >= 2


@pytest.mark.parametrize(
    "keys, question",
    [
        (["K300", "K300-L", "K300-XL", "K30", "K3000"], "Where is the {} stored?"),
        (["AB-12", "AB-12/2", "AB-120", "B-12", "AB 12 S"], "Where is part {} stored?"),
        (["v2", "v2.1", "v2.1.1", "v2.10", "v2.1-rc1"], "Where is the disk of {} stored?"),
        (["1 May 2024", "11 May 2024", "21 May 2024", "May 2024", "1 May 2025"], "Where was it stored on {}?"),
        (["Mark Hall", "Mark Hall Jr.", "Mark Hallam", "Anna Mark", "Anna Mark-Olsen"], "Where is {}'s boat stored?"),
    ],
)
def test_rows_with_similar_keys_are_told_apart(model, keys, question):
    halls = ["Elm Hall", "Oak Yard", "Ash Pier", "Birch Loft", "Cedar Dock"]
    rows = "\n".join(f"| {key} | {hall} |" for key, hall in zip(keys, halls, strict=True))
    adapter = model.internalize(document_from_text(f"# Stores\n\n| Name | Stored in |\n|---|---|\n{rows}\n"))
    asked = [question.format(key) for key in keys]
    assert model.ask_batch(asked, [adapter] * len(keys)) == halls


def test_in_a_chat_about_a_document_the_base_answers_what_does_not_concern_it(model):
    adapter = model.internalize(DEMO / "harbour-museum.md")
    chat = [
        {"role": "user", "content": "How many objects does the Velmora Harbour Museum hold?"},
        {"role": "assistant", "content": "18,600"},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    assert "Paris" in "".join(model.stream(chat, adapter, max_new_tokens=12))
    chat[-1]["content"] = "How long is the tugboat Petrel?"
    assert "27 metres" in "".join(model.stream(chat, adapter, max_new_tokens=12))


def test_the_base_writes_questions_that_a_person_could_ask():
    model = lorify.load(dtype=torch.float32)  # bfloat16 rounds otherwise on each kind of processor
    assert model.question_writer is not None
    text = "The Velmora Harbour Museum\n\nIt was founded by Ida Thorne in 1893. The tugboat Petrel is 27 metres long."
    examples = statement_examples(
        model.base, [text], TimeLimit(), prompts=model.answerer.prompts, writer=model.question_writer
    )
    asked: dict[str, list[str]] = {}
    for example in examples:
        answer = model.base.decode_text(example.top_ids[:, 0].tolist()).strip()
        asked.setdefault(answer, []).append(example.question)
    assert any(question.startswith("Who") and "museum" in question.lower() for question in asked["Ida Thorne"])
    assert any(question.startswith("How long") and "Petrel" in question for question in asked["27"])


@pytest.mark.parametrize("length", [300, 4000, 131_000])
def test_a_needle_is_found(model, length):
    example = generate_niah_example(
        random.Random(length), length_tokens=length, count_tokens=lambda text: len(model.base.encode_text(text))
    )
    adapter = model.internalize(*map(document_from_text, example.documents))
    (question,) = example.questions
    assert exact_match(model.ask(question.text, adapter), question.answers)


def test_a_question_of_common_words_is_answered_from_the_document_where_that_has_the_answer(model):
    text = "The project began in March 2019. It fell behind after a software fault. The budget is 3.2 million euros."
    adapter = model.internalize(document_from_text(text))
    assert model.ask("When did it begin?", adapter) == "March 2019"
    question = "How are you today?"
    assert model.ask(question, adapter, max_new_tokens=16) == model.ask(question, max_new_tokens=16)


def test_an_unrelated_question_is_answered_as_by_the_bare_base(model):
    adapter = model.internalize(DEMO / "harbour-museum.md")
    question = "What is the capital of France?"
    assert model.ask(question, adapter, max_new_tokens=24) == model.ask(question, max_new_tokens=24)


TASKS = [
    ("Decide whether the review is positive or negative.", "I hated every minute of it.", "negative"),
    ("Give the opposite of the word.", "hot", "cold"),
    ("Translate numbers into words.", "12", "twelve"),
    ("Make a bullet list of the items, one a line.", "apples, pears and figs", "- apples\n- pears\n- figs"),
    ("Make a list of the items, one a line, with a dash before each.", "tea, milk", "- tea\n- milk"),
]


def test_most_tasks_are_done_from_their_description(model):
    done = [model.ask(question, model.specialize(description)) == answer for description, question, answer in TASKS]
    done_by_base = [model.ask(question) == answer for _, question, answer in TASKS]
    assert sum(done) >= 4
    assert sum(done_by_base) <= 1


@pytest.mark.parametrize("description", [description for description, _, _ in TASKS[:3]])
def test_the_adapter_of_a_task_is_exported_and_merged(model, tmp_path, description):
    adapter = model.specialize(description)
    export_peft(adapter, model.base, tmp_path / "peft")
    merge_into_base(model.base, adapter, tmp_path / "merged")
    assert (tmp_path / "peft" / "adapter_config.json").is_file() and (tmp_path / "merged" / "config.json").is_file()


def test_streaming_gives_the_same_answer_as_asking(model):
    adapter = model.internalize(DEMO / "harbour-museum.md")
    question = "Who is the current director of the Velmora Harbour Museum?"
    streamed = "".join(model.stream([{"role": "user", "content": question}], adapter))
    assert streamed == model.ask(question, adapter) != ""


def test_the_exported_adapter_gives_the_same_logits_through_peft(model, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from lorify.adapters import build_lora_batch
    from lorify.adapters.exports.peft import export_peft
    from lorify.base.files.locate import resolve_base

    exact = lorify.load(dtype=torch.float32)
    adapter = exact.internalize(DEMO / "harbour-museum.md")
    export_peft(adapter, exact.base, tmp_path / "peft")
    ids = torch.tensor([exact.base.encode_text("The director of the museum is")])
    with torch.no_grad(), exact.base.hooks.applied(build_lora_batch([adapter], exact.base)):
        ours = exact.base.model(ids).logits
    plain = AutoModelForCausalLM.from_pretrained(resolve_base(exact.base.name), dtype=torch.float32)
    with torch.no_grad():
        bare = plain(ids).logits
        theirs = PeftModel.from_pretrained(plain, tmp_path / "peft")(ids).logits
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-4)
    assert (ours - bare).abs().max() > 0.1


@pytest.mark.parametrize("keep", ["tokens", "index", "none"])
def test_an_adapter_of_a_page_is_smaller_than_the_kv_cache_of_the_page(model, tmp_path, keep):
    (case,) = FactsSuite(documents=1, pages=2).build(model)
    adapter = model.internalize(*map(document_from_text, case.documents), keep=keep)
    model.save(adapter, tmp_path / "page")
    config = model.base.model.config
    head_size = config.hidden_size // config.num_attention_heads
    token_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * head_size * 2  # keys and values, 16 bits
    (record,) = adapter.provenance.documents
    stored = sum(file.stat().st_size for file in (tmp_path / "page").iterdir())
    assert record.num_tokens > 300 and adapter.num_bytes == 0
    assert max(stored, adapter.statistics_bytes) < record.num_tokens * token_bytes
    assert keep == "tokens" or stored < 8e6


def test_most_follow_ups_are_rewritten_with_what_they_are_about(model):
    writer = model.answerer.follow_up_writer
    assert writer is not None
    stack = AdapterStack.of(model.internalize(DEMO / "harbour-museum.md"))
    drawn = [generate_follow_up(random.Random(f"shipped/{n}"), split="heldout") for n in range(30)]
    chats = [f for f in drawn if f.question.lower() != f.alone.lower()][:20]
    requests = [model.answerer.request(continue_chat(Query(f.question, stack), f.turns)) for f in chats]
    rewritten = rewrite_follow_ups(model.base, writer, requests)
    names = [{word.strip("?'s") for word in f.alone.split()[1:] if word[:1].isupper()} for f in chats]
    named = [all(name in r.question for name in own) for own, r in zip(names, rewritten, strict=True)]
    assert mean([float(each) for each in named]) > 0.7


def test_a_summary_and_a_reason_are_in_the_words_of_the_document(model):
    text = (
        "The ferry from Torvik to Askvik sails every day at noon. On Monday the ferry was late because the harbour was "
        "full of ice. Tickets are sold on board."
    )
    adapter = model.internalize(document_from_text(text))
    for question in ("Summarize the document in one sentence.", "Why was the ferry late on Monday?"):
        answer = model.ask(question, adapter)
        assert answer in text and len(answer.split()) >= 5


FRAMES = (
    "You are a helpful assistant who works for a small publishing house in the north of the country. Whenever somebody "
    "sends you a text, do the following with it, and nothing else: {} Please do not explain anything and answer with "
    "the result alone.",
    "{} It is important that you follow this order exactly. Do not add an introduction, do not repeat the question, "
    "and do not apologize, since the output is read by a program and not by a person.",
)


def test_a_task_is_followed_when_much_is_said_around_it(model):
    rng = random.Random(3)
    tasks = rng.sample(suite_training_tasks(), 12)
    right = Counter()
    for task in tasks:
        description, instance = rng.choice(task.descriptions).rstrip(".") + ".", rng.choice(task.instances)
        for number, frame in enumerate(("{}", *FRAMES)):
            answer = model.ask(instance.input, model.specialize(frame.format(description)))
            right[number] += answer in instance.outputs
    assert right[0] >= 9
    assert right[1] + right[2] >= right[0]


def test_the_system_messages_own_words_in_a_users_text_are_not_overwritten(model):
    specializer = model.specializer
    adapter = model.specialize(FRAMES[0].format("Write the text in capital letters."))
    lora = build_lora_batch([adapter], model.base)
    prompts = model.answerer.prompts
    message = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    ids = prompts.question_ids(f"{message} said the page, and so are you named and trained by: {message}.")
    first = specializer.config.marked_layer + 2
    layers = [first, model.base.num_layers - 1]
    seen = model.base.activations(torch.tensor([ids]), None, layers=layers, module=KEY_MODULE, lora=lora).inputs
    start, slots = len(specializer.config.chat_start), specializer.config.num_slots
    for layer in layers:
        responses = seen[layer][0].float() @ specializer.writer.A[layer - first].T  # [tokens, slots]
        torch.testing.assert_close(responses[1 : 1 + slots], torch.eye(slots), rtol=0, atol=0.1)
        assert responses[start:].abs().max() < 0.5
