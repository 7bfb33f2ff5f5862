"""Names of the invented world: people, towns and everything built on a stem, in two splits that share no name part."""

import itertools
import random
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class NamePool:
    """The parts from which one split makes its names.

    Attributes:
        feminine: first names of people called `she`.
        masculine: first names of people called `he`.
        surnames: surnames taken as they are; more are composed of stems.
        towns: towns taken as they are; more are composed of stems.
        stem_heads: beginnings of invented names.
        stem_tails: ends of invented names.
    """

    feminine: tuple[str, ...]
    masculine: tuple[str, ...]
    surnames: tuple[str, ...]
    towns: tuple[str, ...]
    stem_heads: tuple[str, ...]
    stem_tails: tuple[str, ...]

    def stems(self) -> set[str]:
        """Every stem that the parts can make."""
        return {head + tail for head in self.stem_heads for tail in self.stem_tails}


TOWN_ENDINGS = ("", "", "ford", "stad", "mouth", "burg", "haven", "field", "bridge", "vale", " Bay", " Falls")
SURNAME_ENDINGS = ("", "", "", "ez", "sen", "ova", "ski", "man", "ini", "oglu")

POOLS: dict[Split, NamePool] = {
    "train": NamePool(
        feminine=tuple(
            """Abigail Adaeze Alba Alicja Amara Amina Anahita Anneke Anouk Antonia Anya Aoife Arwa Astrid Ayaka Aylin
            Beatriz Birgit Bronwyn Carmen Catalina Chiara Chinara Chloe Clara Dalia Danica Daphne Delphine Dilnoza Dora
            Edith Eleni Elif Elodie Elsbeth Emiko Erzsebet Esme Fadila Farida Fatima Femke Freya Gabriela Ginevra
            Giulia Grace Greta Hana Harriet Hedda Helga Ileana Imogen Ines Ingrid Iris Isaura Ivana Jadwiga Jocelyn
            Johanna Joy Julia Kaisa Kalinda Kamala Karolina Katya Keiko Khadija Kirsten Ksenia Lakshmi Laila Larissa
            Leila Lena Liesl Lucia Ludmila Mairead Maja Malika Margit Marisol Matilda Meera Mei Milena Mireille Nadia
            Nandini Natalia Ngozi Nina Noemi Odile Oksana Parisa Perpetua Petra Philippa Priya Rania Rosalind Roxana
            Ruth Sabine Saga Salma Sanna Saskia Shirin Signe Sofia Solveig Suda Svetlana Tamar Tara Tatiana Teresa
            Thandiwe Tove Ursula Valentina Vera Wanda Wilhelmina Ximena Yara Yasmin Yuki Zainab Zelda Zofia""".split()
        ),
        masculine=tuple(
            """Aaron Abdullah Adrian Akira Alasdair Aleksander Alfredo Amadou Anders Andrej Anselm Anton Arjun Armando
            Arvid Ashok Balint Benedict Bertrand Bilal Bogdan Boris Caspian Cedric Chidi Ciaran Cornelius Cosmin Cyril
            Damian Daniyar Desmond Dieter Dmitri Domenico Dorian Ebrahim Edmund Eero Efrain Eino Emeka Emil Enrique
            Ephraim Erland Evander Fabrice Farid Felix Fergus Fernando Gareth Gaspard Gerrit Giorgio Goran Gregor Hakan
            Hamid Harold Haruto Hector Hiroshi Hugo Idris Ignacio Igor Ilya Isidro Ismail Ivan Jacek Jasper Jerzy
            Joaquin Jonas Jorge Kaito Kamal Karim Kaspar Kenji Kwame Lachlan Laszlo Leandro Leopold Linus Lorcan Lucian
            Malcolm Marco Marek Mateo Matthias Mehmet Miklos Milan Mohan Nabil Nikhil Nikolai Obinna Octavio Olav Omar
            Oscar Osvaldo Pascal Peregrine Piet Quentin Radek Rafael Rajesh Ramiro Reinhard Ronan Rufus Ruslan Samir
            Samuel Santiago Sebastian Sergei Sigurd Stanislav Sven Tadeusz Taavi Tariq Teodor Thierry Tobias Tomas Umar
            Vasily Victor Vikram Vincent Walter Wim Xavier Yannick Yusuf Zane Zoltan""".split()
        ),
        surnames=tuple(
            """Abbott Achterberg Adeyemi Aguilar Ahlgren Akintola Albrecht Almeida Alvarez Anand Andrade Araujo Arslan
            Asante Atkins Averill Azevedo Babic Baker Banerjee Barros Bauer Becker Bellamy Benali Berger Bianchi Bishop
            Bjornstad Blackwood Boateng Bogdanov Bosch Brandt Brennan Brightwell Brodsky Burgess Calloway Cardoso
            Carlsen Castellano Castillo Chandra Chapman Chaudhry Chen Chikwanha Clarke Cohen Colquhoun Conti Corrigan
            Costa Cramer Dahl Dalgaard Delacroix Delgado Demir Desrosiers Diallo Dimitrov Dixon Donnelly Drummond Duarte
            Dubois Eastwood Echeverria Eisenberg Ekwueme Ellery Engstrom Eriksen Espinoza Evans Fairbanks Farah Farkas
            Fernandes Fischer Fitzgerald Fletcher Fonseca Fournier Franco Fuchs Gallagher Garrido Georgiou Gibbons
            Goldberg Goncalves Gonzaga Granger Grimaldi Gunnarsson Gupta Haas Hadjiev Halloran Hammarby Hansen Hargrove
            Hartmann Hassan Hawthorne Hayashi Hendriks Herrera Hoffmann Holloway Holm Horvat Hughes Ibanez Ibrahim
            Ishikawa Ivanov Jablonski Jansen Jaramillo Jorgensen Juarez Kalinin Kaplan Karlsson Katz Kaur Keller Kelly
            Kessler Khalil Kim Kinsella Kiprop Klein Kobayashi Kovacs Kowalski Kruger Kumar Lambert Larsen Laurent
            Lehmann Leroy Lindqvist Lockhart Lopez Lund Macdonald Machado Makela Mancini Marchetti Marino Mbeki
            McAllister Mehta Mendonca Mercier Meyer Mikkelsen Mishra Moreau Moretti Morgan Munoz Murphy Nair Nakamura
            Navarro Ndlovu Neumann Nguyen Nielsen Nkosi Novak Nowak Nygaard Oakley Odegaard Okafor Okonkwo Olsen
            Onwudiwe Ortega Osei Ozturk Palmer Papadakis Park Pasternak Patel Pelletier Pereira Petrov Pham Popescu
            Prescott Quinn Quispe Radcliffe Ramos Rao Rasmussen Reyes Ricci Rivera Romano Rosenthal Roux Rybak Saito
            Salazar Santos Sato Schaefer Schneider Sedgwick Sharma Sikorski Silva Singh Skovgaard Smirnov Sokolov
            Sorensen Stavros Sundaram Suzuki Svensson Szabo Takahashi Tanaka Tavares Thackeray Thorne Torres Tremblay
            Tsegaye Turner Uchida Underhill Urquhart Vandermeer Varga Vasquez Vermeulen Vogel Wagner Walker Wambui
            Warsame Weber Westergaard Whitlock Winslow Wojcik Wright Yamamoto Yeo Yilmaz Zakharov Zhang
            Zimmermann""".split()
        ),
        towns=tuple(
            """Aalborg Aberdeen Adelaide Agadir Amiens Ancona Antwerp Arusha Bamberg Bari Basel Bergen Bilbao Bologna
            Bordeaux Braga Bremen Brno Bruges Burgos Cadiz Calgary Cardiff Catania Cebu Cologne Constanta Cordoba
            Cork Cusco Dakar Darwin Debrecen Dijon Dresden Durban Dundee Eindhoven Erfurt Esbjerg Exeter Faro Fukuoka
            Galway Gdansk Ghent Gijon Granada Graz Halifax Hamar Hobart Innsbruck Izmir Kaunas Kazan Kingston Kobe
            Kosice Krakow Kumasi Lausanne Leeds Leiden Leipzig Leon Limoges Linz Lisbon Ljubljana Lublin Lucerne Lyon
            Maastricht Malaga Maribor Mendoza Mombasa Nagoya Nantes Napier Odense Oporto Oslo Ostrava Oulu Palermo
            Parma Pecs Perth Plovdiv Porto Potsdam Quito Rennes Riga Rijeka Rostock Rouen Salta Salzburg Sapporo
            Seville Sibiu Split Stavanger Tallinn Tampere Tartu Trieste Tromso Tunis Turin Turku Utrecht Valencia
            Varna Vigo Vilnius Wroclaw York Zadar Zagreb Zamora Zaragoza Ashcombe Belmarsh Coldwater Dunmoor Eastmere
            Fallowdale Greywick Hartspring Ironbeck Juniper Lowmarsh Millbrook Northey Oakhollow Pinewick Ploughcombe
            Quarrybank Redcliff Saltmarsh Thornby Underley Wetherden Wolfsmere Yarrowby Silverdene Rookhurst
            Nettlecombe Larchmont Westerly""".split()
        ),
        stem_heads=tuple(
            """Al Ar Bal Bel Bor Bra Cal Cor Da Del Dor El Fen Gal Gor Hal Hel Ir Jar Kal Ker Kor Lan Lor Mar Mel Mir
            Nor Or Pal Per Quil Ral Rin Sal Ser Sol Tal Ter Tor Ul Val Ver Vol""".split()
        ),
        stem_tails=tuple(
            """adan adis ador aldo anta anth aro aven avia eden edor elka endis enna era esko etta evar ian ibor ida
            idon iel igan ilo imar inda iro istra itas ivo obar odan omir onda onel orin oska ovar undra urak
            uvia""".split()
        ),
    ),
    "heldout": NamePool(
        feminine=tuple(
            """Agnes Aisling Annalise Bettina Camila Cecilia Cosima Deirdre Eulalia Evangeline Fiona Gudrun Heidi Hiroko
            Irma Jana Juliette Kateryna Klara Livia Lourdes Manon Marwa Mina Nkechi Noor Olga Paloma Ragnhild Renata
            Rukmini Silvana Siobhan Thea Tuuli Ulrika Viola Yvonne Zuzana Zahra""".split()
        ),
        masculine=tuple(
            """Achim Ambrose Bashir Bruno Casimir Dario Deepak Ebbe Esteban Florian Gustav Henrik Imran Jarek Joel Kofi
            Kristof Lorenz Magnus Matsuo Niels Nuno Otto Pavel Piers Rashid Roderick Rolf Shinji Simon Tendai Tiago
            Ulrich Vaclav Volker Wesley Yaroslav Youssef Zacharias Zeno""".split()
        ),
        surnames=tuple(
            """Abadi Amato Ashworth Balogun Barlow Bergman Bouchard Brzezinski Cabrera Caruso Cheng Choi Danso Dvorak
            Edevane Eklund Esposito Fagerholm Ferrara Gomes Greco Grosvenor Haddad Hagen Hidalgo Huber Inoue Iqbal
            Jankovic Jimenez Kapoor Kimura Koch Kuznetsov Lange Lefebvre Lombardi Lysenko Maduro Mensah Mori Mulder
            Nadkarni Nilsson Obi Ogunbanjo Orlov Pavlov Pettersen Pinto Quayle Radic Rahman Richter Ruiz Sandberg
            Serrano Shah Soto Stanhope Teixeira Tran Ueda Valdez Vieira Vinter Watanabe Wolff Yoshida Zapata""".split()
        ),
        towns=tuple(
            """Aarhus Alicante Augsburg Bergamo Bristol Cluj Coimbra Derry Dunedin Fremantle Geelong Genoa Gothenburg
            Haifa Hanover Incheon Jaipur Kyoto Lille Lugano Malmo Mannheim Modena Nairobi Osaka Padua Poznan Quebec
            Reims Rosario Sendai Szeged Tirana Toledo Ulm Uppsala Verona Visby Zurich Zwolle Amberley Brackenfold
            Chalkwell Driftwood Elmstead Foxcote Glenharrow Heathersett Kestrelby Larkrise""".split()
        ),
        stem_heads=tuple(
            "Abi Bru Cy Dra Ebo Fro Gla Hy Iso Jo Klu Ly Mo Ny Obe Pry Ru Ska Sty Tra Uzo Vy Wy Zebe".split()
        ),
        stem_tails=tuple(
            """ckton dlow fane gmar hult lbeck lstrom mquist ndrake nthus phane rdvik rkwell rnholt rsault ssique stead
            tholm thwin vrade wick xley zmund""".split()
        ),
    ),
}


@dataclass(frozen=True)
class Person:
    """A person's names; `full` is how documents name the person first."""

    first: str
    last: str
    feminine: bool

    @property
    def full(self) -> str:
        """First name and surname."""
        return f"{self.first} {self.last}"


class Names:
    """Draws names of one split; within one instance no stem, surname or town comes twice.

    Args:
        rng: where chance comes from.
        split: which pool to draw from.
    """

    def __init__(self, rng: random.Random, split: Split) -> None:
        """Nothing is taken yet."""
        self.rng = rng
        self.pool = POOLS[split]
        self._taken: set[str] = set()

    def person(self) -> Person:
        """A person with a surname of their own; first names repeat only once the pool runs short."""
        feminine = self.rng.random() < 0.5
        pool = self.pool.feminine if feminine else self.pool.masculine
        unused = [name for name in pool if name not in self._taken]
        first = self.rng.choice(unused or pool)
        self._taken.add(first)
        return Person(first, self.surname(), feminine)

    def surname(self) -> str:
        """A surname, one in four composed."""
        if self.rng.random() < 0.75:
            unused = [name for name in self.pool.surnames if name not in self._taken]
            if unused:
                return self._take(self.rng.choice(unused))
        return self.stem(SURNAME_ENDINGS)

    def town(self) -> str:
        """A town, two in five composed."""
        if self.rng.random() < 0.6:
            unused = [name for name in self.pool.towns if name not in self._taken]
            if unused:
                return self._take(self.rng.choice(unused))
        return self.stem(TOWN_ENDINGS)

    def stem(self, endings: tuple[str, ...] = ("",)) -> str:
        """An invented word with a capital, to name companies, products, ships and more, with one of the endings."""
        for attempt in itertools.count():
            stem = self._simple_stem()
            if attempt > 50:  # the pool is nearly used up
                stem += "-" + self._simple_stem()
            name = stem + self.rng.choice(endings)
            # All but the ending counts: Kaldor and Kaldorford would be too much alike.
            if stem not in self._taken and name not in self._taken:
                self._taken.add(stem)
                return self._take(name)
        raise AssertionError("unreachable: pairs of stems do not run out")

    def _simple_stem(self) -> str:
        return self.rng.choice(self.pool.stem_heads) + self.rng.choice(self.pool.stem_tails)

    def _take(self, name: str) -> str:
        self._taken.add(name)
        return name
