"""How facts about people and what they set up are said and asked: people, companies, clubs, events, rules and more.

The form of these tables is described in `fact_world`.
"""

PERSON = """
{s} is well liked by the neighbours. / Colleagues describe {o} as patient and exact. / {p} papers were put in order
last spring. / Little is known about the early years of {o}. / Old friends still write to {o} often.
{s} rarely gives interviews. / A portrait of {o} hangs in the hall.

= birthplace | town | Birthplace
{s} was born in {v}. / {s} comes from {v}. / {p} birthplace is {v}. / {s} first saw the light of day in {v}. /
{v} is where {s} was born.
Where was {s} born? / In which town was {s} born? / What is the birthplace of {s}? / Tell me where {s} was born. /
What town does {s} come from? / Who was born in {v}? / Who comes from {v}?

= birth_date | date 1900 2004 | Born
{s} was born on {v}. / {p} date of birth is {v}. / {s} celebrates a birthday counted from {v}. /
The birth of {o} was registered on {v}.
When was {s} born? / What is {p} date of birth? / On which date was {s} born? / Give the birth date of {s}. /
On what day did {s} come into the world?

= job | word job | Occupation
{s} works as {a}. / {s} earns a living as {a}. / By profession {s} is {a}. / {s} trained as {a} and never changed
trade. /
For many years {s} has been {a}.
What does {s} do for a living? / What is {p} profession? / What is the occupation of {s}? / What job does {s} have? /
What does {s} work as?

= residence | town | Home
{s} lives in {v}. / {s} makes a home in {v} today. / {s} has settled in {v}. / {s} now resides in {v}. /
These days {p} home is in {v}.
Where does {s} live? / In which town does {s} live? / Where is {p} home? / Which town has {s} settled in? /
What is {p} place of residence? / Who lives in {v}?

= employer | company | Employer
{s} is employed by {v}. / {s} works for {v}. / {p} employer is {v}. / {s} is on the staff of {v}. /
{v} has {o} on its payroll.
Who employs {s}? / Which company does {s} work for? / Who is {p} employer? / What firm employs {s}? /
Name the employer of {s}. / Who works for {v}?

= spouse | person | Married to
{s} is married to {v}. / {p} spouse is {v}. / {s} and {v} are a married couple. / {s} shares a house and a name with
{v} by
marriage. / The person {s} married is {v}.
Who is {s} married to? / Who is the spouse of {s}? / Whom did {s} marry? / What is the name of {p} spouse? /
Tell me who {s} is married to.

= university | university | Degree from
{s} studied at the {v}. / {s} holds a degree from the {v}. / {s} graduated from the {v}. /
{p} degree comes from the {v}.
Where did {s} study? / From which institution did {s} graduate? / Where does {p} degree come from? /
At which university or college did {s} study? / What is {p} alma mater? / Who graduated from the {v}?

= subject | word subject | Field of study
{s} took a degree in {v}. / {p} subject as a student was {v}. / As a student {s} read {v}. / {s} has a diploma in {v}.
What did {s} take a degree in? / What subject did {s} read as a student? / In which field does {s} have a diploma? /
What was {p} field of study? / Which discipline did {s} study?

= pet | word animal | Pet
{s} keeps {a} as a pet. / {s} owns {a}. / {p} pet is {a}. / The only animal in {p} house is {a}. / {s} goes nowhere
without a pet {v}.
What pet does {s} have? / Which animal does {s} keep? / What kind of animal lives with {s}? / What animal is {p} pet? /
Tell me what pet {s} owns.

= instrument | word instrument | Instrument
{s} plays the {v}. / In the evenings {s} practises the {v}. / {s} is a keen player of the {v}. /
{p} instrument is the {v}.
/ {s} took up the {v} as a child.
Which instrument does {s} play? / What instrument does {s} practise? / What is {p} instrument? /
Which musical instrument did {s} take up? / What does {s} play in the evenings?

= favourite_dish | word dish | Favourite dish
{p} favourite dish is {v}. / {s} likes {v} best of all foods. / Nothing pleases {o} more than {v}. / {s} would eat {v}
every day.
What is {p} favourite dish? / Which food does {s} like best? / What does {s} like to eat most? /
What would {s} eat every day? / What is the favourite food of {s}?

= hobby | word hobby | Hobby
{p} hobby is {v}. / In spare hours {s} turns to {v}. / {s} spends weekends on {v}. / Outside work, {s} lives for {v}.
What is {p} hobby? / What does {s} do in spare hours? / How does {s} spend weekends? / Which pastime does {s} have? /
What is the hobby of {s}?

= extension | extension | Extension
{p} extension is {v}. / {s} can be reached at extension {v}. / Dial extension {v} to reach {o}. / Calls for {o} go to
extension {v}.
What is {p} extension? / Which extension reaches {s}? / What extension do I dial for {s}? /
At what extension can {s} be reached? / Give me the telephone extension of {s}.

= office | room | Office
{s} sits in room {v}. / {p} office is room {v}. / You will find {o} in room {v}. / {s} works in room {v}.
Which room is {s} in? / What is {p} office number? / Where is {p} office? / In what room do I find {s}? /
What room does {s} work in?

= cousin | person | Cousin
{p} cousin is {v}. / {s} has a cousin called {v}. / The name of {p} cousin is {v}. / {v} is the cousin of {o}.
Who is {p} cousin? / What is the name of {p} cousin? / What is {p} cousin called? / Name the cousin of {s}. /
Who is the cousin of {s}?

= award | name Prize Medal Award Scholarship | Award
{s} won the {v}. / {s} was honoured with the {v}. / The {v} went to {o}. / {s} received the {v}.
Which award did {s} win? / What prize did {s} receive? / What honour went to {s}? / With which award was {s} honoured? /
Name the prize that {s} won. / Who won the {v}?

= commute | word vehicle | Travels by
{s} comes to work with {v}. / For every journey {s} takes {v}. / {p} usual way to travel is {v}. / {s} gets around
with {v}.
How does {s} get around? / What does {s} take for every journey? / What is {p} usual way to travel? /
With what does {s} come to work? / What means of transport does {s} use?

= badge | code | Badge number
{p} badge number is {v}. / {s} wears badge {v}. / The badge issued to {o} reads {v}. / {s} signs in with badge {v}.
What is {p} badge number? / Which badge does {s} wear? / What does {p} badge read? / Give the badge number of {s}. /
With which badge does {s} sign in? / Who wears badge {v}?

= language | word language | Mother tongue
{p} mother tongue is {v}. / {s} grew up speaking {v}. / At home {s} speaks {v}. / {v} is the first language of {o}.
What is {p} mother tongue? / Which language did {s} grow up speaking? / What does {s} speak at home? /
What is the first language of {s}? / Which language is {p} native one?

= height | number 148 207 cm | Height
{s} is {v} tall. / {s} measures {v}. / {p} height is {v}. / In stockinged feet {s} stands {v}.
How tall is {s}? / What is {p} height? / What does {s} measure? / How many centimetres tall is {s}? /
Tell me the height of {s}.
"""

COMPANY = """
{s} has changed its logo twice. / Analysts follow {o} closely. / {s} publishes a short report every quarter. /
Suppliers call {o} a reliable partner. / The canteen of {o} is open to guests. / {s} does not comment on rumours.

= founded | year 1850 2022 | Founded
{s} was founded in {v}. / {s} began in {v}. / {p} history starts in {v}. / {s} has existed since {v}. /
{s} was set up in the year {v}.
When was {s} founded? / In which year was {s} founded? / Since when has {s} existed? / What year did {s} begin? /
In what year does {p} history start?

= founder | person | Founder
{s} was founded by {v}. / {v} founded {o}. / {p} founder is {v}. / It was {v} who set up {o}.
Who founded {s}? / Who is the founder of {s}? / Who set up {s}? / What is the name of {p} founder? /
By whom was {s} founded? / Which company did {v} found?

= headquarters | town | Headquarters
{s} is based in {v}. / {p} headquarters are in {v}. / {s} has its main office in {v}. / {s} is run from {v}. /
The head office of {o} stands in {v}.
Where is {s} based? / Where are the headquarters of {s}? / In which town is {p} main office? /
From which town is {s} run? / In what place is {p} head office? / Which company is based in {v}?

= chief | person | Chief executive
{v} is the chief executive of {o}. / {s} is led by {v}. / {p} managing director is {v}. / At the top of {o} stands {v}.
Who leads {s}? / Who is the chief executive of {s}? / Who is {p} managing director? / Who stands at the top of {s}? /
Name the head of {s}. / Which company does {v} lead?

= product | word goods | Makes
{s} makes {v}. / {s} produces {v}. / {s} is known for {v}. / {p} main product is {v}. / {s} lives from the sale of {v}.
What does {s} make? / What does {s} produce? / What is the main product of {s}? / What is {s} known for? /
What goods does {s} sell?

= staff | number 12 240000 | Employees
{s} employs {v} people. / {p} staff numbers {v}. / {s} has {v} employees. / The payroll of {o} lists {v} people.
How many people does {s} employ? / How many employees does {s} have? / How large is the staff of {s}? /
What is the number of people working for {s}? / What does {p} staff number?

= revenue | money 2 950 million | Revenue
{s} had revenue of {v} last year. / {p} annual revenue is {v}. / Yearly sales of {o} came to {v}. /
{s} turned over {v} in
the last financial year.
What is the revenue of {s}? / How high were the yearly sales of {s}? / What did {s} turn over in the last financial
year? /
How much revenue does {s} have? / What is {p} annual revenue?

= motto | word motto | Motto
{p} motto is "{v}". / {s} goes by the motto "{v}". / Above the door of {o} it says "{v}". / "{v}" is the slogan of {o}.
What is the motto of {s}? / Which slogan does {s} have? / By which motto does {s} go? /
What does it say above {p} door? /
Tell me {p} motto.

= rival | company | Main rival
{p} main rival is {v}. / {s} competes with {v}. / {s} and {v} fight for the same customers. /
The strongest competitor of
{o} is {v}.
Who is the main rival of {s}? / Which company does {s} compete with? / Who is {p} strongest competitor? /
With whom does {s} fight for customers? / Name the rival of {s}.

= colour | word colour | Logo colour
{p} logo is {v}. / {s} uses {v} as its colour. / The lorries of {o} are painted {v}. / The house colour of {o} is {v}.
What colour is the logo of {s}? / Which colour does {s} use? / What is the house colour of {s}? /
In what colour are {p} lorries painted? / What is {p} colour?

= ticker | code | Stock symbol
{s} is traded under the symbol {v}. / {p} stock symbol is {v}. / On the exchange {s} is listed as {v}. / Brokers know
{o} as {v}.
Under which symbol is {s} traded? / What is {p} stock symbol? / How is {s} listed on the exchange? /
As what do brokers know {s}? / Give the ticker of {s}. / Which company trades under {v}?

= address | street | Address
{p} address is {v}. / Letters for {o} go to {v}. / {s} receives visitors at {v}. / The doors of {o} are at {v}.
What is {p} address? / At which address does {s} receive visitors? / Where do letters for {s} go? /
What is the street address of {s}? / At what street and number is {s}?

= profit | percent | Margin
{p} profit margin is {v}. / {s} keeps {v} of its sales as profit. / The margin of {o} stood at {v}. /
For {o}, {v} of sales
is profit.
What is {p} profit margin? / What share of sales does {s} keep as profit? / At what did the margin of {s} stand? /
How large is the margin of {s}? / What part of {p} sales is profit?

= parent | company | Owner
{s} belongs to {v}. / {s} is a subsidiary of {v}. / {p} parent company is {v}. / {v} bought {o} some years ago.
To whom does {s} belong? / Who bought {s}? / What is {p} parent company? / Of which company is {s} a subsidiary? /
Who owns {s}?
"""

CLUB = """
New members of {o} are always welcome. / {s} meets in rain and shine. / The newsletter of {o} is printed at home. /
{s} was in the local paper twice. / {s} keeps careful minutes. / Old photographs of {o} are on display.

= members | number 8 9800 | Members
{s} has {v} members. / {p} membership stands at {v}. / {v} people belong to {o}. / The register of {o} counts {v} names.
How many members does {s} have? / How many people belong to {s}? / At what does {p} membership stand? /
How large is {s}? / What is the number of members of {s}?

= president | person | President
{p} president is {v}. / {s} is presided over by {v}. / {v} chairs {o}. / The members of {o} elected {v} president.
Who is the president of {s}? / Who chairs {s}? / Who presides over {s}? / Whom did {s} elect president? /
Name {p} president. / Who is at the head of {s}?

= treasurer | person | Treasurer
{p} treasurer is {v}. / {v} keeps the books of {o}. / The accounts of {o} are in the hands of {v}. / The money of {o} is
looked after by {v}.
Who is the treasurer of {s}? / Who keeps the books of {s}? / Who looks after {p} money? /
In whose hands are {p} accounts? / Name the treasurer of {s}.

= meeting_day | weekday | Meets on
{s} meets on {v}. / {p} meetings are on {v}. / Every {v} the members of {o} come together. /
{v} is the meeting day of {o}.
On which day does {s} meet? / When are the meetings of {s}? / What is the meeting day of {s}? /
Which weekday do the members of {s} come together? / What day of the week does {s} meet?

= membership_fee | money 5 900 | Membership fee
Membership of {o} costs {v} a year. / {p} yearly fee is {v}. / Members pay {o} {v} each year. /
To join {o} one pays {v}.
How much does membership of {s} cost? / What is {p} yearly fee? / What do members pay {s} each year? /
What does it cost to join {s}? / How high is the fee of {s}?

= minimum_age | number 5 65 years | Minimum age
One can join {o} from the age of {v}. / {p} minimum age is {v}. / Nobody under {v} may join {o}. / {s} admits members
from the age of {v} on.
From what age can one join {s}? / What is the minimum age of {s}? / How old must one be to join {s}? /
What is {p} age limit? / From which age on does {s} admit members?

= venue | name Hall Inn House Chapel Barn | Venue
{s} gathers at {v}. / {p} home is {v}. / The evenings of {o} take place at {v}. / {v} gives {o} a roof.
Where does {s} gather? / What is {p} home? / Where do the evenings of {s} take place? /
At which place does {s} gather? /
What is the venue of {s}? / Who gathers at {v}?

= mascot | word animal bird | Mascot
{p} mascot is {a}. / {s} carries {a} on its badge. / The badge of {o} shows {a}. / {a} adorns the flag of {o}.
What is {p} mascot? / Which animal is on the badge of {s}? / What does the badge of {s} show? /
What animal adorns the flag of {s}? / Which animal stands for {s}?
"""

TEAM = """
The fans of {o} travel far. / {s} trains in all weathers. / The shop of {o} sells scarves. / Critics wrote {o} off too
early. / {s} has won nothing for years, but hopes are high.

= coach | person | Coach
{p} coach is {v}. / {s} is coached by {v}. / {v} trains {o}. / On the bench of {o} sits {v}.
Who coaches {s}? / Who is the coach of {s}? / Who trains {s}? / Who sits on {p} bench? / Name the coach of {s}. /
Which team does {v} coach?

= captain | person | Captain
{p} captain is {v}. / {v} wears the captain's armband for {o}. / {s} is captained by {v}. / The side of {o} is led onto
the pitch by {v}.
Who is the captain of {s}? / Who captains {s}? / Who wears the armband for {s}? / Who leads {s} onto the pitch? /
Name {p} captain.

= sport | word sport | Sport
{s} plays {v}. / {p} sport is {v}. / {s} is {a} team. / In {v}, {s} is one of the better sides.
Which sport does {s} play? / What is {p} sport? / What kind of team is {s}? / What does {s} play? /
In which sport does {s} compete?

= stadium | name Park Arena Stadium Ground | Stadium
{s} plays at home in {v}. / {p} stadium is {v}. / The home ground of {o} is {v}. / {v} is the home of {o}.
Where does {s} play at home? / What is {p} stadium? / What is the home ground of {s}? / Which ground is home to {s}? /
Name the stadium of {s}. / Which team plays at home in {v}?

= last_result | score | Last result
{p} last match ended {v}. / {s} ended its last match with {v}. / The latest score of {o} was {v}. / {s} closed the
season with {v}.
How did {p} last match end? / What was the latest score of {s}? / What was the result of {p} last match? /
With what score did {s} end its last match? / What score did {s} close the season with?

= jersey | word colour | Shirts
{s} plays in {v}. / {p} shirts are {v}. / The jerseys of {o} are {v}. / {v} is the colour of {p} shirts.
What colour does {s} play in? / What colour are {p} shirts? / Which colour are the jerseys of {s}? /
In what colour does {s} play? / What is the shirt colour of {s}?

= sponsor | company | Sponsor
{p} sponsor is {v}. / {s} is sponsored by {v}. / {v} pays the bills of {o}. / The shirts of {o} carry the name of {v}.
Who sponsors {s}? / Who is the sponsor of {s}? / Who pays the bills of {s}? / Whose name do {p} shirts carry? /
Which company sponsors {s}?
"""

EVENT = """
Visitors are asked to bring a raincoat. / Parking near {o} is scarce. / {s} has a loyal following. / Dogs must be kept
on a lead. / Volunteers make {o} possible. / The programme of {o} will be printed soon.

= venue | town | Held in
{s} takes place in {v}. / {s} is held in {v}. / {v} is the host of {o}. / This time {s} goes to {v}.
Where does {s} take place? / Where is {s} held? / Which town is the host of {s}? / To which town does {s} go? /
In what town is {s}? / What takes place in {v}?

= date | date 2015 2027 | Date
{s} takes place on {v}. / {s} opens on {v}. / The date of {o} is {v}. / {s} has been set for {v}.
When does {s} take place? / What is the date of {s}? / On which date does {s} open? / For which day has {s} been set? /
On what day is {s}?

= visitors | number 40 90000 | Visitors
{s} drew {v} visitors. / {v} people came to {o}. / Attendance at {o} reached {v}. /
The gates of {o} counted {v} visitors.
How many visitors did {s} draw? / How many people came to {s}? / What was the attendance at {s}? /
How many visitors did the gates of {s} count? / How well attended was {s}?

= fee | money 2 300 | Entry fee
Entry to {o} costs {v}. / A ticket for {o} is {v}. / {s} charges {v} for entry. / The entrance fee of {o} is {v}.
How much does entry to {s} cost? / What is the price of a ticket for {s}? / What does {s} charge for entry? /
What is the entrance fee of {s}? / How much is a ticket for {s}?

= organiser | person | Organiser
{s} is organised by {v}. / {v} organises {o}. / The organiser of {o} is {v}. / Behind {o} stands {v}.
Who organises {s}? / Who is the organiser of {s}? / Who stands behind {s}? / By whom is {s} organised? /
Name the person who organises {s}. / What does {v} organise?

= winner | person | Winner
{s} was won by {v}. / {v} won {o}. / First place at {o} went to {v}. / The winner of {o} was {v}.
Who won {s}? / Who was the winner of {s}? / To whom did first place at {s} go? / Who took first place at {s}? /
By whom was {s} won?

= sponsor | company | Sponsor
{s} is sponsored by {v}. / {v} is the main sponsor of {o}. / {v} paid for most of {o}. / The sponsor of {o} is {v}.
Who sponsors {s}? / Which company is the main sponsor of {s}? / Who paid for most of {s}? /
Who is the sponsor of {s}? / Which firm sponsors {s}?

= prize | word prize | First prize
The first prize at {o} is {v}. / Whoever wins {o} receives {v}. / {s} awards {v} to the best. /
The best at {o} gets {v}.
What is the first prize at {s}? / What does the winner of {s} receive? / What does {s} award to the best? /
What can be won at {s}? / Which prize does {s} give?

= start_time | clock 8 21 | Starts at
{s} starts at {v}. / The doors of {o} open at {v}. / {s} gets under way at {v}. / The first bell of {o} rings at {v}.
At what time does {s} start? / When do the doors of {s} open? / At what hour does {s} get under way? /
What is the starting time of {s}? / When does the first bell of {s} ring?

= registration_deadline | day | Registration until
Registration for {o} closes on {v}. / Those who want to join {o} must sign up by {v}. / The deadline to register for {o}
is {v}. / {s} accepts registrations until {v}.
When does registration for {s} close? / By when must one sign up for {s}? / What is the deadline to register for {s}? /
Until when does {s} accept registrations? / What is the last day to register for {s}?

= speaker | person | Opening speaker
{v} opens {o} with a speech. / The opening speech of {o} is given by {v}. / {s} begins with a talk by {v}. / The first
to speak at {o} is {v}.
Who opens {s} with a speech? / Who gives the opening speech of {s}? / With whose talk does {s} begin? /
Who is the first to speak at {s}? / Name the opening speaker of {s}.
"""

COURSE = """
{s} fills up quickly. / Latecomers to {o} wait at the door. / A certificate is given at the end. / {s} needs no
textbook. / Former students speak well of {o}.

= teacher | person | Teacher
{s} is taught by {v}. / {v} teaches {o}. / The teacher of {o} is {v}. / The person in charge of {o} is {v}.
Who teaches {s}? / Who is the teacher of {s}? / By whom is {s} taught? / Who is in charge of {s}? /
Name the teacher of {s}. / What does {v} teach?

= room | room | Room
{s} is in room {v}. / {s} meets in room {v}. / The sessions of {o} take place in room {v}. /
Room {v} is reserved for {o}.
In which room is {s}? / What room does {s} meet in? / Which room is reserved for {s}? /
Where do the sessions of {s} take place? / What is the room of {s}?

= credits | few | Credits
{s} is worth {v} credits. / {s} gives {v} credits. / Whoever passes {o} earns {v} credits. / {v} credits are awarded
for {o}.
How many credits is {s} worth? / How many credits does {s} give? / What number of credits does one earn with {s}? /
How many credits are awarded for {s}? / What is {s} worth in credits?

= exam_date | date 2018 2027 | Exam
The exam of {o} is on {v}. / {s} ends with an exam on {v}. / On {v} {s} is examined. /
The final test of {o} falls on {v}.
When is the exam of {s}? / On which date does the final test of {s} fall? / What is the exam date of {s}? /
On which day is {s} examined? / When is the final exam of {s}?

= capacity | number 5 480 | Places
{s} has {v} places. / At most {v} people can attend {o}. / {s} admits {v} participants. /
The list for {o} closes after {v}
names.
How many places does {s} have? / How many people can attend {s} at most? / How many participants does {s} admit? /
After how many names does the list for {s} close? / What is the capacity of {s}?

= weekday | weekday | Day
{s} is held on {v}. / Sessions of {o} fall on {v}. / {v} is the day of {o}. / Each week {s} returns on {v}.
On which weekday is {s} held? / On what day do sessions of {s} fall? / What is the day of {s}? /
On which day of the week does {s} return? / What weekday is {s}?

= topic | word subject hobby | Topic
{s} is about {v}. / The topic of {o} is {v}. / {s} deals with {v}. / Those who attend {o} learn about {v}.
What is {s} about? / What is the topic of {s}? / What does {s} deal with? / What do those who attend {s} learn about? /
On which topic is {s}?
"""

POLICY = """
Please read {o} with care. / {s} applies to all sites. / Copies of {o} lie at the front desk. / {s} may be changed at
short notice. / Exceptions need to be agreed in writing.

= time_limit | number 2 120 days | Time limit
Under {o}, requests must be made within {v}. / {s} sets a time limit of {v}. / Requests under {o} expire after {v}. /
The time limit of {o} is {v}.
What is the time limit under {s}? / Within how many days must requests be made under {s}? /
After how long do requests under {s} expire? / What time limit does {s} set? / How long does one have under {s}?

= fine | money 5 9000 | Fine
Breaking {o} costs {v}. / The fine under {o} is {v}. / Whoever breaks {o} pays {v}. / {s} provides for a fine of {v}.
What is the fine under {s}? / How much does breaking {s} cost? / What does one pay for breaking {s}? /
How high is the fine that {s} provides for? / What penalty does {s} set?

= contact | person | Contact
Questions about {o} go to {v}. / The contact for {o} is {v}. / {v} answers questions on {o}. /
For help with {o}, ask {v}.
Who is the contact for {s}? / Who answers questions about {s}? / To whom do questions about {s} go? /
Whom should I ask for help with {s}? / Name the contact person for {s}.

= effective | date 1995 2027 | In force since
{s} took effect on {v}. / {s} has applied since {v}. / {s} came into force on {v}. / The first day of {o} was {v}.
When did {s} take effect? / Since when has {s} applied? / On which date did {s} come into force? /
What was the first day of {s}? / From what date is {s} valid?

= limit | number 2 400 | Largest number
{s} allows at most {v} participants. / No more than {v} participants are allowed by {o}. /
{s} is limited to {v} participants.
/ The number of participants in {o} may not exceed {v}.
How many participants does {s} allow? / What is the maximum number of participants in {s}? /
To how many participants is {s} limited? / How many can take part in {s} at most? / What number may {s} not exceed?

= form | code | Form
Applications under {o} use form {v}. / The form for {o} is {v}. / To apply under {o}, fill in form {v}. / {s} requires
form {v}.
Which form is used for {s}? / What is the form for {s}? / Which form must be filled in for {s}? /
What form does {s} require? / What is the form number for {s}? / What does one apply for with form {v}?

= beneficiaries | word group | For
{s} is meant for {v}. / {s} covers {v}. / Those who profit from {o} are {v}. / Only {v} can use {o}.
For whom is {s} meant? / Whom does {s} cover? / Who profits from {s}? / Who can use {s}? / Which group is {s} for?

= proof | word document | Bring
Applicants under {o} must bring {v}. / {s} asks for {v}. / As proof, {s} requires {v}. /
Without {v}, no claim under {o} is
accepted.
What must applicants under {s} bring? / What does {s} ask for? / What proof does {s} require? /
Which document does one need for {s}? / Without what is no claim under {s} accepted?

= approver | person | Approved by
Requests under {o} are approved by {v}. / {v} signs off every request under {o}. / The final word on {o} lies with
{v}. /
Approval under {o} comes from {v}.
Who approves requests under {s}? / Who signs off requests under {s}? / With whom does the final word on {s} lie? /
From whom does approval under {s} come? / Whose approval does {s} need?

= discount | percent | Reduction
{s} gives a reduction of {v}. / Under {o}, prices fall by {v}. / The reduction under {o} is {v}. / Those covered by {o}
save {v}.
What reduction does {s} give? / By how much do prices fall under {s}? / How large is the reduction under {s}? /
How much do those covered by {s} save? / What discount does {s} offer?

= guests | yesno | Guests allowed
+ {s} allows guests. / + Guests are permitted under {o}. / - {s} does not allow guests. / - Under {o}, guests are not
permitted.
Does {s} allow guests? / Are guests permitted under {s}? / Can one bring guests under {s}? /
May guests come under {s}? /
Is it allowed to bring guests under {s}?
"""

PROJECT = """
{s} is discussed on the first floor every week. / Progress on {o} has been steady. / The team behind {o} is small. /
{s} will be reviewed in autumn. / Minutes about {o} are kept on file.

= lead | person | Lead
{s} is led by {v}. / {v} leads {o}. / The head of {o} is {v}. / Responsible for {o} is {v}.
Who leads {s}? / Who is the head of {s}? / Who is responsible for {s}? / By whom is {s} led? / Name the leader of {s}. /
Which project does {v} lead?

= budget | money 800 9000000 | Budget
The budget of {o} is {v}. / {s} may spend {v}. / {v} has been set aside for {o}. / {s} has a budget of {v}.
What is the budget of {s}? / How much may {s} spend? / How much has been set aside for {s}? /
What budget does {s} have? / How much money is there for {s}?

= deadline | date 2020 2030 | Deadline
{s} must be finished by {v}. / The deadline of {o} is {v}. / {s} is due on {v}. / The work on {o} has to end on {v}.
When must {s} be finished? / What is the deadline of {s}? / When is {s} due? / By which date must {s} be done? /
On what date has the work on {s} to end?

= goal | word goal | Aim
The aim of {o} is to {v}. / {s} wants to {v}. / {s} was set up to {v}. / Those in {o} mean to {v}.
What is the aim of {s}? / What does {s} want to do? / What was {s} set up to do? / What is the goal of {s}? /
What do those in {s} mean to do?

= partner | company | Partner
{s} works together with {v}. / The partner of {o} is {v}. / {v} is partner in {o}. /
{v} supports {o} with people and tools.
With whom does {s} work together? / Who is the partner of {s}? / Which company is partner in {s}? /
Who supports {s} with people and tools? / Name the partner of {s}.

= delay_reason | word reason | Cause of delay
{s} was delayed by {v}. / The reason for the delay of {o} is {v}. / Because of {v}, {s} is late. / {s} fell behind after
{v}.
What delayed {s}? / What is the reason for the delay of {s}? / Why is {s} late? / After what did {s} fall behind? /
What was the cause of the delay of {s}?

= channel | login | Channel
The team of {o} writes in the channel {v}. / The channel of {o} is {v}. / Messages about {o} belong in {v}. /
News of {o}
is posted in {v}.
In which channel does the team of {s} write? / What is the channel of {s}? / Where do messages about {s} belong? /
Where is news of {s} posted? / Which channel does {s} use?

= sites | few | Sites
{s} runs at {v} sites. / There are {v} sites in {o}. / {s} is active at {v} sites. / The number of sites in {o} is {v}.
At how many sites does {s} run? / How many sites are there in {s}? / At how many places is {s} active? /
What is the number of sites in {s}? / How many sites does {s} have?
"""
