#!/bin/sh
# Run the tests that need a GPU and the GPU benchmark on a machine that has PyTorch, in minutes.
#
#     tools/dev/gpu_check.sh RESULT.json [FOLDER_OF_WHEELS]
#
# The wheels hold the packages that the machine lacks; they are installed into a folder of their
# own. RESULT.json holds the outcome of the tests and the table of the benchmark. The exit code is
# that of the tests, or of the benchmark if they passed. SECONDS_LIMIT limits the benchmark (150).
set -u
result=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
if [ $# -gt 1 ]; then
    python3 -m pip install -q --no-index --no-deps --no-compile --target "$work/site" "$2"/*.whl || exit
fi
export MMDET_SPATIALATTN_FUSED=1
export PYTHONPATH="$root:$work/site${PYTHONPATH:+:$PYTHONPATH}"
cd "$root" || exit
jobs=$(python3 -c 'import xdist; print("-n 8")' 2>/dev/null)  # most of the time kernels compile
# shellcheck disable=SC2086
timeout 240 python3 -m pytest $jobs -m gpu -p no:cacheprovider tests/attention/fused \
    --durations=5 --junitxml="$work/tests.xml"
tests=$?
python3 tools/benchmarks/attention.py --device cuda --pairs 10 \
    --seconds "${SECONDS_LIMIT:-150}" --json "$work/benchmark.json"
benchmark=$?
python3 - "$work" "$result" <<'PYTHON'
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

work, result = map(Path, sys.argv[1:])
tests, benchmark = work / 'tests.xml', work / 'benchmark.json'
outcome = {}
if tests.is_file():
    suite = ElementTree.parse(tests).getroot().find('testsuite')
    outcome = {key: suite.get(key) for key in ('tests', 'failures', 'errors', 'skipped', 'time')}
    bad = [case for case in suite if case.find('failure') is not None or case.find('error') is not None]
    outcome['failed'] = {case.get('name'): case[0].get('message', '')[:500] for case in bad}
table = json.loads(benchmark.read_text()) if benchmark.is_file() else None
result.write_text(json.dumps({'tests': outcome, 'attention': table}, indent=1))
print({key: value for key, value in outcome.items() if key != 'failed'})
PYTHON
rm -rf "$work"
[ "$tests" -ne 0 ] && exit "$tests"
exit "$benchmark"
