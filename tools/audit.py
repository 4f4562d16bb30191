"""``spatialattn audit``, where MMDetection users look for it."""

import sys

from mmdet_spatialattn.cli.audit import main

sys.exit(main())
