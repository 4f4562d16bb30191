"""The same as ``spatialattn inject``."""

import sys

from mmdet_spatialattn.cli.inject import main

sys.exit(main())
