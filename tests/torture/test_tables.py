from tests.torture import tables


def test_strange_tables_luts_and_output_folders_are_data(tmp_path):
    outcome = tables.run(48, 7, tmp_path, lambda text: None)
    assert outcome.failures == ()
    assert outcome.trials == 48
    assert any(kind.endswith(" read") for kind in outcome.figures["kinds"])
