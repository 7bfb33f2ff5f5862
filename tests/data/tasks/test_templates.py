from lorify.data.tasks.templates import expand


def test_templates_expand_to_all_their_texts():
    assert expand("{a|b} c{|, d}") == ["a c", "a c, d", "b c", "b c, d"]
