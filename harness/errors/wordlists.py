"""Words that mean a number or a time, and words that are capitalised without being names."""

from __future__ import annotations

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_MONTHS = "january february march april may june july august september october november december"
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"

NUMBERS: dict[str, int] = {word: value for value, word in enumerate(_ONES.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}
SCALES: dict[str, int] = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
SOURCE_NUMBERS: dict[str, str] = {
    **{word: str(value) for value, word in enumerate(_ORDINALS.split(), start=1)},
    **dict.fromkeys(("twice", "double", "both", "pair", "couple"), "2"),
    **dict.fromkeys(("triple", "thrice"), "3"),
    "dozen": "12",
    "half": "0.5",
    "quarter": "0.25",
}
"""Words that make a number known without stating it: no fact where a response has them."""

MONTHS: dict[str, str] = {
    name: f"m{number}" for number, month in enumerate(_MONTHS.split(), start=1) for name in (month, month[:3])
} | {"sept": "m9"}
WEEKDAYS: dict[str, str] = {
    name: f"d{number}" for number, day in enumerate(_DAYS.split(), start=1) for name in (day, day[:3])
}
TITLES = frozenset({"mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "no"})

_COMMON = """
    a about above accordingly according actually additionally after again all also although always am among an and
    another answer any anyone anything are as ask at available based be because before below best better between both
    but by call can cannot certainly check choose click close come contact correct could customer customers date day
    days dear did do does done during each either else email english enjoy enter error even every everyone everything
    example excuse faq finally find first following for free from further get give given go good great greetings had
    has have he hello help her here hers hey hi him his hope how however i id if in indeed info information instead
    internet into is it item its json just keep kind kindly know let like list look made make many may maybe me
    message might more most much must my name need never new next no none nor not note nothing now number of off often
    ok okay on once one only open or order other otherwise our out over own phone please policy problem product
    question questions rather read really reason receive refund regarding regards remember repair replacement request
    response result return returns right sales same second see send service shall she should show simply since
    sincerely so some someone something soon sorry specifically start still stop subject such summary support sure
    take team tell thank thanks that the their them then there therefore these they thing things third this those
    though through thus time to today together tomorrow too total true try two type under unfortunately unless until up
    upon us use used user using usually very via visit wait want warranty was we welcome well were what whatever when
    where whether which while who whom whose why will with within without would write yes yesterday yet you your yours
    yourself ai am pm tv usb pdf ok etc eur euro euros usd gbp null true false unknown
    don doesn didn isn aren wasn weren hasn haven won wouldn couldn shouldn ain
"""
COMMON = frozenset(_COMMON.split()) | TITLES | NUMBERS.keys() | SCALES.keys() | SOURCE_NUMBERS.keys()
"""Lower-case forms of words that begin sentences, answers and letters, or are capitalised everywhere."""
