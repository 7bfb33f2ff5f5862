import json
import math
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_associative_config, tiny_base

from lorify.adapters import build_lora_batch, load_adapter
from lorify.contexts.descriptions import BaseEncoder
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import AdapterError, ConfigError, EvaluationError, HypernetworkError, TrainingError
from lorify.facade import load_internalizer
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.registry import load_specializer
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.library import Library, load_library, save_library
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork
from lorify.hypernets.text_to_lora.specializer import EmbeddingSpecializer
from lorify.hypernets.text_to_lora.training_config import (
    LoraTrainingConfig,
    ReconstructionTrainingConfig,
    TaskTrainingConfig,
)
from lorify.hypernets.training_data import TaskData
from lorify.training.engine.loop import Progress, Trainer
from lorify.training.engine.losses import answer_logits, cross_entropy_per_token
from lorify.training.engine.packing import pack_rows
from lorify.training.preparation import Preparation
from lorify.training.registry import find_training_kind, load_training_config
from lorify.training.tasks.batches import TaskSampler
from lorify.training.tasks.selection import prepare_tasks
from lorify.training.tasks.setup import build_task_config

SHAPE = {"modules": ["q_proj", "down_proj"], "rank": 2, "embedder": "base", "latent_size": 16, "head_input_size": 16}
DATA = {"suite": False, "tasks_per_batch": 3, "instances_per_description": 2, "heldout_family_share": 0.0}
RUN = {"base": "tiny", "evaluate_every": 2, "evaluation_batches": 1, "checkpoint_every": 1}
SCHEDULE = {"steps": 4, "warmup_steps": 1, "bf16": False}


def echo_task(name: str, answer: str, family: str) -> dict:
    instances = [
        {"input": f"say {word}", "outputs": [answer]} for word in ("one", "two", "three", "four", "five", "six")
    ]
    descriptions = [f"{how} {answer}, whatever comes." for how in ("Say", "Answer", "Reply", "Write")]
    return {"name": name, "definition": f"Say {answer}.", "descriptions": descriptions, "instances": instances,
            "family": family, "metric": "exact"}  # fmt: skip


@pytest.fixture
def tasks_path(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    for number, answer in enumerate(("red", "blue", "green", "white")):
        (folder / f"{number}.json").write_text(json.dumps(echo_task(f"task.{answer}", answer, f"family {number % 2}")))
    return folder


@contextmanager
def silent(_what: str, _unit: str):
    yield lambda _done, _total: None


def start(config, run_dir: Path) -> Trainer:
    base = tiny_base(system_message=config.kind == "system_message")
    objective = find_training_kind(config.kind).prepare(config, Preparation(run_dir, lambda _name: base, silent))
    return Trainer(config, objective, run_dir)


def train(config, run_dir: Path, stops: tuple[int | None, ...] = (None,)) -> tuple[Trainer, list[Progress]]:
    seen: list[Progress] = []
    for stop in stops:
        trainer = start(config, run_dir)
        trainer.run(seen.append, stop_at=stop)
    return trainer, seen


def task_config(tasks_path: Path, **changes) -> TaskTrainingConfig:
    document = {
        **RUN,
        "hypernetwork": SHAPE,
        "data": DATA | {"tasks_path": str(tasks_path)} | changes.pop("data", {}),
        "optimization": SCHEDULE | changes.pop("optimization", {}),
        **changes,
    }
    return TaskTrainingConfig.model_validate(document)


def lora_config(tasks_path: Path, **changes) -> LoraTrainingConfig:
    lora = {key: SHAPE[key] for key in ("modules", "rank")}
    document = {**RUN, "lora": lora, "data": DATA | {"tasks_path": str(tasks_path)},
                "optimization": SCHEDULE | changes.pop("optimization", {}), **changes}  # fmt: skip
    return LoraTrainingConfig.model_validate(document)


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    for name, tensor in one.objective.module.state_dict().items():
        torch.testing.assert_close(other.objective.module.state_dict()[name], tensor, rtol=0, atol=0)


def test_a_resumed_run_is_the_run_that_never_stopped_dropout_and_noise_included(tmp_path, tasks_path):
    config = task_config(tasks_path)
    whole, seen = train(config, tmp_path / "a")
    parts, seen_in_parts = train(config, tmp_path / "b", stops=(1, 3, None))
    assert_same_weights(whole, parts)
    assert [p.metrics["loss"] for p in seen] == [p.metrics["loss"] for p in seen_in_parts]


def test_descriptions_learn_to_answer_and_the_result_specializes_a_base(tmp_path, tasks_path):
    changes = {"optimization": {"steps": 80, "learning_rate": 1e-2, "neftune_alpha": 0.0, "label_smoothing": 0.0}}
    config = task_config(tasks_path, evaluate_every=80, checkpoint_every=80, data={"tasks_per_batch": 4}, **changes)
    trainer = start(config, tmp_path / "run")
    before = trainer.evaluate()
    trainer.run(lambda _: None)
    assert trainer.evaluate()["loss/seen"] < 0.95 * before["loss/seen"]
    base = tiny_base()
    made = load_specializer(base, tmp_path / "run" / "best")
    assert made.encoder.name == "base" and made.config.rank == 2
    red, blue = made.specialize("Say red, whatever comes."), made.specialize("Say blue, whatever comes.")
    assert not torch.equal(red.weights[0, "q_proj"].B, blue.weights[0, "q_proj"].B)


@pytest.mark.parametrize("task_encoder", ["one_hot", "vq", "softmax"])
def test_codebooks_train_and_are_saved(tmp_path, tasks_path, task_encoder):
    config = task_config(tasks_path, hypernetwork=SHAPE | {"task_encoder": task_encoder, "num_codes": 6, "size": "L"})
    train(config, tmp_path / "run")
    saved, _ = TEXT_TO_LORA.load(tmp_path / "run" / "best")
    assert (saved.task_encoder, saved.num_training_tasks) == (task_encoder, 4)


def test_libraries_are_trained_side_by_side_and_rebuilt_from_descriptions(tmp_path, tasks_path):
    trainer, _ = train(lora_config(tasks_path), tmp_path / "library")
    resumed, _ = train(lora_config(tasks_path), tmp_path / "again", stops=(2, None))
    assert_same_weights(trainer, resumed)
    library = load_library(tmp_path / "library" / "best")
    assert sorted(library.adapters) == ["task.blue", "task.green", "task.red", "task.white"]
    assert library.adapters["task.red"].scaling((0, "q_proj")) == pytest.approx(16 / math.sqrt(2))
    for target in ("z_scores", "delta_w"):
        document = {
            **RUN,
            "library": str(tmp_path / "library" / "best"),
            "target": target,
            "hypernetwork": SHAPE,
            "optimization": {"steps": 60, "learning_rate": 1e-2, "warmup_steps": 1},
            "evaluate_every": 60,
            "checkpoint_every": 60,
        }
        config = ReconstructionTrainingConfig.model_validate(document)
        rebuilding = start(config, tmp_path / target)
        before = rebuilding.evaluate()["mean_absolute_error"]
        rebuilding.run(lambda _: None)
        assert rebuilding.evaluate()["mean_absolute_error"] < 0.95 * before
        specializer = load_specializer(tiny_base(), tmp_path / target / "best")
        rebuilt = specializer.specialize("Say red, whatever comes.")
        assert rebuilt.scaling((0, "q_proj")) == pytest.approx(16 / math.sqrt(2))
        assert specializer.num_training_tasks == 4


def test_a_library_begins_at_what_a_hypernetwork_writes_and_can_be_compressed_into_it_again(tmp_path, tasks_path):
    train(task_config(tasks_path, optimization={"learning_rate": 1e-2}), tmp_path / "hypernetwork")
    begun = {"init_from": str(tmp_path / "hypernetwork" / "best"), "embedder": "base"}
    moving = {"optimization": {"steps": 10, "learning_rate": 1e-2}}
    library = start(lora_config(tasks_path, **begun, **moving), tmp_path / "library")
    made = load_specializer(tiny_base(), tmp_path / "hypernetwork" / "best").specialize("Say red, whatever comes.")
    own = library.objective.adapter("task.red")
    for key, pair in made.weights.items():
        torch.testing.assert_close(own.weights[key].A, pair.A)
        torch.testing.assert_close(own.weights[key].B, pair.B)
    library.run(lambda _: None)
    document = {
        **RUN,
        **{"init_from": begun["init_from"], "library": str(tmp_path / "library" / "best")},
        "hypernetwork": {"embedder": "base"},  # all else of its shape is that of init_from
        "optimization": {"steps": 40, "learning_rate": 1e-3, "warmup_steps": 1},
        **{"evaluate_every": 40, "checkpoint_every": 40},
    }
    rebuilding = start(ReconstructionTrainingConfig.model_validate(document), tmp_path / "run")
    before = rebuilding.evaluate()["mean_absolute_error"]
    rebuilding.run(lambda _: None)
    assert rebuilding.evaluate()["mean_absolute_error"] < before
    assert TEXT_TO_LORA.load(tmp_path / "run" / "best")[0].latent_size == SHAPE["latent_size"]
    with pytest.raises(TrainingError, match="other modules, blocks, rank or scaling"):
        start(lora_config(tasks_path, **begun, lora={"modules": ["q_proj"], "rank": 2}), tmp_path / "other")
    with pytest.raises(ValueError, match="init_from is for one LoRA for each task"):
        lora_config(tasks_path, **begun, shared=True)


def test_only_the_loras_of_a_batch_move(tmp_path, tasks_path):
    config = lora_config(tasks_path, data=DATA | {"tasks_path": str(tasks_path), "tasks_per_batch": 1})
    trainer = start(config, tmp_path / "run")
    before = {name: p.clone() for name, p in trainer.objective.module.state_dict().items()}
    trainer.run(lambda _: None, stop_at=1)
    moved = {
        name.split(".")[0]
        for name, p in trainer.objective.module.state_dict().items()
        if not torch.equal(p, before[name])
    }
    assert len(moved) == 1


def test_a_lora_for_all_tasks_is_where_the_hypernetwork_begins(tmp_path, tasks_path):
    shared = lora_config(tasks_path, shared=True, optimization={"steps": 30, "learning_rate": 1e-2})
    train(shared, tmp_path / "shared")
    adapter = load_adapter(tmp_path / "shared" / "best")
    config = task_config(tasks_path, multi_task_lora=str(tmp_path / "shared" / "best"), learned_offset=True)
    objective = start(config, tmp_path / "run").objective
    with torch.no_grad():
        weights = objective.module(torch.randn(2, tiny_base().hidden_size)).weights
    for layer in (0, 1):
        torch.testing.assert_close(weights["down_proj"].A[1, layer], adapter.weights[layer, "down_proj"].A)
        torch.testing.assert_close(weights["down_proj"].B[0, layer], adapter.weights[layer, "down_proj"].B)
    assert all(p.requires_grad for p in objective.module.output_range.offset.parameters())
    other = task_config(tasks_path, multi_task_lora=str(tmp_path / "shared" / "best"), hypernetwork=SHAPE | {"rank": 3})
    with pytest.raises(TrainingError, match="other modules, blocks, rank or scaling"):
        start(other, tmp_path / "other")


def sampler(tasks, **changes) -> TaskSampler:
    heldout = changes.pop("heldout", False)
    data = TaskData.model_validate(DATA | {"suite": False} | changes)
    return TaskSampler(data, tiny_base(), tasks, seed=0, heldout=heldout)


def made_task(name: str, family: str, answer: str = "x") -> Task:
    instances = tuple(Instance(f"{name} {n}", (answer,)) for n in range(10))
    return Task(name, "d", (f"{name} a", f"{name} b", f"{name} c", f"{name} d"), instances, "exact", family, "test")


def test_hierarchical_sampling_draws_families_alike():
    tasks = [made_task(f"big{n}", "big") for n in range(9)] + [made_task("small", "small")]
    for hierarchical, low, high in ((True, 0.35, 0.65), (False, 0.0, 0.25)):
        drawn = sampler(tasks, tasks_per_batch=1, hierarchical=hierarchical)
        counts = Counter(drawn.build(n).tasks[0] for n in range(200))
        assert low < counts["small"] / 200 < high


def test_a_batch_has_the_descriptions_and_instances_that_were_asked_for_and_held_out_ones_apart():
    tasks = [made_task(f"t{n}", f"f{n}") for n in range(4)]
    wanted = {"tasks_per_batch": 2, "descriptions_per_task": 2, "instances_per_description": 3}
    batch = sampler(tasks, **wanted).build(0)
    assert len(batch.rows) == 4 and len(set(batch.descriptions)) == 4 and len(set(batch.tasks)) == 2
    assert all(len(row) == 3 for row in batch.rows)
    data = TaskData.model_validate(DATA | wanted | {"descriptions_per_task": 1})
    train, heldout = (TaskSampler(data, tiny_base(), tasks, seed=0, heldout=h) for h in (False, True))
    assert set(train.descriptions) == {f"t{n} {x}" for n in range(4) for x in "abc"}
    assert set(heldout.descriptions) == {f"t{n} d" for n in range(4)}
    seen = {s.prompt for n in range(20) for row in train.build(n).rows for s in row}
    assert not seen & {s.prompt for n in range(20) for row in heldout.build(n).rows for s in row}
    assert {name for n in range(2) for name in heldout.build(n).tasks} == {"t0", "t1", "t2", "t3"}, "in turn"


def test_long_instances_are_left_out_and_none_left_is_said():
    assert len(sampler([made_task("t", "f"), made_task("long", "g", answer="x" * 300)]).tasks) == 1
    with pytest.raises(TrainingError, match=r"raise data\.max_instance_tokens"):
        sampler([made_task("long", "g", answer="x" * 300)])


def test_unseen_families_and_what_overlaps_with_what_is_measured_are_not_trained_on(tmp_path, tasks_path):
    train, unseen = prepare_tasks(TaskData.model_validate({"suite": True, "max_tasks": 30}), seed=0)
    assert len(train) == 30 and not {t.family for t in train} & {t.family for t in unseen}
    long = " ".join(f"word{n}" for n in range(12))
    clash = echo_task("clash", "red", "family 0") | {"instances": [{"input": long, "outputs": [w]} for w in ("a", "b")]}
    (tasks_path / "clash.json").write_text(json.dumps(clash))
    (tmp_path / "measured.json").write_text(json.dumps(clash | {"name": "measured"}))
    data = {**DATA, "tasks_path": str(tasks_path), "eval_tasks_path": str(tmp_path / "measured.json")}
    train, _ = prepare_tasks(TaskData.model_validate(data), seed=0)
    assert "clash" not in {t.name for t in train} and len(train) == 4


def test_writing_questions_is_a_task_whose_best_step_has_the_least_loss(tmp_path):
    lines = [
        {"context": f"Mill {n} opened in {1800 + n}. It is red.", "question": f"When did mill {n} open?",
         "answers": [str(1800 + n)]} for n in range(60)
    ]  # fmt: skip
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = {**DATA, "questions_path": tmp_path / "questions.jsonl"}
    config = LoraTrainingConfig.model_validate(
        {**RUN, "shared": True, "lora": {"modules": ["q_proj"], "rank": 2}, "data": data, "optimization": SCHEDULE}
    )
    train, unseen = prepare_tasks(config.data, config.seed)
    assert not unseen and {task.family for task in train} == {"generated", "passages"}
    learned = {instance.outputs[0] for task in train if task.family == "passages" for instance in task.instances}
    assert learned < {line["question"] for line in lines}  # some passages are held out
    trainer = start(config, tmp_path / "run")
    assert trainer.objective.score({"loss/seen": 1.0, "exact/seen": 0.0}) > trainer.objective.score(
        {"loss/seen": 2.0, "exact/seen": 1.0}
    )
    trainer.run(lambda _: None)
    assert load_adapter(tmp_path / "run" / "best").rank == 2


def test_a_broken_task_file_and_no_task_at_all_are_refused(tmp_path, tasks_path):
    (tasks_path / "broken.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"broken\.json"):
        start(task_config(tasks_path), tmp_path / "run")
    with pytest.raises(TrainingError, match="no task to train on"):
        prepare_tasks(TaskData.model_validate({"suite": False}), seed=0)


def test_smoothing_and_noise_do_what_they_say():
    base = tiny_base()
    task = made_task("t", "f")
    packed = pack_rows(sampler([task], tasks_per_batch=1).build(0).rows)
    with torch.no_grad():
        plain, again = (answer_logits(base, packed, None) for _ in range(2))
        noisy = answer_logits(base, packed, None, noise_alpha=5.0)
    torch.testing.assert_close(plain, again)
    assert (plain - noisy).abs().max() > 1e-4
    smoothed = cross_entropy_per_token(plain, packed.targets, label_smoothing=0.1)
    expected = 0.9 * cross_entropy_per_token(plain, packed.targets) - 0.1 * plain.log_softmax(-1).mean(-1)
    torch.testing.assert_close(smoothed, expected)


def test_generated_rows_answer_as_saved_adapters_do(tmp_path, tasks_path):
    train(lora_config(tasks_path, optimization={"steps": 6, "learning_rate": 1e-2}), tmp_path / "run")
    library = load_library(tmp_path / "run" / "best")
    base = tiny_base()
    ids = torch.arange(10, 18).view(2, 4)
    rows = [library.adapters["task.red"], library.adapters["task.blue"]]
    with torch.no_grad(), base.hooks.applied(build_lora_batch(rows, base)):
        logits = base.model(ids).logits
    assert not torch.allclose(logits[0, 0], base.model(ids).logits[0, 0])


def test_a_damaged_library_is_named(tmp_path, tasks_path):
    train(lora_config(tasks_path), tmp_path / "run")
    folder = tmp_path / "run" / "best"
    library = load_library(folder)
    odd = {**library.adapters, "task.red": tiny_adapter()}
    save_library(Library(odd, library.descriptions), tmp_path / "odd")
    with pytest.raises(AdapterError, match="different bases, layers or ranks"):
        load_library(tmp_path / "odd")
    (folder / "library.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"library\.json is damaged"):
        load_library(folder)
    with pytest.raises(AdapterError, match=r"library\.json is missing"):
        load_library(tmp_path)


def tiny_adapter():
    config = TaskTrainingConfig.model_validate({"hypernetwork": SHAPE | {"rank": 1}})
    base = tiny_base()
    hypernetwork_config = build_task_config(config.hypernetwork, base, BaseEncoder(base))
    return EmbeddingSpecializer(
        base, hypernetwork_config, build_task_hypernetwork(hypernetwork_config).eval(), BaseEncoder(base), "h", "0" * 64
    ).specialize("x")


def test_configs_name_their_kind_and_problems(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"kind": "task", "hypernetwork": {"rank": 4}}))
    config = load_training_config(path, lambda document: document.update(optimization={"steps": 7}))
    assert isinstance(config, TaskTrainingConfig) and config.optimization.steps == 7 and config.hypernetwork.rank == 4
    for document, reason in (
        ({"kind": "nonsense"}, "'nonsense' cannot be trained; choose from"),
        ({"kind": "task", "data": {"facts": 3}}, "data.facts: unknown key"),
        ({"kind": "task", "learned_offset": True}, "learned_offset needs multi_task_lora"),
    ):
        path.write_text(json.dumps(document))
        with pytest.raises(ConfigError, match=reason):
            load_training_config(path)


PLACED = {"written_layer": 0, "first_layer": 1, "rank": 4, "embedder": "base"}


def system_message_config(tasks_path: Path, **changes) -> SystemMessageTrainingConfig:
    document = {**RUN, "hypernetwork": PLACED,
                "data": DATA | {"tasks_path": str(tasks_path)},
                "optimization": SCHEDULE | changes.pop("optimization", {}), **changes}  # fmt: skip
    return SystemMessageTrainingConfig.model_validate(document)


def test_descriptions_in_place_of_the_system_message_are_learned_to_follow(tmp_path, tasks_path):
    changes = {"optimization": {"steps": 60, "learning_rate": 1e-2}, "evaluate_every": 60, "checkpoint_every": 60}
    trainer = start(system_message_config(tasks_path, **changes), tmp_path / "run")
    before = trainer.evaluate()
    trainer.run(lambda _: None)
    assert trainer.evaluate()["loss/seen"] < 0.95 * before["loss/seen"]
    made = load_specializer(tiny_base(system_message=True), tmp_path / "run" / "best")
    red, blue = made.specialize("Say red, whatever comes."), made.specialize("Say blue, whatever comes.")
    assert (made.num_training_tasks, made.rank) == (4, 20) and red.rank == made.rank
    assert not torch.equal(red.weights[0, "down_proj"].B, blue.weights[0, "down_proj"].B)
    assert torch.equal(red.weights[1, "q_proj"].B, blue.weights[1, "q_proj"].B)  # the same for all tasks


def test_a_resumed_run_with_system_messages_is_the_run_that_never_stopped(tmp_path, tasks_path):
    whole, _ = train(system_message_config(tasks_path), tmp_path / "a")
    parts, _ = train(system_message_config(tasks_path), tmp_path / "b", stops=(1, 3, None))
    assert_same_weights(whole, parts)


def test_a_run_goes_on_from_a_trained_hypernetwork_of_its_shape(tmp_path, tasks_path):
    first, _ = train(system_message_config(tasks_path), tmp_path / "run")
    best = tmp_path / "run" / "best"
    again = start(system_message_config(tasks_path, init_from=str(best)), tmp_path / "again")
    assert torch.equal(again.objective.module.slot_A, first.objective.module.slot_A)
    with pytest.raises(TrainingError, match="has another base, embedder or hypernetwork than the config"):
        start(system_message_config(tasks_path, init_from=str(best), hypernetwork=PLACED | {"rank": 2}), tmp_path / "x")


def test_rewording_is_refused_where_descriptions_are_embedded_before_the_run(tasks_path):
    with pytest.raises(ValueError, match=r"data\.rewording is for runs of kind system_message"):
        task_config(tasks_path, data={"rewording": True})


def test_trained_descriptions_are_reworded_each_time_and_held_out_ones_never():
    tasks = [replace(made_task("t", "f"), descriptions=("Write the text in capital letters.",) * 4)]
    trained, heldout = (sampler(tasks, rewording=True, tasks_per_batch=1, heldout=heldout) for heldout in (False, True))
    drawn = [trained.build(n).descriptions[0] for n in range(20)]
    assert len(set(drawn)) > 10 and drawn[3] == trained.build(3).descriptions[0]
    assert {heldout.build(n).descriptions[0] for n in range(20)} == {"Write the text in capital letters."}


def test_bases_and_shapes_without_a_place_for_a_description_are_refused(tmp_path, tasks_path):
    config = system_message_config(tasks_path)
    with pytest.raises(HypernetworkError, match="have no default system message"):
        find_training_kind(config.kind).prepare(config, Preparation(tmp_path, lambda _name: tiny_base(), silent))
    config = system_message_config(tasks_path, hypernetwork=PLACED | {"written_layer": 1})
    with pytest.raises(TrainingError, match="first_layer 1 is not above written_layer 1"):
        start(config, tmp_path / "run")
    config = system_message_config(tasks_path, hypernetwork=PLACED | {"embedded_slots": 20})
    with pytest.raises(TrainingError, match="has 20 tokens, and embedded_slots is 20"):
        start(config, tmp_path / "run")


def test_hypernetworks_for_documents_and_for_tasks_are_not_taken_for_each_other(tmp_path, tasks_path):
    train(system_message_config(tasks_path), tmp_path / "run")
    train(task_config(tasks_path), tmp_path / "embedded")
    for run in ("run", "embedded"):
        with pytest.raises(HypernetworkError, match="reads descriptions of tasks, not documents; give it with --task"):
            load_internalizer(tiny_base(), tmp_path / run / "best")
    base = tiny_base()
    shape = tiny_associative_config(base, chunk_tokens=32)
    ASSOCIATIVE.save(tmp_path / "documents", shape, AssociativeHypernetwork(shape))
    with pytest.raises(
        HypernetworkError, match="reads documents, not descriptions of tasks; give it with --hypernetwork"
    ):
        load_specializer(base, tmp_path / "documents")


def test_drawn_tasks_are_trained_on_beside_the_suite_or_alone():
    alone, unseen = prepare_tasks(TaskData(suite=False, drawn_tasks=40), seed=0)
    assert len(alone) == 40 and unseen == []
    both, unseen = prepare_tasks(TaskData(drawn_tasks=40), seed=0)
    assert set(alone) < set(both)
    assert not {task.family for task in both} & {task.family for task in unseen}
