from tests.torture import templates


def test_fuzzed_templates_are_settings_or_sentences_with_their_line(tmp_path):
    outcome = templates.run(100, 7, tmp_path, lambda text: None)
    assert outcome.failures == ()
    kinds = outcome.figures["kinds"]
    assert outcome.trials == sum(kinds.values()) == 100
    assert kinds["grammar read"] > 3, "some of them are good"
    assert kinds["lut refused"] > 10
