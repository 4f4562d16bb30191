"""``spatialattn test``, where MMDetection users look for it."""

import sys

from mmdet_spatialattn.cli.test import main

sys.exit(main())
