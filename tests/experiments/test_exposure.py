from experiments.exposure import Exposure


def test_exposure_of_a_unit_has_one_id_whenever_it_happens():
    first = Exposure("trial", "a", "7", exposed_at=1).event()
    later = Exposure("trial", "a", "7", exposed_at=2).event()

    assert (first.source, first.event_id) == (later.source, later.event_id)


def test_ids_of_different_experiments_and_units_differ():
    ids = {Exposure(name, "a", unit, 0).event_id for name, unit in [("a", "b:c"), ("a:b", "c"), ("a", "b"), ("ab", "")]}

    assert len(ids) == 4
