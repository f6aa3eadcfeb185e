from tests.torture import weights


def test_nothing_in_weights_is_run(tmp_path):
    outcome = weights.run(8, 7, tmp_path, lambda text: None)
    assert outcome.failures == ()
    assert outcome.trials == 8
