# fmt: off
"""Wording of the paraphrase items, train split.

A need is a family, the duty of the desk that answers it, and messages that say the same thing. The desks of one item
are of different families, so that one alone fits.
"""

from __future__ import annotations

Need = tuple[str, str, tuple[str, ...]]

NEEDS: tuple[Need, ...] = (
    ("fault", "repairs", ("My {p} {fault} and has to be mended.", "Who can fix my {type}? It {fault}.", "The {type} we own {fault}. Please put it right.")),
    ("money", "invoices", ("I need the bill for what I bought.", "Where is the receipt for my {type}?", "Please send me an invoice for the {p}.")),
    ("parcel", "lost parcels", ("The {p} left you {n} weeks ago and never came.", "My package has vanished on its way.", "What I ordered seems to have gone missing in the post.")),
    ("back", "returns", ("I want to give the {type} back.", "The {p} isn't for me. How do I send it to you?", "I don't like the {type} and would rather hand it in again.")),
    ("gift", "gift cards", ("I got a card worth {e} euros as a present. How do I spend it?", "My aunt gave me a voucher for your shop. What do I do with it?")),
    ("login", "logins", ("I can't get into my account.", "Your website refuses my password.", "Signing in fails every time I try.")),
    ("work", "jobs", ("I'd like to work for you.", "Are there any vacancies in your company?", "Where do I send my application?")),
    ("parts", "spare parts", ("I broke the lid of my {type} and need just a new lid.", "Where can I buy a single knob for the {p}?", "Only the cord of my {type} is gone. Do you sell one?")),
    ("press", "the press", ("I'm a reporter and write about your company.", "Our newspaper asks you for an interview.", "Which of you can I quote in my article?")),
    ("old", "recycling", ("My {type} is beyond saving. Where do I throw it away?", "How do I get rid of a worn-out {type}?", "Our {p} is scrap now. Can someone dispose of it?")),
    ("visit", "factory tours", ("My class would love to see how a {type} is made.", "May we look round the place where you build the {p}?", "Can visitors watch your workers put a {type} together?")),
    ("food", "recipes", ("What dishes can I make with your appliances?", "I'm out of ideas what to cook.", "Do you know a nice soup to try?")),
    ("staff", "complaints about staff", ("Your salesman was rude to me.", "One of your people laughed at me on the telephone.", "I was treated badly by somebody at your counter.")),
    ("mail", "newsletters", ("Stop sending me advertising.", "I get far too many offers from you by mail.", "Take me off the list for your weekly letter.")),
    ("company", "bulk orders", ("We need {d1} of the {p} for our hotels.", "What would a company pay for {d1} pieces of the {p}?", "Our chain of cafes wants {d1} identical {type}s.")),
    ("guide", "manuals", ("I threw away the booklet of my {type}.", "Where do I find the instructions for the {p}?", "The printed guide to my {p} is lost.")),
    ("cover", "guarantees", ("Until when is my {p} covered?", "How many years of warranty does the {type} have?", "Has the cover on my {p} run out yet?")),
    ("parcel", "wrong deliveries", ("I ordered the {p} and got the {p2}.", "The box holds something that I never chose.", "You mixed up my order with somebody else's.")),
    ("home", "new addresses", ("I have moved house.", "Please write down my new street.", "I live in another flat now, so update your records.")),
    ("money", "payment by instalments", ("May I pay for the {p} month by month?", "I can't afford the whole sum at once.", "Is it possible to spread the price over a year?")),
    ("money", "double charges", ("You took the money from my card twice.", "The same sum left my bank two times.", "I paid once, yet it was booked twice.")),
    ("old", "trade-ins", ("What do you give me for my old {type} if I buy a new one?", "I'd like to swap my used {type} for money off the {p}.")),
    ("class", "training", ("I'd like lessons in using the {p}.", "Do you teach people to handle a {type} well?", "Is there a course for owners of the {p}?")),
    ("energy", "energy use", ("How much power does the {p} draw?", "Will the {type} make my electricity bill go up?", "How many watts does the {p} need?")),
    ("app", "the app", ("The program on my phone doesn't find the {p}.", "Your software crashes as soon as I open it on my tablet.", "I can't pair my {p} with my mobile.")),
    ("access", "customers with a disability", ("I'm blind and would like to use the {type}.", "Can a person in a wheelchair work the {p}?", "I only have one hand. Which {type} suits me?")),
    ("sponsor", "sponsoring", ("Would you support our football club with money?", "Our village festival looks for a company that pays for the music.", "Could your logo and some euros help our choir?")),
    ("data", "personal data", ("What do you know about me?", "Please erase my name from your files.", "I want to see everything that you've stored about me.")),
    ("injury", "accidents", ("I burnt my hand on the {type}.", "Somebody was hurt by your {p}.", "My finger was cut when the {p} slipped.")),
    ("look", "special colours", ("Can I have the {p} painted in {colour1}?", "I'd love a {type} in a shade you don't list.", "Would you make me one in {colour2}?")),
    ("hire", "rentals", ("I need a {type} for one weekend only and don't want to buy it.", "Can I hire a {p} for my party?", "Would you let me have a {type} for two days, for a fee?")),
    ("hours", "opening hours", ("When do you open on {day1}?", "Is your store still open late on {day1}?", "At what time do you close?")),
    ("tax", "taxes", ("I live abroad. Do I get the sales tax back?", "Which VAT number belongs on my form?", "How do I buy without paying VAT?")),
    ("supply", "suppliers", ("We make screws and would like to sell them to you.", "Our firm offers you cheap cardboard.", "Who at your place buys steel?")),
    ("idea", "inventions", ("I have an idea for a new {type}.", "I've invented something that you could build.", "Would you make an appliance that I've designed?")),
    ("prize", "prize draws", ("Did I win the raffle?", "When are the lucky winners named?", "I took part in your lottery. What came of it?")),
    ("health", "allergies", ("Does the {type} hold any latex?", "I can't touch nickel. Is there some in the {p}?", "My skin itches from some plastics. Which one is in the {p}?")),
    ("stop", "cancelled orders", ("Please don't send what I bought yesterday.", "I take back my order before it goes out.", "I no longer want the {p}, so keep it in your warehouse.")),
    ("fast", "express delivery", ("I need the {p} by tomorrow.", "Can you get my order to me faster than usual?", "It's urgent: could a {type} be here within a day?")),
    ("wrap", "gift wrapping", ("Could you put pretty paper round the {p}?", "It's a present, so please pack it with a ribbon.", "I'd like the {type} in a festive box with a bow.")),
    ("opinion", "reviews", ("I wrote an opinion about the {p} and it isn't shown.", "Why did my five stars vanish from your page?", "My comment below the {p} was taken down.")),
    ("club", "bonus points", ("How many points do I have?", "My loyalty points are missing.", "What can I get for my collected points?")),
    ("car", "parking", ("Where do I leave my car when I come to you?", "Is there a garage near your store?", "Can a van stop in front of your door?")),
    ("shares", "investors", ("I'd like to buy shares of your company.", "How much profit did you make last year?", "When do you pay a dividend?")),
    ("fake", "fakes", ("I think someone sold me a copy of your {type}.", "My {p} doesn't seem to be genuine.", "How can I tell a real {p} from an imitation?")),
    ("old", "packaging waste", ("What do I do with all that foam and cardboard?", "Will you take back the empty carton?", "There's so much wrapping left over. Who collects it?")),
    ("child", "child safety", ("How do I lock the {type} so that my toddler can't start it?", "Is the {p} safe with a baby in the house?", "My little son plays with the switch. What helps?")),
    ("lime", "water quality", ("The water here is full of lime. Is that bad for the {p}?", "Must I filter what I pour into the {type}?", "Our tap water is very hard. What does that mean for my {type}?")),
    ("travel", "use abroad", ("Will the {p} work with the sockets in America?", "I'm taking my {type} to Japan. Does the plug fit there?", "Can I run the {p} at another voltage?")),
    ("phone", "orders by telephone", ("I have no computer. Can I buy by ringing you?", "May I order over the phone?", "I'd rather tell somebody on the line what I want to buy.")),
)
