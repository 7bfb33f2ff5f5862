"""Words that generated tasks are made of, and sentences and records that are made of the words."""

from __future__ import annotations

import random
from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pairs(text: str) -> dict[str, str]:
    """`a:b c:d` -> {a: b, c: d}; `_` stands for a space."""
    return dict(item.replace("_", " ").split(":") for item in text.split())


FIRST_NAMES = _words(
    "Anna Ben Carla David Elena Felix Grace Henry Irene Jack Kate Leo Maria Noah Olivia Peter Quentin Rosa Simon Tara "
    "Umar Vera Will Xenia Yusuf Zoe Alice Bruno Clara Daniel Emma Frank Hugo Ivan Julia Karl Laura Max Nina Oscar"
)
LAST_NAMES = _words(
    "Adams Baker Carter Diaz Evans Fischer Garcia Hansen Ivanov Jones Keller Lopez Moore Novak Olsen Park Quinn Rossi "
    "Smith Turner Ueda Vance Walker Young Zhang Berg Costa Dunn Ford Grant Hill Kumar Lang Meyer Nash Ortega Price"
)
CITIES = _words(
    "Berlin Paris Madrid Rome Vienna Lisbon Oslo Dublin Athens Prague Warsaw Helsinki Cairo Lima Tokyo Boston Chicago "
    "Denver Toronto Sydney Delhi Seoul Bangkok Nairobi Geneva Munich Milan Seville Porto Bergen"
)
JOBS = _words(
    "nurse teacher baker pilot farmer lawyer plumber chef dentist painter carpenter waiter gardener tailor driver "
    "engineer librarian journalist mechanic butcher"
)
COLOURS = _words("red green blue yellow black white brown orange purple pink grey")
ITEMS = _words(
    "lamp chair table book jacket bicycle kettle blanket mirror guitar camera basket clock pillow bottle vase"
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words("January February March April May June July August September October November December")
NUMBERS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
KINDS: dict[str, tuple[str, ...]] = {
    "animal": _words("dog cat horse cow sheep lion tiger rabbit mouse wolf bear fox monkey goat donkey elephant"),
    "fruit": _words("apple pear banana grape cherry peach plum lemon mango melon orange strawberry kiwi apricot"),
    "vegetable": _words("carrot onion potato cabbage spinach broccoli lettuce radish leek pumpkin celery cucumber"),
    "tool": _words("hammer saw drill screwdriver wrench pliers axe shovel rake chisel spade file"),
    "furniture": _words("sofa desk wardrobe bench stool bookshelf armchair cupboard dresser couch bed cabinet"),
    "vehicle": _words("car bus train truck tram ferry scooter taxi van tractor motorcycle airplane helicopter"),
    "drink": _words("water tea coffee milk juice beer wine lemonade cocoa cider soda whisky"),
    "instrument": _words("piano violin flute drum trumpet cello harp clarinet banjo saxophone accordion oboe"),
}
OPPOSITES = _pairs(
    "hot:cold big:small fast:slow old:new high:low open:closed full:empty hard:soft light:dark rich:poor wet:dry "
    "strong:weak early:late happy:sad clean:dirty long:short loud:quiet near:far thick:thin young:old cheap:expensive "
    "easy:difficult left:right up:down in:out true:false day:night first:last push:pull love:hate win:lose"
)
PLURALS = _pairs(
    "dog:dogs city:cities box:boxes child:children man:men woman:women foot:feet tooth:teeth mouse:mice leaf:leaves "
    "knife:knives baby:babies bus:buses potato:potatoes key:keys book:books house:houses story:stories wolf:wolves "
    "glass:glasses church:churches tree:trees goose:geese wife:wives lady:ladies brush:brushes car:cars boy:boys"
)
PASTS = _pairs(
    "go:went eat:ate see:saw take:took come:came give:gave find:found run:ran write:wrote drink:drank sing:sang "
    "walk:walked play:played work:worked help:helped open:opened call:called start:started live:lived make:made "
    "buy:bought sell:sold think:thought bring:brought teach:taught speak:spoke drive:drove swim:swam know:knew "
    "sleep:slept"
)
CAPITALS = _pairs(
    "France:Paris Spain:Madrid Italy:Rome Germany:Berlin Portugal:Lisbon Greece:Athens Austria:Vienna Norway:Oslo "
    "Ireland:Dublin Poland:Warsaw Japan:Tokyo China:Beijing Russia:Moscow Egypt:Cairo Peru:Lima Cuba:Havana "
    "England:London Canada:Ottawa India:New_Delhi Sweden:Stockholm Finland:Helsinki Hungary:Budapest "
    "Denmark:Copenhagen Belgium:Brussels Turkey:Ankara Kenya:Nairobi Chile:Santiago Thailand:Bangkok"
)
LANGUAGES = _pairs(
    "France:French Spain:Spanish Italy:Italian Germany:German Portugal:Portuguese Greece:Greek Norway:Norwegian "
    "Poland:Polish Japan:Japanese China:Chinese Russia:Russian Sweden:Swedish Finland:Finnish Hungary:Hungarian "
    "Denmark:Danish Turkey:Turkish England:English Iceland:Icelandic Thailand:Thai Bulgaria:Bulgarian "
    "Ukraine:Ukrainian Romania:Romanian Vietnam:Vietnamese Korea:Korean Iran:Persian Croatia:Croatian"
)
SUBJECTS = _words(
    "dog teacher river window child market garden train doctor artist bird student captain neighbour cook"
)
VERBS = _words("likes sees finds brings keeps watches needs wants follows carries paints cleans moves hides opens")
PRAISE = (
    "The {} was excellent.", "I loved the {}.", "A wonderful {}, I would buy it again.", "The {} made me very happy.",
    "Best {} I have ever had.", "The {} works perfectly.", "Such a beautiful {}!", "We really enjoyed the {}.",
)  # fmt: skip
BLAME = (
    "The {} was terrible.", "I hated the {}.", "An awful {}, I want my money back.", "The {} broke after a day.",
    "Worst {} I have ever had.", "The {} does not work at all.", "Such an ugly {}!", "We were disappointed by the {}.",
)  # fmt: skip
REVIEWED = _words(
    "lamp film meal hotel book phone concert coffee jacket camera game chair restaurant song kettle bicycle"
)
TOPICS: dict[str, tuple[str, ...]] = {
    "sports": ("{} scored two goals in the match.", "{} won the tennis final.", "The team of {} lost the cup game.",
               "{} ran the marathon in three hours.", "The coach praised {} after training."),
    "food": ("{} cooked a soup with beans.", "{} baked a chocolate cake.", "{} ordered pizza and salad.",
             "The recipe of {} needs two eggs.", "{} fried some fish for dinner."),
    "weather": ("{} saw heavy rain all day.", "It snowed when {} arrived.", "{} felt the strong wind on the hill.",
                "The storm kept {} awake.", "{} says it will be sunny and warm."),
    "money": ("{} paid the bank loan.", "{} invested in shares.", "The salary of {} went up.",
              "{} opened a savings account.", "{} asked for a lower price."),
    "health": ("{} went to the doctor with a fever.", "{} took a pill for the headache.", "{} broke an arm.",
               "The nurse gave {} an injection.", "{} has a cold and a sore throat."),
    "travel": ("{} booked a flight to Spain.", "{} lost a suitcase at the airport.", "{} stayed in a small hotel.",
               "The train of {} leaves at noon.", "{} renewed a passport for the trip."),
}  # fmt: skip
ALL_WORDS = (
    *(word for group in KINDS.values() for word in group),
    *(ITEMS + COLOURS + SUBJECTS + JOBS + CITIES + DAYS + MONTHS),
    *(*OPPOSITES, *PASTS.values()),
)
"""What words, names and labels are drawn from."""


@dataclass(frozen=True)
class Record:
    """A sentence about a person, and what it says."""

    text: str
    fields: dict[str, str]


def make_record(rng: random.Random) -> Record:
    """A person who bought something somewhere."""
    count = rng.randint(2, 9)
    fields = {
        "first name": rng.choice(FIRST_NAMES), "surname": rng.choice(LAST_NAMES), "age": str(rng.randint(20, 79)),
        "job": rng.choice(JOBS), "city": rng.choice(CITIES), "number": str(count), "colour": rng.choice(COLOURS),
        "item": rng.choice(ITEMS), "day": rng.choice(DAYS), "price": str(rng.randint(11, 99)),
        "month": rng.choice(MONTHS),
    }  # fmt: skip
    text = rng.choice(RECORD_FORMS).format(**{key.replace(" ", "_"): value for key, value in fields.items()})
    return Record(text, {**fields, "full name": f"{fields['first name']} {fields['surname']}"})


RECORD_FORMS = (
    "{first_name} {surname}, a {age}-year-old {job} from {city}, bought {number} {colour} {item}s on a {day} in "
    "{month} for {price} euros.",
    "On a {day} in {month}, {first_name} {surname} ({age}, {job}) paid {price} euros in {city} for {number} {colour} "
    "{item}s.",
    "The {job} {first_name} {surname}, aged {age}, ordered {number} {colour} {item}s to {city} one {day} in {month}; "
    "the price was {price} euros.",
)


def make_sentence(rng: random.Random) -> str:
    """A short sentence without its full stop."""
    adjective = rng.choice(list(OPPOSITES)[:24])
    return rng.choice(
        (
            f"the {rng.choice(SUBJECTS)} {rng.choice(VERBS)} a {adjective} {rng.choice(ITEMS)}",
            f"my {rng.choice(SUBJECTS)} {rng.choice(VERBS)} the {rng.choice(COLOURS)} {rng.choice(ITEMS)}",
            f"{rng.choice(FIRST_NAMES)} {rng.choice(VERBS)} the {rng.choice(SUBJECTS)}",
            f"every {rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(FIRST_NAMES)}",
        )
    )


def make_review(rng: random.Random, favourable: bool) -> str:
    """What a customer says of something."""
    return rng.choice(PRAISE if favourable else BLAME).format(rng.choice(REVIEWED))


def make_list(rng: random.Random, low: int = 3, high: int = 5) -> list[str]:
    """Different nouns of one kind, or of any."""
    pool = list(rng.choice([*KINDS.values(), COLOURS, ITEMS]))
    return rng.sample(pool, rng.randint(low, high))
