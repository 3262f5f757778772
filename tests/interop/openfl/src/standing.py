"""A collaborator that stands still in the middle of a round, until somebody sends it SIGCONT."""
import os
import signal

from src.digits import DigitsTaskRunner


class StandingTaskRunner(DigitsTaskRunner):
    """`who` does, in its first task of round 0: before it has reported anything."""

    def __init__(self, who=None, **kwargs):
        self.who = who
        super().__init__(**kwargs)

    def validate(self, col_name, round_num, input_tensor_dict, **kwargs):
        if col_name == self.who and round_num == 0:
            self.who = None
            os.kill(os.getpid(), signal.SIGSTOP)
        return super().validate(col_name, round_num, input_tensor_dict, **kwargs)
