"""``python -m mmdet_spatialattn.cli`` is ``spatialattn``."""

import sys

from . import main

sys.exit(main())
