# fmt: off
"""Wording of the scope items, validation and test splits; the form is that of `scope_train`."""

from __future__ import annotations

Note = tuple[str, tuple[tuple[str, str, str], ...]]

NOTES: dict[str, tuple[Note, ...]] = {}

NOTES["validation"] = (
    ("Cleaning tabs for the {p1}: {n1} in a tube, {e1} euros.", (
        ("How many tabs come in your tube?", "{n1}|{n1} tabs", "How many tabs can a browser keep open?"),
        ("What do tabs for my {p1} cost?", "{e1} euros", "What do tabs for the {rival} cost?"))),
    ("Workshop talk in {city1} by {person1}, seats for {d1}.", (
        ("Who gives the talk at Norrvale?", "{person1}", "Who gives concerts in {city1} this week?"),
        ("For how many are there seats at your talk?", "{d1}", "For how many years was {city1} a capital?"))),
    ("Lid of the {p1} sticks: warm it for {m1} minutes, then turn left.", (
        ("How do I turn the stuck lid of my {p1}?", "left|to the left|turn left", "How do I open a stuck jar of honey?"),
        ("How many minutes do I warm it?", "{m1}|{m1} minutes", "How many minutes does one warm up before a run?"))),
    ("Delivery {city1}: floor {n1} and higher costs {e1} euros more.", (
        ("What more do you charge for the upper floors?", "{e1} euros|{e1} euros more", "What do flats on the upper floors in {city1} cost?"),
        ("From which floor on is it dearer with you?", "{n1}|floor {n1}|from floor {n1}", "From which tower in {city1} is the view best?"))),
    ("{p1} and {p2} share a charger, sold in {colour1}.", (
        ("What colour is the charger you sell?", "{colour1}", "What colour is the charger of {rival}?"),
        ("Which other model can use the charger of the {p1}?", "the {p2}|{p2}", "Which other phone can use my laptop's charger?"))),
    ("Thermostat of the {p1}: {n1} steps, step {n2} suits wool.", (
        ("Which step of the {p1} suits wool?", "{n2}|step {n2}", "Which needles suit thick wool?"),
        ("How many steps has the thermostat on it?", "{n1}|{n1} steps", "How many steps lead up to the castle in {city1}?"))),
    ("Cancelled orders: money back on {day1}, questions to {person1}.", (
        ("To whom do I put questions on my cancelled order?", "{person1}|to {person1}", "To whom do I complain about a cancelled flight?"),
        ("On what day is the money for it back?", "{day1}|on {day1}", "On what day do pensions get paid?"))),
    ("Holiday stop: no parcels from us in {month1}; post resumes with the {p1}.", (
        ("In which month do you send no parcels?", "{month1}|in {month1}", "In which month do the swallows come back?"),
        ("With which product do you resume?", "the {p1}|{p1}", "With which product does {rival} make its money?"))),
    ("Hose of the {p1}: {n1} metres; extension by {n2} metres for {e1} euros.", (
        ("How much is the extension of the hose?", "{e1} euros", "How much is an extension of a student visa?"),
        ("How long is the hose of my {p1}, without extension?", "{n1} metres", "How long is a tennis court?"))),
    ("Museum of Norrvale in {city1}, entry {e1} euros, closed on {day1}.", (
        ("What is the entry to the museum of your firm?", "{e1} euros", "What is the entry to the zoo in {city1}?"),
        ("When is the Norrvale museum closed?", "{day1}|on {day1}", "When was the town hall of {city1} built?"))),
    ("Coffee from the {p1} too weak: grind {n1}; too bitter: grind {n2}.", (
        ("Which grind do I set if the {p1} is too bitter?", "{n2}|grind {n2}", "Which beans from Ethiopia are the least bitter?"),
        ("My {p1} brews too weak. What do I set?", "grind {n1}|{n1}", "My knees are too weak for stairs. What do I do?"))),
    ("Survey: {n1} questions, prize the {p1}, ends in {month1}.", (
        ("When does your survey end?", "{month1}|in {month1}", "When does daylight saving time end?"),
        ("What is the prize of your survey?", "the {p1}|{p1}", "What is the prize for winning at Wimbledon?"))),
    ("Smell from a new {p1} goes after {n1} runs with vinegar.", (
        ("After how many runs is the smell of my {p1} gone?", "{n1}|{n1} runs|after {n1} runs", "After how many washes is the smell of smoke gone?"),
        ("What do I run the {p1} with?", "vinegar|with vinegar", "What do I dress a salad with?"))),
    ("Regional partner for {city1}: {person1}, brings the {p1} for trial.", (
        ("Who is your partner in {city1}?", "{person1}", "Who is a good dentist in {city1}?"),
        ("What does your partner bring for trial?", "the {p1}|{p1}", "What does one bring to a christening?"))),
    ("Fan speeds of the {p1}: {colour1} low, {colour2} high.", (
        ("Low speed on my {p1} is which colour?", "{colour1}", "Low tide on the coast is at which hour?"),
        ("What does {colour2} stand for on the fan of the {p1}?", "high|high speed", "What does {colour2} stand for in Chinese culture?"))),
)

NOTES["test"] = (
    ("{p1} lamp: bulb type B{n1}, change it every {y1} years.", (
        ("Which bulb do I need for the {p1}?", "B{n1}|bulb type B{n1}|type B{n1}", "Which bulb do I need for my {rival} fridge?"),
        ("How often is the bulb changed in it?", "every {y1} years|{y1} years", "How often is there a full moon?"))),
    ("Our stand at the {city1} fair: hall {n1}, host {person1}.", (
        ("In what hall is Norrvale at the fair?", "{n1}|hall {n1}|in hall {n1}", "In what hall is {rival} at the fair?"),
        ("Who hosts your stand?", "{person1}", "Who founded the university of {city1}?"))),
    ("Lost remote of the {p1}: {e1} euros, ships in {d1} days.", (
        ("I need a remote for the {p1}. Price?", "{e1} euros", "I need a remote for my garage. Price?"),
        ("How soon do you ship the remote?", "in {d1} days|{d1} days", "How soon can one learn Spanish?"))),
    ("Flavour pods of the {p1}: mint, plum and, in {month1}, cocoa.", (
        ("When do you have cocoa pods?", "{month1}|in {month1}", "When is cocoa harvested in Ghana?"),
        ("Which pods besides mint are there all year for my {p1}?", "plum", "Which tree bears mirabelles, the plum?"))),
    ("A missing tag on the {p1} bag voids nothing; a broken {colour1} seal voids the cover.", (
        ("Which seal must not break on my {p1} bag?", "the {colour1} seal|{colour1}|the {colour1} one", "Which seals live in the Baltic Sea?"),
        ("What does a missing tag void with you?", "nothing|it voids nothing", "What does a missing stamp mean for my old coin album?"))),
    ("Shuttle from {city1} station to our plant: {h1}:00, {n1} minutes.", (
        ("When does your shuttle leave?", "{h1}:00|at {h1}:00", "When does the bus to {city2} leave?"),
        ("How many minutes to your plant?", "{n1}|{n1} minutes", "How many minutes does the ferry from {city1} take?"))),
    ("Soleplate of the {p1}: ceramic, max {d1} degrees.", (
        ("What's the soleplate on the {p1}?", "ceramic", "What's the soleplate on the newest {rival}?"),
        ("To how many degrees does my {p1} go?", "{d1}|{d1} degrees", "To how many degrees do I set the oven for a quiche?"))),
    ("Payment plan: {n1} rates, first on {day1}, handled by {person1}.", (
        ("How many rates are in your plan?", "{n1}|{n1} rates", "How many rates of tax are there here?"),
        ("Who handles the plan with you?", "{person1}", "Who handles divorces in {city1}?"))),
    ("Sleeve for the {p1} only in {colour1}; the {p2} needs none.", (
        ("Which of yours needs no sleeve?", "the {p2}|{p2}", "Which records need no sleeve?"),
        ("In what colour is the sleeve for the {p1}?", "{colour1}", "In what colour do I knit a sleeve for a teddy?"))),
    ("Radio advert runs in {city1} till {month1}, code word gives {e1} euros off.", (
        ("How much does the code word take off at your shop?", "{e1} euros|{e1} euros off", "How much does one minute of radio advert cost?"),
        ("Till what month does your advert run?", "{month1}|till {month1}", "Till what month can one swim in {city1}?"))),
    ("Slow drip of the {p1}: replace ring R{n1}, hand-tight.", (
        ("Which ring stops the drip of my {p1}?", "R{n1}|ring R{n1}", "Which ring should I buy for my fiancee?"),
        ("How tight do I screw in the ring?", "hand-tight", "How tight should a running shoe be?"))),
    ("Callbacks at {h2}:00 by {person1}, first come first served.", (
        ("At what time do you call back?", "{h2}:00|at {h2}:00", "At what time does the sun set?"),
        ("Who of yours will ring me?", "{person1}", "Who sings the song that goes ring ring?"))),
    ("Crumb drawer of the {p1}: empty after {n1} slices, wash on {day1}.", (
        ("On what day do I wash the drawer of the {p1}?", "{day1}|on {day1}", "On what day is the rubbish collected in {city1}?"),
        ("After how many slices is the drawer emptied?", "{n1}|{n1} slices|after {n1} slices", "After how many days is bread stale?"))),
    ("Press photos of the {p1}: ask {person1}, ready in {n1} hours.", (
        ("Whom do I ask for photos of your {p1}?", "{person1}", "Whom do I ask to take photos at my wedding?"),
        ("In how many hours are your photos ready?", "{n1}|{n1} hours", "In how many hours is {city1} reached by car?"))),
    ("Pump of the {p1}: {d1} bar; a spare from {city1} is {e1} euros.", (
        ("How many bar does the pump of my {p1} make?", "{d1}|{d1} bar", "How many bars are there in the old town of {city1}?"),
        ("What is a spare pump?", "{e1} euros", "What does {rival} want for a pump?"))),
)

OFF_TOPIC: dict[str, tuple[str, ...]] = {
    "validation": (
        "What do locals in {city1} like to eat?", "Is the castle of {city1} worth a visit?", "How many inhabitants does {city1} have?",
        "Could you suggest a dessert that works in the {p1}?", "How long do I roast a duck?", "Can a {rival} {type} be repaired at all?",
        "Why do people prefer {rival}?", "How do I say 'good night' in Swedish?", "Please solve {n1} plus {n2} for me.",
        "Who painted the Mona Lisa?", "Is it going to snow on {day1}?", "What's a good name for a cat?", "How can I sleep better?",
        "Which stocks are going up this year?", "How do I get red wax off a candlestick?", "Do I need a lawyer to write a will?",
    ),
    "test": (
        "Where does one dance in {city1} on a {day1}?", "Which famous people were born in {city1}?", "How high above the sea is {city1}?",
        "What spices would you put in a stew made in the {p1}?", "Is margarine fine in place of butter?", "The {rival} I own leaks, any advice?",
        "Could you compare {rival} with other makers of phones?", "Please correct my letter to the council.", "What is the square root of {d1}?",
        "Who wrote Don Quixote?", "Do dolphins sleep?", "How do I get rid of a cold?", "What's a good present for my grandfather?",
        "How do I become a pilot?", "Are electric cars worth it?", "Recommend me a film for tonight.",
    ),
}

LEADS: dict[str, tuple[str, ...]] = {
    "validation": ("", "", "", "Hey! ", "I hope you are well. ", "My brother in {city3} wonders: ", "There's a {rival} next to it. ",
                   "We have guests on {day2}. ", "One more thing, please. "),
    "test": ("", "", "", "Greetings. ", "I'm new to all this. ", "A friend from {city3} wants to know: ", "My old {rival} is gone. ",
             "I'm baking on {day2}. ", "Before I forget: "),
}
