import struct

from made_up_runs import make_answer

from lorify.evaluation.reports.plots import plot_heat_map, write_plots


def size_of(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


def test_plots_depend_on_the_data_of_the_answers(tmp_path):
    answers = [make_answer(method, f"c-{i}", length_tokens=100 * i + 1) for method in ("icl", "a b") for i in range(3)]
    assert write_plots(tmp_path, answers) == ["quality-update.png", "quality-length.png"]
    needles = [
        make_answer(m, f"n-{i}", depth_bin=i, answer_peak_bytes=1000) for m in ("icl", "rag:chunks=1") for i in range(2)
    ]
    names = write_plots(tmp_path, needles)
    assert names[2:] == ["memory-length.png", "heat-map-icl.png", "heat-map-rag-chunks-1.png"]
    assert all(min(size_of(tmp_path / name)) > 100 for name in names)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_heat_map_grows_with_lengths_and_depths(tmp_path):
    plot_heat_map([(100, 0, 1.0), (100, 1, 0.0)], tmp_path / "small.png")
    plot_heat_map([(n, b, 1.0) for n in (100, 200, 400) for b in range(10)], tmp_path / "large.png")
    small, large = size_of(tmp_path / "small.png"), size_of(tmp_path / "large.png")
    assert large[0] > small[0] and large[1] > small[1]


def test_other_answers_give_another_plot(tmp_path):
    plot_heat_map([(100, 0, 1.0), (100, 1, 0.0)], tmp_path / "one.png")
    plot_heat_map([(100, 0, 0.0), (100, 1, 1.0)], tmp_path / "other.png")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "other.png").read_bytes()
