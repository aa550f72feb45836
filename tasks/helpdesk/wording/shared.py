"""Names, places, products and numbers: a pool of their own for each split, so that no value is met twice."""

from __future__ import annotations

from wording.draw import Draw

SPLITS = ("train", "validation", "test")

TYPES = (
    "kettle", "toaster", "blender", "iron", "fan", "heater", "juicer", "vacuum cleaner", "rice cooker",
    "coffee machine", "bread maker", "dehumidifier", "air purifier", "hand mixer", "slow cooker", "steam mop",
)  # fmt: skip

# One word a product line; a model is a line and a number ("Alder 3"). In train two lines a type, else one.
LINES = {
    "train": "Alder Birka Calder Dovre Elvar Fjell Garda Hassel Isola Jarl Kestrel Lumen Moss Norna Orrin Pilar "
    "Quill Rondo Sorrel Tarn Ulven Vesper Wicken Xylo Yarrow Zephir Amble Bracken Corva Drift Ember Flint".split(),
    "validation": "Glimt Harrow Ilex Juno Kelda Larch Merle Nimbus Osprey Petrel Quince Sable Teal Umber Vireo "
    "Willow".split(),
    "test": "Aster Bodil Cinder Dunlin Eider Fennel Grebe Heron Indra Juniper Kite Linnet Marten Nerine Otter "
    "Plover".split(),
}

FIRST_NAMES = {
    "train": "Marta Tomas Aisha Pieter Lucia Henrik Noor Callum Ines Bogdan Sofie Rashid Greta Milan Oona Diego "
    "Fatima Lars Yuki Brigid Anton Leila Marco Selma Viktor Hanna Idris Paula Emil Zara Jonas Carmen Femi Katrin "
    "Owen Priya Stefan Tove Ravi Maud".split(),
    "validation": "Agnes Bruno Chiara Dmitri Elif Fergus Gudrun Hassan Irina Joao Kamala Ludo Mirela Nils Odette "
    "Pavel Rosa Simon Tamar Ugo".split(),
    "test": "Astrid Benoit Celeste Darius Edda Filip Gwen Hugo Isolde Jamal Keiko Liam Malin Nadia Oscar Petra "
    "Quentin Renata Samir Thea".split(),
}

LAST_NAMES = {
    "train": "Kolb Novak Haddad Visser Moretti Lindholm Farouk Doyle Pereira Ionescu Berg Malik Hoffmann Petrov "
    "Laine Alvarez Osei Nygaard Tanaka Keane Weiss Amini Conti Dahl Horvat Schultz Bello Costa Larsen Qureshi "
    "Brandt Ruiz Adeyemi Maier Pryce Sharma Keller Aune Menon Thorne".split(),
    "validation": "Abbott Bianchi Cermak Duarte Eklund Ferrand Gallo Hendriks Ivanova Jansen Kaplan Lefebvre "
    "Mulligan Nowicki Okafor Popescu Riedel Santos Tuominen Varga".split(),
    "test": "Ahlberg Baptiste Castell Dragan Egger Fontaine Grimaldi Hallgren Ishida Jovanov Kruger Leclerc "
    "Marchetti Nakamura Oliveira Pohl Rinaldi Sandoval Tesfaye Vermeer".split(),
}

CITIES = {
    "train": "Lyon Graz Turin Ghent Leeds Porto Basel Gdansk Malmo Cork Split Bergen Utrecht Seville Brno Tampere "
    "Bristol Nantes Leipzig Verona".split(),
    "validation": "Dresden Aarhus Bilbao Rouen Krakow Bologna Ljubljana Galway".split(),
    "test": "Antwerp Innsbruck Valencia Uppsala Wroclaw Trieste Dundee Toulouse".split(),
}

RIVALS = {
    "train": "Kellmor Brightwell Danfield Zellweg Orbena Maxhome Tivoro Lindqvar".split(),
    "validation": "Hexley Borant Cavello Sundmar".split(),
    "test": "Pellworth Gramont Vasko Rennfeld".split(),
}

DAYS = {
    "train": ["Monday", "Wednesday", "Friday"],
    "validation": ["Tuesday", "Saturday"],
    "test": ["Thursday", "Sunday"],
}
YEAR = "January February March April May June July August September October November December".split()
MONTHS = {
    "train": ["January", "March", "April", "June", "September", "November"],
    "validation": ["February", "July", "October"],
    "test": ["May", "August", "December"],
}
COLOURS = {
    "train": ["red", "green", "white", "violet", "turquoise"],
    "validation": ["blue", "yellow", "grey"],
    "test": ["purple", "pink", "brown"],
}
# Remainders modulo 4 that the numbers of a split have: 30 days in one split, 31 in another.
REMAINDERS = {"train": (0, 1), "validation": (2,), "test": (3,)}
FAULTS = {
    "train": (
        "no longer switches on", "rattles loudly", "cuts out after a minute", "smells of hot plastic", "drips",
        "stays stone cold", "gets stuck halfway", "trips the fuse", "flickers and dies", "hums without starting",
    ),
    "validation": ("has gone silent", "overheats", "wobbles badly", "keeps blinking", "shuts down by itself"),
    "test": ("will not start up", "squeals like a whistle", "has lost all its power", "leaks at the base", "stalls"),
}  # fmt: skip


def numbers(split: str, low: int, high: int) -> list[int]:
    """The numbers of ``[low, high]`` that belong to ``split``."""
    return [number for number in range(low, high + 1) if number % 4 in REMAINDERS[split]]


def model_names(split: str, kind: str) -> list[str]:
    """Every model of one type of appliance in ``split``."""
    index = TYPES.index(kind)
    lines = LINES[split][index :: len(TYPES)]
    return [f"{line} {number}" for line in lines for number in range(2, 10)]


def person(split: str, draw: Draw) -> str:
    """A first and a last name of ``split``."""
    return f"{draw.pick(FIRST_NAMES[split])} {draw.pick(LAST_NAMES[split])}"


class Ids:
    """Order numbers, serial numbers, telephone numbers and postcodes, none of them ever given out twice."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def _fresh(self, draw: Draw, pattern: str) -> str:
        while True:
            text = "".join(
                str(draw.below(10)) if c == "0" else str(1 + draw.below(9)) if c == "1" else
                "ABCDEFGHJKLMNPRSTUVWXYZ"[draw.below(23)] if c == "A" else c
                for c in pattern
            )  # fmt: skip
            if text not in self._used:
                self._used.add(text)
                return text

    def order(self, draw: Draw) -> str:
        """Five digits, like a postcode."""
        return self._fresh(draw, "10000")

    def serial(self, draw: Draw) -> str:
        """Two letters and four digits."""
        return self._fresh(draw, "AA0000")

    def phone(self, draw: Draw) -> str:
        """A telephone number whose second group looks like an order number."""
        return "0" + self._fresh(draw, "100 10000")
