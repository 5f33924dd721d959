"""`accelerate`: Keras's own `fit`, `evaluate` and `predict` become the compiled ones.

switch    what is on: for all models, in a block, for one model
methods   the methods that stand in the place of Keras's
tally     counts calls, and what Keras's own loop had to do; the line at exit
"""

from kerasnn.acceleration.switch import Acceleration, accelerate
from kerasnn.acceleration.tally import TALLY, Tally

__all__ = ["TALLY", "Acceleration", "Tally", "accelerate"]
