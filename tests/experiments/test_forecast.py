"""The time of a run is estimated from a few of its steps."""

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.experiments.config import run_config
from mmdet_spatialattn.experiments.forecast import ArmForecast, Forecast, training_time
from tests.experiments.sets import configs_of, small_plan, small_scenes
from tests.results.examples import POWER


def test_the_estimate_grows_with_the_epochs(tmp_path, capsys):
    plan = small_plan(small_scenes(tmp_path / 'scenes'))
    config = run_config(configs_of(plan)['plain'], 0, tmp_path)
    assert len(config.train_dataloader.dataset.dataset.ann_file)
    config.train_cfg.max_epochs = 1
    short = training_time(config, steps=2)
    config.train_cfg.max_epochs = 1000  # of 48 steps, milliseconds each at the least
    assert training_time(config, steps=2) > short + 999 * 48 * 0.002
    assert capsys.readouterr().out == ''


def test_a_forecast_shows_what_the_finished_runs_say():
    arms = {'plain': ArmForecast((0, 1), 2, 60.0), 'cbam': ArmForecast((0, 1), 0, 90.0)}
    forecast = Forecast('demo', 'out', 2, arms, {'AP overall': POWER})
    assert forecast.minutes == 1.5
    runs, power = forecast.tables()
    assert runs.rows[1] == ('cbam', '0, 1', '0 of 2', '1.5')
    assert power.rows[-1] == ('5', '0.40')
    assert Forecast.from_dict(forecast.to_dict()) == forecast
