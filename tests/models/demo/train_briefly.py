"""Train with a small vocabulary, with an option ``--interrupt-at STEP``.

Takes the options of ``models.demo.train`` and runs in the environment with PyTorch.
"""

import argparse
from typing import Any

from models.demo import train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--interrupt-at", type=int)
    options, arguments = parser.parse_known_args()
    train.VOCABULARY = 300
    learn = train.Run.learn

    def learn_or_stop(self: train.Run, *batch: Any) -> float:
        if self.step == options.interrupt_at:
            raise KeyboardInterrupt
        return learn(self, *batch)

    train.Run.learn = learn_or_stop  # type: ignore[method-assign, assignment] # stands in for Ctrl-C at a known step
    train.main(arguments)


if __name__ == "__main__":
    main()
