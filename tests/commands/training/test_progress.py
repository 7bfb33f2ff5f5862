"""What the progress line of a run says."""

from lorify.commands.training.progress import describe_progress
from lorify.training.engine.loop import TrainingProgress


def test_the_line_says_how_fast_a_run_is_what_it_waits_for_and_how_much_memory_it_takes() -> None:
    progress = TrainingProgress(
        1, {"loss": 2.0}, 12_345.0, steps_per_second=4.0, data_share=0.25, peak_bytes=3 << 30
    )  # fmt: skip
    assert describe_progress(progress) == "loss 2.000, 12,345 tokens/s, 4 steps/s, data 25%, 3.0 GiB"


def test_a_run_on_a_cpu_has_no_memory_of_an_accelerator() -> None:
    assert "GiB" not in describe_progress(TrainingProgress(1, {"loss": 2.0}, 5.0, steps_per_second=1.0))
