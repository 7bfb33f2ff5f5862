"""Every public verb and every kind of training on a device that is not the CPU; see `fake_card`.

With `LORIFY_TEST_DEVICE=cuda` the same runs on the card itself.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from data.sources.test_images import save_image
from devices import DEVICE_VARIABLE, device_of_tests
from fake_card import DeviceSlip, HostCopies, NoFloat64, fake_card
from serving.running import CHAT, serving
from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
from tiny import TOWER_TEXT, tiny_base
from tiny_extractor import tiny_extractor_config
from training import small_perceiver
from training.small_tasks import RUN, SHAPE, echo_task, lora_config, start, system_message_config, task_config
from training.tiny_associative_run import tiny_config, trainer

import lorify
from lorify.adapters import AdapterStack, build_lora_batch
from lorify.adapters.exports.gguf import export_gguf
from lorify.adapters.exports.peft import export_peft
from lorify.adapters.merging import merge_into_base
from lorify.answering.calibration.description_estimate import DescriptionModel, DescriptionSignals
from lorify.answering.checks.fidelity import check_adapter
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.precision import widest_float
from lorify.contexts.documents import document_from_text
from lorify.errors import HypernetworkError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.suites.facts import FactsSuite
from lorify.extraction.storage import load_extractor
from lorify.hypernets.associative.kind import ASSOCIATIVE, save_associative
from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.reader_training_config import ReaderData, ReaderTrainingConfig
from lorify.hypernets.document_refinement import own_answers
from lorify.hypernets.options import InternalizerOptions
from lorify.hypernets.registry import load_internalizer
from lorify.hypernets.relevance import Relevance
from lorify.hypernets.task_refinement.task_examples import TaskExample
from lorify.hypernets.text_to_lora.training_config import ReconstructionTrainingConfig
from lorify.hypernets.training_config import Optimization
from lorify.training.engine.loop import Trainer
from lorify.training.extraction.config import ExtractionData, ExtractionTrainingConfig
from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.registry import TRAINING_KINDS, find_training_kind

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*CUDA is not available.*:UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
TOWER = document_from_text(TOWER_TEXT, "tower")
MILL = document_from_text("The mill opens at nine. Ada keeps bees.", "mill")
TRAINED_KINDS = {
    "associative",
    "perceiver",
    "task",
    "lora",
    "system_message",
    "reader",
    "prompt",
    "reconstruction",
    "extractor",
}  # by the tests below
CHAT_TURNS = [{"role": "user", "content": "How high is the tower?"}]


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if device_of_tests().type != "cpu":  # all tests run there
        yield
        return
    with nullcontext() if torch.cuda.is_available() else fake_card():
        monkeypatch.setenv(DEVICE_VARIABLE, "cuda")
        yield


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lorify.Lorify:
    """A model whose adapters are focused on every question, and whose answers end and count as sure."""
    base = tiny_base()
    base.model.generation_config.eos_token_id = list(range(0, 200, 4))
    monkeypatch.setattr(own_answers, "MIN_TOKEN_PROBABILITY", 0.0)
    relevance = Relevance(threshold=0.0, unseen_weight=1.0, weights={})
    internalizer = replace(tiny_lorify(base).internalizer, relevance=relevance)
    return lorify.Lorify(base, internalizer, save_tiny_task_hypernetwork(tmp_path / "tasks", base))


def is_on_card(tensor: torch.Tensor) -> bool:
    return tensor.device.type == device_of_tests().type


def test_documents_are_internalized_added_removed_combined_and_asked_about(model: lorify.Lorify) -> None:
    adapter = model.internalize(TOWER)
    both = model.add(adapter, MILL)
    assert all(is_on_card(pair.B) for pair in both.weights.values())
    stack = model.combine([(model.remove(both, "mill"), 1.0), (model.internalize(MILL), 0.5)])
    for adapters in (adapter, both, stack, None):
        assert isinstance(model.ask("How high is the tower?", adapters, max_new_tokens=3), str)
    answers = model.ask_batch(["How high?", "When?", "Who?"], [adapter, None, both], only_if_relevant=False)
    assert len(answers) == 3
    assert model.ask("How high?", document=TOWER_TEXT, max_new_tokens=3) is not None
    assert check_adapter(model.answerer, adapter, [TOWER])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("num_rows", [1, 4])
def test_a_step_of_decoding_waits_for_the_card_once(model: lorify.Lorify, num_rows: int, temperature: float) -> None:
    """Only the sampled tokens are read, of all rows at once; every further read would leave the card idle."""
    if torch.cuda.is_available():
        pytest.skip("reads are counted on the simulated card")
    adapter = model.internalize(TOWER)
    lora = build_lora_batch([AdapterStack(((adapter, 1.0),))] * num_rows, model.base)
    reads = []
    for num_tokens in (3, 8):
        options = GenerationOptions(num_tokens, temperature=temperature, seed=1)
        with HostCopies() as copies:
            generate_batch(model.base, [[5, 6, 7]] * num_rows, options, lora=lora, stop_ids=set())
        reads.append(copies.count)
    assert reads[1] - reads[0] == 5


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_answers_are_streamed(model: lorify.Lorify, temperature: float, top_p: float) -> None:
    adapter = model.internalize(TOWER)
    pieces = model.stream(CHAT_TURNS, adapter, max_new_tokens=4, temperature=temperature, top_p=top_p, seed=1)
    assert isinstance("".join(pieces), str)


def test_adapters_are_saved_loaded_refined_specialized_exported_and_merged(
    model: lorify.Lorify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = model.internalize(TOWER)
    model.save(adapter, tmp_path / "adapter")
    loaded = model.load_adapter(tmp_path / "adapter")
    assert isinstance(model.ask("How high is the tower?", model.add(loaded, MILL), max_new_tokens=2), str)
    refined = model.refine(adapter, TOWER, seconds=0.2)
    task = model.specialize("Answer in capital letters.")
    assert isinstance(model.ask("how high", model.combine([(refined, 1.0), (task, 1.0)]), max_new_tokens=2), str)
    export_gguf(task, model.base, tmp_path / "task.gguf")
    export_peft(task, model.base, tmp_path / "peft")
    relevance = Relevance(threshold=0.0, unseen_weight=1.0, weights={})
    monkeypatch.setattr(model, "_internalizer", replace(model.internalizer, relevance=relevance))
    model.export_parts(adapter, tmp_path / "parts")
    merge_into_base(model.base, task, tmp_path / "merged")


def test_nothing_needs_float64_on_a_device_without_it(model: lorify.Lorify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apple's MPS has none; the simulated card says so."""
    if torch.cuda.is_available():
        pytest.skip("only the simulated card can refuse float64")
    assert widest_float(torch.device("mps")) is torch.float32
    assert widest_float(torch.device("cuda")) is torch.float64
    for name, module in list(sys.modules.items()):
        if name.startswith("lorify.") and hasattr(module, "widest_float"):
            monkeypatch.setattr(module, "widest_float", lambda _: torch.float32)
    with NoFloat64():
        adapter = model.remove(model.add(model.internalize(TOWER), MILL), "mill")
        assert isinstance(model.ask("How high is the tower?", adapter, max_new_tokens=2), str)
        assert "".join(model.stream(CHAT_TURNS, adapter, temperature=1.0, top_p=0.5, max_new_tokens=3)) is not None
        model.refine(adapter, TOWER, seconds=0.2)
        model.study(adapter, TOWER, seconds=5)


def test_the_other_verbs(model: lorify.Lorify) -> None:
    adapter = model.internalize(TOWER)
    chosen = model.choose("How high?", ["48 metres", "20 metres"], adapter, only_if_relevant=False)
    assert {choice.text for choice in chosen} == {"48 metres", "20 metres"}
    assert isinstance(model.ask_by_document("How high is the tower?", adapter, max_new_tokens=2), list)
    schema = {"type": "object", "properties": {"high": {"type": "boolean"}}, "required": ["high"]}
    assert model.ask("Is it high?", adapter, schema=schema, max_new_tokens=5).startswith("{")
    description = "Answer in capital letters."
    task = model.specialize(description)
    weights = (1.0,) * len(DescriptionSignals._fields)
    fitted = {"hypernetwork_digest": model.specializer.digest, "bias": 0.0, "threshold": 0.5, "auroc": 0.9}
    assert model.task_hypernetwork is not None
    DescriptionModel(weights=weights, questions=9, **fitted).save(model.task_hypernetwork)
    assert model.estimate(task, description).provenance.follows is not None
    refined = model.refine_task(task, [TaskExample("a", "A"), TaskExample("b", "B")], seconds=0.2)
    studied = model.study(adapter, TOWER, seconds=5)
    assert isinstance(model.ask("How high?", model.combine([(refined, 1.0), (studied, 1.0)]), max_new_tokens=2), str)
    assert model.attach_weights(adapter).provenance == adapter.provenance
    with pytest.raises(HypernetworkError, match="has no option chunk_tokens"):
        model.with_options(InternalizerOptions(chunk_tokens=8))


def test_every_verb_and_every_kind_of_training_is_checked() -> None:
    text = Path(__file__).read_text()
    verbs = {name for name, value in vars(lorify.Lorify).items() if callable(value) and not name.startswith("_")}
    assert not {verb for verb in verbs if f"model.{verb}(" not in text}
    assert {kind.name for kind in map(find_training_kind, TRAINING_KINDS)} == TRAINED_KINDS


def test_a_saved_hypernetwork_is_loaded_and_used(model: lorify.Lorify, tmp_path: Path) -> None:
    internalizer = model.internalizer
    ASSOCIATIVE.save(tmp_path / "saved", internalizer.config, internalizer.hypernetwork)
    loaded = load_internalizer(model.base, tmp_path / "saved")
    assert all(is_on_card(pair.B) for pair in loaded.internalize([TOWER]).weights.values())


def test_a_server_answers(model: lorify.Lorify, tmp_path: Path) -> None:
    with serving(tmp_path / "server", model=model) as server:
        client = server.client()
        posted = client.post("/adapters", body={"text": TOWER_TEXT}, cast_to=dict)
        for name in (CHAT["model"], posted["model"]):
            answer = client.chat.completions.create(**CHAT | {"model": name, "max_tokens": 3})
            assert answer.choices[0].message.content is not None


@pytest.fixture
def tasks_path(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir(exist_ok=True)
    for number, answer in enumerate(("red", "blue", "green", "white")):
        task = echo_task(f"task.{answer}", answer, f"family {number % 2}")
        (tmp_path / "tasks" / f"{number}.json").write_text(json.dumps(task))
    return tmp_path / "tasks"


def run_and_resume(build, folder: Path) -> None:
    """Train one step, then the rest as a resumed run."""
    for stop_at in (1, None):
        run: Trainer = build(folder)
        run.run(lambda _: None, stop_at=stop_at)
        assert all(is_on_card(parameter) for parameter in run.objective.module.parameters())
    assert (folder / "best").is_dir()


def test_documents_are_trained(tmp_path: Path) -> None:
    run_and_resume(lambda folder: trainer(folder, tiny_config(steps=2)), tmp_path / "run")


@pytest.mark.parametrize("changes", [{}, {"optimization__loss": "kl"}, {"hypernetwork__first_layer": 1}])
def test_doc_to_lora_is_trained(tmp_path: Path, changes: dict) -> None:
    def build(folder: Path) -> Trainer:
        objective = small_perceiver.objective(optimization__steps=2, **changes)
        return Trainer(objective.config, objective, folder)

    run_and_resume(build, tmp_path / "run")


@pytest.mark.parametrize("make_config", [task_config, lora_config, system_message_config])
def test_tasks_are_trained(tmp_path: Path, tasks_path: Path, make_config) -> None:
    config = make_config(tasks_path, optimization={"steps": 2})
    run_and_resume(lambda folder: start(config, folder), tmp_path / "run")


def test_an_extractor_is_trained_and_used(tmp_path: Path, model: lorify.Lorify) -> None:
    config = ExtractionTrainingConfig(
        extractor=tiny_extractor_config(tmp_path / "encoder", max_tokens=256),
        data=ExtractionData(facts=1, portraits=0, questions_per_context=2),
        optimization=Optimization(steps=2, warmup_steps=1, bf16=False),
        evaluate_every=2,
        checkpoint_every=1,
    )
    run_and_resume(lambda folder: start(config, folder), tmp_path / "run")
    extractor = load_extractor(tmp_path / "run" / "best", device=model.base.device)
    assert is_on_card(extractor.network.head.weight)
    ((words,),) = [extractor.find([("How high is the tower?", TOWER_TEXT)])]
    assert words is not None and words.end <= len(TOWER_TEXT)


def test_the_reader_is_trained(tmp_path: Path, model: lorify.Lorify) -> None:
    internalizer, relevance = model.internalizer, Relevance(threshold=0.1, unseen_weight=5.0, weights={})
    save_associative(tmp_path / "start", internalizer.config, internalizer.hypernetwork, relevance=relevance)
    config = ReaderTrainingConfig(
        base="tiny",
        init_from=tmp_path / "start",
        width=8,
        data=ReaderData(facts=1, niah=1, questions_per_context=2, max_facts=2, niah_max_tokens=60),
        optimization=Optimization(steps=2, warmup_steps=1, bf16=False),
        evaluate_every=2,
        checkpoint_every=1,
    )
    run_and_resume(lambda folder: start(config, folder), tmp_path / "run")


def test_the_baseline_in_the_prompt_is_trained(tmp_path: Path) -> None:
    document = {
        "kind": "prompt",
        "base": "tiny",
        "lora": {"modules": ["q_proj", "down_proj"], "rank": 2},
        "data": {"facts": 1, "questions": 0, "questions_per_context": 2},
        "optimization": {"steps": 2, "warmup_steps": 1, "bf16": False},
        "evaluate_every": 2,
        "evaluation_batches": 1,
    }
    config = PromptTrainingConfig.model_validate(document)
    run_and_resume(lambda folder: start(config, folder), tmp_path / "run")


@pytest.mark.parametrize("name", ["none", "icl", "rag", "adapter", "adapter:focus=false", "outer", "cd:seconds=0.2"])
def test_methods_are_evaluated(model: lorify.Lorify, name: str) -> None:
    (case,) = FactsSuite(documents=1, questions=1).build(model)
    (method,) = parse_methods(name)
    prepared = method.load(model, 4)(case)
    answerer = prepared.answerer or model.answerer
    plan = answerer.plan_query(prepared.query_for("Who?"))
    assert isinstance(answerer.answer([plan], GenerationOptions(3))[0].text, str)


def test_a_library_is_reconstructed(tmp_path: Path, tasks_path: Path) -> None:
    start(lora_config(tasks_path, optimization={"steps": 2}), tmp_path / "library").run(lambda _: None)
    document = {
        **RUN,
        "library": str(tmp_path / "library" / "best"),
        "hypernetwork": SHAPE,
        "optimization": {"steps": 2, "warmup_steps": 1},
    }
    config = ReconstructionTrainingConfig.model_validate(document)
    run_and_resume(lambda folder: start(config, folder), tmp_path / "run")


def test_images_are_trained_and_internalized(tmp_path: Path) -> None:
    for number in range(8):
        save_image(tmp_path / "images" / f"class_{number % 2}" / f"{number}.png", 60 * (number % 2) + number)
    patches = {"encoder": "patches", "patches": {"image_size": 4, "patch_size": 2, "color": True}, "first_layer": 1}
    config = small_perceiver.config(optimization__steps=1)
    data = {"niah": 0, "facts": 0, "images": 1, "images_path": str(tmp_path / "images"), "batch_context_tokens": 90}
    config = type(config).model_validate(
        config.model_dump()
        | {"data": config.data.model_dump() | data, "hypernetwork": config.hypernetwork.model_dump() | patches}
    )
    run = start(config, tmp_path / "run")
    run.run(lambda _: None)
    model = lorify.Lorify(run.objective.base, load_internalizer(run.objective.base, tmp_path / "run/best"))
    adapter = model.internalize(tmp_path / "images" / "class_0" / "0.png")
    assert isinstance(model.ask("What is it?", adapter, only_if_relevant=False, max_new_tokens=2), str)


def test_a_planted_slip_is_found(model: lorify.Lorify, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor that is left on the CPU while an adapter is solved for fails the check."""
    write = AssociativeHypernetwork.write

    def slip(hypernetwork: AssociativeHypernetwork, statistics: Statistics) -> torch.Tensor:
        return write(hypernetwork, Statistics(statistics.S, statistics.M.cpu()))

    monkeypatch.setattr(AssociativeHypernetwork, "write", slip)
    with pytest.raises((DeviceSlip, RuntimeError)):
        dict(model.internalize(TOWER).weights)
