"""The same as ``spatialattn clutter``."""

import sys

from mmdet_spatialattn.cli.clutter import main

sys.exit(main())
