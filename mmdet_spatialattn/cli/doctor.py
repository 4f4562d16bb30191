"""Show what is installed, what will not work, and the remedies.

    spatialattn doctor
    spatialattn doctor --json doctor.json

Exit code 1 when something will not work, else 0.
"""

from typing import Optional

from ..processors import count_processors
from ._command import Parser, command, maybe_write_json, print_next


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('doctor', __doc__)
    parser.add_json()
    args = parser.parse_args(argv)

    from dataclasses import asdict

    from ..compat.doctor import PROVIDERS, diagnose, examine, provider
    from ..version import __version__

    facts = examine()
    findings = diagnose(facts)
    kernels = '-'
    if not {'torch', 'mmengine', 'mmcv'} & set(facts.failures):
        from ..attention import fused

        kernels = fused.describe()
    threads = f'{facts.threads} threads of {count_processors()} (OMP_NUM_THREADS sets them)'
    rows = {
        'mmdet_spatialattn': __version__,
        'python': facts.python,
        **{package: provider(facts, package) or '-' for package in PROVIDERS},
        'devices': ', '.join(facts.devices) or f'CPU, {threads}',
        'attention kernels': kernels,
    }
    for source in sorted(set(facts.operators.values())):
        names = [name for name, origin in facts.operators.items() if origin == source]
        listed = f' ({", ".join(names)})' if source != 'not available' else ''
        rows[f'operators: {source}'] = f'{len(names)}{listed}'
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f'{name:<{width}}  {value}')
    for finding in findings:
        print(f'\n{finding.level}: {finding.problem}\n  -> {finding.remedy}')
    broken = any(finding.level == 'error' for finding in findings)
    print('\nMMDetection will not run here.' if broken else '\nMMDetection runs here.')
    data = {'mmdet_spatialattn': __version__, **asdict(facts), 'attention_kernels': kernels}
    maybe_write_json(args.json, {**data, 'findings': [asdict(finding) for finding in findings]})
    print_next('carry out the remedies above' if broken else 'spatialattn demo')
    return int(broken)
