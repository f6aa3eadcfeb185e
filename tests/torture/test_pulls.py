from tests.torture import pulls


def test_a_server_that_fails_is_outlasted_or_given_up(tmp_path):
    outcome = pulls.run(36, 7, tmp_path, lambda text: None)
    assert outcome.failures == ()
    assert outcome.figures["kinds"] == {"recovered": 18, "refused": 18}
