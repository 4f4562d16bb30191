"""The same as ``spatialattn compare``."""

import sys

from mmdet_spatialattn.cli.compare import main

sys.exit(main())
