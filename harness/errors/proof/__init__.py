"""How well the classifiers see: fault injection, responses labelled by hand, and the figures of both."""

from harness.errors.proof.case import Case, Fault, make_pool
from harness.errors.proof.inject import FAULTS, inject
from harness.errors.proof.labelled import CATEGORIES, load_labelled
from harness.errors.proof.measure import Figures, Measured, measure, records_of

__all__ = [
    "CATEGORIES",
    "FAULTS",
    "Case",
    "Fault",
    "Figures",
    "Measured",
    "inject",
    "load_labelled",
    "make_pool",
    "measure",
    "records_of",
]
