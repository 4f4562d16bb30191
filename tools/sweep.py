"""``spatialattn sweep``, where MMDetection users look for it."""

import sys

from mmdet_spatialattn.cli.sweep import main

sys.exit(main())
