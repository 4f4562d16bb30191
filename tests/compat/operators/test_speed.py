"""The package's import costs next to nothing; ``tools/benchmarks`` has the operators too."""

import runpy


def test_importing_the_package_takes_less_than_three_tenths_of_a_second(repository):
    benchmark = runpy.run_path(str(repository / 'tools/benchmarks/import_time.py'))
    assert benchmark['import_seconds'](3) < 0.3
