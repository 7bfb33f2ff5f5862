"""The invented world of the fact documents: names, values, and how each relation is said and asked.

Entities of the `heldout` split have names built from other parts than those of the `train` split, so that nothing but
the document tells about them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ONSETS = (
    "b",
    "c",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "cr",
    "dr",
    "gr",
    "kr",
    "pr",
    "st",
    "tr",
    "sh",
    "ch",
    "th",
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "io")
TRAIN_ENDINGS = (
    "n",
    "r",
    "l",
    "s",
    "k",
    "m",
    "th",
    "nd",
    "x",
    "rd",
    "lin",
    "ton",
    "well",
    "berg",
    "ova",
    "ski",
    "ini",
    "sson",
    "man",
    "ez",
    "ura",
)
HELDOUT_ENDINGS = ("vik", "mont", "dal", "sen", "ault", "zky", "rade", "pson", "ique", "holt")
TRAIN_FIRST_NAMES = (
    "Anna",
    "Boris",
    "Clara",
    "Dmitri",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kaito",
    "Lena",
    "Marco",
    "Nadia",
    "Oscar",
    "Petra",
    "Quentin",
    "Rosa",
    "Samuel",
    "Tara",
    "Umar",
    "Vera",
    "Walter",
    "Ximena",
    "Yusuf",
    "Zoe",
    "Amara",
    "Bilal",
    "Chen",
    "Dalia",
    "Emil",
    "Fatima",
    "Goran",
    "Hana",
    "Ivan",
    "Julia",
    "Karim",
    "Leila",
    "Mateo",
    "Nina",
    "Omar",
    "Priya",
    "Rafael",
    "Sofia",
    "Tomas",
    "Ursula",
    "Victor",
    "Wanda",
    "Yara",
    "Zane",
    "Abigail",
    "Benedict",
    "Carmen",
    "Dorian",
    "Edith",
    "Felix",
    "Greta",
    "Harold",
    "Iris",
    "Jasper",
)
HELDOUT_FIRST_NAMES = (
    "Agnes",
    "Bruno",
    "Cecilia",
    "Dario",
    "Esther",
    "Florian",
    "Gloria",
    "Henrik",
    "Irma",
    "Joel",
    "Klara",
    "Lorenz",
    "Mina",
    "Niels",
    "Olga",
    "Pavel",
    "Renata",
    "Simon",
    "Thea",
    "Ulrich",
    "Viola",
    "Wesley",
    "Yvonne",
    "Zeno",
    "Aisha",
    "Bashir",
    "Camila",
    "Deepak",
    "Eun",
    "Fiona",
    "Gustav",
    "Heidi",
    "Imran",
    "Jana",
    "Kofi",
    "Livia",
    "Magnus",
    "Noor",
    "Otto",
    "Paloma",
)
TRAIN_SURNAMES = (
    "Abbott",
    "Adeyemi",
    "Aguilar",
    "Ahmed",
    "Albrecht",
    "Almeida",
    "Alvarez",
    "Anand",
    "Andersson",
    "Araujo",
    "Arslan",
    "Baker",
    "Banerjee",
    "Barros",
    "Bauer",
    "Becker",
    "Bellamy",
    "Berger",
    "Bianchi",
    "Bishop",
    "Blake",
    "Boateng",
    "Bosch",
    "Brandt",
    "Brennan",
    "Brooks",
    "Carlsen",
    "Castillo",
    "Chandra",
    "Chapman",
    "Chen",
    "Clarke",
    "Cohen",
    "Conti",
    "Cooper",
    "Costa",
    "Dahl",
    "Das",
    "Delgado",
    "Demir",
    "Diallo",
    "Dixon",
    "Dubois",
    "Duarte",
    "Eriksen",
    "Espinoza",
    "Evans",
    "Farah",
    "Fernandes",
    "Fischer",
    "Fletcher",
    "Foster",
    "Fournier",
    "Franco",
    "Fuchs",
    "Gallagher",
    "Garcia",
    "Gupta",
    "Haas",
    "Hansen",
    "Hartmann",
    "Hassan",
    "Hayes",
    "Herrera",
    "Hoffmann",
    "Holm",
    "Horvat",
    "Hughes",
    "Ibrahim",
    "Ivanov",
    "Jansen",
    "Jensen",
    "Johansson",
    "Kaplan",
    "Kaur",
    "Keller",
    "Kelly",
    "Khan",
    "Kim",
    "Klein",
    "Kowalski",
    "Kumar",
    "Lambert",
    "Larsen",
    "Laurent",
    "Lehmann",
    "Leroy",
    "Lindberg",
    "Lopez",
    "Lund",
    "Mancini",
    "Marino",
    "Martin",
    "Mbeki",
    "Mehta",
    "Meyer",
    "Mohamed",
    "Moreau",
    "Morgan",
    "Moretti",
    "Murphy",
    "Nair",
    "Nakamura",
    "Navarro",
    "Nguyen",
    "Nielsen",
    "Novak",
    "Nowak",
    "O'Brien",
    "Okafor",
    "Olsen",
    "Ortega",
    "Osei",
    "Palmer",
    "Park",
    "Patel",
    "Pereira",
    "Petrov",
    "Popov",
    "Quinn",
    "Ramos",
    "Rao",
    "Reyes",
    "Ricci",
    "Rivera",
    "Romano",
    "Rossi",
    "Roux",
    "Saito",
    "Santos",
    "Sato",
    "Schmidt",
    "Schneider",
    "Sharma",
    "Silva",
    "Singh",
    "Smirnov",
    "Sokolov",
    "Suzuki",
    "Svensson",
    "Takahashi",
    "Tanaka",
    "Torres",
    "Turner",
    "Vargas",
    "Vasquez",
    "Vogel",
    "Wagner",
    "Walker",
    "Wang",
    "Weber",
    "Williams",
    "Wright",
    "Yamamoto",
    "Yilmaz",
    "Young",
    "Zhang",
    "Zimmermann",
)
HELDOUT_SURNAMES = (
    "Abadi",
    "Amato",
    "Ashworth",
    "Barlow",
    "Bergman",
    "Bouchard",
    "Cabrera",
    "Caruso",
    "Choi",
    "Danso",
    "Dvorak",
    "Eklund",
    "Ferrara",
    "Gomes",
    "Greco",
    "Haddad",
    "Hagen",
    "Iqbal",
    "Jimenez",
    "Kapoor",
    "Kimura",
    "Koch",
    "Lange",
    "Lombardi",
    "Maduro",
    "Mensah",
    "Mori",
    "Mulder",
    "Nilsson",
    "Obi",
    "Orlov",
    "Pavlov",
    "Pinto",
    "Radic",
    "Rahman",
    "Richter",
    "Sandberg",
    "Serrano",
    "Shah",
    "Soto",
    "Tran",
    "Ueda",
    "Valdez",
    "Vieira",
    "Watanabe",
    "Wolff",
    "Yusuf",
    "Zapata",
)
TOWNS = (
    "Lisbon",
    "Oslo",
    "Turin",
    "Graz",
    "Porto",
    "Bergen",
    "Lyon",
    "Ghent",
    "Krakow",
    "Seville",
    "Tampere",
    "Aarhus",
    "Bremen",
    "Dundee",
    "Galway",
    "Haifa",
    "Izmir",
    "Kobe",
    "Lima",
    "Mendoza",
    "Nantes",
    "Odessa",
    "Perth",
    "Quito",
    "Riga",
    "Salvador",
    "Tallinn",
    "Utrecht",
    "Varna",
    "Windhoek",
    "Zagreb",
    "Boston",
    "Cairo",
    "Denver",
    "Geneva",
    "Hanoi",
    "Leeds",
    "Malmo",
    "Naples",
    "Ottawa",
    "Prague",
    "Split",
    "Tunis",
    "Vienna",
)
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
JOBS = (
    "architect",
    "botanist",
    "cartographer",
    "dentist",
    "engineer",
    "florist",
    "geologist",
    "historian",
    "illustrator",
    "journalist",
    "librarian",
    "musician",
    "nurse",
    "optician",
    "pilot",
    "sculptor",
    "translator",
    "surgeon",
    "violinist",
    "welder",
    "baker",
    "chemist",
    "economist",
    "lawyer",
)
COLOURS = ("red", "blue", "green", "amber", "violet", "silver", "white", "black", "orange", "turquoise")
GOODS = (
    "bicycles",
    "solar panels",
    "chocolate",
    "furniture",
    "water filters",
    "toys",
    "drones",
    "batteries",
    "carpets",
    "cheese",
    "telescopes",
    "tractors",
    "cameras",
    "paint",
    "shoes",
    "violins",
    "pumps",
    "lamps",
    "paper",
    "engines",
)
INSTRUMENTS = ("piano", "violin", "cello", "flute", "trumpet", "guitar", "harp", "drums", "clarinet", "accordion")
ANIMALS = ("cat", "dog", "parrot", "tortoise", "horse", "rabbit", "falcon", "ferret", "goat", "hedgehog")
DISHES = (
    "lentil soup",
    "apple pie",
    "grilled fish",
    "mushroom risotto",
    "pancakes",
    "noodles",
    "goulash",
    "dumplings",
    "pizza",
    "paella",
)
COMPANY_KINDS = (
    "Systems",
    "Labs",
    "Industries",
    "Group",
    "Works",
    "Foundation",
    "Partners",
    "Logistics",
    "Foods",
    "Energy",
    "Robotics",
    "Media",
)
UNIVERSITIES = ("University of {town}", "{town} Institute of Technology", "{town} Academy")


@dataclass(frozen=True)
class Draw:
    """A source of names and values.

    Attributes:
        rng: where chance comes from.
        heldout: draw names from the parts kept for evaluation.
    """

    rng: random.Random
    heldout: bool

    def name(self) -> str:
        """An invented proper name."""
        syllables = 1 if self.rng.random() < 0.7 else 2
        ending = self.rng.choice(HELDOUT_ENDINGS if self.heldout else TRAIN_ENDINGS)
        parts = [self.rng.choice(ONSETS) + self.rng.choice(VOWELS) for _ in range(syllables)]
        return "".join(parts).capitalize() + ending

    def first_name(self) -> str:
        """A person's first name."""
        return self.rng.choice(HELDOUT_FIRST_NAMES if self.heldout else TRAIN_FIRST_NAMES)

    def surname(self) -> str:
        """A person's surname."""
        return self.rng.choice(HELDOUT_SURNAMES if self.heldout else TRAIN_SURNAMES)


Value = Callable[[Draw], str]


@dataclass(frozen=True)
class Relation:
    """Something a document can say of an entity.

    Attributes:
        name: identifies it inside its kind.
        value: draws what is said.
        sentences: ways to say it, with `{s}` for the entity and `{v}` for the value.
        questions: ways to ask for the value, with `{s}` for the entity.
    """

    name: str
    value: Value
    sentences: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of entity: how its names are made, and its relations."""

    entity: Value
    relations: tuple[Relation, ...]


def one_of(values: Sequence[str]) -> Value:
    """One of some values."""
    return lambda draw: draw.rng.choice(values)


def count(low: int, high: int, unit: str = "") -> Value:
    """A whole number, with or without commas between thousands."""

    def value(draw: Draw) -> str:
        number = draw.rng.randint(low, high)
        return (f"{number:,}" if draw.rng.random() < 0.5 else str(number)) + unit

    return value


def person(draw: Draw) -> str:
    """A person's full name."""
    return f"{draw.first_name()} {draw.surname()}"


def company(draw: Draw) -> str:
    """A company's name."""
    return f"{draw.name()} {draw.rng.choice(COMPANY_KINDS)}"


def university(draw: Draw) -> str:
    """A university's name."""
    return draw.rng.choice(UNIVERSITIES).format(town=draw.rng.choice(TOWNS))


def date(draw: Draw) -> str:
    """A full date."""
    return f"{draw.rng.randint(1, 28)} {draw.rng.choice(MONTHS)} {draw.rng.randint(1890, 2024)}"


def year(draw: Draw) -> str:
    """A year."""
    return str(draw.rng.randint(1850, 2024))


def clock(draw: Draw) -> str:
    """A time of day."""
    return f"{draw.rng.randint(5, 22)}:{draw.rng.choice(('00', '15', '30', '45'))}"


def money(draw: Draw) -> str:
    """A sum of money."""
    rng = draw.rng
    return rng.choice("$€£") + str(
        rng.choice((rng.randint(2, 99), rng.randint(100, 9999), rng.randint(10, 900) * 1000))
    )


def code(draw: Draw) -> str:
    """A part or form number."""
    letters = "ABCDEFGHKLMNPRSTVX"
    return f"{draw.rng.choice(letters)}{draw.rng.choice(letters)}-{draw.rng.randint(100, 9999)}"


FILLERS = (
    "The weather that week was mild.",
    "More details will follow.",
    "This page was last checked in spring.",
    "A short history is kept in the archive.",
    "Many people took part in the work.",
    "Please keep this note for your records.",
    "The following facts are known.",
    "There is much to tell.",
    "Photographs may be seen on request.",
    "Nothing else has changed.",
)

KINDS: dict[str, Kind] = {
    "person": Kind(
        person,
        (
            Relation(
                "born_place",
                one_of(TOWNS),
                (
                    "{s} was born in {v}.",
                    "{s} came into the world in {v}.",
                    "The birthplace of {s} is {v}.",
                    "Born in {v}, {s} grew up with three siblings.",
                ),
                (
                    "Where was {s} born?",
                    "In which city was {s} born?",
                    "What is the birthplace of {s}?",
                    "Tell me where {s} was born.",
                ),
            ),
            Relation(
                "birth_date",
                date,
                ("{s} was born on {v}.", "The date of birth of {s} is {v}.", "On {v}, {s} was born."),
                ("When was {s} born?", "What is {s}'s date of birth?", "On which date was {s} born?"),
            ),
            Relation(
                "job",
                one_of(JOBS),
                (
                    "{s} works as a {v}.",
                    "{s} earns a living as a {v}.",
                    "By profession, {s} is a {v}.",
                    "After school {s} became a {v}.",
                ),
                (
                    "What does {s} do for a living?",
                    "What is {s}'s profession?",
                    "What is the occupation of {s}?",
                    "What job does {s} have?",
                ),
            ),
            Relation(
                "lives",
                one_of(TOWNS),
                (
                    "{s} lives in {v}.",
                    "Today {s} makes a home in {v}.",
                    "{s} has settled in {v}.",
                    "{s} resides in {v}.",
                ),
                ("Where does {s} live?", "In which city does {s} live?", "Where is {s}'s home?"),
            ),
            Relation(
                "employer",
                company,
                (
                    "{s} is employed by {v}.",
                    "{s} works for {v}.",
                    "{s}'s employer is {v}.",
                    "Since 2015 {s} has been on the staff of {v}.",
                ),
                ("Who employs {s}?", "Which company does {s} work for?", "Who is {s}'s employer?"),
            ),
            Relation(
                "spouse",
                person,
                ("{s} is married to {v}.", "The spouse of {s} is {v}.", "{s} and {v} are a married couple."),
                ("Who is {s} married to?", "Who is the spouse of {s}?", "Whom did {s} marry?"),
            ),
            Relation(
                "studied",
                university,
                ("{s} studied at the {v}.", "{s} holds a degree from the {v}.", "{s} graduated from the {v}."),
                (
                    "Where did {s} study?",
                    "From which institution did {s} graduate?",
                    "Where does {s}'s degree come from?",
                ),
            ),
            Relation(
                "pet",
                one_of(ANIMALS),
                ("{s} keeps a {v} as a pet.", "{s} has a pet {v}.", "At home {s} looks after a {v}."),
                ("What pet does {s} have?", "Which animal does {s} keep?", "What kind of animal lives with {s}?"),
            ),
            Relation(
                "instrument",
                one_of(INSTRUMENTS),
                ("{s} plays the {v}.", "In the evenings {s} practises the {v}.", "{s} is a keen player of the {v}."),
                ("Which instrument does {s} play?", "What instrument does {s} practise?"),
            ),
            Relation(
                "food",
                one_of(DISHES),
                (
                    "{s}'s favourite dish is {v}.",
                    "{s} likes {v} best of all foods.",
                    "Nothing pleases {s} more than {v}.",
                ),
                ("What is {s}'s favourite dish?", "Which food does {s} like best?", "What does {s} like to eat most?"),
            ),
            Relation(
                "phone",
                lambda draw: str(draw.rng.randint(1000, 9999)),
                ("The extension of {s} is {v}.", "{s} can be reached at extension {v}.", "Dial {v} to reach {s}."),
                ("What is {s}'s extension?", "Which extension reaches {s}?", "What number do I dial for {s}?"),
            ),
            Relation(
                "room",
                lambda draw: draw.rng.choice("ABCDE") + str(draw.rng.randint(10, 499)),
                ("{s} sits in room {v}.", "The office of {s} is room {v}.", "You will find {s} in room {v}."),
                ("Which room is {s} in?", "What is {s}'s room?", "Where is {s}'s office?"),
            ),
            Relation(
                "sister",
                person,
                ("{s} has a sister called {v}.", "{v} is the sister of {s}.", "{s}'s sister is {v}."),
                ("Who is {s}'s sister?", "What is the name of {s}'s sister?"),
            ),
            Relation(
                "award",
                lambda draw: draw.name() + " " + draw.rng.choice(["Prize", "Medal", "Award"]),
                ("{s} won the {v}.", "{s} was honoured with the {v}.", "The {v} went to {s}."),
                ("Which award did {s} win?", "What prize did {s} receive?"),
            ),
        ),
    ),
    "company": Kind(
        company,
        (
            Relation(
                "founded",
                year,
                (
                    "{s} was founded in {v}.",
                    "{s} began in {v}.",
                    "The year {v} saw the founding of {s}.",
                    "{s} has existed since {v}.",
                ),
                ("When was {s} founded?", "In which year was {s} founded?", "Since when has {s} existed?"),
            ),
            Relation(
                "founder",
                person,
                (
                    "{s} was founded by {v}.",
                    "{v} founded {s}.",
                    "The founder of {s} is {v}.",
                    "It was {v} who set up {s}.",
                ),
                ("Who founded {s}?", "Who is the founder of {s}?", "Who set up {s}?"),
            ),
            Relation(
                "hq",
                one_of(TOWNS),
                ("{s} is based in {v}.", "The headquarters of {s} are in {v}.", "{s} has its main office in {v}."),
                ("Where is {s} based?", "Where are the headquarters of {s}?", "In which city is {s}'s main office?"),
            ),
            Relation(
                "ceo",
                person,
                (
                    "{v} is the chief executive of {s}.",
                    "{s} is led by {v}.",
                    "The head of {s} is {v}.",
                    "At the top of {s} stands {v}.",
                ),
                ("Who leads {s}?", "Who is the chief executive of {s}?", "Who is the head of {s}?"),
            ),
            Relation(
                "makes",
                one_of(GOODS),
                ("{s} makes {v}.", "{s} produces {v}.", "{s} is known for its {v}.", "The main product of {s} is {v}."),
                ("What does {s} make?", "What does {s} produce?", "What is the main product of {s}?"),
            ),
            Relation(
                "staff",
                count(12, 90000),
                ("{s} employs {v} people.", "The staff of {s} numbers {v}.", "{v} people work at {s}."),
                ("How many people does {s} employ?", "How many people work at {s}?", "How large is the staff of {s}?"),
            ),
            Relation(
                "revenue",
                lambda draw: money(draw) + " million",
                ("{s} earned {v} last year.", "The annual revenue of {s} is {v}.", "Sales of {s} came to {v}."),
                ("What is the revenue of {s}?", "How much did {s} earn last year?", "How high were the sales of {s}?"),
            ),
            Relation(
                "motto",
                one_of(
                    [
                        "slow and steady",
                        "water finds a way",
                        "always one more",
                        "made to be mended",
                        "nothing wasted",
                        "light for all",
                        "first listen",
                        "count twice",
                        "home by dusk",
                    ]
                ),
                ('The motto of {s} is "{v}".', '{s} goes by the motto "{v}".'),
                ("What is the motto of {s}?", "Which motto does {s} have?"),
            ),
            Relation(
                "rival",
                company,
                (
                    "The main rival of {s} is {v}.",
                    "{s} competes with {v}.",
                    "{s} and {v} fight for the same customers.",
                ),
                ("Who is the main rival of {s}?", "Which company does {s} compete with?"),
            ),
            Relation(
                "colour",
                one_of(COLOURS),
                ("The logo of {s} is {v}.", "{s} uses {v} as its colour.", "A {v} logo marks everything {s} sells."),
                ("What colour is the logo of {s}?", "Which colour does {s} use?"),
            ),
        ),
    ),
    "product": Kind(
        lambda draw: (
            draw.name()
            + " "
            + draw.rng.choice(["X", "Pro", "Mini", "Plus", "Max", "One"])
            + str(draw.rng.randint(1, 99))
        ),
        (
            Relation(
                "price",
                money,
                (
                    "The {s} costs {v}.",
                    "The price of the {s} is {v}.",
                    "You pay {v} for a {s}.",
                    "The {s} sells for {v}.",
                ),
                ("How much does the {s} cost?", "What is the price of the {s}?", "What do you pay for the {s}?"),
            ),
            Relation(
                "weight",
                lambda draw: draw.rng.choice(
                    [
                        f"{draw.rng.randint(1, 95)} kg",
                        f"{draw.rng.randint(80, 990)} g",
                        f"{draw.rng.randint(1, 9)}.{draw.rng.randint(1, 9)} kg",
                    ]
                ),
                (
                    "The {s} weighs {v}.",
                    "Its makers give the weight of the {s} as {v}.",
                    "At {v}, the {s} is easy to carry.",
                ),
                ("How much does the {s} weigh?", "What is the weight of the {s}?", "How heavy is the {s}?"),
            ),
            Relation(
                "battery",
                lambda draw: f"{draw.rng.randint(2, 72)} hours",
                (
                    "The battery of the {s} lasts {v}.",
                    "The {s} runs for {v} on one charge.",
                    "One charge keeps the {s} going for {v}.",
                ),
                (
                    "How long does the battery of the {s} last?",
                    "How long does the {s} run on one charge?",
                    "What is the battery life of the {s}?",
                ),
            ),
            Relation(
                "maker",
                company,
                ("The {s} is made by {v}.", "{v} makes the {s}.", "The maker of the {s} is {v}."),
                ("Who makes the {s}?", "Which company makes the {s}?"),
            ),
            Relation(
                "warranty",
                lambda draw: f"{draw.rng.randint(2, 15)} years",
                ("The {s} comes with a warranty of {v}.", "The warranty on the {s} runs for {v}."),
                ("How long is the warranty of the {s}?", "What warranty does the {s} have?"),
            ),
            Relation(
                "code",
                code,
                (
                    "The part number of the {s} is {v}.",
                    "Order the {s} under the code {v}.",
                    "The {s} is listed as {v}.",
                ),
                ("What is the part number of the {s}?", "Under which code is the {s} ordered?"),
            ),
            Relation(
                "launch",
                date,
                ("The {s} was launched on {v}.", "The {s} went on sale on {v}.", "{v} was the launch day of the {s}."),
                ("When was the {s} launched?", "When did the {s} go on sale?"),
            ),
            Relation(
                "color",
                one_of(COLOURS),
                ("The {s} comes in {v} only.", "Every {s} is {v}.", "The case of the {s} is {v}."),
                ("What colour is the {s}?", "In which colour does the {s} come?"),
            ),
            Relation(
                "designer",
                person,
                ("The {s} was designed by {v}.", "{v} designed the {s}.", "The design of the {s} is the work of {v}."),
                ("Who designed the {s}?", "Who is the designer of the {s}?"),
            ),
        ),
    ),
    "event": Kind(
        lambda draw: (
            draw.name()
            + " "
            + draw.rng.choice(("Festival", "Conference", "Summit", "Marathon", "Fair", "Regatta", "Congress"))
        ),
        (
            Relation(
                "place",
                one_of(TOWNS),
                ("The {s} takes place in {v}.", "{v} hosts the {s}.", "The {s} is held in {v}."),
                ("Where does the {s} take place?", "Which city hosts the {s}?", "Where is the {s} held?"),
            ),
            Relation(
                "date",
                lambda draw: f"{draw.rng.randint(1, 28)} {draw.rng.choice(MONTHS)}",
                ("The {s} begins on {v}.", "The {s} opens on {v}.", "The first day of the {s} is {v}."),
                ("When does the {s} begin?", "On which day does the {s} open?", "When does the {s} start?"),
            ),
            Relation(
                "visitors",
                count(200, 90000),
                ("The {s} drew {v} visitors.", "{v} people came to the {s}.", "Attendance at the {s} was {v}."),
                (
                    "How many visitors did the {s} draw?",
                    "How many people came to the {s}?",
                    "What was the attendance of the {s}?",
                ),
            ),
            Relation(
                "fee",
                money,
                ("Entry to the {s} costs {v}.", "A ticket for the {s} costs {v}.", "The {s} charges {v} at the door."),
                ("How much is a ticket for the {s}?", "What does entry to the {s} cost?"),
            ),
            Relation(
                "organiser",
                person,
                ("The {s} is organised by {v}.", "{v} organises the {s}.", "The organiser of the {s} is {v}."),
                ("Who organises the {s}?", "Who is the organiser of the {s}?"),
            ),
            Relation(
                "winner",
                person,
                ("The {s} was won by {v}.", "{v} took first prize at the {s}.", "First place at the {s} went to {v}."),
                ("Who won the {s}?", "Who took first prize at the {s}?"),
            ),
            Relation(
                "sponsor",
                company,
                ("The {s} is sponsored by {v}.", "{v} pays for the {s}.", "The sponsor of the {s} is {v}."),
                ("Who sponsors the {s}?", "Who is the sponsor of the {s}?"),
            ),
        ),
    ),
    "place": Kind(
        lambda draw: (
            draw.name()
            + " "
            + draw.rng.choice(
                (
                    "Museum",
                    "Library",
                    "Hall",
                    "Tower",
                    "Bridge",
                    "Hotel",
                    "School",
                    "Park",
                    "Harbour",
                    "Clinic",
                    "Theatre",
                )
            )
        ),
        (
            Relation(
                "open",
                clock,
                ("The {s} opens at {v}.", "Doors of the {s} open at {v}.", "From {v} on, the {s} is open."),
                ("When does the {s} open?", "At what time does the {s} open?"),
            ),
            Relation(
                "close",
                clock,
                ("The {s} closes at {v}.", "The {s} shuts its doors at {v}.", "Visitors must leave the {s} by {v}."),
                ("When does the {s} close?", "At what time does the {s} close?"),
            ),
            Relation(
                "built",
                year,
                ("The {s} was built in {v}.", "The {s} was completed in {v}.", "Construction of the {s} ended in {v}."),
                ("When was the {s} built?", "In which year was the {s} completed?"),
            ),
            Relation(
                "architect",
                person,
                (
                    "The architect of the {s} was {v}.",
                    "{v} drew the plans of the {s}.",
                    "The {s} is the work of the architect {v}.",
                ),
                ("Who was the architect of the {s}?", "Who drew the plans of the {s}?"),
            ),
            Relation(
                "height",
                lambda draw: f"{draw.rng.randint(8, 310)} metres",
                ("The {s} is {v} tall.", "The {s} rises to {v}.", "Its height makes the {s} stand out: {v}."),
                ("How tall is the {s}?", "What is the height of the {s}?", "How high is the {s}?"),
            ),
            Relation(
                "director",
                person,
                ("The director of the {s} is {v}.", "{v} runs the {s}.", "The {s} is managed by {v}."),
                ("Who is the director of the {s}?", "Who runs the {s}?", "Who manages the {s}?"),
            ),
            Relation(
                "city",
                one_of(TOWNS),
                ("The {s} stands in {v}.", "The {s} is in {v}.", "You will find the {s} in {v}."),
                ("Where is the {s}?", "In which city is the {s}?"),
            ),
            Relation(
                "rooms",
                count(3, 480),
                ("The {s} has {v} rooms.", "There are {v} rooms in the {s}.", "The {s} counts {v} rooms."),
                ("How many rooms does the {s} have?", "How many rooms are there in the {s}?"),
            ),
            Relation(
                "closed",
                one_of(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")),
                ("The {s} is closed on {v}.", "On {v} the {s} stays shut.", "{v} is the day on which the {s} rests."),
                ("On which day is the {s} closed?", "When does the {s} stay shut?"),
            ),
        ),
    ),
    "rule": Kind(
        lambda draw: draw.name() + " " + draw.rng.choice(["Policy", "Programme", "Scheme", "Charter"]),
        (
            Relation(
                "limit",
                lambda draw: f"{draw.rng.randint(2, 90)} days",
                ("Under the {s}, requests must be made within {v}.", "The {s} sets a time limit of {v}."),
                ("What is the time limit under the {s}?", "Within how many days must requests be made under the {s}?"),
            ),
            Relation(
                "fine",
                money,
                ("Breaking the {s} costs {v}.", "The fine under the {s} is {v}.", "Whoever breaks the {s} pays {v}."),
                ("What is the fine under the {s}?", "How much does breaking the {s} cost?"),
            ),
            Relation(
                "contact",
                person,
                (
                    "Questions about the {s} go to {v}.",
                    "The contact for the {s} is {v}.",
                    "{v} answers questions on the {s}.",
                ),
                ("Who is the contact for the {s}?", "Who answers questions about the {s}?"),
            ),
            Relation(
                "start",
                date,
                ("The {s} took effect on {v}.", "The {s} has applied since {v}.", "The {s} came into force on {v}."),
                ("When did the {s} take effect?", "Since when has the {s} applied?"),
            ),
            Relation(
                "max",
                count(2, 400),
                ("The {s} allows at most {v} participants.", "No more than {v} participants are allowed by the {s}."),
                ("How many participants does the {s} allow?", "What is the maximum number of participants in the {s}?"),
            ),
            Relation(
                "form",
                code,
                ("Applications under the {s} use form {v}.", "The form for the {s} is {v}."),
                ("Which form is used for the {s}?", "What is the form for the {s}?"),
            ),
        ),
    ),
    "vessel": Kind(
        lambda draw: "MV " + draw.name(),
        (
            Relation(
                "captain",
                person,
                (
                    "The captain of the {s} is {v}.",
                    "{v} commands the {s}.",
                    "On the bridge of the {s} stands {v}.",
                    "The {s} sails under {v}.",
                ),
                (
                    "Who is the captain of the {s}?",
                    "Who commands the {s}?",
                    "Under whom does the {s} sail?",
                    "Tell me who is captain of the {s}.",
                ),
            ),
            Relation(
                "home_port",
                one_of(TOWNS),
                (
                    "The home port of the {s} is {v}.",
                    "The {s} is registered in {v}.",
                    "{v} is written on the stern of the {s}.",
                    "The {s} belongs to the port of {v}.",
                ),
                (
                    "What is the home port of the {s}?",
                    "Where is the {s} registered?",
                    "To which port does the {s} belong?",
                ),
            ),
            Relation(
                "length",
                lambda draw: f"{draw.rng.randint(18, 390)} metres",
                ("The {s} is {v} long.", "From bow to stern the {s} measures {v}.", "The length of the {s} is {v}."),
                (
                    "How long is the {s}?",
                    "What is the length of the {s}?",
                    "How many metres does the {s} measure from bow to stern?",
                ),
            ),
            Relation(
                "crew",
                count(4, 900),
                ("The crew of the {s} numbers {v}.", "The {s} has a crew of {v}.", "{v} sailors work on the {s}."),
                ("How large is the crew of the {s}?", "How many sailors work on the {s}?"),
            ),
            Relation(
                "cargo",
                one_of(GOODS),
                ("The {s} carries {v}.", "The cargo of the {s} is {v}.", "In the hold of the {s} lie {v}."),
                ("What does the {s} carry?", "What is the cargo of the {s}?", "What lies in the hold of the {s}?"),
            ),
            Relation(
                "owner",
                company,
                ("The {s} is owned by {v}.", "{v} owns the {s}.", "The owner of the {s} is {v}."),
                ("Who owns the {s}?", "Who is the owner of the {s}?", "Which company owns the {s}?"),
            ),
        ),
    ),
    "software": Kind(
        lambda draw: draw.name() + draw.rng.choice(("Desk", "Base", "Flow", "Sync", "Note")),
        (
            Relation(
                "version",
                lambda draw: f"{draw.rng.randint(0, 12)}.{draw.rng.randint(0, 30)}.{draw.rng.randint(0, 9)}",
                ("The current version of {s} is {v}.", "{s} stands at version {v}.", "Version {v} of {s} is out."),
                (
                    "What is the current version of {s}?",
                    "Which version of {s} is out?",
                    "At which version does {s} stand?",
                ),
            ),
            Relation(
                "port",
                lambda draw: str(draw.rng.randint(1024, 65000)),
                ("{s} listens on port {v}.", "The default port of {s} is {v}.", "Clients reach {s} on port {v}."),
                (
                    "On which port does {s} listen?",
                    "What is the default port of {s}?",
                    "Which port do clients of {s} use?",
                ),
            ),
            Relation(
                "maintainer",
                person,
                ("{s} is maintained by {v}.", "The maintainer of {s} is {v}.", "{v} looks after {s}."),
                ("Who maintains {s}?", "Who is the maintainer of {s}?", "Who looks after {s}?"),
            ),
            Relation(
                "language",
                one_of(("Rust", "Go", "Python", "Java", "Kotlin", "Haskell", "Erlang", "Ruby", "Swift", "Lua")),
                ("{s} is written in {v}.", "The source of {s} is in {v}.", "{v} is the language of {s}."),
                ("In which language is {s} written?", "What is {s} written in?", "Which language is {s} made with?"),
            ),
            Relation(
                "memory",
                lambda draw: f"{draw.rng.randint(1, 96)} GB",
                ("{s} needs {v} of memory.", "Plan {v} of memory for {s}.", "The memory that {s} takes is {v}."),
                ("How much memory does {s} need?", "What memory does {s} take?"),
            ),
        ),
    ),
}
