"""How facts about places and things are said and asked: products, towns, buildings, ships, recipes, software and more.

The form of these tables is described in `fact_world`.
"""

PRODUCT = """
Owners of {o} praise its finish. / {s} is packed in cardboard. / The manual of {o} has drawings. / Keep {o} dry. /
{s} replaces an older model. / Testers had little to complain about.

= price | money 3 9500 | Price
{s} costs {v}. / The price of {o} is {v}. / {s} sells for {v}. / Shops ask {v} for {o}. / One pays {v} for {o}.
How much does {s} cost? / What is the price of {s}? / What do shops ask for {s}? / For how much does {s} sell? /
What does one pay for {s}?

= weight | number 2 950 kg | Weight
{s} weighs {v}. / The weight of {o} is {v}. / On the scales {s} shows {v}. / Its makers give the weight of {o} as {v}.
How much does {s} weigh? / What is the weight of {s}? / How heavy is {s}? / What does {s} show on the scales? /
Give the weight of {s}.

= battery | number 2 96 hours | Battery life
The battery of {o} lasts {v}. / {s} runs for {v} on one charge. / One charge keeps {o} going for {v}. /
After {v} {s} must
be charged again.
How long does the battery of {s} last? / How long does {s} run on one charge? / What is the battery life of {s}? /
After how long must {s} be charged again? / For what time does one charge keep {s} going?

= maker | company | Maker
{s} is made by {v}. / {v} makes {o}. / The maker of {o} is {v}. / {s} leaves the works of {v}.
Who makes {s}? / Which company makes {s}? / Who is the maker of {s}? / By whom is {s} made? /
What firm builds {s}? / What does {v} make?

= warranty | number 2 15 years | Warranty
{s} comes with a warranty of {v}. / The warranty on {o} runs for {v}. / Buyers of {o} have a warranty of {v}. / {s} is
guaranteed for {v}.
How long is the warranty on {s}? / What warranty does {s} have? / For how long is {s} guaranteed? /
How many years of warranty does {s} come with? / What warranty do buyers of {s} have?

= part_number | code | Part number
The part number of {o} is {v}. / Order {o} under the number {v}. / {s} is listed in the catalogue as {v}. /
The catalogue
number of {o} is {v}.
What is the part number of {s}? / Under which number is {s} ordered? / How is {s} listed in the catalogue? /
What is the catalogue number of {s}? / Give me the order number of {s}. / Which product has part number {v}?

= launch | date 1990 2026 | On sale since
{s} was launched on {v}. / {s} went on sale on {v}. / The launch day of {o} was {v}. /
The first buyers received {o} on {v}.
When was {s} launched? / When did {s} go on sale? / What was the launch day of {s}? / On which date was {s} launched? /
Since when has {s} been on sale?

= colour | word colour | Colour
{s} comes in {v} only. / Shops have {o} in {v} and no other colour. / The case of {o} is {v}. / {s} is painted {v}.
What colour is {s}? / In which colour does {s} come? / What is the colour of the case of {s}? /
Which colour is {s} painted? / In what colour is {s} sold?

= designer | person | Designer
{s} was designed by {v}. / {v} designed {o}. / The design of {o} is the work of {v}. /
{v} drew the first sketches of {o}.
Who designed {s}? / Who is the designer of {s}? / Whose work is the design of {s}? / By whom was {s} designed? /
Who drew the first sketches of {s}? / What did {v} design?

= size | size cm | Size
{s} measures {v}. / The size of {o} is {v}. / {s} takes up {v}. / Leave {v} of room for {o}.
What does {s} measure? / What is the size of {s}? / How large is {s}? / How much room does {s} take up? /
What are the dimensions of {s}?

= power | number 3 4500 watts | Power
{s} uses {v}. / The power consumption of {o} is {v}. / {s} draws {v} when running. / {s} is rated at {v}.
How many watts does {s} use? / What is the power consumption of {s}? / How much does {s} draw when running? /
At how many watts is {s} rated? / How much power does {s} need?

= material | word material | Material
The body of {o} is of {v}. / {s} is made from {v}. / For {o}, the makers chose {v}. / The material of {o} is {v}.
What is {s} made from? / Of what is the body of {s}? / What is the material of {s}? /
Which material did the makers choose for {s}? / From what material is {s}?

= temperature | degrees 25 90 | Highest temperature
{s} may be used up to {v}. / Above {v} {s} switches off. / The highest temperature for {o} is {v}. / {s} endures heat of
{v}.
Up to what temperature may {s} be used? / Above what temperature does {s} switch off? /
What is the highest temperature for {s}? / What heat does {s} endure? / How hot may {s} become?
"""

TOWN = """
The lanes of {o} are narrow. / {s} has seen better days. / Travellers stop in {o} for the view. /
The bells of {o} can be
heard far away. / {s} is quiet in winter.

= population | number 300 980000 | Population
{s} has {v} inhabitants. / The population of {o} is {v}. / {v} people live in {o}. / At the last census {s} counted {v}
people.
How many inhabitants does {s} have? / What is the population of {s}? / How many people live in {s}? /
How many people did {s} count at the last census? / How large is the population of {s}?

= mayor | person | Mayor
The mayor of {o} is {v}. / {v} is mayor of {o}. / {s} is governed by {v}. / The town hall of {o} is in the hands of {v}.
Who is the mayor of {s}? / Who governs {s}? / In whose hands is the town hall of {s}? / Name the mayor of {s}. /
What is the name of the mayor of {s}? / Of which town is {v} mayor?

= river | name {} River_{} {}_Brook | River
{s} lies on the {v}. / The {v} flows through {o}. / The river of {o} is the {v}. / The bridges of {o} cross the {v}.
On which river does {s} lie? / Which river flows through {s}? / What is the river of {s} called? /
What do the bridges of {s} cross? / Name the river of {s}. / Which town lies on the {v}?

= elevation | number 2 3400 metres | Elevation
{s} lies {v} above the sea. / The elevation of {o} is {v}. / {s} stands at a height of {v}. /
From the sea to {o} one climbs
{v}.
How high above the sea does {s} lie? / What is the elevation of {s}? / At what height does {s} stand? /
How many metres above the sea is {s}? / How high is {s}?

= known_for | word goods crop | Known for
{s} is famous for {v}. / {v} made {o} famous. / The pride of {o} is its trade in {v}. / Buyers come to {o} for {v}.
What is {s} famous for? / What made {s} famous? / What do buyers come to {s} for? / For which goods is {s} famous? /
What is the pride of {s}?

= charter | year 1100 1890 | Town since
{s} became a town in {v}. / The charter of {o} dates from {v}. / {s} received its charter in {v}. / {s} has had a market
since {v}.
When did {s} become a town? / In which year did {s} receive its charter? / From what year does the charter of {s}
date? /
Since when has {s} had a market? / What is the year of the charter of {s}?

= market_day | weekday | Market day
Market day in {o} is {v}. / The market of {o} is held on {v}. / Every {v} there is a market in {o}. /
{s} holds its market
on {v}.
On which day is the market in {s}? / What is the market day in {s}? / When does {s} hold its market? /
Which weekday is market day in {s}? / On what day is there a market in {s}?

= postcode | code | Postcode
The postcode of {o} is {v}. / Letters to {o} carry the postcode {v}. / {s} has the postcode {v}. /
Use postcode {v} for {o}.
What is the postcode of {s}? / Which postcode do letters to {s} carry? / What postcode does {s} have? /
Give me the postcode of {s}. / Which postcode should be used for {s}? / Which town has the postcode {v}?

= twin | town | Twin town
{s} is twinned with {v}. / The twin town of {o} is {v}. / {s} exchanges pupils with {v}. /
{v} has a partnership with {o}.
With which town is {s} twinned? / What is the twin town of {s}? / With which town does {s} exchange pupils? /
What town has a partnership with {s}? / Name the twin town of {s}.
"""

BUILDING = """
Visitors to {o} are asked to be quiet. / {s} smells of wood and wax. / Schools visit {o} in spring. /
The stairs of {o}
are steep. / {s} survived a fire. / The garden behind {o} is worth a stroll.

= opens | clock 6 11 | Opens
{s} opens at {v}. / The doors of {o} open at {v}. / {v} is when {s} opens. / From {v} visitors are let into {o}.
At what time does {s} open? / When do the doors of {s} open? / When does {s} open? / What is the opening time of {s}? /
From when are visitors let into {s}?

= closes | clock 15 23 | Closes
{s} closes at {v}. / The last visitors leave {o} at {v}. / At {v} the lights of {o} go out. /
{s} shuts its doors at {v}.
At what time does {s} close? / When do the last visitors leave {s}? / When does {s} shut its doors? /
What is the closing time of {s}? / When do the lights of {s} go out?

= closed_day | weekday | Closed on
{s} is closed on {v}. / On {v} {s} stays shut. / The rest day of {o} is {v}. / {s} opens every day but {v}.
On which day is {s} closed? / When does {s} stay shut? / What is the rest day of {s}? /
On what weekday is {s} not open? / Which day is {s} closed?

= built | year 1650 2020 | Built
{s} was built in {v}. / {s} dates from {v}. / The first stone of {o} was laid in {v}. / {s} has stood since {v}.
When was {s} built? / From which year does {s} date? / In what year was the first stone of {s} laid? /
Since when has {s} stood? / In which year was {s} built?

= architect | person | Architect
{s} was designed by {v}. / The architect of {o} was {v}. / {v} drew the plans of {o}. / {s} is a work of {v}.
Who designed {s}? / Who was the architect of {s}? / Who drew the plans of {s}? / Whose work is {s}? /
Name the architect of {s}. / Which building did {v} design?

= height | number 6 420 metres | Height
{s} is {v} high. / {s} rises {v}. / The height of {o} is {v}. / From foot to roof {s} measures {v}.
How high is {s}? / What is the height of {s}? / How many metres does {s} rise? /
What does {s} measure from foot to roof? / How tall is {s}?

= director | person | Director
The director of {o} is {v}. / {s} is run by {v}. / {v} is in charge of {o}. / {v} holds the keys of {o}.
Who is the director of {s}? / Who runs {s}? / Who is in charge of {s}? / Who holds the keys of {s}? /
Name the director of {s}. / What does {v} run?

= location | town | Stands in
{s} stands in {v}. / {s} is found in {v}. / {v} is home to {o}. / The site of {o} is in {v}.
Where does {s} stand? / In which town is {s}? / Which town is home to {s}? / Where is {s} found? /
In what town is the site of {s}? / What stands in {v}?

= rooms | number 3 860 | Rooms
{s} has {v} rooms. / There are {v} rooms in {o}. / The number of rooms in {o} is {v}. /
Cleaners look after the {v} rooms of
{o}.
How many rooms does {s} have? / How many rooms are there in {s}? / What is the number of rooms in {s}? /
How many rooms of {s} do cleaners look after? / Tell me how many rooms {s} has.

= admission | money 2 120 | Admission
Admission to {o} is {v}. / A visit to {o} costs {v}. / {s} asks {v} at the door. / Adults pay {v} to enter {o}.
How much is admission to {s}? / What does a visit to {s} cost? / What does {s} ask at the door? /
How much do adults pay to enter {s}? / What is the price of admission to {s}?

= exhibition | word theme | Exhibition
{s} is showing an exhibition on {v}. / The current exhibition of {o} is about {v}. / {v} can be seen at {o}. /
The rooms of
{o} are filled with {v}.
What is the exhibition of {s} about? / What can be seen at {s}? / On what is {s} showing an exhibition? /
With what are the rooms of {s} filled? / What is the topic of the current exhibition of {s}?

= key_place | word place_in_house | Spare key
The spare key of {o} is kept in {v}. / Whoever needs the spare key of {o} will find it in {v}. /
The caretaker of {o} keeps the
spare key in {v}. / For {o}, the spare key lies in {v}.
Where is the spare key of {s} kept? / Where does the spare key of {s} lie? / In what place is the spare key of {s}? /
Where does the caretaker of {s} keep the spare key? / Where do I find the spare key of {s}?

= door_code | extension | Door code
The door code of {o} is {v}. / Type {v} to enter {o}. / {s} opens to the code {v}. / At the side door of {o}, enter {v}.
What is the door code of {s}? / What must be typed to enter {s}? / To which code does {s} open? /
What do I enter at the side door of {s}? / Give me the door code of {s}.

= phone | phone | Telephone
The telephone number of {o} is {v}. / Call {o} on {v}. / {s} can be called on {v}. / Bookings for {o} are taken on {v}.
What is the telephone number of {s}? / On which number can {s} be called? / On what number are bookings for {s} taken? /
What number do I call for {s}? / Give me the phone number of {s}.

= dogs | yesno | Dogs allowed
+ Dogs may be brought into {o}. / + {s} lets dogs in. / - Dogs may not be brought into {o}. /
- {s} does not let dogs in.
Does {s} let dogs in? / May dogs be brought into {s}? / Are dogs allowed in {s}? / Can I bring a dog into {s}? /
Is it allowed to bring a dog into {s}?
"""

SHIP = """
{s} creaks in heavy seas. / Gulls follow {o} out of port. / {s} was repainted not long ago. /
The log of {o} is kept by
hand. / The cook of {o} is known for strong coffee.

= captain | person | Captain
The captain of {o} is {v}. / {v} commands {o}. / On the bridge of {o} stands {v}. / {s} sails under {v}.
Who is the captain of {s}? / Who commands {s}? / Under whom does {s} sail? / Who stands on the bridge of {s}? /
Name the captain of {s}. / Which ship does {v} command?

= home_port | town | Home port
The home port of {o} is {v}. / {s} is registered in {v}. / {v} is written on the stern of {o}. /
{s} belongs to the port of
{v}.
What is the home port of {s}? / Where is {s} registered? / To which port does {s} belong? /
What is written on the stern of {s}? / In which port is {s} at home? / Which ship is registered in {v}?

= length | number 8 400 metres | Length
{s} is {v} long. / From bow to stern {s} measures {v}. / The length of {o} is {v}. / {s} has a length of {v}.
How long is {s}? / What is the length of {s}? / What does {s} measure from bow to stern? /
How many metres long is {s}? /
Give the length of {s}.

= crew | number 3 900 | Crew
The crew of {o} numbers {v}. / {s} has a crew of {v}. / {v} sailors work on {o}. / {s} needs {v} hands.
How large is the crew of {s}? / How many sailors work on {s}? / How many hands does {s} need? /
What does the crew of {s} number? / How many crew members does {s} have?

= cargo | word cargo | Cargo
{s} carries {v}. / The cargo of {o} is {v}. / The hold of {o} is full of {v}. / {s} is loaded with {v}.
What does {s} carry? / What is the cargo of {s}? / What is the hold of {s} full of? / With what is {s} loaded? /
What is on board of {s} as cargo?

= owner | company | Owner
{s} is owned by {v}. / {v} owns {o}. / The owner of {o} is {v}. / {s} is the property of {v}.
Who owns {s}? / Who is the owner of {s}? / Which company owns {s}? / Whose property is {s}? / Name the owner of {s}.

= launched | year 1890 2022 | Launched
{s} was launched in {v}. / {s} first touched water in {v}. / The year of launch of {o} is {v}. /
{s} has been afloat since
{v}.
When was {s} launched? / In which year did {s} first touch water? / What is the year of launch of {s}? /
Since when has {s} been afloat? / In what year was {s} launched?

= speed | decimal 6 38 knots | Top speed
{s} reaches {v}. / The top speed of {o} is {v}. / At full power {s} makes {v}. / {s} is capable of {v}.
What speed does {s} reach? / What is the top speed of {s}? / How fast is {s}? / What does {s} make at full power? /
Of how many knots is {s} capable?

= destination | town | Bound for
{s} is bound for {v}. / The next port of {o} is {v}. / {s} is expected in {v}. / The course of {o} leads to {v}.
Where is {s} bound for? / What is the next port of {s}? / In which port is {s} expected? /
Where does the course of {s} lead? / What is the destination of {s}?
"""

ROUTE = """
{s} is crowded in summer. / The seats on {o} are hard. / {s} passes three tunnels. / Delays on {o} are rare. /
Bicycles
on {o} need a ticket.

= start | town | From
{s} starts in {v}. / {s} departs from {v}. / The first stop of {o} is {v}. / {s} begins its trip in {v}.
Where does {s} start? / From which town does {s} depart? / What is the first stop of {s}? /
In which town does {s} begin its trip? / Where does {s} set out from? / What starts in {v}?

= end | town | To
{s} ends in {v}. / The last stop of {o} is {v}. / {s} runs as far as {v}. / Those who stay on {o} arrive in {v}.
Where does {s} end? / What is the last stop of {s}? / How far does {s} run? / In which town does {s} end? /
Where does one arrive at the end of {s}?

= departure | clock 5 23 | First departure
The first departure of {o} is at {v}. / {s} leaves at {v}. / Be there for {o} at {v}. / {s} sets off at {v}.
When is the first departure of {s}? / At what time does {s} leave? / When does {s} set off? /
What is the departure time of {s}? / At what time should one be there for {s}?

= duration | minutes | Travel time
The trip with {o} takes {v}. / {s} takes {v} from end to end. / The travel time of {o} is {v}. /
After {v} {s} has arrived.
How long does the trip with {s} take? / What is the travel time of {s}? / How long does {s} take from end to end? /
After how long has {s} arrived? / How much time does {s} take?

= fare | money 2 400 | Fare
A ticket for {o} costs {v}. / The fare on {o} is {v}. / Passengers pay {v} for {o}. / {s} costs {v} one way.
How much is a ticket for {s}? / What is the fare on {s}? / What do passengers pay for {s}? /
What does {s} cost one way? / How high is the fare of {s}?

= platform | number 1 40 | Platform
{s} leaves from platform {v}. / Platform {v} is where {s} waits. / For {o}, go to platform {v}. / {s} uses platform {v}.
From which platform does {s} leave? / At which platform does {s} wait? / What platform do I go to for {s}? /
Which platform does {s} use? / What is the platform of {s}?

= stops | few | Stops
{s} stops {v} times on the way. / There are {v} stops on {o}. / {s} makes {v} stops. /
The number of stops on {o} is {v}.
How many times does {s} stop on the way? / How many stops are there on {s}? / How many stops does {s} make? /
What is the number of stops on {s}? / How often does {s} stop?

= operator | company | Operator
{s} is operated by {v}. / {v} operates {o}. / The operator of {o} is {v}. / The coaches on {o} belong to {v}.
Who operates {s}? / Which company operates {s}? / Who is the operator of {s}? /
To whom do the coaches on {s} belong? / By whom is {s} operated?

= fuel | word fuel | Powered by
{s} runs on {v}. / The engines of {o} use {v}. / {v} moves {o}. / For its engines, {s} needs {v}.
What does {s} run on? / What do the engines of {s} use? / What moves {s}? / What does {s} need for its engines? /
By what is {s} powered?
"""

RECIPE = """
{s} tastes better the next day. / Serve {o} on warm plates. / Children like {o}. / {s} is served at weddings. / Do not
stir {o} too often.

= oven | degrees 90 260 | Oven
{s} is baked at {v}. / Bake {o} at {v}. / For {o}, heat the oven to {v}. / The oven temperature for {o} is {v}.
At what temperature is {s} baked? / To what must the oven be heated for {s}? / What is the oven temperature for {s}? /
How hot must the oven be for {s}? / At how many degrees does one bake {s}?

= time | minutes | Cooking time
{s} takes {v} to cook. / Cook {o} for {v}. / The cooking time of {o} is {v}. / {s} is done after {v}.
How long does {s} take to cook? / For how long must one cook {s}? / What is the cooking time of {s}? /
After how long is {s} done? / How much time does {s} need to cook?

= flour | number 50 1500 grams | Flour
{s} calls for {v} of flour. / For {o}, weigh out {v} of flour. / {v} of flour go into {o}. / {s} needs {v} of flour.
How much flour does {s} call for? / How many grams of flour go into {s}? / What amount of flour does {s} need? /
How much flour must be weighed out for {s}? / How much flour is in {s}?

= secret | word ingredient | Secret ingredient
The secret of {o} is {v}. / {s} gets its taste from {v}. / Nobody can cook {o} without {v}. /
What makes {o} special is {v}.
What is the secret of {s}? / From what does {s} get its taste? / What makes {s} special? /
What is the secret ingredient of {s}? / Which ingredient gives {s} its taste?

= servings | few | Serves
{s} serves {v} people. / The usual amount of {o} is for {v} people. / {s} feeds {v} people. /
The recipe of {o} is for {v} people.
How many people does {s} serve? / For how many people is the usual amount of {s}? / How many people does {s} feed? /
For how many people is the recipe of {s}? / How many can eat from {s}?

= inventor | person | Inventor
{s} was invented by {v}. / {v} invented {o}. / The recipe of {o} comes from {v}. / We owe {o} to {v}.
Who invented {s}? / From whom does the recipe of {s} come? / To whom do we owe {s}? / By whom was {s} invented? /
Name the inventor of {s}. / What did {v} invent?

= origin | town | Origin
{s} comes from {v}. / {s} was first cooked in {v}. / The home of {o} is {v}. / {v} claims {o} as its own.
Where does {s} come from? / In which town was {s} first cooked? / What is the home of {s}? /
Which town claims {s} as its own? / From what town does {s} come? / What was first cooked in {v}?

= drink | word drink | Goes with
{s} is served with {v}. / With {o} one drinks {v}. / {v} goes well with {o}. / The right drink for {o} is {v}.
With what drink is {s} served? / What does one drink with {s}? / What goes well with {s}? /
What is the right drink for {s}? / Which drink belongs to {s}?

= rest | number 2 48 hours | Rest
{s} must rest for {v}. / Let {o} rest for {v}. / Before serving, {s} stands for {v}. / The resting time of {o} is {v}.
How long must {s} rest? / What is the resting time of {s}? / For how long does {s} stand before serving? /
How many hours does {s} need to rest? / For what time should one let {s} rest?
"""

SOFTWARE = """
{s} starts quickly. / Bug reports for {o} are read daily. / {s} has a plain interface. / The documentation of {o} is
being rewritten. / Back up your data before updating {o}.

= version | version | Version
The current version of {o} is {v}. / {s} stands at version {v}. / Version {v} of {o} is out. / {s} was last released as
{v}.
What is the current version of {s}? / Which version of {s} is out? / At which version does {s} stand? /
As what was {s} last released? / What is the latest release of {s}?

= port | port | Port
{s} listens on port {v}. / The default port of {o} is {v}. / Clients reach {o} on port {v}. / Open port {v} for {o}.
On which port does {s} listen? / What is the default port of {s}? / Which port do clients of {s} use? /
What port must be opened for {s}? / Through which port is {s} reached?

= maintainer | person | Maintainer
{s} is maintained by {v}. / The maintainer of {o} is {v}. / {v} looks after {o}. / Patches for {o} go to {v}.
Who maintains {s}? / Who is the maintainer of {s}? / Who looks after {s}? / To whom do patches for {s} go? /
Name the maintainer of {s}. / Which program does {v} maintain?

= language | word programming | Written in
{s} is written in {v}. / The source of {o} is in {v}. / {v} is the language of {o}. / The authors of {o} chose {v}.
In which language is {s} written? / What is {s} written in? / Which programming language did the authors of {s}
choose? /
What is the language of {s}? / In what is the source of {s}?

= memory | number 2 256 GB | Memory
{s} needs {v} of memory. / Plan {v} of memory for {o}. / The memory that {s} takes is {v}. /
{s} will not start with less
than {v} of memory.
How much memory does {s} need? / How much memory does {s} take? / How much memory should be planned for {s}? /
With less than how much memory will {s} not start? / What are the memory needs of {s}?

= licence | word licence | Licence
{s} is under the {v} licence. / The licence of {o} is {v}. / {s} is released under {v}. /
The authors publish {o} under {v}.
Under which licence is {s}? / What is the licence of {s}? / Under what is {s} released? / How is {s} licensed? /
What licence did the authors of {s} choose?

= database | word database | Database
{s} stores its data in {v}. / The database of {o} is {v}. / {s} needs {v} to store data. / Behind {o} runs {v}.
Where does {s} store its data? / What is the database of {s}? / Which database does {s} need? /
What runs behind {s}? / Which database does {s} use?

= system | word system | Runs on
{s} runs on {v}. / {s} was built for {v}. / To use {o} one needs {v}. / The servers of {o} run {v}.
On which operating system does {s} run? / For which system was {s} built? / What system does one need to use {s}? /
What do the servers of {s} run? / Which operating system does {s} need?

= password | login | Start password
The first password of {o} is {v}. / Log in to {o} with the password {v}. / {s} accepts the password {v} at first. /
On the
first day, {s} opens with the password {v}.
What is the first password of {s}? / With which password do I log in to {s}? / Which password does {s} accept at
first? /
What password opens {s} on the first day? / Give me the start password of {s}.

= update | word frequency | Updates
{s} is updated {v}. / Updates of {o} appear {v}. / The team releases {o} {v}. / {s} fetches updates {v}.
How often is {s} updated? / How often do updates of {s} appear? / How often does the team release {s}? /
How often does {s} fetch updates? / When do updates of {s} come?

= offline | yesno | Works offline
+ {s} works without a network. / + {s} can be used offline. / - {s} does not work without a network. /
- {s} cannot be used
offline.
Does {s} work without a network? / Can {s} be used offline? / Does {s} work offline? /
Is it possible to use {s} offline? /
Can I use {s} without a network?
"""

BOOK = """
Readers of {o} disagree about its end. / {s} is hard to find in shops. / The cover of {o} is plain. /
A second part of {o}
was never written. / {s} was read aloud on the radio.

= author | person | Author
{s} was written by {v}. / {v} wrote {o}. / The author of {o} is {v}. / {s} came from the pen of {v}.
Who wrote {s}? / Who is the author of {s}? / By whom was {s} written? / From whose pen came {s}? /
Name the author of {s}. / What did {v} write?

= published | year 1870 2025 | Published
{s} appeared in {v}. / {s} was published in {v}. / {s} has been in print since {v}. /
The first edition of {o} is from {v}.
When did {s} appear? / In which year was {s} published? / Since when has {s} been in print? /
From what year is the first edition of {s}? / What year was {s} published?

= publisher | company | Publisher
{s} was published by {v}. / The publisher of {o} is {v}. / {v} brought out {o}. / {s} was printed for {v}.
Who published {s}? / Who is the publisher of {s}? / Which company brought out {s}? / For whom was {s} printed? /
Name the publisher of {s}.

= pages | number 24 1900 | Pages
{s} has {v} pages. / {s} runs to {v} pages. / The number of pages of {o} is {v}. / Readers of {o} turn {v} pages.
How many pages does {s} have? / To how many pages does {s} run? / What is the number of pages of {s}? /
How many pages do readers of {s} turn? / How long is {s} in pages?

= genre | word genre | Kind
{s} is {a}. / The critics call {o} {a}. / In libraries {s} is filed as {a}. / {s} has become known as {a}.
What kind of book is {s}? / What do the critics call {s}? / As what is {s} filed in libraries? /
To which genre does {s} belong? / What is the genre of {s}?

= setting | town | Set in
{s} is set in {v}. / The story of {o} unfolds in {v}. / {v} is where {s} takes place. / Most of {o} happens in {v}.
Where is {s} set? / In which town does the story of {s} unfold? / Where does {s} take place? /
Where does most of {s} happen? / What is the setting of {s}? / Which book is set in {v}?

= hero | person | Main character
The main character of {o} is {v}. / {s} tells the story of {v}. / In {o} we follow {v}. / The hero of {o} is called {v}.
Who is the main character of {s}? / Whose story does {s} tell? / Whom do we follow in {s}? /
What is the hero of {s} called? / Name the main character of {s}.

= language | word language | Language
{s} was written in {v}. / The language of {o} is {v}. / The original of {o} is in {v}. / {s} first appeared in {v}.
In which language was {s} written? / What is the language of {s}? / In what language is the original of {s}? /
In which language did {s} first appear? / Which language is {s} in?

= copies | number 90 900000 copies | Sold
{s} sold {v}. / Shops sold {v} of {o}. / Sales of {o} reached {v}. / {v} of {o} have been sold.
How many copies did {s} sell? / How many copies of {s} have been sold? / What did sales of {s} reach? /
How well did {s} sell? / What number of copies of {s} did shops sell?
"""

FARM = """
The dogs of {o} bark at strangers. / {s} has a small shop. / Rain is welcome at {o}. /
{s} takes on helpers in summer. /
The barn of {o} was rebuilt.

= owner | person | Owner
{s} belongs to {v}. / The owner of {o} is {v}. / {v} bought {o}. / {v} runs {o}.
To whom does {s} belong? / Who is the owner of {s}? / Who bought {s}? / Who runs {s}? / Name the owner of {s}. /
What belongs to {v}?

= area | number 2 4800 hectares | Area
{s} covers {v}. / The land of {o} measures {v}. / {s} has {v} of land. / The area of {o} is {v}.
How much land does {s} cover? / What does the land of {s} measure? / How many hectares does {s} have? /
What is the area of {s}? / How large is {s}?

= crop | word crop | Crop
{s} grows {v}. / The fields of {o} are full of {v}. / {s} lives from {v}. / The main crop of {o} is {v}.
What does {s} grow? / What are the fields of {s} full of? / What does {s} live from? / What is the main crop of {s}? /
Which crop does {s} grow?

= soil | word soil | Soil
The soil of {o} is {v}. / {s} stands on {v}. / Under the grass of {o} lies {v}. / The ground of {o} is mostly {v}.
What is the soil of {s}? / On what does {s} stand? / What lies under the grass of {s}? / What is the ground of {s}? /
Which kind of soil does {s} have?

= animals | number 3 2600 sheep | Sheep
{s} keeps {v}. / {v} graze at {o}. / The flock of {o} counts {v}. / There are {v} at {o}.
How many sheep does {s} keep? / How many sheep graze at {s}? / How large is the flock of {s}? /
How many sheep are there at {s}? / What does the flock of {s} count?

= harvest | month | Last harvest
The last harvest of {o} was in {v}. / {s} last harvested in {v}. / {s} brought in its last harvest in {v}. /
For {o}, the
last harvest ended in {v}.
When was the last harvest of {s}? / In which month did {s} last harvest? / When did {s} bring in its last harvest? /
When did the last harvest of {s} end? / What is the date of the last harvest of {s}?

= yield | decimal 2 90 tonnes | Yield
{s} yielded {v}. / The yield of {o} was {v}. / {v} were brought in at {o}. / {s} filled its barns with {v}.
How much did {s} yield? / What was the yield of {s}? / How many tonnes were brought in at {s}? /
With how much did {s} fill its barns? / How large was the yield of {s}?
"""

LANDSCAPE = """
The paths around {o} are marked in yellow. / {s} is best seen at dawn. / Painters love {o}. /
Legends are told about {o}.
{s} is covered in fog for days.

= surveyor | person | Surveyed by
{s} was surveyed by {v}. / {v} surveyed {o}. / The first map of {o} was drawn by {v}. / We owe the map of {o} to {v}.
Who surveyed {s}? / Who drew the first map of {s}? / To whom do we owe the map of {s}? / By whom was {s} surveyed? /
Name the surveyor of {s}. / What did {v} survey?

= nearest_town | town | Nearest town
The nearest town to {o} is {v}. / {s} is reached from {v}. / Walkers to {o} set out from {v}. / {v} lies close to {o}.
What is the nearest town to {s}? / From which town is {s} reached? / Where do walkers to {s} set out from? /
Which town lies close to {s}? / What town is nearest to {s}?

= rarest_bird | word bird | Rare bird
The rarest bird at {o} is the {v}. / {s} is the last refuge of the {v}. / Birdwatchers come to {o} for the {v}. /
At {o} the
{v} nests.
What is the rarest bird at {s}? / Of which bird is {s} the last refuge? / For which bird do people come to {s}? /
Which bird nests at {s}? / What bird can be seen at {s}?

= visitors | number 20 640000 | Visitors a year
{s} has {v} visitors a year. / Each year {v} people see {o}. / {v} walkers a year come to {o}. /
The rangers of {o} count {v}
visitors a year.
How many visitors a year does {s} have? / How many people see {s} each year? / How many walkers come to {s} a year? /
How many visitors do the rangers of {s} count? / What is the yearly number of visitors of {s}?

= lowest_temperature | degrees -58 -2 | Lowest temperature
The lowest temperature at {o} was {v}. / At {o} the mercury once fell to {v}. / {s} once saw {v}. /
The cold record of {o}
is {v}.
What was the lowest temperature at {s}? / To what did the mercury once fall at {s}? / How cold did it get at {s}? /
What is the cold record of {s}? / What is the lowest temperature measured at {s}?

= path | decimal 2 95 km | Path
The path around {o} is {v} long. / Walking around {o} means {v}. / The trail at {o} measures {v}. /
A tour of {o} is {v}.
How long is the path around {s}? / What does the trail at {s} measure? / How long is a tour of {s}? /
What distance is it to walk around {s}? / How many kilometres is the path around {s}?
"""

SHIPMENT = """
{s} was packed with care. / A copy of the papers travels with {o}. / {s} is insured. / Handle {o} gently. /
Customs have
looked at {o}.

= contents | word goods | Contents
{s} contains {v}. / In the boxes of {o} are {v}. / {s} is made up of {v}. / The papers of {o} say {v}.
What does {s} contain? / What is in the boxes of {s}? / What is {s} made up of? / What do the papers of {s} say it
holds? /
What are the contents of {s}?

= recipient | person | Recipient
{s} goes to {v}. / The recipient of {o} is {v}. / {v} is to receive {o}. / Hand {o} to {v}.
To whom does {s} go? / Who is the recipient of {s}? / Who is to receive {s}? / To whom should {s} be handed? /
Name the recipient of {s}. / What goes to {v}?

= sender | company | Sender
{s} was sent by {v}. / The sender of {o} is {v}. / {v} sent {o}. / {s} comes from {v}.
Who sent {s}? / Who is the sender of {s}? / From which company does {s} come? / By whom was {s} sent? /
Name the sender of {s}.

= weight | decimal 2 900 kg | Weight
{s} weighs {v}. / The weight of {o} is {v}. / The scales gave {v} for {o}. / {s} adds {v} to the load.
How much does {s} weigh? / What is the weight of {s}? / What did the scales give for {s}? /
How heavy is {s}? / How much does {s} add to the load?

= arrival | date 2019 2027 | Arrives
{s} arrives on {v}. / The arrival of {o} is planned for {v}. / {s} is due on {v}. / Expect {o} on {v}.
When does {s} arrive? / For when is the arrival of {s} planned? / When is {s} due? / On which date is {s} expected? /
What is the arrival date of {s}?

= storage | room | Stored in
{s} is stored in bay {v}. / {s} waits in bay {v}. / Look for {o} in bay {v}. / Bay {v} holds {o}.
In which bay is {s} stored? / Where does {s} wait? / In what bay should one look for {s}? / Which bay holds {s}? /
What is the bay of {s}?

= pieces | number 2 5200 | Pieces
{s} consists of {v} pieces. / There are {v} pieces in {o}. / {s} counts {v} pieces. /
The number of pieces in {o} is {v}.
Of how many pieces does {s} consist? / How many pieces are there in {s}? / How many pieces does {s} count? /
What is the number of pieces in {s}? / How many pieces belong to {s}?
"""
