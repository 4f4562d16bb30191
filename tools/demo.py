"""The same as ``spatialattn demo``."""

import sys

from mmdet_spatialattn.cli.demo import main

sys.exit(main())
