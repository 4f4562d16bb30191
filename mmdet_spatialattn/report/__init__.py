"""Pages for readers, composed of results and figures: of a data set's clutter, and of a sweep."""

from .clutter_page import write_clutter_page
from .sweep_markdown import write_sweep_markdown
from .sweep_page import write_sweep_page
from .sweep_text import answer

__all__ = ['answer', 'write_clutter_page', 'write_sweep_markdown', 'write_sweep_page']
