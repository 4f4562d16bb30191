"""The short form of a sweep's page, ``report.md``, for a pull request."""

from collections.abc import Iterator
from pathlib import Path

from ..io import PathLike, atomic_path
from ..results import SweepResult
from ..results.cost import cost_table
from ..results.health import health_table
from ..results.sweep import shape_table
from ..tables import markdown_text
from .sweep_costs import with_times
from .sweep_tables import Numbers, summary_table
from .sweep_text import answer, notes, plan_file, power_sentence, setup, title


def write_sweep_markdown(result: SweepResult, folder: PathLike) -> Path:
    """Write the result of a sweep as Markdown into ``report.md``.

    Args:
        result: The result of the sweep.
        folder: The sweep's folder, where measured times are looked up and the file is written.

    Returns:
        The file.

    Raises:
        UserError: The file cannot be written, or ``cost.json`` cannot be read.
    """
    path = Path(folder) / 'report.md'
    text = '\n\n'.join(_paragraphs(result, folder)) + '\n'
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return path


def _paragraphs(result: SweepResult, folder: PathLike) -> Iterator[str]:
    yield f'## {markdown_text(title(result))}'
    yield markdown_text(' '.join(answer(result)))
    yield _bullets(
        f'**{markdown_text(arm)}**: {markdown_text(verdict.sentence)}'
        for arm, verdict in result.comparison.verdicts.items()
    )
    yield from _numbers(summary_table(result.comparison))
    if result.boxes is not None:
        yield shape_table((result.comparison, result.boxes)).markdown()
    if result.comparison.power:
        yield markdown_text(power_sentence(result.comparison))
    if result.health:
        yield health_table(result.health).markdown()
    if result.costs:
        yield cost_table(with_times(result.costs, folder)).markdown()
    if result.failed:
        names = ', '.join(markdown_text(run.name) for run in result.failed)
        yield f'Runs without a result: {names}.'
    if notes(result):
        yield _bullets(f'Note: {markdown_text(note)}' for note in notes(result))
    settings = _bullets(f'{name}: {markdown_text(text)}' for name, text in setup(result))
    yield f'<details><summary>How to repeat it</summary>\n\n{settings}'
    yield f'{_code_block(plan_file(result.plan))}\n\n</details>'


def _numbers(numbers: Numbers) -> Iterator[str]:
    yield numbers.table.markdown()
    if numbers.reasons:
        yield _bullets(f'No number (-): {markdown_text(reason)}' for reason in numbers.reasons)


def _bullets(lines: Iterator[str]) -> str:
    return '\n'.join(f'- {line}' for line in lines)


def _code_block(text: str) -> str:
    """Return a JSON text as a block of code, fenced by more backticks than it contains."""
    fence = '```'
    while fence in text:
        fence += '`'
    return f'{fence}json\n{text}\n{fence}'
