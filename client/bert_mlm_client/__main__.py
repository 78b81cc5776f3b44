"""Run the command ``bert-mlm``."""

import sys

from bert_mlm_client.cli import main

sys.exit(main())
