"""Pages for readers, composed of results and figures: of clutter, a comparison, a sweep."""

from .clutter_page import write_clutter_page
from .comparison_page import write_comparison_page
from .sweep_markdown import write_sweep_markdown
from .sweep_page import write_sweep_page
from .sweep_text import answer

__all__ = [
    'answer',
    'write_clutter_page',
    'write_comparison_page',
    'write_sweep_markdown',
    'write_sweep_page',
]
