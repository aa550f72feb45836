# fmt: off
"""Wording of the scope items, train split.

Each entry is a desk note and, for each fact in it, a question within the desk's subject, the answer (further right forms
after a ``|``), and a question that looks alike but is none of the desk's business. Slots as in `grounded_train`, with
``{rival}`` a competitor and ``{type}`` the type of ``{p1}``.
"""

from __future__ import annotations

Note = tuple[str, tuple[tuple[str, str, str], ...]]

NOTES: tuple[Note, ...] = (
    ("Repair counter {city1}, open {h1}:00 to {h2}:00, closed on {day1}.", (
        ("When does your counter in {city1} open?", "{h1}:00|at {h1}:00", "When does the {rival} shop in {city1} open?"),
        ("Which day is your counter closed?", "{day1}|on {day1}", "Which day are the museums in {city1} closed?"))),
    ("The {p1} takes filter F{n1}, {e1} euros a pack.", (
        ("Which filter does my {p1} take?", "F{n1}|filter F{n1}", "Which filter does my {rival} {type} take?"),
        ("What's a pack of filters for the {p1}?", "{e1} euros|{e1} euros a pack", "What would a pack of filters by {rival} be?"))),
    ("{p1}: descale every {n1} weeks, use {n2} spoons of powder.", (
        ("How often is descaling due on the {p1}?", "every {n1} weeks|{n1} weeks", "How often is descaling due on the {rival} in our office?"),
        ("How many spoons of powder go in?", "{n2}|{n2} spoons", "How many spoons of flour go into a pancake batter?"))),
    ("Van in {city1} on {day1}, in {city2} on {day2}.", (
        ("On what day does your van come to {city2}?", "{day2}|on {day2}", "On what day is the flea market in {city2}?"),
        ("When is the Norrvale van in {city1}?", "{day1}|on {day1}", "When does the last train to {city1} leave?"))),
    ("{p1} is out of stock until {month1}; offer the {p2} instead.", (
        ("When will you have the {p1} again?", "{month1}|in {month1}", "When does {rival} have its {type} on the shelf again?"),
        ("What could I take in place of the {p1}?", "the {p2}|{p2}", "What could I take for a sore throat?"))),
    ("Gift wrap {e1} euros, cards are written by {person1}.", (
        ("How much do you ask for gift wrap?", "{e1} euros", "How much should I spend on a gift for my boss?"),
        ("Who writes the cards at your place?", "{person1}", "Can you write a birthday poem for my aunt?"))),
    ("Loud humming of the {p1} is normal for the first {m1} minutes; later, tighten the {colour1} screw.", (
        ("For how long may my {p1} hum?", "{m1} minutes|the first {m1} minutes", "For how long may my neighbour play the drums?"),
        ("Which screw do I tighten on it?", "the {colour1} screw|{colour1}|the {colour1} one", "Which screw do I tighten on a squeaking bicycle?"))),
    ("Guarantee {y1} years on the {p1}, {y2} on the {p2}.", (
        ("Guarantee on the {p2}, how long?", "{y2} years|{y2}", "Guarantee on my {rival}, how long?"),
        ("For how many years do you cover the {p1}?", "{y1}|{y1} years", "For how many years should one keep tax papers?"))),
    ("Manuals: page {n1} cleaning, page {n2} recipes, page {n3} errors.", (
        ("On which page of your manual is cleaning?", "{n1}|page {n1}", "On which page of the {rival} manual is cleaning?"),
        ("Where in your booklet do I read about errors?", "page {n3}|{n3}|on page {n3}", "Where can I read about the errors of the last election?"))),
    ("Returns desk {city1}: {person1}. Returns take {d1} days.", (
        ("Who is at your returns desk?", "{person1}", "Who is the mayor of {city1}?"),
        ("How many days does a return take with you?", "{d1}|{d1} days", "How many days should I plan for a trip to {city1}?"))),
    ("{p1} with firmware {n1}.{n2}: bug in the timer, fixed in {n1}.{n3}.", (
        ("Which version fixes my {p1}?", "{n1}.{n3}|firmware {n1}.{n3}", "Which version of Windows should I install?"),
        ("What is buggy in the {p1}?", "the timer|timer", "What is buggy in the software of my {rival} television?"))),
    ("Jug for {p1}: {e1} euros in {colour1}, {e2} euros in {colour2}.", (
        ("Price of your {colour2} jug?", "{e2} euros", "Price of a {colour2} sofa in your area?"),
        ("What do you take for the {colour1} jug?", "{e1} euros", "What paint do I mix to get {colour1}?"))),
    ("Factory tours in {city1} each {month1}, {n1} guests at most.", (
        ("In what month can I tour your factory?", "{month1}|in {month1}", "In what month is the weather in {city1} best?"),
        ("How many guests do you allow on a tour?", "{n1}|{n1} at most|at most {n1}", "How many people live in {city1}?"))),
    ("The {p1} holds {n1} litres, wattage {d1}.", (
        ("How many litres fit into the {p1}?", "{n1}|{n1} litres", "How many litres of water should I drink a day?"),
        ("What wattage has the {p1}?", "{d1}|{d1} watts", "What wattage has the {rival} {type}?"))),
    ("Hotline wait today {m1} minutes; chat answers in {m2}.", (
        ("How long do I wait on your hotline today?", "{m1} minutes", "How long do I wait at the passport office?"),
        ("How fast is your chat?", "{m2} minutes|{m2}", "How fast is a cheetah?"))),
    ("Trade-in for the {p1}: {e1} euros off, any old appliance, until {month1}.", (
        ("What do I get off the {p1} for my old {rival}?", "{e1} euros|{e1} euros off", "What do I get for my old {rival} in an auction?"),
        ("Until when do you run the trade-in?", "{month1}|until {month1}", "Until when can I trade in my car for a subsidy?"))),
    ("Card readers down in {city1}; customers may pay by {day1} by transfer.", (
        ("How can I pay you in {city1} now?", "by transfer|transfer", "How can I save money on my rent in {city1}?"),
        ("By what day do I have to pay you?", "{day1}|by {day1}", "By what day do I have to hand in my tax form?"))),
    ("{p1} stains: soup comes off with soda, wine with lemon.", (
        ("Soup has stained my {p1}. What helps?", "soda", "How do I make the soup for which I bought the {p1}?"),
        ("How do I get wine off the {p1}?", "with lemon|lemon", "Which wine goes with fish?"))),
    ("Courier for {city1} is {person1}, mornings only.", (
        ("Who brings Norrvale parcels to {city1}?", "{person1}", "Who brings pizza to {city1} at this hour?"),
        ("What time of day does your courier come?", "mornings only|mornings|in the morning|the morning", "What time of day is best for jogging?"))),
    ("Seal of the {p1}: {n1} centimetres, delivery {d1} days.", (
        ("What size is the seal on the {p1}?", "{n1} centimetres", "What size is the average seal in the Arctic?"),
        ("How many days until I have the seal?", "{d1}|{d1} days", "How many days until Christmas?"))),
    ("Recall: {p1} made in {month1}. Owners get a {p2}.", (
        ("Which month's {p1} do you call back?", "{month1}|made in {month1}", "Which {rival} machines have been called back?"),
        ("What do owners of a recalled one get?", "the {p2}|{p2}|a {p2}", "What do owners of a dog have to pay in tax?"))),
    ("Quiet hours of the {p1}: night mode, {n1} decibels, hold the {colour1} key.", (
        ("Which key gives night mode on my {p1}?", "the {colour1} key|{colour1}|the {colour1} one", "Which key is Beethoven's ninth in?"),
        ("How many decibels in night mode?", "{n1}|{n1} decibels", "How many decibels can a human ear stand?"))),
    ("Job adverts: mechanic in {city1}, apply to {person1}.", (
        ("To whom do I apply for a job with you?", "{person1}|to {person1}", "How do I apply for a job at {rival}?"),
        ("In what city do you need a mechanic?", "{city1}|in {city1}", "In what city do mechanics earn most?"))),
    ("Rice in the {p1}: {n1} cups at most, keep-warm ends after {n2} hours.", (
        ("What's the most the {p1} takes, in cups?", "{n1}|{n1} cups", "What's the best rice for sushi in the {p1}?"),
        ("After how long does my {p1} stop keeping warm?", "{n2} hours|after {n2} hours", "After how long does cooked rice go bad?"))),
    ("Club members: {n1} per cent off spares, free shipping from {e1} euros.", (
        ("From what sum do club members ship free?", "{e1} euros|from {e1} euros", "From what sum do I pay inheritance tax?"),
        ("What's the club discount on your spares?", "{n1} per cent|{n1} percent|{n1}%|{n1} per cent off", "What's the discount at the {rival} club?"))),
    ("Battery {p1}: {m1} minutes of use, {n1} hours of charging.", (
        ("How long does the {p1} run on a charge?", "{m1} minutes", "How long does my phone run on a charge?"),
        ("How long is charging for the {p1}?", "{n1} hours", "How long is charging for the {rival} one?"))),
    ("Colour of the {p1}: {colour1}, from {month1} also {colour2}.", (
        ("From when is there a {colour2} {p1}?", "{month1}|from {month1}", "From when did people wear {colour2} at weddings?"),
        ("In what colour do you have the {p1} today?", "{colour1}", "In what colour should I paint my bedroom?"))),
    ("Error E{n1} on the {p1} means a full bag, E{n2} a blocked hose.", (
        ("My {p1} says E{n2}. What is it?", "a blocked hose|blocked hose", "My {rival} washer says E{n2}. What is it?"),
        ("What does E{n1} tell me about the {p1}?", "a full bag|full bag|the bag is full", "What does a red sky tell me about the weather?"))),
    ("Insurance for the {p1} by our partner: {e1} euros a year, theft not covered.", (
        ("What is your insurance on the {p1} a year?", "{e1} euros|{e1} euros a year", "What is insurance on a flat in {city1} a year?"),
        ("What does your insurance leave out?", "theft", "What does one do against theft of a bicycle?"))),
    ("Warehouse {city1}: pick-up at ramp {n1}, ask for {person1}.", (
        ("At which ramp do I pick up my order?", "{n1}|ramp {n1}|at ramp {n1}", "At which platform does the train to {city1} stop?"),
        ("Whom do I ask for at your warehouse?", "{person1}|for {person1}", "Whom do I ask for a visa to {city1}?"))),
    ("{p1}: first use, run empty for {m1} minutes, windows open.", (
        ("For how many minutes do I run the {p1} empty?", "{m1}|{m1} minutes", "For how many minutes do I boil an egg?"),
        ("What about the windows at first use of it?", "open|windows open|keep them open", "What do I clean the windows of my house with?"))),
    ("Newsletter on {day1}; leaving takes {d1} days.", (
        ("On what day do you send the newsletter?", "{day1}|on {day1}", "On what day is the lottery drawn?"),
        ("How long does leaving your newsletter take?", "{d1} days", "How long does leaving the gym contract take?"))),
    ("Blade of the {p1}: steel, sharpen after {n1} uses, {city1} does it.", (
        ("Where do you sharpen the blade of my {p1}?", "{city1}|in {city1}", "Where can I have ice skates sharpened?"),
        ("What is the {p1} blade made of?", "steel", "What is the statue in {city1} made of?"))),
    ("App: log in with the serial; widget in the {colour1} menu.", (
        ("With what do I log in to your app?", "the serial|serial|with the serial", "With what do I log in to my bank?"),
        ("Where is the widget in the Norrvale app?", "in the {colour1} menu|{colour1} menu|the {colour1} menu", "How do I write an app with a widget myself?"))),
    ("{p1} weighs {n1} kilos; wall mount {e1} euros.", (
        ("Wall mount for the {p1}, how much?", "{e1} euros", "Wall mount for my {rival} television, how much?"),
        ("How heavy is a {type} like the {p1}?", "{n1} kilos", "How heavy is an elephant?"))),
    ("School visits: {person1}, {day1}, up to {n1} pupils.", (
        ("On which day can our class visit you?", "{day1}|on {day1}", "On which day does school start in {city1}?"),
        ("How many pupils may come to you?", "{n1}|up to {n1}|{n1} pupils", "How many pupils are there in a Finnish class?"))),
    ("Bread programs of the {p1}: number {n1} rye, number {n2} sweet.", (
        ("Which program is rye on my {p1}?", "number {n1}|{n1}", "Which flour do I take for rye bread?"),
        ("What does program {n2} on the {p1} stand for?", "sweet|sweet bread", "What does the word 'brioche' stand for?"))),
    ("Parking at our shop in {city1}: {n1} places, free for {m1} minutes.", (
        ("How long do I park free at your shop?", "{m1} minutes|for {m1} minutes", "How long do I park free at the airport?"),
        ("How many places to park do you have?", "{n1}|{n1} places", "How many bridges does {city1} have?"))),
    ("Juice with the {p1}: soft fruit at speed {n1}, roots at speed {n2}.", (
        ("What speed for roots on the {p1}?", "{n2}|speed {n2}", "What speed does the Earth move at?"),
        ("Soft fruit in my {p1}: which speed?", "speed {n1}|{n1}", "Soft fruit in my garden gets mouldy. What can I do?"))),
    ("Air quality lamp of the {p1}: {colour1} good, {colour2} poor.", (
        ("What does {colour2} mean on the {p1} lamp?", "poor|poor air|poor air quality", "What does {colour2} mean on a map of the sea?"),
        ("Which colour says the air is good on my {p1}?", "{colour1}", "Which plants make the air in a bedroom good?"))),
    ("Second-hand corner {city1}: {p1} for {e1} euros, tested by {person1}.", (
        ("Who tested your second-hand {p1}?", "{person1}", "Who discovered penicillin?"),
        ("What do you want for the second-hand {p1}?", "{e1} euros", "What is a fair price for a second-hand {rival}?"))),
)

# Questions of no business of the desk, whatever the note says.
OFF_TOPIC: tuple[str, ...] = (
    "Which sights in {city1} should I not miss?", "How old is the cathedral of {city1}?", "What river flows through {city1}?",
    "How did {city1} get its name?", "Is {city1} bigger than {city2}?", "Which football club of {city1} won last night?",
    "Can you book me a hotel room in {city1}?", "Will it rain in {city1} on {day1}?", "What's a good bakery near the station of {city1}?",
    "What can I cook tonight with {n1} eggs and a {p1}?", "Have you a recipe for lentil soup for my {p1}?", "How do I keep basil fresh?",
    "How many calories has a slice of toast?", "My {rival} makes a strange noise, what should I do?", "Where do I get spares for a {rival} {type}?",
    "Does {rival} give a longer guarantee?", "How do I open the lid of my {rival} {type}?", "Is {rival} going bankrupt?",
    "What is {n1} times {n2}?", "Could you translate 'thank you' into Japanese?", "Write a short poem about spring, please.",
    "Can you help my son with his essay on volcanoes?", "Who won the World Cup in 1990?", "What's the capital of Mongolia?",
    "Why is the sky blue?", "Should I buy gold now?", "Which party should I vote for?", "I have had a headache since {day1}. What can I take?",
    "My landlord keeps my deposit. Can I sue?", "How do I train a puppy?", "Tell me a joke about plumbers.", "What's on television on {day1}?",
    "How do I fix a flat tyre?", "Which phone has the best camera?", "How do I ask my boss for more pay?", "What should I wear to a wedding in {month1}?",
    "When do you plant tomatoes?", "Do you believe in ghosts?", "Which book should I read next?", "How do I write a formula in a spreadsheet?",
    "What is the exchange rate of the dollar?", "How far is it from {city1} to {city2}?", "Are you a human?", "How do I get my driving licence renewed?",
)

# Said before a question; they change nothing about whether it is the desk's business.
LEADS: tuple[str, ...] = (
    "", "", "", "", "", "Hello! ", "Thanks for the quick help before. ", "I'm on my way to {city3}. ", "My wife asks: ",
    "We used to have a {rival}. ", "I'm cooking for ten on {day3}. ", "I bought the {p3} from you. ", "Quick question. ",
    "It's raining in {city3} again. ", "You have been so patient. ", "As a loyal customer of yours: ",
)
